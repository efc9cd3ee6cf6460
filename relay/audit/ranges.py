"""That consecutive leaves stand in a log's tree, shown without the rest of the log (W17.4).

The leaves [first, end) of a tree of `size` are proven by the roots of the complete subtrees left of
them and right of them: each as large as its place allows, from left to right. Which subtrees those are
follows from the three numbers, so only their hashes are told, at most 63 left and 126 right.

Touches: nothing.
Trusts:  the node lookup, to give hashes of this log; every byte of a proof to be checked is hostile.
Raises:  AuditError for a proof that does not hold; ValueError where a caller of ours asks for one that
         cannot exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from relay.audit.proofs import NodeHashes
from relay.audit.tree import HASH_BYTES, SIZE_LIMIT, Frontier
from relay.errors import AuditError


@dataclass(frozen=True, slots=True)
class RangeProof:
    """The hashes beside the leaves [first, end) in the tree of `size`."""

    first: int
    end: int
    size: int
    left: tuple[bytes, ...]
    right: tuple[bytes, ...]


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """(level, index) of the complete subtrees that make up the leaves [start, end), from left to right."""
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield level, start >> level
        start += 1 << level


def range_proof(first: int, end: int, size: int, node: NodeHashes) -> RangeProof:
    if not 0 <= first < end <= size <= SIZE_LIMIT:
        raise ValueError(f"no leaves {first} to {end} in a tree of {size}")
    left = tuple(node(*one) for one in subtrees(0, first))
    right = tuple(node(*one) for one in subtrees(end, size))
    return RangeProof(first, end, size, left, right)


class RangeCheck:
    """Takes the hashes of the leaves in their order, once; `close` says whether they are the range."""

    def __init__(self, proof: RangeProof) -> None:
        if not 0 <= proof.first < proof.end <= proof.size <= SIZE_LIMIT:
            raise AuditError(f"no leaves {proof.first} to {proof.end} in a tree of {proof.size}")
        self._right = list(subtrees(proof.end, proof.size))
        left = list(subtrees(0, proof.first))
        for told, due in ((proof.left, left), (proof.right, self._right)):
            if len(told) != len(due) or any(len(one) != HASH_BYTES for one in told):
                raise AuditError(f"range proof of {len(told)} hashes beside, {len(due)} needed")
        self._proof = proof
        self._frontier = Frontier()
        for (level, _), hashed in zip(left, proof.left, strict=True):
            self._frontier.append_subtree(level, hashed)

    @property
    def next_index(self) -> int:
        return self._frontier.size

    def root(self) -> bytes:
        """Over everything up to here."""
        return self._frontier.root()

    def append(self, hashed_leaf: bytes) -> None:
        if self._frontier.size >= self._proof.end:
            raise AuditError(f"more leaves than {self._proof.end - self._proof.first}")
        self._frontier.append(hashed_leaf)

    def close(self, root: bytes) -> None:
        """Return only if these leaves stand there under `root`."""
        if self._frontier.size != self._proof.end:
            raise AuditError(f"missing; the range goes on to {self._proof.end}", self.next_index)
        for (level, _), hashed in zip(self._right, self._proof.right, strict=True):
            self._frontier.append_subtree(level, hashed)
        if self._frontier.root() != root:
            raise AuditError(
                f"the entries {self._proof.first} to {self._proof.end - 1} and what stands beside"
                " them do not give the root of the signed head"
            )
