"""What statistics keep of each document, in the transaction that admits it: one row, never changed.

How its deliveries go on is read where it stands (figures_here, migration 0027), and stays in a row of
their own when they leave the journal, whoever removes them.

Touches: figure_documents.
Trusts:  nothing of a document's own words but their closed list (Stated).
Raises:  nothing of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from relay.delivery.records import MessageRow, NewMessage
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.model import MessageType, SealKind, minted_at

SQL = load("tally")
_BRIDGE = "bridge:"
_LOCAL, _DAY = 25_200_000, 86_400_000
"""In milliseconds: UTC+7, and a day."""
_BELIEVED = timedelta(days=366)
"""How far from its arrival here a document may say that it was handed in."""


def begin(
    tx: Transaction, row: MessageRow, message: NewMessage, first_row: MessageRow | None
) -> None:
    """A row for a new message, of documents only; one that renews another is not counted again."""
    if message.message_type is not MessageType.DOCUMENT:
        return
    stated = message.stated
    tx.run(
        SQL["begin"],
        (ms(message.accepted_at) + _LOCAL) // _DAY,
        row,
        message.sender,
        first_row is None,
        stated is not None,
        stated and stated.document_type,
        stated and stated.paper,
        stated and stated.issued_day,
        stated and stated.due_day,
        _handed(message),
    )


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
