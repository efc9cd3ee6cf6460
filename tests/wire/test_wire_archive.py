"""The archive that a carry file is: what Python's zipfile reads, and one form only."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import WireError
from relay.wire.archive import HEAD_BYTES, WIDE_BYTES, Archive, Head, needs_wide, read_head

NAMES = st.from_regex(r"\A[a-z0-9/.-]{1,60}\Z")


def packed(entries: dict[str, bytes]) -> bytes:
    archive = Archive()
    return b"".join([archive.entry(n, c) for n, c in entries.items()]) + archive.ending()


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=8))
def test_another_reader_finds_what_was_written(entries: dict[str, bytes]) -> None:
    """Names, bytes and checksums, in order."""
    found = zipfile.ZipFile(io.BytesIO(packed(entries)))
    assert found.testzip() is None
    assert {name: found.read(name) for name in found.namelist()} == entries
    assert found.namelist() == list(entries)


@given(st.integers(0, 1 << 50), st.integers(0, (1 << 32) - 1), NAMES)
def test_a_head_reads_back(size_bytes: int, crc: int, name: str) -> None:
    """Also where its size needs 64 bits."""
    raw = Archive().head(name, Head(size_bytes, crc))
    wide = needs_wide(raw[:HEAD_BYTES])
    assert len(raw) == HEAD_BYTES + len(name) + (WIDE_BYTES if wide else 0)
    assert wide == (size_bytes >= 0xFFFF_FFFF)
    assert read_head(raw, name) == Head(size_bytes, crc)


@given(st.data())
def test_a_changed_head_is_refused_or_another_entrys(data: st.DataObject) -> None:
    """Only size and checksum may differ, and those are held against the content."""
    raw = bytearray(Archive().head("payloads/x", Head(5, 7)))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    if needs_wide(bytes(raw[:HEAD_BYTES])):
        return
    try:
        head = read_head(bytes(raw), "payloads/x")
    except WireError:
        return
    assert 14 <= place < 26
    assert head != Head(5, 7)


class _Holes(io.RawIOBase):
    """A file of which only these pieces are kept; the rest reads as zeros."""

    def __init__(self, pieces: dict[int, bytes], size_bytes: int) -> None:
        self._pieces, self._size, self._at = pieces, size_bytes, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._at + size)
        content = bytearray(end - self._at)
        for start, piece in self._pieces.items():
            low, high = max(start, self._at), min(start + len(piece), end)
            if low < high:
                content[low - self._at : high - self._at] = piece[low - start : high - start]
        self._at = end
        return bytes(content)


def test_an_archive_beyond_four_gigabytes_is_read_by_others() -> None:
    """Sizes, places and the end are in 64 bits where they must be, without writing so much."""
    archive, pieces = Archive(), {}
    for name, size_bytes in (("first", 5 << 30), ("second", 3 << 30)):
        at = archive.position
        pieces[at] = archive.head(name, Head(size_bytes, 0))
    at = archive.position
    pieces[at] = archive.entry("last", b"end")
    at = archive.position
    pieces[at] = archive.ending()
    holes = _Holes(pieces, at + len(pieces[at]))

    found = zipfile.ZipFile(cast("BinaryIO", holes))

    assert [(i.filename, i.file_size) for i in found.infolist()] == [
        ("first", 5 << 30),
        ("second", 3 << 30),
        ("last", 3),
    ]
    assert found.read("last") == b"end"
    assert [i.header_offset for i in found.infolist()] == list(pieces)[:3]


def test_an_archive_of_very_many_entries_is_read_by_others() -> None:
    """Their number needs more than sixteen bits."""
    found = zipfile.ZipFile(io.BytesIO(packed({str(n): b"" for n in range(70_000)})))
    assert len(found.namelist()) == 70_000


@pytest.mark.parametrize("cut", [0, 1, HEAD_BYTES - 1, HEAD_BYTES + 3])
def test_a_head_cut_short_is_refused(cut: int) -> None:
    """It names the entry that is missing."""
    raw = Archive().head("carry.xml", Head(5, zlib.crc32(b"")))
    with pytest.raises(WireError, match=r"carry\.xml"):
        read_head(raw[:cut], "carry.xml")
