"""A range of leaves is proven by the subtrees beside it, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from relay.audit.proofs import over_leaves
from relay.audit.ranges import RangeCheck, RangeProof, range_proof
from relay.audit.tree import Frontier, leaf_hash
from relay.errors import AuditError

HASHES = [leaf_hash(bytes([number])) for number in range(17)]
NODES = over_leaves(HASHES.__getitem__)


def _root(size: int) -> bytes:
    frontier = Frontier()
    for one in HASHES[:size]:
        frontier.append(one)
    return frontier.root()


def _check(proof: RangeProof, hashes: list[bytes]) -> None:
    check = RangeCheck(proof)
    for one in hashes:
        check.append(one)
    check.close(_root(proof.size))


def test_every_range_of_every_small_tree_leads_to_its_root() -> None:
    for size in range(1, len(HASHES) + 1):
        for first in range(size):
            for end in range(first + 1, size + 1):
                _check(range_proof(first, end, size, NODES), HASHES[first:end])


def test_a_range_passes_every_smaller_trees_root_on_its_way() -> None:
    check = RangeCheck(range_proof(5, 13, 17, NODES))
    for size, one in enumerate(HASHES[5:13], start=6):
        check.append(one)
        assert check.root() == _root(size)


@pytest.mark.parametrize("where", range(6))
def test_an_edited_dropped_swapped_or_added_leaf_is_refused(where: int) -> None:
    proof, good = range_proof(5, 12, 17, NODES), HASHES[5:12]
    swapped = [*good[:where], good[where + 1], good[where], *good[where + 2 :]]
    edited = [*good[:where], leaf_hash(b"other"), *good[where + 1 :]]
    for bad in (edited, swapped, good[:where] + good[where + 1 :], [*good, HASHES[12]]):
        with pytest.raises(AuditError):
            _check(proof, bad)


def test_every_hash_beside_counts_and_there_are_as_many_as_needed() -> None:
    proof = range_proof(5, 12, 17, NODES)
    for bad in (*map(_left(proof), _bad(proof.left)), *map(_right(proof), _bad(proof.right))):
        with pytest.raises(AuditError):
            _check(bad, HASHES[5:12])
    for other in (replace(proof, first=4), replace(proof, end=13), replace(proof, size=16)):
        with pytest.raises(AuditError):
            _check(other, HASHES[5:12])


def _bad(hashes: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    return [hashes[1:], (*hashes, hashes[0]), (b"\0" * 32, *hashes[1:])]


def _left(proof: RangeProof) -> Callable[[tuple[bytes, ...]], RangeProof]:
    return lambda bad: replace(proof, left=bad)


def _right(proof: RangeProof) -> Callable[[tuple[bytes, ...]], RangeProof]:
    return lambda bad: replace(proof, right=bad)
