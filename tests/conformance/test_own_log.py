"""The kit's own log, and the kit as a witness: what the assertions of W15 stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay.audit.add_checkpoint import AddCheckpoint, write_request
from relay.audit.proofs import verify_consistency, verify_inclusion
from relay.audit.tree import leaf_hash
from relay.conformance.history import OwnLog
from relay.conformance.witness import ADD_PATH, Witness
from relay.errors import AuditError
from relay.model import NodeId
from relay.signing.keys import LogSigner


def signer() -> LogSigner:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return LogSigner(NodeId("kit"), public, (), key.sign)


def test_heads_of_two_runs_are_of_one_tree(tmp_path: Path) -> None:
    hand = signer()
    first, second = (OwnLog.load(tmp_path, hand).tree for _ in range(2))
    old, new = first.head(5), second.head(11)
    verify_consistency(5, old.root, 11, new.root, second.proof(5, 11))


def test_a_later_epoch_is_known_in_the_next_run(tmp_path: Path) -> None:
    log = OwnLog.load(tmp_path, signer())
    later = log.later(log.tree.head(3))
    log.begin(later, 2)
    log.reached(7)
    again = OwnLog.load(tmp_path, log.signer)
    assert (again.tree, again.size, again.epoch.number) == (later, 7, 1)


def test_a_later_epoch_shows_the_entry_it_begins_with(tmp_path: Path) -> None:
    log = OwnLog.load(tmp_path, signer())
    later = log.later(log.tree.head(3))
    root = later.head(6).root
    verify_inclusion(leaf_hash(later.opening), 0, 6, later.path_of_first(6), root)


def test_another_history_proves_itself_and_not_the_first(tmp_path: Path) -> None:
    tree = OwnLog.load(tmp_path, signer()).tree
    other = tree.otherwise_from(4)
    assert other.head(4) == tree.head(4)
    proof = other.proof(5, 9)
    verify_consistency(5, other.head(5).root, 9, other.head(9).root, proof)
    with pytest.raises(AuditError):
        verify_consistency(5, tree.head(5).root, 9, other.head(9).root, proof)


def handed_in(witness: Witness, log: OwnLog, old: int, size: int, *, other: bool = False) -> int:
    tree = log.tree.otherwise_from(1) if other else log.tree
    body = write_request(AddCheckpoint(old, tree.proof(old, size), log.note(tree, size)))
    response = witness.answered(make_mocked_request("POST", ADD_PATH), body)
    assert response is not None
    return response.status


async def test_the_kit_cosigns_what_follows_and_nothing_else(tmp_path: Path) -> None:
    witness, log = Witness(signer()), OwnLog.load(tmp_path, signer())
    statuses = [
        handed_in(witness, log, old, size) for old, size in ((0, 3), (0, 3), (3, 7), (3, 8))
    ]
    assert statuses == [200, 409, 200, 409]
    assert witness.wrong == []
    assert handed_in(witness, log, 7, 9, other=True) == 422
    assert len(witness.wrong) == 1


async def test_the_kit_is_no_witness_of_other_calls() -> None:
    assert Witness(signer()).answered(make_mocked_request("GET", "/axis/v1/node"), b"") is None


def test_an_entry_that_says_something_stays_in_the_next_run(tmp_path: Path) -> None:
    hand = signer()
    log = OwnLog.load(tmp_path, hand)
    before = log.tree.head(log.size)
    index = log.write(b"said")
    again = OwnLog.load(tmp_path, hand)
    head = again.tree.head(again.size)
    assert (again.tree, again.size) == (log.tree, index + 1)
    verify_inclusion(
        leaf_hash(b"said"), index, head.size, again.tree.path_of(index, head.size), head.root
    )
    proof = again.tree.proof(before.size, head.size)
    verify_consistency(before.size, before.root, head.size, head.root, proof)
