"""What is told of one delivery at one place on its way, each line with where it is from.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from relay.delivery.ports import DeliveryView, MessageView, ReceiptView
from relay.delivery.timeline.hops import TAKEN_OVER, Place, word_of
from relay.delivery.timeline.passed import passed
from relay.delivery.timeline.ports import Known, Line, OwnArrival, OwnEntry, Source, Step
from relay.delivery.timeline.saying import entry_said, receipt_said, word_said
from relay.delivery.timeline.standing import standing
from relay.model import Digest, Event, NodeId
from relay.wire.passage import Passage

_NEGATIVE_OF_A_NODE = frozenset({Event.RELAY_FAILURE, Event.RELAY_TO_NON_ERDS_FAILURE})
_SAID_BY_RECEIPTS = frozenset({"delivery-expired", "delivery-failed", "delivery-taken-back"})
"""Told of the log only where no receipt tells it."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that is known of one delivery."""

    view: MessageView
    delivery: DeliveryView
    here: NodeId
    way: tuple[Place, ...]
    arrival: OwnArrival | None
    since: datetime | None
    entries: tuple[OwnEntry, ...]
    entry_of: Mapping[str, int]
    """By a receipt's digest, the first entry of this node's log that names it."""
    signers: Mapping[Digest, str]
    sealed_by: str
    passages: Mapping[NodeId, Passage] = field(default_factory=dict)
    """What other nodes proved of how it fared with them."""

    def place(self, node: NodeId) -> Place | None:
        return next((one for one in self.way if one.node == node), None)

    def arrived_at(self, node: NodeId) -> datetime | None:
        """By that node's own clock."""
        for one in self.delivery.receipts:
            if one.issuer == node and one.event in TAKEN_OVER:
                return one.at
        if node == self.here and self.arrival is not None:
            return self.arrival.at
        place = self.place(node)
        return None if place is None or place.step is None else place.step.at

    def taken_over(self, node: NodeId) -> ReceiptView | None:
        """The receipt of the next node, which had it from `node`."""
        found = (one for one in self.delivery.receipts if one.sent_by == node)
        return next((one for one in found if one.event is Event.RELAY_ACCEPTANCE), None)


def lines_of(told: Told, place: Place) -> Iterator[Line]:
    yield from _arrival_unproven(told, place)
    yield from _by_receipts(told, place)
    if place.node == told.here:
        yield from _verified_here(told)
        yield from _own(told)
    passage = None if place.node == told.here else told.passages.get(place.node)
    if passage is not None:
        yield from passed(passage, told.taken_over(place.node) is not None)
    yield from _left(told, place)
    if place == _last(told):
        arrived = told.arrived_at(place.node)
        yield from standing(told.delivery, told.here, place, told.since, arrived, passage)


def _last(told: Told) -> Place:
    """Where it is, as far as is known: who refused it has it not."""
    refused = {one.issuer for one in told.delivery.receipts if one.event is Event.RELAY_REJECTION}
    had = [one for one in told.way if one.node not in refused or told.arrived_at(one.node)]
    return (had or list(told.way))[-1]


# ---------------------------------------------------------------- by receipts


def _by_receipts(told: Told, place: Place) -> Iterator[Line]:
    for one in told.delivery.receipts:
        word = word_of(one)
        if word is not None and word.remote == place.node:
            step, text = word_said(one, word)
            yield _line(told, one, step, text, Source.WORD)
        if one.issuer == place.node and (word is None or one.event in _BY_THE_GATEWAY):
            yield from _by_receipt(told, one)


_BY_THE_GATEWAY = frozenset({Event.RELAY_TO_NON_ERDS, Event.RECEIVED_FROM_NON_ERDS})
"""What the gateway did itself, beside what the remote said."""


def _by_receipt(told: Told, one: ReceiptView) -> Iterator[Line]:
    step, text = receipt_said(one)
    if word_of(one) is not None:
        text = text.partition(": non-erds")[0]
    line = _line(told, one, step, text, Source.RECEIPT)
    if one.event is Event.RELAY_ACCEPTANCE and one.sent_by == told.here:
        line = replace(line, clocks_differ=_outside(told, one))
    yield line
    told_more = one.issuer in told.passages
    if one.event is Event.RELAY_ACCEPTANCE and one.issuer != told.here and not told_more:
        said = "its acceptance says that transfer and seal held there; what it found is not told"
        yield _line(told, one, Step.VERIFIED, said, Source.RECEIPT)


def _line(told: Told, one: ReceiptView, step: Step, text: str, source: Source) -> Line:
    return Line(
        step,
        one.event,
        text,
        one.at,
        (),
        source,
        one.issuer,
        told.signers.get(one.digest, ""),
        one.digest,
        told.entry_of.get(one.digest),
        reason=one.reason,
        superseded_by=_superseded(told.delivery, one),
    )


