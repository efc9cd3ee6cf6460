"""An agency that a document names by several of its codes gets it once: one delivery is listed, the others go with it.

An origin that knows its own branch alone cannot tell that two codes name one agency, so each is a recipient of
its own all the way, and receipts speak of both. Where the agency is served its system sees one of them; what it
does with that one is said of all.

Touches: deliveries that are available here. Trusts: the directory's word in `NewMessage.kin`.
Raises:  nothing of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from relay.delivery.records import DeliveryRow, Kin, MessageRow, NewDelivery
from relay.journal.writer import Transaction
from relay.model import AgencyCode, DeliveryState

_LISTED = (
    "SELECT recipient, delivery_row FROM deliveries WHERE message_row = ?"
    " AND inbox_cursor IS NOT NULL AND state = 'available'"
)
_TOGETHER = (
    "SELECT coalesce(listed_with, delivery_row) FROM deliveries WHERE delivery_row = ?1"
    " UNION SELECT delivery_row FROM deliveries WHERE listed_with ="
    " (SELECT coalesce(listed_with, delivery_row) FROM deliveries WHERE delivery_row = ?1)"
)


def list_once(
    tx: Transaction,
    message: MessageRow,
    kin: Kin,
    deliveries: Sequence[NewDelivery],
    rows: Sequence[DeliveryRow],
    *,
    again: bool,
) -> None:
    """Take those off the list whose agency has the document listed already. `again`: more deliveries of a
    message that was here before."""
    here = [
        (one.recipient, row)
        for one, row in zip(deliveries, rows, strict=True)
        if one.state is DeliveryState.AVAILABLE and one.recipient in kin
    ]
    if not here or (len(here) == 1 and not again):
        return
    fresh = dict(here)
    found = tx.run(_LISTED, message) if again else ()
    listed = {AgencyCode(code): row for code, row in found if code not in fresh}
    for code, row in here:
        first = next((listed[form] for form in sorted(kin[code]) if form in listed), None)
        if first is None:
            listed[code] = row
            continue
        tx.run(
            "UPDATE deliveries SET inbox_cursor = NULL, listed_with = ? WHERE delivery_row = ?",
            first,
            row,
        )


def fetched(tx: Transaction, row: int, state: DeliveryState, at: int) -> None:
    """The others of a listed delivery, once its bytes leave."""
    tx.run(
        "UPDATE deliveries SET state = ?, updated_at = ? WHERE listed_with = ? AND state = 'available'",
        state,
        at,
        row,
    )


def together(tx: Transaction, row: int) -> list[int]:
    """A delivery and all that go as it goes."""
    return [one for (one,) in tx.run(_TOGETHER, row).fetchall()]
