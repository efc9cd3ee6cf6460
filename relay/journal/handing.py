"""Operations on the recipient's side, and those of tokens and single audit entries.

Touches: deliveries served here, receipts, returns, tokens.
Raises:  NotFoundError, TakenBackError, IllegalStepError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from relay import lifecycle
from relay.audit.entries import AuditEvent, entry
from relay.delivery.ports import Acknowledgement, Caller, TokenView
from relay.errors import TAKEN_BACK, NotFoundError, TakenBackError
from relay.journal import twins
from relay.journal.carrying import apply_receipt
from relay.journal.rows import instant, maybe_instant, ms
from relay.journal.writer import Transaction
from relay.lifecycle import Happening
from relay.model import DeliveryId, DeliveryState, NodeId, Receipt, Signed

MOST_PUT_BACKS_TOLD = 5
"""Receipts of put-backs for one delivery."""


def mark_fetched(
    tx: Transaction, node: NodeId, delivery_id: DeliveryId, by: Caller, at: datetime
) -> None:
    """Before the first byte leaves. Only the first fetch changes anything (W10.3)."""
    row, state, message, _ = _delivery(tx, delivery_id)
    _refuse_taken_back(state)
    after = lifecycle.step(state, Happening.FETCHED)
    if after is state:
        return
    tx.run(
        "UPDATE deliveries SET state = ?, updated_at = ? WHERE delivery_row = ?", after, ms(at), row
    )
    twins.fetched(tx, row, after, ms(at))
    tx.record(
        entry(
            AuditEvent.DELIVERY_FETCHED,
            at,
            node,
            message=message,
            delivery=delivery_id,
            by=by.holder,
        )
    )


def acknowledge(
    tx: Transaction,
    node: NodeId,
    delivery_id: DeliveryId,
    acknowledgement: Acknowledgement,
    proof: tuple[Signed, Receipt] | None,
    by: Caller,
    at: datetime,
    why: str = "",
) -> set[NodeId]:
    """What the recipient's system says of it. Once `done` it stays done; a repeat changes nothing.

    A system that takes and fails without end has its sender told where the reason is a new one, and not
    more than MOST_PUT_BACKS_TOLD times: each receipt is signed, kept, and carried back over all nodes.
    """
    row, state, message, current = _delivery(tx, delivery_id)
    if current in {acknowledgement, Acknowledgement.DONE}:
        return set()
    _refuse_taken_back(state)
    if acknowledgement is Acknowledgement.DONE:
        lifecycle.step(state, Happening.ACKNOWLEDGED)
    tx.run(
        "UPDATE deliveries SET acknowledgement = ?, updated_at = ? WHERE delivery_row = ?",
        acknowledgement,
        ms(at),
        row,
    )
    tx.record(
        entry(
            AuditEvent.DELIVERY_ACKNOWLEDGED,
            at,
            node,
            message=message,
            delivery=delivery_id,
            state=acknowledgement.value,
            by=by.holder,
            why=why,
        )
    )
    if proof is None:
        return set()
    message_row, told, before = tx.run(
        "SELECT message_row, put_backs, detail FROM deliveries WHERE delivery_row = ?", row
    ).fetchone()
    if acknowledgement is Acknowledgement.FAIL:
        detail = proof[1].evidence[0].detail
        if (told > 0 and before == detail) or told >= MOST_PUT_BACKS_TOLD:
            tx.run("UPDATE deliveries SET detail = ? WHERE delivery_row = ?", detail, row)
            return set()
        tx.run("UPDATE deliveries SET put_backs = put_backs + 1 WHERE delivery_row = ?", row)
    return apply_receipt(tx, node, message_row, *proof, at)


def _refuse_taken_back(state: DeliveryState) -> None:
    if state is DeliveryState.TAKEN_BACK:
        raise TakenBackError(TAKEN_BACK)


def _delivery(
    tx: Transaction, delivery_id: DeliveryId
) -> tuple[int, DeliveryState, str, Acknowledgement]:
    row = tx.run(
        "SELECT d.delivery_row, d.state, m.message_id, d.acknowledgement FROM deliveries d"
        " JOIN messages m ON m.message_row = d.message_row"
        " WHERE d.delivery_id = ? AND d.inbox_cursor IS NOT NULL",
        delivery_id,
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no delivery {delivery_id} is served here")
    return row[0], DeliveryState(row[1]), row[2], Acknowledgement(row[3])


def store_token(
    tx: Transaction, node: NodeId, by: Caller, view: TokenView, secret_hash: str
) -> None:
    tx.run(
        "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, NULL)",
        view.token_id,
        secret_hash,
        view.holder,
        json.dumps(view.scopes),
        ms(view.created_at),
    )
    tx.record(
        entry(
            AuditEvent.TOKEN_ISSUED,
            view.created_at,
            node,
            token=view.token_id,
            holder=view.holder,
            scopes=list(view.scopes),
            by=by.holder,
        )
    )


def revoke_token(
    tx: Transaction, node: NodeId, by: Caller, token_id: str, at: datetime
) -> TokenView:
    """Safe to repeat: the first revocation stands."""
    row = tx.run("SELECT * FROM tokens WHERE token_id = ?", token_id).fetchone()
    if row is None:
        raise NotFoundError(f"no token {token_id}")
    if row[5] is None:
        tx.run("UPDATE tokens SET revoked_at = ? WHERE token_id = ?", ms(at), token_id)
        tx.record(entry(AuditEvent.TOKEN_REVOKED, at, node, token=token_id, by=by.holder))
        row = (*row[:5], ms(at))
    return token_view(row)


def token_view(row: tuple[str, str, str, str, int, int | None]) -> TokenView:
    return TokenView(
        row[0], row[2], tuple(json.loads(row[3])), instant(row[4]), maybe_instant(row[5])
    )


def note(
    tx: Transaction, node: NodeId, event: str, at: datetime, fields: Mapping[str, object]
) -> None:
    tx.record(entry(AuditEvent(event), at, node, **fields))
