"""A ZIP of stored entries in the one canonical form, so that it can be written and read as a stream.

Touches: nothing.
Trusts:  nothing; a reader makes each head anew from the values it found and compares the bytes, so
         whatever these functions do not look at (names, flags, extra fields) cannot slip through.
Raises:  WireError.

Canonical (PKWARE APPNOTE 6.3): stored, no flags, dated 1980-01-01, sizes and CRC in the local head,
Zip64 fields only where a value needs them, heads in the order of the entries, nothing between or
behind. Nothing is compressed, so nothing can swell; the central directory says again what the local
heads said, so a reader need not believe it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from relay.errors import WireError
from relay.wire.values import shown

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_WIDE_LOCAL = struct.Struct("<2H2Q")
_DATE = 0x0021
_PLAIN, _ZIP64 = 20, 45
_MOST16, _MOST32 = 0xFFFF, 0xFFFF_FFFF
HEAD_BYTES = _LOCAL.size
WIDE_BYTES = _WIDE_LOCAL.size
"""What a head grows by where its entry is of 4 GiB or more."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a local head says of its entry."""

    size_bytes: int
    crc: int


@dataclass(slots=True)
class Archive:
    """One archive on its way, in either direction: what its entries were so far (W7.1)."""

    position: int = 0
    """Bytes so far, the contents of entries counted as soon as their heads are."""
    _entries: list[tuple[bytes, Head, int]] = field(default_factory=list)

    def head(self, name: str, head: Head) -> bytes:
        """The local head of the next entry; its `size_bytes` of content follow."""
        raw = name.encode("ascii")
        made = _local(raw, head)
        self._entries.append((raw, head, self.position))
        self.position += len(made) + head.size_bytes
        return made

    def entry(self, name: str, content: bytes) -> bytes:
        """A whole small entry."""
        return self.head(name, Head(len(content), zlib.crc32(content))) + content

    def ending(self) -> bytes:
        """Everything behind the last entry."""
        central = b"".join(_central(*one) for one in self._entries)
        return central + _end(len(self._entries), len(central), self.position)


def needs_wide(head: bytes) -> bool:
    """Whether these first HEAD_BYTES are followed, behind the name, by sizes in 64 bits."""
    return len(head) == HEAD_BYTES and _LOCAL.unpack(head)[8] == _MOST32


def read_head(raw: bytes, name: str) -> Head:
    """The head of the entry that must come next; `raw` is as long as such a head is."""
    if len(raw) < HEAD_BYTES + len(name):
        raise WireError(f"the file ends before its entry {shown(name)}")
    fields = _LOCAL.unpack_from(raw)
    size = fields[8]
    if size == _MOST32:
        size = _WIDE_LOCAL.unpack_from(raw, HEAD_BYTES + len(name))[2]
    head = Head(size, fields[6])
    if _local(name.encode("ascii"), head) != raw:
        raise WireError(
            f"there is no entry {shown(name)}, stored as it should be, where it belongs"
        )
    return head


def _local(name: bytes, head: Head) -> bytes:
    wide = head.size_bytes >= _MOST32
    size = _MOST32 if wide else head.size_bytes
    extra = _WIDE_LOCAL.pack(1, 16, head.size_bytes, head.size_bytes) if wide else b""
    version = _ZIP64 if wide else _PLAIN
    fixed = (b"PK\3\4", version, 0, 0, 0, _DATE, head.crc, size, size, len(name), len(extra))
    return _LOCAL.pack(*fixed) + name + extra


def _central(name: bytes, head: Head, offset: int) -> bytes:
    wide = b""
    size, place = head.size_bytes, offset
    if size >= _MOST32:
        wide += struct.pack("<2Q", size, size)
        size = _MOST32
    if place >= _MOST32:
        wide += struct.pack("<Q", place)
        place = _MOST32
    extra = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
    version = _ZIP64 if wide else _PLAIN
    fixed = (b"PK\1\2", version, version, 0, 0, 0, _DATE, head.crc, size, size)
    return _CENTRAL.pack(*fixed, len(name), len(extra), 0, 0, 0, 0, place) + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    wide = b""
    if count >= _MOST16 or size >= _MOST32 or offset >= _MOST32:
        wide = _END64.pack(b"PK\6\6", 44, _ZIP64, _ZIP64, 0, 0, count, count, size, offset)
        wide += _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
        count, size, offset = min(count, _MOST16), min(size, _MOST32), min(offset, _MOST32)
    return wide + _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)
