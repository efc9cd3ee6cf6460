"""Where a delivery is now, since when, and what of that is not known; and what its recipient said of it.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from relay.delivery.ports import DeliveryView
from relay.delivery.timeline.hops import Place
from relay.delivery.timeline.passed import still_waits, waits_there
from relay.delivery.timeline.ports import Known, Line, Source, Step
from relay.model import DeliveryState, NodeId, ObligationState, Reason
from relay.wire.passage import Passage

S = DeliveryState
_HERE: Final = {
    S.SEALING: "waits for its seal",
    S.QUEUED: "waits for {hop}",
    S.IN_FLIGHT: "is being sent to {hop}",
    S.IN_DOUBT: "was sent to {hop}, which did not answer: only {hop} may get it again",
    S.HELD: "is held: not sent, and does not expire, until it is released",
    S.AVAILABLE: "at its recipient's disposal, not acknowledged yet",
    S.FETCHED: "fetched by its recipient's system, not acknowledged yet",
}


def standing(
    delivery: DeliveryView,
    here: NodeId,
    place: Place,
    since: datetime | None,
    arrived: datetime | None,
    passage: Passage | None = None,
) -> Iterator[Line]:
    yield from _business(delivery)
    if place.node == here and delivery.state in _HERE:
        yield _waits_here(delivery, here, since)
    elif passage is not None and delivery.state is S.RELAYED and still_waits(passage):
        yield waits_there(passage, delivery.state)
    elif delivery.state in _HERE or delivery.state is S.RELAYED:
        yield _elsewhere(delivery, place, since, arrived)
    elif delivery.reason is Reason.OUTCOME_UNKNOWN:
        text = "whether the next node has it is not known; a later receipt will tell"
        yield _nothing(delivery, text, since)


def _waits_here(delivery: DeliveryView, here: NodeId, since: datetime | None) -> Line:
    text = _HERE[delivery.state].format(hop=delivery.next_hop or "nobody")
    if delivery.attempts:
        times = "once" if delivery.attempts == 1 else f"{delivery.attempts} times"
        text += f"; tried {times}"
    if delivery.last_error:
        text += f"; last error: {delivery.last_error}"
    line = Line(Step.STANDS, delivery.state, text, since, (), Source.JOURNAL, here)
    return replace(line, until=delivery.next_attempt_at)


def _elsewhere(
    delivery: DeliveryView, place: Place, since: datetime | None, arrived: datetime | None
) -> Line:
    """It is with a node whose later receipts, if there are any, have not come."""
    if delivery.state in {S.AVAILABLE, S.FETCHED}:
        text = (
            "not acknowledged, as far as receipts tell; whether it was fetched is known there alone"
        )
        if place.known is Known.NONE:
            text = "not acknowledged, by the remote's word; there is no evidence"
    elif place.known is Known.NONE:
        text = f"with {place.node} since then, by its word: what became of it is not known"
    elif place.known is Known.MISSING:
        text = f"perhaps with {place.node}: no receipt of it is here"
    else:
        text = (
            f"with {place.node} since then, and no later receipt has come: "
            "why it waits is known there alone"
        )
    return _nothing(delivery, text, arrived or since)


def _nothing(delivery: DeliveryView, text: str, at: datetime | None) -> Line:
    return Line(Step.STANDS, delivery.state, text, at, (), Source.NOTHING)


def _business(delivery: DeliveryView) -> Iterator[Line]:
    for one in delivery.statuses:
        text = f"status {one.status_code}" + (f": {one.description}" if one.description else "")
        line = Line(Step.ANSWERED, one.status_code, text, one.arrived_at, (), Source.STATUS)
        yield replace(line, message=one.message_id)
    for asked in delivery.obligations:
        line = Line(
            Step.ANSWERED, asked.kind, f"asked: {asked.kind}", asked.asked_at, (), Source.STATUS
        )
        yield replace(line, message=asked.cause)
        if asked.state is not ObligationState.REQUESTED:
            answer = f" with {asked.answer}" if asked.answer else ""
            text = f"{asked.kind}: {asked.state}{answer}"
            at = asked.settled_at
            yield Line(Step.ANSWERED, asked.state, text, at, (), Source.JOURNAL)
