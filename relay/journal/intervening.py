"""One operator's action on one delivery or transfer, inside the transaction that records it.

Touches: deliveries, transfers, interventions.
Raises:  IllegalStepError when something is no longer where the caller believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay import lifecycle
from relay.audit.entries import AuditEvent, Entry, entry
from relay.delivery.operators.orders import Action, Freed, Moved, Order, Target
from relay.delivery.records import DeliveryRow
from relay.journal import carrying
from relay.journal.rows import chunks, ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.lifecycle import Happening, IllegalStepError
from relay.model import DeliveryId, DeliveryState, NodeId, Receipt, Signed, TransferId

SQL = load("operate")
_EVENTS = {
    Action.HOLD: AuditEvent.DELIVERY_HELD,
    Action.RELEASE: AuditEvent.DELIVERY_RELEASED,
    Action.REQUEUE: AuditEvent.DELIVERY_REQUEUED,
    Action.REDIRECT: AuditEvent.DELIVERY_REDIRECTED,
    Action.CANCEL: AuditEvent.DELIVERY_CANCELLED,
    Action.FLUSH: AuditEvent.QUEUE_FLUSHED,
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a delivery is, inside the transaction."""

    delivery_id: DeliveryId
    state: DeliveryState
    next_hop: NodeId | None
    transfer_id: TransferId | None
    message_id: str
    sealed: bool


def place_of(tx: Transaction, row: int) -> _Place:
    found = tx.run(SQL["place"], row).fetchone()
    if found is None:
        raise IllegalStepError("the delivery is no longer here")
    return _Place(found[0], DeliveryState(found[1]), found[2], found[3], found[4], bool(found[5]))


def hold(tx: Transaction, order: Order, row: int, place: _Place) -> NodeId | None:
    after = lifecycle.step(place.state, Happening.HELD)
    tx.run(carrying.SQL["move"], row, after, ms(order.at))
    if place.transfer_id is not None:
        tx.run(SQL["pause"], place.transfer_id)
    return place.next_hop


def let_go(
    tx: Transaction, order: Order, row: int, place: _Place, *, node: NodeId
) -> NodeId | None:
    """It waits again. Its frozen transfer may go, unless it names one that ended meanwhile."""
    happening = Happening.RELEASED if place.sealed else Happening.RELEASED_UNSEALED
    tx.run(carrying.SQL["move"], row, lifecycle.step(place.state, happening), ms(order.at))
    frozen = place.transfer_id
    if frozen is not None and tx.run(SQL["partly_ended"], frozen).fetchone():
        free(tx, node, order, Freed(frozen, never_seen=False))
    else:
        tx.run(carrying.SQL["let_go"], row)
    return place.next_hop


def reroute(
    tx: Transaction, order: Order, row: int, place: _Place, hops: Mapping[DeliveryRow, NodeId]
) -> NodeId | None:
    if place.transfer_id is not None:
        raise IllegalStepError("the delivery is frozen in a transfer by now")
    after = lifecycle.step(place.state, Happening.REROUTED)
    hop = hops[DeliveryRow(row)]
    tx.run(SQL["reroute"], row, hop, after, ms(order.at))
    return hop


def each(
    tx: Transaction, node: NodeId, order: Order, rows: Iterable[DeliveryRow], act: Any
) -> Moved:
    """`act` on each that may still be acted on; one audit entry names them all."""
    done: list[_Place] = []
    left, hops = 0, set()
    for row in rows:
        place = place_of(tx, row)
        try:
            hop = act(tx, order, row, place)
        except IllegalStepError:
            left += 1
            continue
        hops.add(hop)
        done.append(place)
        _remember(tx, order, row)
    _record_places(tx, node, order, done, hops)
    return Moved(len(done), left, frozenset(hops - {None}), any(not place.sealed for place in done))


def free(tx: Transaction, node: NodeId, order: Order, freed: Freed | None) -> frozenset[NodeId]:
    """The transfer is closed without an answer; what it carried waits again, on its own."""
    if freed is None:
        return frozenset()
    why = {"by": order.by, "why": order.why}
    _, neighbour = carrying.free(
        tx, node, freed.transfer_id, order.at, never_seen=freed.never_seen, **why
    )
    return frozenset({neighbour})


# ---------------------------------------------------------------- what is left behind


def prove(
    tx: Transaction,
    node: NodeId,
    order: Order,
    targets: Iterable[Target],
    proof: tuple[Signed, Receipt],
) -> set[NodeId]:
    """This node's own receipt about deliveries of one message, which moves them."""
    message_row = 0
    for target in targets:
        message_row = target.waiting.message_row
        _remember(tx, order, target.row)
    return carrying.apply_receipt(tx, node, message_row, *proof, order.at)


def _remember(tx: Transaction, order: Order, row: int) -> None:
    tx.run(SQL["remember"], row, order.action, order.by, order.why, ms(order.at))


def record(
    tx: Transaction, node: NodeId, order: Order, targets: Iterable[Target], **more: str
) -> None:
    ids = [target.delivery_id for target in targets]
    message = next(target.waiting.message_id for target in targets)
    for part in chunks(ids):
        tx.record(told(order, node, deliveries=part, message=message, **more))


def _record_places(
    tx: Transaction, node: NodeId, order: Order, places: Sequence[_Place], hops: set[Any]
) -> None:
    messages = {place.message_id for place in places}
    message = messages.pop() if len(messages) == 1 else None
    neighbour = next(iter(hops)) if len(hops) == 1 else None
    for part in chunks([place.delivery_id for place in places]):
        tx.record(told(order, node, deliveries=part, message=message, neighbour=neighbour))


def told(order: Order, node: NodeId, **fields: object) -> Entry:
    return entry(_EVENTS[order.action], order.at, node, by=order.by, why=order.why, **fields)
