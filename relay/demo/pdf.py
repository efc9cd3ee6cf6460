"""A small, valid PDF of one page: a few lines of text, and a scan when one is asked for.

The font is one that every reader has, which knows no Vietnamese; so each line is drawn without its
diacritics and carries the real text beside it (ActualText), which is what search and copy give.

Touches: nothing. The same values give the same bytes.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from datetime import datetime

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def make_pdf(title: str, lines: Sequence[str], at: datetime, scan_side: int = 0) -> bytes:
    """`scan_side` is the width and height of a grey picture, one byte a dot; 0 for none."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (vi-VN) >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << "
        b"/Font << /F1 4 0 R >>"
        + (b" /XObject << /Scan 7 0 R >>" if scan_side else b"")
        + b" >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        _stream(b"", _page(lines, scan=scan_side > 0)),
        b"<< /Title %b /Producer (truc-relay demo) /CreationDate (%b) >>"
        % (_unicode(title), f"D:{at:%Y%m%d%H%M%S}Z".encode()),
    ]
    if scan_side:
        objects.append(_scan(scan_side, title))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    """Objects 1, 2, 3, … then where each begins, in the fixed columns of a cross-reference table."""
    content = bytearray(_HEADER)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table_at = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    content += b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\n" % (len(objects) + 1)
    content += b"startxref\n%d\n%%%%EOF\n" % table_at
    return bytes(content)


def _page(lines: Sequence[str], *, scan: bool) -> bytes:
    picture = b"q 451 0 0 451 72 60 cm /Scan Do Q\n" if scan else b""
    text = b"".join(
        b"/Span << /ActualText %b >> BDC (%b) Tj EMC T*\n" % (_unicode(line), _plain(line))
        for line in lines
    )
    return b"%bBT /F1 13 Tf 72 770 Td 20 TL\n%bET" % (picture, text)


def _scan(side: int, seed: str) -> bytes:
    """Noise, as a scanner sees paper: it does not compress, so its size is honest."""
    dots = hashlib.shake_128(seed.encode()).digest(side * side)
    head = b"/Type /XObject /Subtype /Image /Width %d /Height %d " % (side, side)
    return _stream(head + b"/ColorSpace /DeviceGray /BitsPerComponent 8 ", dots)


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def _unicode(text: str) -> bytes:
    """A text string in UTF-16 with its mark, in hexadecimal."""
    return b"<FEFF%b>" % text.encode("utf-16-be").hex().upper().encode()


def _plain(text: str) -> bytes:
    bare = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    letters = bare.encode("ascii", "ignore")
    for sign in (b"\\", b"(", b")"):
        letters = letters.replace(sign, b"\\" + sign)
    return letters
