"""What statistics keep of each delivery of a document, in the transaction in which it happens.

A row of `figures` outlives its message and its delivery: retention and archive take nothing from it.
How a delivery goes on is written by triggers (migration 0027), whoever moves it.

Touches: figures.
Trusts:  nothing of a document's own words but their closed list (Stated).
Raises:  nothing of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from relay.delivery.records import DeliveryRow, MessageRow, NewMessage
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.model import MessageType, SealKind, minted_at

SQL = load("tally")
_BRIDGE = "bridge:"
_SAID = frozenset({"01", "02", "03", "06"})
_BELIEVED = timedelta(days=366)
"""How far from its arrival here a document may say that it was handed in."""


def begin(
    tx: Transaction, row: MessageRow, message: NewMessage, deliveries: Sequence[DeliveryRow]
) -> None:
    """A row for each of these new deliveries, of documents only."""
    if message.message_type is not MessageType.DOCUMENT or not deliveries:
        return
    stated = message.stated
    values = {
        "message": row,
        "first": deliveries[0],
        "kept": stated is not None,
        "type": stated and stated.document_type,
        "paper": stated and stated.paper,
        "issued": stated and stated.issued_day,
        "due": stated and stated.due_day,
        "handed": _handed(message),
    }
    tx.connection.execute(SQL["begin"], values)


def _handed(message: NewMessage) -> int | None:
    """Elsewhere: when its origin minted its id. Over a bridge nobody knows."""
    if message.seal is not None and message.seal.kind is SealKind.GATEWAY:
        return None
    if message.submitted_by is not None:
        over_bridge = message.submitted_by.startswith(_BRIDGE)
        return None if over_bridge else ms(message.accepted_at)
    at = minted_at(message.message_id)
    return ms(at) if at and _is_believed(at, message.accepted_at) else None


def _is_believed(at: datetime, accepted_at: datetime) -> bool:
    return abs(at - accepted_at) <= _BELIEVED


def said(tx: Transaction, delivery: int, report: int, code: str) -> None:
    """The recipient's own status about its delivery; `report` is its message."""
    if code in _SAID:
        tx.connection.execute(SQL["said"], {"delivery": delivery, "report": report, "code": code})
