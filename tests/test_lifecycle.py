"""The table of states: what may happen, and what receipts make of it in any order."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import lifecycle
from relay.lifecycle import FINAL, Happening, IllegalStepError
from relay.model import DeliveryState, Event, Reason

S = DeliveryState


@pytest.mark.parametrize(
    ("state", "happening", "after"),
    [
        (S.SEALING, Happening.SEALED, S.QUEUED),
        (S.QUEUED, Happening.SENT, S.IN_FLIGHT),
        (S.IN_FLIGHT, Happening.NOT_TAKEN, S.QUEUED),
        (S.IN_FLIGHT, Happening.UNANSWERED, S.IN_DOUBT),
        (S.AVAILABLE, Happening.FETCHED, S.FETCHED),
        (S.FETCHED, Happening.ACKNOWLEDGED, S.HANDED_OVER),
        (S.IN_DOUBT, Happening.EXPIRED, S.EXPIRED),
    ],
)
def test_the_table_has_the_way_of_a_document(
    state: DeliveryState, happening: Happening, after: DeliveryState
) -> None:
    """Each step of the way leads where the design says."""
    assert lifecycle.step(state, happening) is after


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_is_sent_from_an_end(state: DeliveryState) -> None:
    """What has ended is never sent again."""
    with pytest.raises(IllegalStepError):
        lifecycle.step(state, Happening.SENT)


def test_what_was_in_doubt_never_becomes_merely_queued() -> None:
    """A later attempt that was not taken does not prove that an earlier one was not."""
    assert lifecycle.step(S.IN_DOUBT, Happening.NOT_TAKEN) is S.IN_DOUBT


def test_receipts_of_a_delivery_end_alike_in_any_order() -> None:
    """Acceptances, consignment and handover may overtake each other on their way back."""
    events = [
        Event.RELAY_ACCEPTANCE,
        Event.RELAY_ACCEPTANCE,
        Event.CONTENT_CONSIGNMENT,
        Event.CONTENT_HANDOVER,
    ]
    for order in permutations(events):
        state = S.QUEUED
        for event in order:
            state = lifecycle.settle(state, event)
        assert state is S.HANDED_OVER


def test_outcome_unknown_is_superseded_by_what_turns_out_to_have_happened() -> None:
    """A node that gave up in doubt was wrong if the recipient's node has it."""
    given_up = lifecycle.settle(S.IN_DOUBT, Event.RELAY_FAILURE, Reason.OUTCOME_UNKNOWN)

    assert given_up is S.EXPIRED
    assert lifecycle.settle(given_up, Event.CONTENT_CONSIGNMENT) is S.AVAILABLE


def test_a_failure_that_comes_late_does_not_take_back_what_the_recipient_has() -> None:
    """Once at the recipient's disposal, a node's giving up on the way means nothing."""
    assert lifecycle.settle(S.AVAILABLE, Event.RELAY_FAILURE, Reason.EXPIRED) is S.AVAILABLE


@pytest.mark.parametrize("state", [S.AVAILABLE, S.FETCHED, S.HANDED_OVER])
def test_a_refusal_does_not_take_back_what_the_recipient_has(state: DeliveryState) -> None:
    """Nobody on the way can refuse a document that is already at its recipient's disposal."""
    assert lifecycle.settle(state, Event.RELAY_REJECTION, Reason.POLICY) is state


@given(st.sampled_from(S), st.sampled_from(Event), st.none() | st.sampled_from(Reason))
def test_a_verified_receipt_always_settles(
    state: DeliveryState, event: Event, reason: Reason | None
) -> None:
    """No receipt ever fails on a state, and applying it twice changes nothing more."""
    once = lifecycle.settle(state, event, reason)

    assert lifecycle.settle(once, event, reason) is once
