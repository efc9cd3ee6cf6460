"""Read the directory of a ZIP that anyone may have made, and refuse all but the one canonical form.

Touches: the file it is given, seeking; of contents only what is asked for.
Trusts:  nothing. Every offset and size is compared with where the entry must be; at last the whole
         directory and every local head are made anew and compared, so nothing slips through.
Raises:  WireError, DamagedError.

Entries are stored, so nothing swells; they lie end to end, so nothing overlaps or hides between them.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from relay.errors import DamagedError, WireError
from relay.model import Digest
from relay.wire.archive import Archive, Head
from relay.wire.values import shown

_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_MOST16, _MOST32 = 0xFFFF, 0xFFFF_FFFF
_ENCRYPTED, _STREAMED, _STRONG = 0x0001, 0x0008, 0x0040
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a file may hold."""

    file_bytes: int
    entries: int
    name: Callable[[str], str]
    """Raises WireError for a name that no entry may have."""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """An entry as the directory has it; `offset` is where its content begins."""

    name: str
    size_bytes: int
    crc: int
    offset: int


def read_packed(file: BinaryIO, bounds: Bounds) -> tuple[PackedFile, ...]:
    """Every entry, in the order of the file. Contents are not looked at."""
    total = file.seek(0, 2)
    if total > bounds.file_bytes:
        raise WireError(f"a file of {total >> 20} MiB, limit {bounds.file_bytes >> 20} MiB")
    count, size, offset = _end(file, total)
    if count > bounds.entries:
        raise WireError(f"{count} entries, limit {bounds.entries}")
    if size > count * (_CENTRAL.size + 256) or offset + size > total:
        raise WireError("the directory of entries has no such size or place")
    archive, found, seen = Archive(), [], set[str]()
    for name, head, place in _central(_read(file, offset, size), count, bounds):
        if name.lower() in seen:
            raise WireError(f"there are two entries {shown(name)}")
        seen.add(name.lower())
        found.append(_placed(file, archive, name, head, place))
    if archive.position != offset:
        raise WireError(
            f"{offset - archive.position} bytes between the entries and their directory"
        )
    ending = archive.ending()
    if _read(file, offset, len(ending)) != ending or offset + len(ending) != total:
        raise WireError("the directory of entries is not in its one form")
    return tuple(found)


def contents(file: BinaryIO, entry: PackedFile) -> Iterator[bytes]:
    """An entry's bytes; raises DamagedError at their end if they are not those of its checksum."""
    file.seek(entry.offset)
    left, crc = entry.size_bytes, 0
    while left:
        chunk = file.read(min(left, _CHUNK_BYTES))
        if not chunk:
            raise DamagedError(f"{entry.name} ends early")
        crc = zlib.crc32(chunk, crc)
        left -= len(chunk)
        yield chunk
        file.seek(entry.offset + entry.size_bytes - left)
    if crc != entry.crc:
        raise DamagedError(f"{entry.name} is damaged: its checksum is another")


def digest_in(file: BinaryIO, entry: PackedFile) -> Digest:
    hashed = hashlib.sha256()
    for chunk in contents(file, entry):
        hashed.update(chunk)
    return Digest(hashed.hexdigest())


def content_of(file: BinaryIO, entry: PackedFile, limit_bytes: int) -> bytes:
    """A small entry whole."""
    if entry.size_bytes > limit_bytes:
        raise WireError(f"{entry.name} of {entry.size_bytes} bytes, limit {limit_bytes} bytes")
    return b"".join(contents(file, entry))


def _placed(file: BinaryIO, archive: Archive, name: str, head: Head, place: int) -> PackedFile:
    """The entry, if it begins where the one before it ends and its local head says the same."""
    if place < archive.position:
        raise WireError(f"{shown(name)} overlaps the entry before it")
    if place > archive.position:
        raise WireError(f"{place - archive.position} bytes before {shown(name)} belong to no entry")
    made = archive.head(name, head)
    if _read(file, place, len(made)) != made:
        raise WireError(f"the head before {shown(name)} says otherwise than the directory")
    return PackedFile(name, head.size_bytes, head.crc, place + len(made))


