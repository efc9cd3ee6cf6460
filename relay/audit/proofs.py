"""Proofs over the RFC 6962 tree: made from node hashes, checked from nothing but the proof.

Touches: nothing.
Trusts:  the node lookup, to give hashes of this log; every byte of a proof to be checked is hostile.
Raises:  AuditError for a proof that does not hold; ValueError where a caller of ours asks for one
         that cannot exist.

A node of the tree is named (level, index): the root of the complete subtree over the leaves
[index * 2**level, (index + 1) * 2**level). Once complete it never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from relay.audit.tree import EMPTY_ROOT, HASH_BYTES, SIZE_LIMIT, Frontier, node_hash
from relay.errors import AuditError

NodeHashes = Callable[[int, int], bytes]
"""The hash of the complete node (level, index)."""
PROOF_LIMIT: Final = 64
"""Hashes in a proof; no tree within the size limit needs more."""


def over_leaves(leaf_hash_at: Callable[[int], bytes]) -> NodeHashes:
    """A lookup that computes each node from its leaf hashes: no stored nodes, linear cost."""

    def node(level: int, index: int) -> bytes:
        frontier = Frontier()
        for leaf in range(index << level, (index + 1) << level):
            frontier.append(leaf_hash_at(leaf))
        return frontier.root()

    return node


def inclusion_proof(index: int, size: int, node: NodeHashes) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, RFC 6962 §2.1.1."""
    if not 0 <= index < size <= SIZE_LIMIT:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return _path(index, 0, size, node)


def consistency_proof(old: int, new: int, node: NodeHashes) -> list[bytes]:
    """That the tree of `old` leaves begins the tree of `new`, RFC 6962 §2.1.2.

    Empty for equal sizes and for `old` 0, which every tree begins with.
    """
    if not 0 <= old <= new <= SIZE_LIMIT:
        raise ValueError(f"a tree of {old} cannot begin a tree of {new}")
    return _subproof(old, 0, new, node, whole=True) if old else []


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, end: int, node: NodeHashes) -> bytes:
    """The hash over the leaves [start, end), `start` being a multiple of any subtree in it."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_hash(start, middle, node), _range_hash(middle, end, node))


def _path(index: int, start: int, end: int, node: NodeHashes) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, node), _range_hash(middle, end, node)]
    return [*_path(index, middle, end, node), _range_hash(start, middle, node)]


def _subproof(old: int, start: int, end: int, node: NodeHashes, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [_range_hash(start, end, node)]
    middle = start + _split(end - start)
    if old <= middle:
        rest = _subproof(old, start, middle, node, whole=whole)
        return [*rest, _range_hash(middle, end, node)]
    rest = _subproof(old, middle, end, node, whole=False)
    return [*rest, _range_hash(start, middle, node)]


# ---------------------------------------------------------------- checking proofs


def verify_inclusion(
    hashed_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Return only if `hashed_leaf` stands at `index` under `root`, RFC 9162 §2.1.3.2."""
    _check_hashes(proof, hashed_leaf, root)
    if not 0 <= index < size <= SIZE_LIMIT:
        raise AuditError(f"no leaf {index} in a tree of {size}")
    place, last, computed = index, size - 1, hashed_leaf
    for sibling in proof:
        if last == 0:
            raise AuditError(f"inclusion proof of {len(proof)} hashes is too long")
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            # At the right edge a node without a sibling rises unchanged.
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise AuditError(f"inclusion proof of {len(proof)} hashes is too short")
    if computed != root:
        raise AuditError("inclusion proof does not lead to the root")


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return only if the tree (`new`, `new_root`) begins with (`old`, `old_root`), RFC 9162 §2.1.4.2."""
    _check_hashes(proof, old_root, new_root)
    if not 0 <= old <= new <= SIZE_LIMIT:
        raise AuditError(f"a tree of {old} cannot begin a tree of {new}")
    if old in (0, new):
        _check_trivial(old, old_root, new, new_root, proof)
        return
    before, after = consistency_roots(old, old_root, new, proof)
    if before != old_root or after != new_root:
        raise AuditError("consistency proof does not lead to both roots")


def consistency_roots(
    old: int, old_root: bytes, new: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The roots of the `old` and of all `new` leaves that a proof of two sizes leads to.

    Where the second is a root that is believed, the first is that tree's own for its first `old` leaves:
    the same hashes give both. (For an `old` that is a power of two the first is always `old_root`.)
    """
    if not 0 < old < new <= SIZE_LIMIT:
        raise AuditError(f"no proof leads from {old} to {new} leaves")
    path = list(proof)
    if old & (old - 1) == 0:
        # The old tree is one complete node of the new one, so the proof leaves it out.
        path.insert(0, old_root)
    if not path:
        raise AuditError("consistency proof is empty")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise AuditError(f"consistency proof of {len(proof)} hashes is too long")
        if place & 1 or place == last:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise AuditError(f"consistency proof of {len(proof)} hashes is too short")
    return before, after


def _check_trivial(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise AuditError(f"consistency proof of {len(proof)} hashes, none needed")
    if old == 0 and old_root != EMPTY_ROOT:
        raise AuditError("the root of the empty tree is wrong")
    if old == new and old_root != new_root:
        raise AuditError(f"two roots for the size {old}")


def _check_hashes(proof: Sequence[bytes], *hashes: bytes) -> None:
    if len(proof) > PROOF_LIMIT:
        raise AuditError(f"proof of {len(proof)} hashes, limit {PROOF_LIMIT}")
    for value in (*hashes, *proof):
        if len(value) != HASH_BYTES:
            raise AuditError(f"hash of {len(value)} bytes, not {HASH_BYTES}")
