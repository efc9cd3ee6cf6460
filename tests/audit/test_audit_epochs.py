"""A log that began anew: each epoch holds by itself and names the head of the one before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import (
    Epoch,
    EpochRows,
    epoch_of,
    first_index,
    log_name,
    named_head,
    size_of,
    verify_epochs,
)
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError
from relay.model import NodeId

NODE = NodeId("tinh-h01")
AT = datetime(2026, 11, 23, 4, 53, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = LogKey("", PUBLIC, PRIVATE.public_key().verify)


def _epoch(number: int, leaves: list[bytes], tag: str = "") -> EpochRows:
    frontier = Frontier()
    rows = []
    for leaf in leaves:
        rows.append((first_index(number) + frontier.size, leaf, leaf_hash(leaf)))
        frontier.append(leaf_hash(leaf))
    name = log_name(NODE, Epoch(number, tag))
    body = note_body(name, frontier.size, frontier.root())
    return EpochRows(number, sign_note(body, name, PUBLIC, PRIVATE.sign), rows)


def _leaf(event: AuditEvent, **fields: Any) -> bytes:
    return entry(event, AT, NODE, **fields).leaf


OLD = _epoch(0, [_leaf(AuditEvent.NODE_STARTED), _leaf(AuditEvent.NODE_STOPPED)])
OPENING = named_head(head_of(OLD.head))
NEW = _epoch(1, [_leaf(AuditEvent.EPOCH_STARTED, **OPENING), _leaf(AuditEvent.NODE_STARTED)])


def test_each_epoch_gets_its_verdict_and_the_present_one_comes_last() -> None:
    verdicts = verify_epochs(NODE, [OLD, NEW], KEY)

    assert [v.checkpoint.origin for v in verdicts] == [log_name(NODE, Epoch(n)) for n in (0, 1)]
    assert [v.checkpoint.size for v in verdicts] == [2, 2]
    assert [v.findings for v in verdicts] == [(), ()]


@pytest.mark.parametrize(
    "opening",
    [
        {**OPENING, "previous_size": 3},
        {**OPENING, "previous_root": "00" * 32},
        {**OPENING, "previous_log": log_name(NODE, Epoch(7))},
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


TAG = "0123456789abcdef"


def test_a_tag_is_part_of_the_name_and_of_what_the_next_epoch_names() -> None:
    """Two logs of one number are two logs; an epoch that an older release began has no tag."""
    leaves = [_leaf(AuditEvent.EPOCH_STARTED, **OPENING)]
    tagged, other = _epoch(1, leaves, TAG), _epoch(1, leaves, TAG[::-1])
    following = _leaf(AuditEvent.EPOCH_STARTED, **named_head(head_of(tagged.head)))

    verdicts = verify_epochs(NODE, [OLD, tagged, _epoch(2, [following], TAG)], KEY)

    assert [epoch_of(v.checkpoint.origin) for v in verdicts] == [
        Epoch(),
        Epoch(1, TAG),
        Epoch(2, TAG),
    ]
    assert size_of(tagged.head) == first_index(1) + 1
    with pytest.raises(AuditError, match="does not begin with the head"):
        verify_epochs(NODE, [OLD, other, _epoch(2, [following], TAG)], KEY)


@pytest.mark.parametrize(
    "name",
    [f"1-{TAG}0", f"1-{TAG[:-1]}", f"1-{TAG.upper()}", f"01-{TAG}", f"2-{TAG}", "1-", f"1/{TAG}"],
)
def test_a_head_under_any_other_name_is_refused(name: str) -> None:
    """However well it is signed: of the name only the tag is free."""
    new = _epoch(1, [_leaf(AuditEvent.EPOCH_STARTED, **OPENING)])
    (row,) = new.rows
    log = f"{log_name(NODE, Epoch())}/{name}"
    body = note_body(log, 1, head_of(new.head).root)
    false = EpochRows(1, sign_note(body, log, PUBLIC, PRIVATE.sign), [row])

    with pytest.raises(AuditError, match="not signed by"):
        verify_epochs(NODE, [OLD, false], KEY)


def test_an_edit_is_named_by_an_index_that_no_other_epoch_has() -> None:
    edited = EpochRows(1, NEW.head, [(i, leaf, b"\0" * 32) for i, leaf, _ in list(NEW.rows)])

    with pytest.raises(AuditError) as refused:
        verify_epochs(NODE, [OLD, edited], KEY)

    assert refused.value.index == first_index(1)
