"""ZIP files as others write them: of the one form of W7.1, but for what is to be wrong.

Touches: nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DESCRIPTOR = struct.Struct("<4s3I")
_DATE, _VERSION = 0x0021, 20
DEFLATED, ENCRYPTED, STREAMED = 8, 0x0001, 0x0008


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    content: bytes
    method: int = 0
    flags: int = 0
    gap: bytes = b""
    """What stands before its head and belongs to no entry."""
    within: int | None = None
    """It lies in the content of the entry of that number, so many bytes from its beginning: 0."""


def entries_of(files: Mapping[str, bytes]) -> list[Entry]:
    """Of the one form."""
    return [Entry(name, content) for name, content in files.items()]


def changed(files: Mapping[str, bytes], name: str, **how: object) -> list[Entry]:
    """The same, one of them otherwise."""
    return [
        replace(one, **how) if one.name == name else one  # type: ignore[arg-type]
        for one in entries_of(files)
    ]


def zipped(entries: Sequence[Entry], between: bytes = b"") -> bytes:
    """`between` stands before the directory."""
    body, places = b"", list[int]()
    for one in entries:
        if one.within is not None:
            outer = entries[one.within]
            places.append(places[one.within] + _LOCAL.size + len(outer.name))
            continue
        body += one.gap
        places.append(len(body))
        body += lying(one)
    body += between
    central = b"".join(_central(one, at) for one, at in zip(entries, places, strict=True))
    count = len(entries)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(central), len(body), 0)
    return body + central + end


def lying(one: Entry) -> bytes:
    """Its local head, its content, and what may stand behind that."""
    name, packed = one.name.encode(), _packed(one)
    crc, size = zlib.crc32(one.content), len(one.content)
    told = (0, 0, 0) if one.flags & STREAMED else (crc, len(packed), size)
    head = _LOCAL.pack(b"PK\3\4", _VERSION, one.flags, one.method, 0, _DATE, *told, len(name), 0)
    behind = _DESCRIPTOR.pack(b"PK\7\x08", crc, len(packed), size) if one.flags & STREAMED else b""
    return head + name + packed + behind


def _packed(one: Entry) -> bytes:
    if one.method != DEFLATED:
        return one.content
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(one.content) + packer.flush()


def _central(one: Entry, at: int) -> bytes:
    name = one.name.encode()
    sizes = (zlib.crc32(one.content), len(_packed(one)), len(one.content))
    head = (_VERSION, _VERSION, one.flags, one.method, 0, _DATE, *sizes)
    return _CENTRAL.pack(b"PK\1\2", *head, len(name), 0, 0, 0, 0, 0, at) + name
