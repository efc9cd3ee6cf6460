"""The RFC 6962 Merkle tree: its hashes, and a frontier that grows by appending.

Touches: nothing.
Trusts:  callers to append hashes of this log's leaves, in order.
Raises:  AuditError for stored frontier bytes that cannot be one.
"""

from __future__ import annotations

import hashlib
from typing import Final

from relay.errors import AuditError

HASH_BYTES: Final = 32
SIZE_LIMIT: Final = 2**63 - 1
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf), RFC 6962 §2.1."""
    return _sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 6962 §2.1."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of the tree: all that appending and the root need, at most 63 hashes.

    One hash for each set bit of the size, the largest complete subtree first. Appending costs
    about two hashes on average. Copy it before a batch that may not commit.
    """

    __slots__ = ("_edge", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._edge: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves were appended."""
        return self._size

    def append(self, hashed_leaf: bytes) -> None:
        """Take one more leaf hash (not the leaf) at index `size`."""
        if len(hashed_leaf) != HASH_BYTES:
            raise ValueError(f"leaf hash of {len(hashed_leaf)} bytes, not {HASH_BYTES}")
        edge = self._edge
        full = self._size
        while full & 1:
            hashed_leaf = _sha256(b"\x01" + edge.pop() + hashed_leaf).digest()
            full >>= 1
        edge.append(hashed_leaf)
        self._size += 1

    def append_subtree(self, level: int, hashed: bytes) -> None:
        """Take 2**level leaves by the root of their complete subtree; it must begin where one can."""
        full, gap = self._size >> level, self._size & ((1 << level) - 1)
        if gap or len(hashed) != HASH_BYTES:
            raise ValueError(f"no subtree of level {level} begins at {self._size}")
        while full & 1:
            hashed = node_hash(self._edge.pop(), hashed)
            full >>= 1
        self._edge.append(hashed)
        self._size += 1 << level

    def root(self) -> bytes:
        """The Merkle tree hash over everything appended."""
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        """An independent frontier of the same leaves."""
        twin = Frontier()
        twin._size = self._size
        twin._edge = self._edge.copy()
        return twin

    def to_bytes(self) -> bytes:
        """The size as eight bytes, big-endian, then the hashes from the largest subtree down."""
        return self._size.to_bytes(8, "big") + b"".join(self._edge)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Frontier:
        """What `to_bytes` wrote, or AuditError."""
        size = int.from_bytes(stored[:8], "big")
        expected = 8 + HASH_BYTES * size.bit_count()
        if len(stored) != expected or size > SIZE_LIMIT:
            raise AuditError(
                f"stored frontier of {len(stored)} bytes, size {size} needs {expected}"
            )
        frontier = cls()
        frontier._size = size
        frontier._edge = [stored[at : at + HASH_BYTES] for at in range(8, len(stored), HASH_BYTES)]
        return frontier
