"""Deliveries of one message to the same neighbour share a transfer; where the way parts, it splits.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from relay.delivery.records import (
    ArrivalRow,
    DeliveryRow,
    MessageRow,
    NewDelivery,
    NewMessage,
    Ready,
)
from relay.model import DeliveryState, NodeId, TraceStep


def ready_groups(
    message: NewMessage,
    message_row: MessageRow,
    arrival_row: ArrivalRow,
    trace: tuple[TraceStep, ...],
    deliveries: Sequence[NewDelivery],
    rows: Sequence[DeliveryRow],
    *,
    batched: bool,
) -> list[tuple[NodeId, Ready]]:
    """What each neighbour is now to get of a message just made durable and sealed."""
    groups: dict[NodeId, list[tuple[NewDelivery, DeliveryRow]]] = {}
    for delivery, row in zip(deliveries, rows, strict=True):
        if delivery.next_hop is not None and delivery.state is DeliveryState.QUEUED:
            groups.setdefault(delivery.next_hop, []).append((delivery, row))
    if message.seal is None:
        return []
    return [
        (
            neighbour,
            Ready(
                message_row=message_row,
                arrival_row=arrival_row,
                message_id=message.message_id,
                origin=message.origin,
                message_type=message.message_type,
                sender=message.sender,
                rows=tuple(row for _, row in group),
                recipients=tuple(delivery.recipient for delivery, _ in group),
                lane=group[0][0].lane,
                priority=message.priority,
                digest=message.payload.digest,
                size_bytes=message.payload.size_bytes,
                expires_at=message.expires_at,
                trace=trace,
                seal=message.seal,
                payload=message.payload,
                batched=batched,
            ),
        )
        for neighbour, group in groups.items()
    ]
