"""ZIPs that anyone may have made: one canonical form is read, every other is refused for its own reason."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from relay.errors import DamagedError, WireError
from relay.wire import bundle
from relay.wire.archive import Archive, Head
from relay.wire.packed import Bounds, contents, read_packed

BOUNDS = Bounds(1 << 20, 5, bundle.check_name)
FILES = {"mimetype": b"text", "a.xml": b"<a></a>", "b/c.xml": b"<c></c>"}


def packed(files: Any = None) -> bytes:
    archive = Archive()
    pairs = (FILES if files is None else dict(files)).items()
    return b"".join(archive.entry(name, content) for name, content in pairs) + archive.ending()


def read(content: bytes, bounds: Bounds = BOUNDS) -> dict[str, bytes]:
    file = BytesIO(content)
    return {one.name: b"".join(contents(file, one)) for one in read_packed(file, bounds)}


def test_what_was_written_is_read() -> None:
    """Names, order and bytes; an empty file among them."""
    assert read(packed()) == FILES
    assert read(packed({"empty": b""})) == {"empty": b""}


def _patched(place: int, layout: str, value: int) -> Callable[[], bytes]:
    """A field of the second entry's directory record is something else."""

    def made() -> bytes:
        content = bytearray(packed())
        start = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
        struct.pack_into(layout, content, start + place, value)
        return bytes(content)

    return made


def _by_python(kind: int = zipfile.ZIP_STORED, extra: bytes = b"") -> Callable[[], bytes]:
    def made() -> bytes:
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in FILES.items():
                info = zipfile.ZipInfo(name)
                info.extra = extra
                archive.writestr(info, content, kind)
        return buffer.getvalue()

    return made


def _named(name: str) -> Callable[[], bytes]:
    return lambda: packed({**FILES, name: b"x"})


def _twice(name: str) -> bytes:
    archive = Archive()
    body = b"".join(archive.entry(one, b"x") for one in ("mimetype", "a.xml", name))
    return body + archive.ending()


def _overlapping() -> bytes:
    """The third entry begins where the second does: a quine of David Fifield's kind."""
    content = bytearray(packed())
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    third = content.index(b"PK\1\2", second + 1)
    content[third + 42 : third + 46] = content[second + 42 : second + 46]
    return bytes(content)


def _between() -> bytes:
    """Bytes hidden between two entries, the directory moved to fit."""
    archive = Archive()
    body = archive.entry("mimetype", b"text") + b"hidden"
    archive.position += 6
    return body + archive.entry("a.xml", b"x") + archive.ending()


def _local_says_otherwise() -> bytes:
    content = bytearray(packed())
    place = content.index(b"a.xml")
    content[place : place + 5] = b"z.xml"
    return bytes(content)


def _commented() -> bytes:
    content = packed()
    return content[:-2] + struct.pack("<H", 4) + b"note"


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("compressed", _by_python(zipfile.ZIP_DEFLATED), "is compressed"),
    ("encrypted", _patched(8, "<H", 0x0001), "is encrypted"),
    ("strongly-encrypted", _patched(8, "<H", 0x0040), "is encrypted"),
    ("data-descriptor", _patched(8, "<H", 0x0008), "data descriptor"),
    ("utf8-flag", _patched(8, "<H", 0x0800), "flags 0x0800"),
    ("size-lies", _patched(24, "<I", 1 << 30), "said to be of 1073741824"),
    ("both-sizes-lie", _patched(20, "<Q", 9 << 32 | 9), "says otherwise"),
    ("crc-lies", _patched(16, "<I", 7), "says otherwise"),
    ("overlapping", _overlapping, "overlaps"),
    ("offset-beyond", _patched(42, "<I", 1 << 20), "belong to no entry"),
    ("hidden-between", _between, "belong to no entry"),
    ("local-head", _local_says_otherwise, "says otherwise"),
    ("duplicate", lambda: _twice("a.xml"), "two entries"),
    ("duplicate-but-for-case", lambda: _twice("A.xml"), "two entries"),
    ("absolute", _named("/etc/passwd"), "no name"),
    ("drive", _named("C:evil"), "no name"),
    ("above", _named("../a.xml"), "no name"),
    ("above-within", _named("a/../../b.xml"), "no name"),
    ("backslash", _named("a\\b.xml"), "no name"),
    ("hidden", _named("a/.b"), "no name"),
    ("folder", _named("folder/"), "no name"),
    ("long", _named("a" * 121), "no name"),
    ("before", lambda: b"MZ" + packed(), "begin as a ZIP"),
    ("behind", lambda: packed() + b" ", "end as a ZIP"),
    ("comment", _commented, "end as a ZIP"),
    ("cut", lambda: packed()[:-30], "end as a ZIP"),
    ("nothing", lambda: b"", "begin as a ZIP"),
    ("many", lambda: packed({f"f{n}": b"" for n in range(6)}), "6 entries, limit 5"),
    ("large", lambda: packed({"f": b"\0" * (1 << 20)}), "limit 1 MiB"),
    ("extra-field", _by_python(extra=b"\xfe\xca\x00\x00"), "extra field"),
    ("other-writer", _by_python(), "one form"),
]


@pytest.mark.parametrize(
    ("made", "reason"), [one[1:] for one in REFUSED], ids=[n for n, _, _ in REFUSED]
)
def test_refused(made: Callable[[], bytes], reason: str) -> None:
    """Each for its own reason, and none of its contents looked at."""
    with pytest.raises(WireError, match=reason):
        read(made())


def test_a_changed_byte_is_damage() -> None:
    """Told apart from a file that was made wrong."""
    content = packed().replace(b"<a></a>", b"<b></b>")
    with pytest.raises(DamagedError, match=r"a\.xml is damaged"):
        read(content)


def test_every_cut_is_refused() -> None:
    """Whatever is missing at the end."""
    content = packed()
    for length in range(len(content)):
        with pytest.raises(WireError):
            read(content[:length])


def test_every_flipped_byte_is_refused() -> None:
    """There is no byte of the file that may be another."""
    content = packed()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises((WireError, DamagedError)):
            read(bytes(changed))


def test_an_entry_of_more_than_four_gibibytes_has_its_place() -> None:
    """Zip64 sizes are read from the directory; the contents here are a hole."""

    class Sparse(BytesIO):
        """The head and the tail of a large file, and nothing in between."""

        def __init__(self, head: bytes, hole: int, tail: bytes) -> None:
            self._parts, self._hole, self._place = (head, tail), hole, 0

        def seek(self, offset: int, whence: int = 0) -> int:
            total = len(self._parts[0]) + self._hole + len(self._parts[1])
            self._place = total + offset if whence == 2 else offset
            return self._place

        def read(self, size: int | None = -1) -> bytes:
            head, tail = self._parts
            start = self._place - len(head) - self._hole
            source = tail[start:] if start >= 0 else head[self._place :]
            return source[: size if size is not None and size >= 0 else None]

    archive = Archive()
    size = 5 << 30
    first = archive.head("large", Head(size, zlib.crc32(b"")))
    file = Sparse(first, size, archive.entry("small", b"x") + archive.ending())

    found = read_packed(file, Bounds(6 << 30, 5, bundle.check_name))

    assert [(one.name, one.size_bytes) for one in found] == [("large", size), ("small", 1)]
