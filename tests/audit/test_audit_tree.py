"""The Merkle tree: vectors of the CT project, and agreement with the recursive definition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.audit.proofs import (
    PROOF_LIMIT,
    consistency_proof,
    inclusion_proof,
    over_leaves,
    verify_consistency,
    verify_inclusion,
)
from relay.audit.tree import EMPTY_ROOT, Frontier, leaf_hash
from relay.errors import AuditError

CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

LEAVES = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


def recursive_root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1 as it is written there, over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    both = recursive_root(hashes[:k]) + recursive_root(hashes[k:])
    return hashlib.sha256(b"\x01" + both).digest()


def hashed(leaves: Sequence[bytes]) -> list[bytes]:
    return [leaf_hash(leaf) for leaf in leaves]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_ct_reference(size: int) -> None:
    """The eight-leaf test tree that Certificate Transparency implementations share."""
    frontier = Frontier()
    for leaf in CT_LEAVES[:size]:
        frontier.append(leaf_hash(leaf))

    assert frontier.root().hex() == CT_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """RFC 6962: MTH of no leaves is SHA-256 of no bytes."""
    assert Frontier().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(LEAVES)
def test_the_frontier_agrees_with_the_recursive_tree(leaves: list[bytes]) -> None:
    """At every size on the way, also after a stop and restart from its stored bytes."""
    frontier = Frontier()
    for size, leaf_digest in enumerate(hashed(leaves), start=1):
        frontier.append(leaf_digest)
        frontier = Frontier.from_bytes(frontier.to_bytes())

        assert frontier.size == size
        assert frontier.root() == recursive_root(hashed(leaves[:size]))
        assert len(frontier.to_bytes()) == 8 + 32 * size.bit_count()


def test_a_copied_frontier_goes_its_own_way() -> None:
    """A batch that does not commit leaves the original as it was."""
    frontier = Frontier()
    for leaf in CT_LEAVES[:5]:
        frontier.append(leaf_hash(leaf))
    batch = frontier.copy()
    batch.append(leaf_hash(CT_LEAVES[5]))

    assert frontier.root().hex() == CT_ROOTS[4]
    assert batch.root().hex() == CT_ROOTS[5]


@pytest.mark.parametrize(
    "stored",
    [b"", b"\0" * 7, b"\0" * 9, b"\0" * 7 + b"\3" + b"x" * 32, b"\xff" * 8 + b"x" * 32 * 64],
)
def test_damaged_frontier_bytes_are_refused(stored: bytes) -> None:
    """The length must fit the size."""
    with pytest.raises(AuditError, match="stored frontier"):
        Frontier.from_bytes(stored)


def test_only_leaf_hashes_are_appended() -> None:
    """Passing the leaf itself is a bug that shows at once."""
    with pytest.raises(ValueError, match="leaf hash of 4 bytes"):
        Frontier().append(b"leaf")


@given(LEAVES, st.data())
def test_every_inclusion_proof_holds_and_no_altered_one_does(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """One wrong hash, a missing or extra one, another place or leaf: all refused."""
    hashes = hashed(leaves)
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, over_leaves(hashes.__getitem__))
    root = recursive_root(hashes)
    verify_inclusion(hashes[index], index, size, proof, root)

    wrong = b"\xaa" * 32
    altered = [(wrong, index, size, proof), (hashes[index], index, size, [*proof, wrong])]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        altered.append((hashes[index], index, size, [*proof[:at], wrong, *proof[at + 1 :]]))
        altered.append((hashes[index], index, size, proof[:-1]))
    for leaf, place, total, path in [*altered, (hashes[index], size, size, proof)]:
        with pytest.raises(AuditError):
            verify_inclusion(leaf, place, total, path, root)


@given(LEAVES, st.data())
def test_every_consistency_proof_holds_and_no_altered_one_does(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """From any earlier size to any later one; one wrong, missing or extra hash is refused."""
    hashes = hashed(leaves)
    new = len(leaves)
    old = data.draw(st.integers(0, new))
    proof = consistency_proof(old, new, over_leaves(hashes.__getitem__))
    old_root, new_root = recursive_root(hashes[:old]), recursive_root(hashes)
    verify_consistency(old, old_root, new, new_root, proof)

    wrong = b"\xaa" * 32
    altered = [(old_root, new_root, [*proof, wrong]), (wrong, new_root, proof)]
    if old:
        altered.append((old_root, wrong, proof))
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        altered.append((old_root, new_root, [*proof[:at], wrong, *proof[at + 1 :]]))
        altered.append((old_root, new_root, proof[:-1]))
    for first, second, path in altered:
        with pytest.raises(AuditError):
            verify_consistency(old, first, new, second, path)


@given(
    st.integers(-1, 40),
    st.integers(-1, 40),
    st.lists(st.binary(max_size=3) | st.binary(min_size=32, max_size=32), max_size=70),
)
def test_any_proof_is_accepted_or_an_audit_error(old: int, new: int, proof: list[bytes]) -> None:
    """Hostile sizes and hashes never leak another exception, and over-long proofs cost nothing."""
    root = b"\0" * 32
    with pytest.raises(AuditError):
        verify_inclusion(b"\1" * 32, old, new, proof, root)
    with pytest.raises(AuditError):
        verify_consistency(old, root, new, b"\1" * 32, proof or [b"\2" * 32])


def test_an_over_long_proof_is_refused_before_any_hashing() -> None:
    """The bound is the height of the largest tree."""
    with pytest.raises(AuditError, match=f"limit {PROOF_LIMIT}"):
        verify_inclusion(EMPTY_ROOT, 0, 2, [EMPTY_ROOT] * (PROOF_LIMIT + 1), EMPTY_ROOT)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_asking_for_an_impossible_proof_is_a_bug_of_ours(index: int, size: int) -> None:
    """There is no proof for a leaf outside the tree."""
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size, over_leaves(lambda _: EMPTY_ROOT))
