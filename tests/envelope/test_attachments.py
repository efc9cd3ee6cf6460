"""Attachments taken out again: the same bytes, within bounds."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.envelope.attachments import extract, pieces
from relay.envelope.reader import read
from relay.envelope.sniff import is_ruined, kind_of
from relay.envelope.writer import AttachmentContent, Document, Stamp, write_document
from relay.envelope.zipping import UnzipLimits, is_wrapped, unzip_one, zip_one
from relay.errors import EnvelopeError
from relay.model import Party


def zip_of(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


TWO_ATTACHMENTS = write_document(
    Document(
        sender=Party("H01", "Sở Mẫu"),
        recipients=(Party("H02", "Xã Mẫu"),),
        document_id="1",
        code_number="1",
        code_notation="UBND",
        promulgation_place="Hà Nội",
        promulgation_date=date(2026, 3, 2),
        document_type="Công văn",
        subject="V/v thử",
        traces=(Stamp("H01", datetime(2026, 3, 2, tzinfo=UTC)),),
        attachments=(
            AttachmentContent("a.pdf", "application/pdf", bytes(range(256)) * 40),
            AttachmentContent("b.bin", "", b"\x00" * 7, zipped=True),
        ),
    )
)


def test_what_was_put_in_comes_out_raw_or_zipped(document: Document) -> None:
    """In order, unwrapped, and as they are when asked."""
    given_ = (
        AttachmentContent("a.pdf", "application/pdf", b"%PDF-1.4 a" * 100_000),
        AttachmentContent("b.txt", "", "Việt".encode(), zipped=True),
        AttachmentContent("c.zip", "application/zip", zip_of(("x.txt", b"x"))),
    )
    content = write_document(replace(document, attachments=given_))

    taken = extract(content)
    kept = extract(content, unwrap=False)

    assert [one.content for one in taken] == [one.content for one in given_]
    assert [one.unwrapped for one in taken] == [False, True, False]
    assert kept[1].content == zip_one(given_[1])


@given(st.integers(1, 5000))
@settings(max_examples=20, deadline=None)
def test_pieces_join_to_the_same_bytes_however_they_arrive(size: int) -> None:
    """Positions are those of Envelope.attachments."""
    content = TWO_ATTACHMENTS
    joined: dict[int, bytes] = {}
    for piece in pieces(content[i : i + size] for i in range(0, len(content), size)):
        joined[piece.position] = joined.get(piece.position, b"") + piece.content

    assert joined == dict(enumerate(one.content for one in extract(content, unwrap=False)))


def test_an_attachment_that_does_not_decode_cannot_be_taken_out(document: Document) -> None:
    """What is only a finding to carry is an error to open."""
    content = write_document(document).replace(b"JVBER", b"JV!ER")

    assert read(content)
    with pytest.raises(EnvelopeError, match="base64 of attachment 1"):
        extract(content)
    with pytest.raises(EnvelopeError, match="base64 of attachment 1"):
        list(pieces([content]))


def test_only_a_zip_that_wraps_the_named_file_is_opened() -> None:
    """A ZIP that is the file itself, or holds more, stays as it is."""
    entry = "32da2890-1a55-4ccd-9ac9-cd0d98559e67.doc"

    assert is_wrapped(zip_of((entry, b"x")), "1896_QD.doc")
    assert is_wrapped(zip_of((entry, b"x")), "khong-duoi")
    assert is_wrapped(zip_of(("other.PDF", b"x")), "van-ban.pdf")
    assert not is_wrapped(zip_of((entry, b"x")), "tap.zip")
    assert not is_wrapped(zip_of(("other.txt", b"x")), "van-ban.pdf")
    assert not is_wrapped(zip_of(("[Content_Types].xml", b""), ("a.xml", b"")), "van-ban.docx")
    assert not is_wrapped(b"PK\x03\x04 nothing more", "van-ban.pdf")


def test_a_zip_bomb_is_refused_before_it_grows() -> None:
    """By its own claim, and by what really comes out when the claim lies."""
    bomb = zip_of(("a.bin", bytes(8 << 20)))
    at = bomb.rindex(b"PK\x01\x02") + 24
    liar = bomb[:at] + (5).to_bytes(4, "little") + bomb[at + 4 :]

    for content in (bomb, liar):
        with pytest.raises(EnvelopeError, match="zip"):
            unzip_one(content, UnzipLimits())
    with pytest.raises(EnvelopeError, match="opens to too much, limit 10 bytes"):
        unzip_one(zip_of(("a", b"x" * 11)), UnzipLimits(content_bytes=10))


def test_a_zip_of_many_entries_is_not_even_listed() -> None:
    """Its directory alone would fill memory."""
    many = zip_of(*((f"{n:060}", b"") for n in range(3000)))

    with pytest.raises(EnvelopeError, match="many entries"):
        unzip_one(many, UnzipLimits())
    with pytest.raises(EnvelopeError, match="zip of 2 entries, limit 1"):
        unzip_one(zip_of(("a", b""), ("b", b"")), UnzipLimits())


def test_other_methods_and_passwords_are_refused() -> None:
    """Stored and deflated are what DMSs write."""
    locked = bytearray(zip_of(("a", b"x"), method=zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1

    with pytest.raises(EnvelopeError, match="method 14, limit stored or deflated"):
        unzip_one(zip_of(("a", b"x"), method=zipfile.ZIP_LZMA), UnzipLimits())
    with pytest.raises(EnvelopeError, match="password"):
        unzip_one(bytes(locked), UnzipLimits())


ZIPPED = zip_one(AttachmentContent("a.txt", "", b"noi dung"))


@given(st.integers(0, len(ZIPPED)), st.binary(max_size=8), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_a_damaged_zip_gives_bytes_or_an_envelope_error(at: int, put: bytes, over: int) -> None:
    """Never another exception, whatever byte is changed."""
    content = ZIPPED[:at] + put + ZIPPED[at + over :]
    with suppress(EnvelopeError):
        unzip_one(content, UnzipLimits())
    is_wrapped(content, "a.txt")


def test_zipping_is_the_same_every_time() -> None:
    """The entry is named by the UUID given, else by one made from the content."""
    one = AttachmentContent("Công văn.DOC", "", b"x", zipped=True)
    named = replace(one, entry_uuid="32da2890-1a55-4ccd-9ac9-cd0d98559e67")

    assert zip_one(one) == zip_one(one)
    names = zipfile.ZipFile(io.BytesIO(zip_one(named))).namelist()
    assert names == ["32da2890-1a55-4ccd-9ac9-cd0d98559e67.doc"]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7", "pdf"),
        (b"\n\n%PDF-1.4", "pdf"),
        (b"PK\x03\x04", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b"MZ\x90", "executable"),
        ("Kính gửi".encode(), ""),
        (b"", ""),
    ],
)
def test_content_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    """Whatever its name says."""
    assert kind_of(head) == kind


def test_a_single_replacement_character_is_no_damage() -> None:
    """A text may hold one; a binary read as text holds runs of them."""
    assert not is_ruined("một dấu \ufffd lẻ".encode())
    assert is_ruined(b"%PDF-1.4\n%" + "\ufffd\ufffd".encode())
