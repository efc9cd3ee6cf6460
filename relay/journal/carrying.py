"""Operations on the way of a message: sealed, frozen, postponed, settled, given up, returned.

Every state change goes through lifecycle.py's table, here, inside the transaction that records it.

Touches: deliveries, transfers, receipts, returns.
Raises:  IllegalStepError when a delivery is no longer where the caller believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay import lifecycle
from relay.audit.entries import AuditEvent, entry
from relay.delivery.records import DeliveryRow, Freeze, MessageRow, ReturnRow, Waiting
from relay.journal import early, obliging
from relay.journal.rows import chunks, ms
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.lifecycle import FINAL, Happening, IllegalStepError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    Event,
    Evidence,
    NodeId,
    Reason,
    Receipt,
    Seal,
    Signed,
    TransferId,
)

SQL = load("carry")
_ACKNOWLEDGED_BY = {Event.CONTENT_HANDOVER: "done", Event.CONTENT_HANDOVER_FAILURE: "fail"}


def store_seal(
    tx: Transaction,
    node: NodeId,
    row: MessageRow,
    seal: Seal,
    consigned: tuple[Signed, Receipt] | None,
    at: datetime,
) -> list[NodeId]:
    """The seal of a message that was accepted without one; the neighbours that now wait for it."""
    sealed = tx.run(
        "UPDATE messages SET seal_kind = ?, seal = ? WHERE message_row = ? AND seal IS NULL",
        seal.kind,
        seal.signature,
        row,
    )
    if sealed.rowcount == 0:
        return []
    hops: set[NodeId] = set()
    for delivery, next_hop in tx.run(
        "SELECT delivery_row, next_hop FROM deliveries WHERE message_row = ? AND state = 'sealing'",
        row,
    ).fetchall():
        if next_hop is None:
            _make_available(tx, DeliveryRow(delivery), at)
        else:
            hops.add(NodeId(next_hop))
            state = lifecycle.step(DeliveryState.SEALING, Happening.SEALED)
            tx.run(SQL["move"], delivery, state, ms(at))
    message = tx.run("SELECT message_id FROM messages WHERE message_row = ?", row).fetchone()[0]
    tx.record(entry(AuditEvent.MESSAGE_SEALED, at, node, message=message, type=seal.kind.value))
    if consigned is not None:
        apply_receipt(tx, node, row, *consigned, at)
    return sorted(hops)


def _make_available(tx: Transaction, row: DeliveryRow, at: datetime) -> None:
    tx.run(
        "UPDATE deliveries SET state = ?, available_at = ?, updated_at = ?, inbox_cursor ="
        " (SELECT coalesce(max(inbox_cursor), 0) + 1 FROM deliveries WHERE inbox_cursor IS NOT NULL)"
        " WHERE delivery_row = ?",
        lifecycle.step(DeliveryState.SEALING, Happening.CONSIGNED),
        ms(at),
        ms(at),
        row,
    )


def freeze(tx: Transaction, node: NodeId, request: Freeze) -> None:
    """Fix a transfer before its first attempt; its deliveries are in flight."""
    ready = request.ready
    at = ms(request.at)
    moved = tx.connection.executemany(
        SQL["freeze_delivery"],
        [(request.transfer_id, at, row, request.neighbour) for row in ready.rows],
    )
    if moved.rowcount != len(ready.rows):
        raise IllegalStepError(f"{len(ready.rows) - moved.rowcount} deliveries wait no longer")
    header = request.header
    tx.run(
        SQL["add_transfer"],
        request.transfer_id,
        request.neighbour,
        ready.message_row,
        header.document,
        header.signature,
        int(ready.lane),
        at,
        at,
    )
    for part in chunks(ready.recipients):
        tx.record(
            entry(
                AuditEvent.TRANSFER_FROZEN,
                request.at,
                node,
                message=ready.message_id,
                transfer=request.transfer_id,
                neighbour=request.neighbour,
                recipients=part,
                digest=ready.digest,
            )
        )


def settle(
    tx: Transaction,
    node: NodeId,
    transfer_id: TransferId,
    signed: Signed,
    receipt: Receipt,
    at: datetime,
) -> set[NodeId]:
    """The neighbour's answer: closes the transfer and moves its deliveries. Safe to repeat.

    Like everything here that stores a receipt, it returns the neighbours it now travels back to.
    """
    digest = signed.digest
    message_row, neighbour, is_open, _, message_id = _transfer(tx, transfer_id)
    if not is_open and tx.run(SQL["has_receipt"], digest).fetchone():
        return set()
    tx.run(SQL["close_transfer"], transfer_id, digest)
    tx.record(
        entry(
            AuditEvent.TRANSFER_ANSWERED,
            at,
            node,
            message=message_id,
            transfer=transfer_id,
            neighbour=neighbour,
            receipt=digest,
        )
    )
    return apply_receipt(tx, node, message_row, signed, receipt, at, NodeId(neighbour))


def postpone(
    tx: Transaction,
    node: NodeId,
    transfer_id: TransferId,
    *,
    in_doubt: bool,
    error: str,
    not_before: datetime,
    at: datetime,
) -> None:
    """A failed attempt: when to try again, and whether the neighbour may have it already."""
    _, neighbour, is_open, attempts, message_id = _transfer(tx, transfer_id)
    if is_open != 1:
        return  # a receipt that travelled another way settled it meanwhile
    tx.run(SQL["postpone_transfer"], transfer_id, error, ms(not_before))
    happening = Happening.UNANSWERED if in_doubt else Happening.NOT_TAKEN
    changed = False
    for row, state in tx.run(SQL["of_transfer"], transfer_id).fetchall():
        before = DeliveryState(state)
        if before not in {DeliveryState.QUEUED, DeliveryState.IN_FLIGHT, DeliveryState.IN_DOUBT}:
            continue
        after = lifecycle.step(before, happening) if before is not DeliveryState.QUEUED else before
        if after is not before:
            tx.run(SQL["move"], row, after, ms(at))
            changed = changed or after is DeliveryState.IN_DOUBT
    if changed or attempts == 0:
        tx.record(
            entry(
                AuditEvent.TRANSFER_POSTPONED,
                at,
                node,
                message=message_id,
                transfer=transfer_id,
                neighbour=neighbour,
                state="in-doubt" if in_doubt else "queued",
            )
        )


def resend(tx: Transaction, transfer_id: TransferId, at: datetime) -> None:
    """A frozen transfer goes out once more; what was in doubt stays so until it is answered.

    Raises IllegalStepError when it was answered, given up, freed or held meanwhile.
    """
    if tx.run(SQL["may_go"], transfer_id).fetchone() is None:
        raise IllegalStepError(f"transfer {transfer_id} is not to be sent now")
    tx.run(SQL["resend"], transfer_id, ms(at))


def free(
    tx: Transaction,
    node: NodeId,
    transfer_id: TransferId,
    at: datetime,
    *,
    never_seen: bool,
    **told: str,
) -> tuple[int, NodeId]:
    """Close a transfer without an answer: what it carried waits again, on its own. How many, and for whom.

    Raises IllegalStepError when it was answered meanwhile, or is in doubt and not known to be unknown.
    """
    found = tx.run(SQL["transfer"], transfer_id).fetchone()
    if found is None or not found[2]:
        raise IllegalStepError("the transfer was answered meanwhile")
    freed = 0
    for row, text in tx.run(SQL["of_transfer"], transfer_id).fetchall():
        state = DeliveryState(text)
        if state is DeliveryState.IN_DOUBT and not never_seen:
            raise IllegalStepError("the delivery is in doubt by now")
        if state in lifecycle.WAITING_OR_HELD:
            tx.run(SQL["unfreeze"], row, lifecycle.step(state, Happening.FREED), ms(at))
            freed += 1
    tx.run(SQL["close"], transfer_id)
    named = {"message": found[4], "transfer": transfer_id, "neighbour": found[1]}
    tx.record(entry(AuditEvent.TRANSFER_FREED, at, node, **named, **told))
    return freed, NodeId(found[1])


def thaw(
    tx: Transaction,
    node: NodeId,
    transfer_id: TransferId,
    at: datetime,
    *,
    never_seen: bool,
    reason: str,
) -> None:
    """A transfer that was frozen as its neighbour never takes it is closed; its deliveries go anew.

    Raises IllegalStepError as `free` does, and for one of which nothing waits (a restored neighbour
    is sent it again, to the letter).
    """
    if not free(tx, node, transfer_id, at, never_seen=never_seen, reason=reason)[0]:
        raise IllegalStepError("nothing of the transfer waits")


def recover(tx: Transaction, node: NodeId, at: datetime) -> int:
    """After a start: what was in flight when the process died got no answer, so it is in doubt."""
    rows = tx.run(SQL["interrupted"]).fetchall()
    for (transfer_id,) in rows:
        postpone(
            tx,
            node,
            TransferId(transfer_id),
            in_doubt=True,
            error="the node stopped during the attempt",
            not_before=at,
            at=at,
        )
    return len(rows)


def give_up(
    tx: Transaction, node: NodeId, waiting: Waiting, signed: Signed, receipt: Receipt, at: datetime
) -> set[NodeId]:
    """End a delivery that this node can carry no further, with its own negative receipt; or say for
    certain what was ended with an unknown outcome."""
    state, reason = tx.run(
        "SELECT state, reason FROM deliveries WHERE delivery_row = ?", waiting.delivery_row
    ).fetchone() or ("", None)
    certain = reason == Reason.OUTCOME_UNKNOWN != receipt.evidence[0].reason
    if state not in {"sealing", "queued", "in-doubt"} and not certain:
        raise IllegalStepError("the delivery waits no longer")
    back = apply_receipt(tx, node, waiting.message_row, signed, receipt, at)
    if waiting.transfer is not None:
        tx.run(SQL["close_if_done"], waiting.transfer.transfer_id)
    return back


def record_receipts(
    tx: Transaction,
    node: NodeId,
    neighbour: NodeId,
    receipts: Sequence[tuple[Signed, Receipt]],
    at: datetime,
) -> set[NodeId]:
    """Receipts that travelled back. Each once; one for a message unknown here is only noted.

    They speak only of deliveries that went to the neighbour that hands them in: nobody else can
    know anything of those.
    """
    back: set[NodeId] = set()
    for signed, receipt in receipts:
        found = tx.run(SQL["message_row"], receipt.message_id, receipt.origin).fetchone()
        if found is None and early.keep(tx, signed, receipt, neighbour, at):
            continue  # its message is on its way back
        if found is None:
            _note_stray(tx, node, neighbour, signed, receipt, "unknown-message", at)
        elif found[1] != receipt.digest:
            _note_stray(tx, node, neighbour, signed, receipt, "other-bytes", at)
        else:
            row = MessageRow(found[0])
            back |= apply_receipt(tx, node, row, signed, receipt, at, neighbour)
    return back


def _note_stray(
    tx: Transaction,
    node: NodeId,
    neighbour: NodeId,
    signed: Signed,
    receipt: Receipt,
    reason: str,
    at: datetime,
) -> None:
    tx.record(
        entry(
            AuditEvent.LATE_RECEIPT,
            at,
            node,
            neighbour=neighbour,
            message=receipt.message_id,
            receipt=signed.digest,
            reason=reason,
        )
    )


def apply_receipt(
    tx: Transaction,
    node: NodeId,
    message_row: int,
    signed: Signed,
    receipt: Receipt,
    at: datetime,
    source: NodeId | None = None,
) -> set[NodeId]:
    """Store a proven receipt, move the deliveries it speaks of, and send it on its way back.

    `source` is the neighbour it came from, None for this node's own: those may speak of any.
    """
    digest = signed.digest
    concerned = _concerned(tx, message_row, receipt)
    # Whoever was sent some of a message's deliveries can know nothing of the others: a receipt that
    # speaks of one of them too is not what an honest node writes, and is sent on to nobody.
    others = [one for one in concerned if one.next_hop != source]
    if source is not None and (others or not concerned):
        if not tx.run(SQL["has_receipt"], digest).fetchone():
            _note_stray(tx, node, source, signed, receipt, "not-yours", at)
        return set()
    added = tx.run(
        SQL["add_receipt"],
        digest,
        message_row,
        receipt.issuer,
        signed.document,
        signed.signature,
        ms(at),
    )
    if added.rowcount == 0:
        return set()
    for one in concerned:
        after = _move(tx, one, receipt, at)
        obliging.proven(tx, node, one.row, one.state, after, one.said, at)
    _record_receipt(tx, node, digest, receipt, at)
    return _send_back(tx, {one.came_from for one in concerned if one.came_from}, digest)


@dataclass(frozen=True, slots=True)
class _Concerned:
    """A delivery that a receipt speaks of, and what it says, in its order."""

    row: int
    state: DeliveryState
    came_from: NodeId | None
    next_hop: NodeId | None
    reason: str | None
    said: tuple[Evidence, ...]


def _concerned(tx: Transaction, message_row: int, receipt: Receipt) -> list[_Concerned]:
    said: dict[AgencyCode, tuple[Evidence, ...]] = {}
    for evidence in receipt.evidence:
        said[evidence.recipient] = (*said.get(evidence.recipient, ()), evidence)
    concerned = []
    for code, evidences in said.items():
        found = tx.run(SQL["of_recipient"], message_row, code).fetchone()
        if found is not None:
            row, state, came_from, next_hop, reason = found
            concerned.append(
                _Concerned(row, DeliveryState(state), came_from, next_hop, reason, evidences)
            )
    return concerned


def _move(tx: Transaction, one: _Concerned, receipt: Receipt, at: datetime) -> DeliveryState:
    after, cause = one.state, None
    for evidence in one.said:
        acknowledged = _ACKNOWLEDGED_BY.get(evidence.event)
        if acknowledged is not None and evidence.reason is not Reason.TAKEN_BACK:
            tx.run(SQL["acknowledged_there"], one.row, acknowledged)
        refused = evidence.reason is not Reason.TAKEN_BACK and after not in FINAL
        if evidence.event is Event.CONTENT_HANDOVER_FAILURE and refused:
            tx.run(SQL["put_back"], one.row, evidence.detail)
        moved = lifecycle.settle(after, evidence.event, evidence.reason)
        certain = one.reason == Reason.OUTCOME_UNKNOWN and moved in lifecycle.NEGATIVE
        if moved is not after or certain:
            after, cause = moved, evidence
    if cause is None:
        return after
    failed = after in lifecycle.NEGATIVE
    tx.run(
        SQL["settle"],
        one.row,
        after,
        ms(at),
        ms(receipt.at) if after in FINAL or after is DeliveryState.AVAILABLE else None,
        cause.reason if failed else None,
        cause.detail if failed else "",
        receipt.issuer if failed else None,
    )
    if one.state is DeliveryState.HELD:
        tx.run(SQL["let_go"], one.row)
    return after


def _send_back(tx: Transaction, neighbours: set[NodeId], digest: Digest) -> set[NodeId]:
    for neighbour in neighbours:
        tx.run(SQL["add_return"], neighbour, digest)
    return neighbours


def _record_receipt(
    tx: Transaction, node: NodeId, digest: Digest, receipt: Receipt, at: datetime
) -> None:
    event = AuditEvent.RECEIPT_ISSUED if receipt.issuer == node else AuditEvent.RECEIPT_RECEIVED
    for (happened, reason), codes in _alike(receipt).items():
        for part in chunks(codes):
            tx.record(
                entry(
                    event,
                    at,
                    node,
                    message=receipt.message_id,
                    issuer=receipt.issuer,
                    receipt=digest,
                    type=happened,
                    reason=reason,
                    recipients=part,
                )
            )


def _alike(receipt: Receipt) -> dict[tuple[str, str], list[AgencyCode]]:
    """Recipients to whom the same happened: ("RelayAcceptance+ContentConsignment", "") → codes."""
    happened: dict[AgencyCode, tuple[str, str]] = {}
    for evidence in receipt.evidence:
        reason = evidence.reason.value if evidence.reason else ""
        before, why = happened.get(evidence.recipient, ("", ""))
        events = f"{before}+{evidence.event.value}" if before else evidence.event.value
        happened[evidence.recipient] = (events, why or reason)
    alike: dict[tuple[str, str], list[AgencyCode]] = {}
    for code, what in happened.items():
        alike.setdefault(what, []).append(code)
    return alike


def returned(tx: Transaction, rows: Sequence[ReturnRow]) -> None:
    """These receipts are durable at the neighbour."""
    tx.connection.executemany("DELETE FROM returns WHERE return_row = ?", [(row,) for row in rows])


def park_return(tx: Transaction, node: NodeId, row: ReturnRow, error: str, at: datetime) -> None:
    """The neighbour refuses this one receipt: kept, but no longer in the others' way."""
    found = tx.run("SELECT neighbour, receipt FROM returns WHERE return_row = ?", row).fetchone()
    tx.run("UPDATE returns SET parked = 1 WHERE return_row = ?", row)
    tx.record(
        entry(
            AuditEvent.PEER_REFUSED,
            at,
            node,
            neighbour=found[0],
            receipt=found[1],
            reason="receipt-refused",
        )
    )


def _transfer(tx: Transaction, transfer_id: TransferId) -> tuple[MessageRow, str, int, int, str]:
    row = tx.run(SQL["transfer"], transfer_id).fetchone()
    if row is None:
        raise IllegalStepError(f"no transfer {transfer_id}")
    return MessageRow(row[0]), row[1], row[2], row[3], row[4]
