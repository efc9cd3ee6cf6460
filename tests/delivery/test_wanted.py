"""Which entries a reader of the log wants, and the signs by which most others are passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.audit.entries import AuditEvent
from relay.delivery.wanted import AGENCIES, EVERYTHING, MESSAGES, NODES, Wanted

SMALL = st.sampled_from(["H01.1", "H01.2", "tinh", "xa", "m-1", "m-2", 'a"b', "é"])
EVENTS = st.sampled_from(
    [AuditEvent.DELIVERY_FAILED, AuditEvent.DELIVERY_TAKEN_BACK, AuditEvent.NODE_STARTED]
)
FIELDS = st.dictionaries(
    st.sampled_from([*AGENCIES, *MESSAGES, *NODES, "reason"]),
    SMALL | st.lists(SMALL, min_size=1, max_size=3),
)
ASKED = st.builds(
    Wanted,
    events=st.frozensets(EVENTS.map(str), max_size=2),
    families=st.frozensets(st.sampled_from(["delivery", "delivery-taken", "node"]), max_size=2),
    agencies=st.frozensets(SMALL, max_size=2),
    message=st.none() | SMALL,
    nodes=st.frozensets(SMALL, max_size=2),
)


def leaf(event: AuditEvent = AuditEvent.DELIVERY_FAILED, **fields: Any) -> bytes:
    """In canonical form, with whatever fields: which event has which is no matter here."""
    whole = {**fields, "at": "2026-11-23T04:05:06.000Z", "event": event, "node": "xa-a", "v": 2}
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ASKED, EVENTS, FIELDS)
def test_a_wanted_leaf_bears_a_sign_of_every_group(
    wanted: Wanted, event: AuditEvent, fields: dict[str, Any]
) -> None:
    """So nothing that is wanted is ever passed over."""
    made = leaf(event, **fields)
    if wanted.takes(made):
        assert all(any(sign in made for sign in group) for group in wanted.signs())


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(events=frozenset({"delivery-failed"})), True),
        (Wanted(events=frozenset({"delivery-fail"})), False),
        (Wanted(families=frozenset({"delivery"})), True),
        (Wanted(families=frozenset({"deliver"})), False),
        (Wanted(agencies=frozenset({"H01.1"})), True),
        (Wanted(agencies=frozenset({"H01.2", "H01.9"})), True),
        (Wanted(agencies=frozenset({"H01"})), False),
        (Wanted(agencies=frozenset({"tinh"})), False),
        (Wanted(message="m-1"), True),
        (Wanted(message="m-2"), False),
        (Wanted(nodes=frozenset({"tinh"})), True),
        (Wanted(nodes=frozenset({"xa"})), False),
        (Wanted(nodes=frozenset({"tinh"}), message="m-2"), False),
        (EVERYTHING, True),
    ],
)
def test_every_filter_judges_its_own_fields(wanted: Wanted, taken: bool) -> None:
    """A value counts where it stands for an agency, a message or another node; the whole value only."""
    made = leaf(sender="H01.1", recipients=["H01.2"], message="m-1", neighbour="tinh", reason="xa")

    assert wanted.takes(made) is taken


@pytest.mark.parametrize("edited", [b"", b"\xff", b"[]", b"1", b"[" * 5000, b'{"event":{}}'])
def test_a_leaf_that_was_edited_is_no_trouble(edited: bytes) -> None:
    """Nobody who asks for something gets it; who asks for everything does."""
    assert not Wanted(events=frozenset({"node-started"})).takes(edited)
    assert EVERYTHING.takes(edited)
