"""What a document is as business survives any serialiser, and nothing else does."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from relay.envelope.business import Business, BusinessReader, business_of
from relay.envelope.writer import (
    AttachmentContent,
    Document,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.envelope.zipping import UnzipLimits
from relay.model import Party, ResponseFor

NOW = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)
FILES = st.lists(
    st.tuples(
        st.sampled_from(["Công văn.pdf", "Phụ lục.docx", "bảng.xlsx", "tệp.zip"]),
        st.binary(max_size=3000),
        st.booleans(),
    ),
    max_size=4,
)


def _document(
    files: list[tuple[str, bytes, bool]], subject: str = "V/v đường bộ", number: str = "12"
) -> bytes:
    return write_document(
        Document(
            sender=Party("000.00.00.H41", "UBND tỉnh"),
            recipients=(Party("000.00.00.G22", "Bộ"),),
            document_id="x",
            code_number=number,
            code_notation="UBND-VP",
            promulgation_place="Vinh",
            promulgation_date=date(2026, 11, 22),
            document_type="Công văn",
            subject=subject,
            traces=(Stamp("000.00.00.H41", NOW),),
            attachments=tuple(
                AttachmentContent(name, "application/octet-stream", content, "", zipped=zipped)
                for name, content, zipped in files
            ),
        )
    )


def _again(content: bytes, width: int) -> bytes:
    """By another serialiser: spaces between elements, wrapped base64, other declaration."""
    root = etree.fromstring(content)
    for element in root.iter():
        if len(element) and not (element.text or "").strip():
            element.text = "\r\n\t"
        if etree.QName(element).localname == "ContentTransferEncoded" and element.text:
            text = element.text
            element.text = "\n".join(text[at : at + width] for at in range(0, len(text), width))
    return (
        b'<?xml version="1.0"?>\n<!-- truc -->' + etree.tostring(root, encoding="unicode").encode()
    )


def _of(content: bytes, size: int = 1 << 16, limits: UnzipLimits | None = None) -> Business:
    chunks = (content[at : at + size] for at in range(0, len(content), size))
    return business_of(chunks, unzip_limits=limits)


@given(files=FILES, width=st.integers(20, 200), size=st.integers(1, 5000))
def test_a_serialiser_changes_the_bytes_and_not_the_business(
    files: list[tuple[str, bytes, bool]], width: int, size: int
) -> None:
    """However it wraps and spaces, and however the bytes are cut on their way."""
    content = _document(files)
    other = _again(content, width)
    assert other != content
    assert _of(content, size).digest == _of(other).digest


@given(files=FILES, data=st.data())
def test_zipping_a_file_on_the_way_changes_nothing(
    files: list[tuple[str, bytes, bool]], data: st.DataObject
) -> None:
    """A one-entry ZIP that only wraps its file is the file; the order of attachments is nobody's."""
    turned = [(n, c, not z if n != "tệp.zip" else z) for n, c, z in files]
    shuffled = data.draw(st.permutations(turned))
    assert _of(_document(files)).digest == _of(_document(list(shuffled))).digest


@given(files=FILES.filter(bool), at=st.integers(0, 10_000))
def test_one_changed_byte_of_an_attachment_is_another_document(
    files: list[tuple[str, bytes, bool]], at: int
) -> None:
    """And the difference is named by its attachment."""
    name, content, zipped = files[0]
    spoilt = bytearray(content or b"\0")
    spoilt[at % len(spoilt)] ^= 1
    one, other = _of(_document(files)), _of(_document([(name, bytes(spoilt), zipped), *files[1:]]))
    differences = list(one.differences(other))
    assert [d.part for d in differences] == [f"attachment {name}"]
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("subject", "number", "part"), [("V/v khác", "12", "Subject"), ("V/v đường bộ", "13", "Code")]
)
def test_another_head_is_another_document(subject: str, number: str, part: str) -> None:
    """Each part is named."""
    one, other = _of(_document([])), _of(_document([], subject, number))
    assert [d.part for d in one.differences(other)] == [part]


def test_a_deflated_zip_with_a_descriptor_is_opened_as_any_other() -> None:
    """As a streaming writer makes it: sizes behind the content."""

    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.parts.append(bytes(data))
            return len(data)

    out = Unseekable()
    content = b"noi dung " * 1000
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0e1c5b8a-1f2d-4c3b-9a8e-1234567890ab.pdf", content)
    packed = _of(_document([("Công văn.pdf", b"".join(out.parts), False)]))
    assert packed.digest == _of(_document([("Công văn.pdf", content, False)])).digest


def test_a_zip_of_two_files_and_a_zip_that_was_sent_as_such_are_not_opened() -> None:
    """Their own bytes count."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("một.pdf", b"1")
        archive.writestr("hai.pdf", b"2")
    two = _of(_document([("Công văn.pdf", out.getvalue(), False)]))
    one = _of(_document([("Công văn.pdf", b"1", False)]))
    assert two.digest != one.digest


def test_a_bomb_is_not_opened_and_costs_little() -> None:
    """Past the ratio or the size its own bytes count, the same on both sides."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.pdf", bytes(64 << 20))
    bomb = _document([("Công văn.pdf", out.getvalue(), False)])
    opened = _of(_document([("Công văn.pdf", bytes(64 << 20), False)]))
    assert _of(bomb, limits=UnzipLimits(ratio=100_000)).digest == opened.digest
    small = UnzipLimits(content_bytes=1 << 20, ratio=100_000)
    closed = {
        _of(bomb, size, limits).digest for size in (1000, 1 << 20) for limits in (None, small)
    }
    assert len(closed) == 1
    assert opened.digest not in closed


def test_a_status_is_told_apart_by_all_that_it_says() -> None:
    """05 may repeat: another time is another status."""

    def status(code: str, at: datetime) -> bytes:
        about = ResponseFor("000.00.00.H41", "12/UBND-VP", "x", "2026/11/22")
        return write_status(StatusMessage(Party("000.00.00.G22", "Bộ"), about, code, "", at))

    first = _of(status("05", NOW))
    assert first.digest == _of(_again(status("05", NOW), 50)).digest
    assert first.digest != _of(status("05", NOW.replace(hour=4))).digest
    assert first.digest != _of(status("06", NOW)).digest


def test_memory_stays_flat_whatever_the_attachment() -> None:
    """The reader keeps digests, no content."""
    import tracemalloc

    content = _document([("Bản quét.pdf", bytes(range(256)) * 40_000, True)])
    reader = BusinessReader()
    tracemalloc.start()
    for at in range(0, len(content), 1 << 16):
        reader.feed(content[at : at + (1 << 16)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    reader.close()
    assert len(content) > 13_000_000
    assert peak < 6_000_000
