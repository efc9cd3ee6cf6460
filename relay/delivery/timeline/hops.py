"""The way of one delivery, node by node, out of receipts that came in any order.

Clocks of different nodes order nothing: a receipt names the node its issuer had the message from, and
those names are the way. Where a receipt has not come, the node stands there all the same, as missing.

Touches: nothing. Trusts: that receipts were verified when they were stored; not that they are all there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relay.delivery.ports import DeliveryView, ReceiptView
from relay.delivery.timeline.ports import Known, OwnArrival
from relay.model import Event, NodeId, TraceStep, TransferId
from relay.wire.remote_word import RemoteWord, read_word

TAKEN_OVER = frozenset(
    {Event.SUBMISSION_ACCEPTANCE, Event.RECEIVED_FROM_NON_ERDS, Event.RELAY_ACCEPTANCE}
)
_CARRIED = frozenset({Event.RELAY_ACCEPTANCE, Event.RELAY_REJECTION})


@dataclass(frozen=True, slots=True)
class Place:
    """A node on the way, and what says so."""

    node: NodeId
    known: Known
    came_from: NodeId | None = None
    transfer_id: TransferId | None = None
    step: TraceStep | None = None
    """Of a transfer's header, where that is all there is."""


def way_of(
    delivery: DeliveryView, origin: NodeId, here: NodeId, arrival: OwnArrival | None
) -> list[Place]:
    """From where it entered to where it is known to have come last; each node once, behind the one it had
    the message from."""
    carried = _carried(delivery, here, arrival)
    entered = next((word_of(one) for one in delivery.receipts if _entered(one)), None)
    way = [] if entered is None else [Place(NodeId(entered.remote), Known.NONE)]
    way.append(_root(delivery, origin, here, arrival, way))
    seen = {place.node for place in way}
    while True:
        following = next((one for one in carried if one.came_from in seen), None)
        if following is None:
            missing = _missing(carried, delivery, seen)
            if missing is None:
                return way
            following = Place(missing, Known.MISSING, way[-1].node)
        carried = [one for one in carried if one.node != following.node]
        if following.node not in seen:
            seen.add(following.node)
            way.append(following)


def word_of(receipt: ReceiptView) -> RemoteWord | None:
    """What a remote without evidence said, where a receipt only repeats that."""
    return read_word(receipt.detail)


def _entered(receipt: ReceiptView) -> bool:
    return receipt.event is Event.RECEIVED_FROM_NON_ERDS and word_of(receipt) is not None


def _root(
    delivery: DeliveryView,
    origin: NodeId,
    here: NodeId,
    arrival: OwnArrival | None,
    way: list[Place],
) -> Place:
    came_from = way[0].node if way else None
    signed = any(one.issuer == origin and one.event in TAKEN_OVER for one in delivery.receipts)
    if signed or origin == here:
        return Place(origin, Known.SIGNED, came_from)
    steps = () if arrival is None else arrival.trace
    step = next((one for one in steps if one.node == origin), None)
    return Place(origin, Known.MISSING if step is None else Known.HEADER, came_from, None, step)


def _carried(delivery: DeliveryView, here: NodeId, arrival: OwnArrival | None) -> list[Place]:
    """Every carry that is known of, the better known first."""
    places = [*_by_receipts(delivery.receipts), *_by_header(here, arrival)]
    issuers = {one.node for one in places}
    for receipt in delivery.receipts:  # whose other receipts are here must have had it
        if receipt.issuer not in issuers and receipt.sent_by is not None:
            issuers.add(receipt.issuer)
            places.append(Place(receipt.issuer, Known.SIGNED, receipt.sent_by, receipt.transfer_id))
    return places


def _by_receipts(receipts: Iterable[ReceiptView]) -> Iterator[Place]:
    for one in receipts:
        if one.event in _CARRIED and one.sent_by is not None:
            yield Place(one.issuer, Known.SIGNED, one.sent_by, one.transfer_id)
    for one in receipts:
        word = word_of(one)
        if word is not None and one.event is not Event.RECEIVED_FROM_NON_ERDS:
            yield Place(NodeId(word.remote), Known.NONE, one.issuer)


def _by_header(here: NodeId, arrival: OwnArrival | None) -> Iterator[Place]:
    """As the transfer that came here names the nodes before."""
    if arrival is None or arrival.neighbour is None:
        return
    for before, step in zip(arrival.trace, arrival.trace[1:], strict=False):
        yield Place(step.node, Known.HEADER, before.node, None, step)
    yield Place(here, Known.SIGNED, arrival.neighbour, arrival.transfer_id)


def _missing(carried: list[Place], delivery: DeliveryView, seen: set[NodeId]) -> NodeId | None:
    """A node that others had it from, and of which nothing came: the first on the way."""
    there = {one.node for one in carried}
    senders = [one.came_from for one in carried if one.came_from not in seen]
    first = [one for one in senders if one not in there] or senders
    if first:
        return first[0]
    issuers = (one.issuer for one in delivery.receipts if one.issuer not in seen)
    return next(issuers, None)
