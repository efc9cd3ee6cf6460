"""The digest of an attachment as it streams by, and of the file inside the ZIP that only wraps it.

The ZIP is read from its front, entry by entry, in constant memory: one stored or deflated entry and
its directory, nothing else. What is not of that form, opens to too much or is cut keeps the digest of
its own bytes. Which of the two counts is decided by `is_wrapped`'s rule, once the name is known.

Touches: nothing. Trusts: nothing; a ZIP's sizes are claims. Raises: nothing.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

from relay.envelope.zipping import UnzipLimits, is_wrapper_name

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_STORED, _DEFLATED = 0, 8
_DESCRIBED, _ENCRYPTED = 1 << 3, 1
_PIECE_BYTES = 1 << 16
_TAIL_BYTES = 192 * 1024
_DESCRIPTOR_BYTES = 24
_AHEAD_BYTES = 1 << 18


class Budget:
    """What all ZIPs of one envelope together may open to."""

    __slots__ = ("left_bytes",)

    def __init__(self, left_bytes: int) -> None:
        self.left_bytes = left_bytes


class Unwrapping:
    """One attachment going by."""

    __slots__ = (
        "_budget",
        "_fault",
        "_head",
        "_inflate",
        "_inner",
        "_inner_bytes",
        "_left",
        "_limits",
        "_name",
        "_raw",
        "_raw_bytes",
        "_stage",
        "_tail",
    )

    def __init__(self, limits: UnzipLimits, budget: Budget) -> None:
        self._limits = limits
        self._budget = budget
        self._raw = hashlib.sha256()
        self._raw_bytes = 0
        self._inner = hashlib.sha256()
        self._inner_bytes = 0
        self._head = b""
        self._name = ""
        self._left = 0
        self._inflate: Any = None
        self._tail = bytearray()
        self._stage = "head"
        self._fault = ""

    def feed(self, content: bytes) -> None:
        self._raw.update(content)
        self._raw_bytes += len(content)
        if self._stage == "head":
            content = self._begin(content)
        if self._stage == "entry" and content:
            content = self._read(content)
        if self._stage == "tail" and content:
            self._tail += content
            if len(self._tail) > _TAIL_BYTES:
                self._stage = "raw"

    def spoil(self, fault: str) -> None:
        """Its base64 broke off: nothing after it was decoded."""
        self._fault = fault

    def close(self, name: str) -> str:
        """The digest that counts, or what is wrong with the content."""
        if self._fault:
            return f"damaged: {self._fault}: {self._raw.hexdigest()}"
        whole = self._stage == "tail" and _is_directory(bytes(self._tail))
        if whole and self._fits(0) and is_wrapper_name(self._name, name):
            return self._inner.hexdigest()
        return self._raw.hexdigest()

    def _begin(self, content: bytes) -> bytes:
        """What follows the local header; nothing while it is not whole."""
        self._head += content
        if not (self._head.startswith(_LOCAL_MARK) or _LOCAL_MARK.startswith(self._head)):
            return self._as_it_is()
        if len(self._head) < _LOCAL.size:
            return b""
        fields = _LOCAL.unpack_from(self._head)
        flags, method, packed, name_bytes, extra_bytes = (
            fields[2],
            fields[3],
            fields[7],
            fields[9],
            fields[10],
        )
        if not _is_readable(flags, method, packed):
            return self._as_it_is()
        size = _LOCAL.size + name_bytes + extra_bytes
        if len(self._head) < size:
            return b""
        name = self._head[_LOCAL.size : _LOCAL.size + name_bytes]
        self._name = name.decode("utf-8", "replace")
        rest, self._head = self._head[size:], b""
        self._left = packed
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if method == _DEFLATED else None
        self._stage = "entry"
        if self._inflate is None and packed == 0:
            self._stage = "tail"
        return rest

    def _read(self, content: bytes) -> bytes:
        """What follows the entry."""
        if self._inflate is None:
            piece, rest = content[: self._left], content[self._left :]
            self._left -= len(piece)
            self._add(piece)
            if self._left == 0 and self._stage == "entry":
                self._stage = "tail"
            return rest
        return self._expand(content)

    def _expand(self, content: bytes) -> bytes:
        try:
            while content and not self._inflate.eof:
                self._add(self._inflate.decompress(content, _PIECE_BYTES))
                if self._stage != "entry":
                    return b""
                content = self._inflate.unconsumed_tail
        except zlib.error:
            return self._as_it_is()
        if not self._inflate.eof:
            return b""
        self._stage = "tail"
        return bytes(self._inflate.unused_data)

    def _add(self, piece: bytes) -> None:
        self._inner.update(piece)
        self._inner_bytes += len(piece)
        self._budget.left_bytes -= len(piece)
        if self._budget.left_bytes < 0 or not self._fits(_AHEAD_BYTES):
            self._as_it_is()

    def _fits(self, ahead_bytes: int) -> bool:
        """How the content is cut on its way must change no verdict, so it may run ahead for a while."""
        allowed = max(self._limits.free_bytes, (self._raw_bytes + ahead_bytes) * self._limits.ratio)
        return self._inner_bytes <= min(allowed, self._limits.content_bytes)

    def _as_it_is(self) -> bytes:
        self._stage, self._head, self._inflate = "raw", b"", None
        return b""


def _is_readable(flags: int, method: int, packed: int) -> bool:
    if flags & _ENCRYPTED or method not in {_STORED, _DEFLATED}:
        return False
    return method == _DEFLATED or not (flags & _DESCRIBED or packed == 0xFFFFFFFF)


def _is_directory(tail: bytes) -> bool:
    """After perhaps a data descriptor: the directory of one entry and its end, nothing else."""
    at = tail.find(_CENTRAL_MARK, 0, _DESCRIPTOR_BYTES + 4)
    if at < 0 or len(tail) < at + _CENTRAL.size:
        return False
    fields = _CENTRAL.unpack_from(tail, at)
    end = at + _CENTRAL.size + fields[10] + fields[11] + fields[12]
    return tail[end : end + 4] in {_END_MARK, b"PK\x06\x06"}
