"""The header of a transfer that is about to be frozen: by the dispatcher, or for a carry file.

Touches: nothing.
"""

from __future__ import annotations

from datetime import datetime

from relay.delivery.records import Ready
from relay.model import NodeId, TransferHeader, TransferId


def header_of(
    node: NodeId, neighbour: NodeId, ready: Ready, transfer_id: TransferId, now: datetime
) -> TransferHeader:
    """All of `ready` goes to the neighbour in this transfer."""
    return TransferHeader(
        transfer_id=transfer_id,
        message_id=ready.message_id,
        origin=ready.origin,
        sent_by=node,
        sent_to=neighbour,
        message_type=ready.message_type,
        sender=ready.sender,
        recipients=ready.recipients,
        priority=ready.priority,
        digest=ready.digest,
        size_bytes=ready.size_bytes,
        created_at=now,
        expires_at=ready.expires_at,
        trace=ready.trace,
    )
