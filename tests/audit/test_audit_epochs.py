"""A log that began anew: each epoch holds by itself and names the head of the one before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import EpochRows, first_index, log_name, named_head, verify_epochs
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError
from relay.model import NodeId

NODE = NodeId("tinh-h01")
AT = datetime(2026, 11, 23, 4, 53, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = LogKey("", PUBLIC, PRIVATE.public_key().verify)


def _epoch(number: int, leaves: list[bytes]) -> EpochRows:
    frontier = Frontier()
    rows = []
    for leaf in leaves:
        rows.append((first_index(number) + frontier.size, leaf, leaf_hash(leaf)))
        frontier.append(leaf_hash(leaf))
    name = log_name(NODE, number)
    body = note_body(name, frontier.size, frontier.root())
    return EpochRows(number, sign_note(body, name, PUBLIC, PRIVATE.sign), rows)


def _leaf(event: AuditEvent, **fields: Any) -> bytes:
    return entry(event, AT, NODE, **fields)


OLD = _epoch(0, [_leaf(AuditEvent.NODE_STARTED), _leaf(AuditEvent.NODE_STOPPED)])
OPENING = named_head(head_of(OLD.head))
NEW = _epoch(1, [_leaf(AuditEvent.EPOCH_STARTED, **OPENING), _leaf(AuditEvent.NODE_STARTED)])


def test_each_epoch_gets_its_verdict_and_the_present_one_comes_last() -> None:
    verdicts = verify_epochs(NODE, [OLD, NEW], KEY)

    assert [v.checkpoint.origin for v in verdicts] == [log_name(NODE, 0), log_name(NODE, 1)]
    assert [v.checkpoint.size for v in verdicts] == [2, 2]
    assert [v.findings for v in verdicts] == [(), ()]


@pytest.mark.parametrize(
    "opening",
    [
        {**OPENING, "previous_size": 3},
        {**OPENING, "previous_root": "00" * 32},
        {**OPENING, "previous_log": log_name(NODE, 7)},
        {"previous_log": OPENING["previous_log"]},
    ],
)
def test_an_epoch_that_names_another_head_is_refused(opening: dict[str, Any]) -> None:
    """A history cannot be swapped under a new beginning."""
    false = _epoch(1, [_leaf(AuditEvent.EPOCH_STARTED, **opening)])

    with pytest.raises(AuditError, match="does not begin with the head"):
        verify_epochs(NODE, [OLD, false], KEY)


def test_an_epoch_that_begins_with_anything_else_is_refused() -> None:
    with pytest.raises(AuditError, match="does not begin with the head"):
        verify_epochs(NODE, [OLD, _epoch(1, [_leaf(AuditEvent.NODE_STARTED, **OPENING)])], KEY)
    with pytest.raises(AuditError, match="does not begin with the head"):
        verify_epochs(NODE, [OLD, _epoch(1, [])], KEY)


def test_an_epoch_that_is_missing_is_named() -> None:
    """Neither the first nor one in the middle can be left out."""
    with pytest.raises(AuditError, match="epoch 1 where 0 is due"):
        verify_epochs(NODE, [NEW], KEY)


def test_an_edit_is_named_by_an_index_that_no_other_epoch_has() -> None:
    edited = EpochRows(1, NEW.head, [(i, leaf, b"\0" * 32) for i, leaf, _ in list(NEW.rows)])

    with pytest.raises(AuditError) as refused:
        verify_epochs(NODE, [OLD, edited], KEY)

    assert refused.value.index == first_index(1)