def _central(content: bytes, count: int, bounds: Bounds) -> Iterator[tuple[str, Head, int]]:
    position = 0
    for _ in range(count):
        if len(content) - position < _CENTRAL.size:
            raise WireError("the directory of entries ends early")
        fields = _CENTRAL.unpack_from(content, position)
        name_end = position + _CENTRAL.size + fields[10]
        extra_end = name_end + fields[11]
        if fields[0] != b"PK\1\2" or extra_end + fields[12] > len(content):
            raise WireError("the directory of entries is broken")
        raw = content[position + _CENTRAL.size : name_end]
        name = bounds.name(raw.decode("ascii", "replace"))
        if fields[12]:
            raise WireError(f"{shown(name)} has a comment")
        yield _entry(name, fields, content[name_end:extra_end])
        position = extra_end
    if position != len(content):
        raise WireError("the directory holds more than its entries")


def _entry(name: str, fields: tuple[int, ...], extra: bytes) -> tuple[str, Head, int]:
    flags, method, crc, packed, size, place = (fields[i] for i in (3, 4, 7, 8, 9, 16))
    if flags & (_ENCRYPTED | _STRONG):
        raise WireError(f"{shown(name)} is encrypted")
    if flags & _STREAMED:
        raise WireError(f"{shown(name)} has a data descriptor: its sizes come after it")
    if flags:
        raise WireError(f"{shown(name)} has flags 0x{flags:04x}, there must be none")
    if method:
        raise WireError(f"{shown(name)} is compressed; entries are stored, so that none can swell")
    if packed != size:
        raise WireError(f"{shown(name)} is stored in {packed} bytes and said to be of {size}")
    wide = list(_wide(extra, name))
    if size == _MOST32 and wide:
        size, packed = wide.pop(0), wide.pop(0) if wide else -1
        if packed != size:
            raise WireError(f"{shown(name)} is stored in {packed} bytes and said to be of {size}")
    if place == _MOST32 and wide:
        place = wide.pop(0)
    if wide:
        raise WireError(f"{shown(name)} has more extra fields than it needs")
    return name, Head(size, crc), place


def _wide(extra: bytes, name: str) -> tuple[int, ...]:
    """The numbers of a Zip64 field; it is the one extra field there may be."""
    if not extra:
        return ()
    kind, length = struct.unpack_from("<2H", extra) if len(extra) >= 4 else (0, 0)
    if kind != 1 or length != len(extra) - 4 or length % 8 or length > 24:
        raise WireError(f"{shown(name)} has an extra field")
    return struct.unpack(f"<{length // 8}Q", extra[4:])


def _end(file: BinaryIO, total: int) -> tuple[int, int, int]:
    """Count of entries, size and offset of their directory."""
    if total < _END.size or _read(file, 0, 4) != b"PK\3\4":
        raise WireError("it does not begin as a ZIP does")
    fields = _END.unpack(_read(file, total - _END.size, _END.size))
    if fields[0] != b"PK\5\6" or fields[7]:
        raise WireError("it does not end as a ZIP does: cut off, or something stands behind it")
    if fields[1] or fields[2] or fields[3] != fields[4]:
        raise WireError("it is one of several parts")
    count, size, offset = fields[4:7]
    if count == _MOST16 or _MOST32 in (size, offset):
        return _end64(file, total)
    return count, size, offset


def _end64(file: BinaryIO, total: int) -> tuple[int, int, int]:
    place = total - _END.size - _LOCATOR.size - _END64.size
    if place < 0:
        raise WireError("it does not end as a large ZIP does")
    fields = _END64.unpack(_read(file, place, _END64.size))
    if fields[0] != b"PK\6\6" or fields[6] != fields[7]:
        raise WireError("it does not end as a large ZIP does")
    return fields[7], fields[8], fields[9]


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
