"""What the first bytes of an attachment are, whatever it says it is.

Touches: nothing. Trusts: nothing.
"""

from __future__ import annotations

HEAD_BYTES = 3 * 1024
"""Decoded bytes looked at: 4 KiB of base64."""

_PDF_WITHIN = 1024  # where readers of PDF still look for its header
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"MZ", "executable"),
    (b"\x7fELF", "executable"),
)
_BEGINNINGS = tuple(magic for magic, _ in _MAGIC)
_REPLACEMENT = b"\xef\xbf\xbd"  # U+FFFD, what a text decoder writes for bytes it cannot read
_RUINED_FROM = 3

_OOXML = "vnd.openxmlformats-officedocument."
_DECLARED: dict[str, frozenset[str]] = {
    "application/pdf": frozenset({"pdf"}),
    "application/zip": frozenset({"zip"}),
    "application/msword": frozenset({"ole", "rtf"}),
    "application/vnd.ms-excel": frozenset({"ole"}),
    f"application/{_OOXML}wordprocessingml.document": frozenset({"zip"}),
    f"application/{_OOXML}spreadsheetml.sheet": frozenset({"zip"}),
    "image/png": frozenset({"png"}),
    "image/jpeg": frozenset({"jpeg"}),
    "image/gif": frozenset({"gif"}),
    "image/tiff": frozenset({"tiff"}),
    "application/rtf": frozenset({"rtf"}),
}
_NAMED: dict[str, frozenset[str]] = {
    "pdf": frozenset({"pdf"}),
    "doc": frozenset({"ole", "rtf", "zip"}),
    "docx": frozenset({"zip"}),
    "xls": frozenset({"ole", "zip"}),
    "xlsx": frozenset({"zip"}),
    "ppt": frozenset({"ole", "zip"}),
    "pptx": frozenset({"zip"}),
    "zip": frozenset({"zip"}),
    "rtf": frozenset({"rtf"}),
    "png": frozenset({"png"}),
    "jpg": frozenset({"jpeg"}),
    "jpeg": frozenset({"jpeg"}),
    "gif": frozenset({"gif"}),
    "tif": frozenset({"tiff"}),
    "tiff": frozenset({"tiff"}),
}
"""By extension; office programs open either form of their files under the old extension."""
_MISSPELT: dict[str, str] = {
    "application/doc": "application/msword",
    "application/docx": f"application/{_OOXML}wordprocessingml.document",
    "application/xls": "application/vnd.ms-excel",
    "application/xlsx": f"application/{_OOXML}spreadsheetml.sheet",
    "application/xslx": f"application/{_OOXML}spreadsheetml.sheet",
    "application/xsl": "application/vnd.ms-excel",
    "application/word": "application/msword",
    "application/excel": "application/vnd.ms-excel",
    "application/x-zip-compressed": "application/zip",
    "application/x-pdf": "application/pdf",
    "image/jpg": "image/jpeg",
}


def kind_of(head: bytes) -> str:
    """ "pdf", "zip", "ole", …; empty when the bytes say nothing."""
    if head.startswith(_BEGINNINGS):
        return next(kind for magic, kind in _MAGIC if head.startswith(magic))
    return "pdf" if b"%PDF-" in head[:_PDF_WITHIN] else ""


def is_ruined(head: bytes) -> bool:
    """True when a binary was decoded as text and encoded again: its bytes are lost."""
    found = head.count(_REPLACEMENT)
    return found >= _RUINED_FROM or (found == 2 and _REPLACEMENT * 2 in head)


def well_spelt(content_type: str) -> str:
    """The registered name of a content type, its parameters dropped."""
    plain = content_type.partition(";")[0].strip().lower()
    return _MISSPELT.get(plain, plain)


def is_misspelt(content_type: str) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    kind, slash, subtype = plain.partition("/")
    return plain in _MISSPELT or not (kind and slash and subtype)


def expected_kinds(content_type: str) -> frozenset[str] | None:
    """What the bytes of a declared content type begin like; None when nothing is known of it."""
    return _DECLARED.get(well_spelt(content_type))


def named_kinds(extension: str) -> frozenset[str] | None:
    """The same of a name's extension, in lower case."""
    return _NAMED.get(extension)
