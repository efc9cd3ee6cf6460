"""Receipts that come before their message: kept for it while a restored node gets its documents back.

Neighbours send again what they sent, in no order: a receipt may come before the document it speaks of.
Elsewhere such a receipt is a stray and only noted; here it is kept, and applied in the transaction that
brings the message, so that a document that was acknowledged long ago is never offered anew.

Touches: early_receipts, meta. Trusts: the receipts, which were proven. Raises: sqlite3.Error.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.journal.epochs import MARK, meta
from relay.journal.rows import instant
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.model import MessageId, NodeId, Receipt, Signed
from relay.wire.receipt import read_receipt

KEPT_FOR = timedelta(days=14)
"""After recovery: what neighbours send again may be long in coming."""
MOST_KEPT = 100_000
RECOVERED = "recovered"
"""In meta: when the last recovery ended, in milliseconds."""
SQL = load("recover")

Apply = Callable[[Signed, Receipt, NodeId | None], set[NodeId]]


def keep(
    tx: Transaction, signed: Signed, receipt: Receipt, neighbour: NodeId | None, at: datetime
) -> bool:
    """False when no message is to be expected for it."""
    if not expected(tx, at):
        return False
    if tx.run(SQL["count_early"]).fetchone()[0] >= MOST_KEPT:
        return False
    tx.run(
        SQL["keep_early"],
        signed.digest,
        receipt.message_id,
        receipt.origin,
        neighbour,
        signed.document,
        signed.signature,
    )
    return True


def expected(tx: Transaction, at: datetime) -> bool:
    """Whether messages may still come back."""
    if meta(tx.connection, MARK) is not None:
        return True
    ended = meta(tx.connection, RECOVERED)
    return ended is not None and at < instant(int(ended)) + KEPT_FOR


def settle(tx: Transaction, message_id: MessageId, origin: NodeId, apply: Apply) -> set[NodeId]:
    """Hand what was kept for a message to `apply`, once; the neighbours receipts now wait for."""
    back: set[NodeId] = set()
    for row, neighbour, document, signature in tx.run(
        SQL["early_of"], message_id, origin
    ).fetchall():
        tx.run("DELETE FROM early_receipts WHERE early_row = ?", row)
        back |= apply(Signed(document, signature), read_receipt(document), neighbour)
    return back