def _superseded(delivery: DeliveryView, failure: ReceiptView) -> Digest | None:
    """What a node gave up is settled by whoever had it from there, or by its own later word."""
    if failure.event not in _NEGATIVE_OF_A_NODE:
        return None
    for one in delivery.receipts:
        if one.digest == failure.digest:
            continue
        if one.sent_by == failure.issuer and one.issuer != failure.issuer:
            return one.digest
        if one.issuer == failure.issuer and word_of(one) is not None and one.at > failure.at:
            return one.digest
    return None


def _arrival_unproven(told: Told, place: Place) -> Iterator[Line]:
    node = place.node
    if place.step is not None:
        neighbour = None if told.arrival is None else told.arrival.neighbour
        text = "it was there, by the transfer that came here; the receipt itself is not here"
        line = Line(Step.ARRIVED, "trace", text, place.step.at, (), Source.HEADER, neighbour)
        yield replace(line, receipt=place.step.receipt)
    elif place.known is not Known.NONE and told.arrived_at(node) is None:
        refused = any(
            one.issuer == node and one.event is Event.RELAY_REJECTION
            for one in told.delivery.receipts
        )
        if not refused:
            text = f"when it came to {node} is not known: no receipt of its arrival there is here"
            yield Line(Step.ARRIVED, "not-known", text, None, (), Source.NOTHING)


# ---------------------------------------------------------------- by this node itself


def _verified_here(told: Told) -> Iterator[Line]:
    view = told.view
    if view.seal_kind is None:
        return
    events = ("message-sealed", "transfer-received", "message-accepted", "message-recovered")
    found = {str(one.fields.get("event")): one for one in reversed(told.entries)}
    entry = next((found[event] for event in events if event in found), None)
    verb = "sealed" if view.origin == told.here else "transfer and seal proven"
    by = f" by {told.sealed_by}" if told.sealed_by else ""
    findings = ", ".join(dict.fromkeys(one.code for one in view.findings))
    text = f"{verb} here, kind {view.seal_kind}{by}; " + (
        f"findings: {findings}" if findings else "no findings"
    )
    at = None if entry is None else _at(entry)
    source = Source.JOURNAL if entry is None else Source.LOG
    line = Line(Step.VERIFIED, "seal", text, at, (), source, told.here)
    yield replace(line, entry=None if entry is None else entry.index)


def _own(told: Told) -> Iterator[Line]:
    """What the log tells beyond the receipts."""
    ended = any(one.event.negative or one.reason is not None for one in told.delivery.receipts)
    arrived = told.arrived_at(told.here) or told.view.accepted_at
    for one in told.entries:
        said = entry_said(one.fields)
        event = str(one.fields.get("event"))
        if said is None or (ended and event in _SAID_BY_RECEIPTS):
            continue
        line = Line(said[0], event, said[1], _at(one), (), Source.LOG, told.here, entry=one.index)
        if event == "transfer-answered":
            line = replace(line, receipt=Digest(str(one.fields.get("receipt"))))
            line = _waited(line, arrived, _at(one))
        yield line


def _at(entry: OwnEntry) -> datetime:
    return datetime.fromisoformat(str(entry.fields["at"]))


# ---------------------------------------------------------------- between two nodes


def _left(told: Told, place: Place) -> Iterator[Line]:
    """When a node let go of it, as the next one says."""
    following = told.taken_over(place.node)
    if following is None or (place.node == told.here and _answered(told, following)):
        return
    text = f"taken over by {following.issuer}, at this time of its clock"
    line = _line(told, following, Step.LEFT, text, Source.RECEIPT)
    yield _waited(replace(line, superseded_by=None), told.arrived_at(place.node), following.at)


def _answered(told: Told, receipt: ReceiptView) -> bool:
    return any(
        one.fields.get("event") == "transfer-answered"
        and one.fields.get("receipt") == receipt.digest
        for one in told.entries
    )


def _waited(line: Line, came: datetime | None, went: datetime) -> Line:
    """A span below nothing is no waiting: so much at least the clocks differ."""
    if came is None:
        return line
    if went < came:
        return replace(line, clocks_differ=came - went)
    return replace(line, lasted=went - came)


def _outside(told: Told, receipt: ReceiptView) -> timedelta | None:
    """By how much its time lies outside of the attempt it answered, by this node's own clock."""
    if not _answered(told, receipt):
        return None
    of_transfer = [one for one in told.entries if one.fields.get("transfer") == receipt.transfer_id]
    sent = [_at(one) for one in of_transfer if one.fields.get("event") == "transfer-frozen"]
    back = [_at(one) for one in of_transfer if one.fields.get("event") == "transfer-answered"]
    if sent and receipt.at < sent[0]:
        return sent[0] - receipt.at
    if back and receipt.at > back[-1]:
        return receipt.at - back[-1]
    return None
