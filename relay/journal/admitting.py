"""Operations that make a message durable: a submission admitted, a transfer taken in.

Each is a plain function of the open transaction and leaves either everything or, by returning what
it found instead, nothing.

Touches: the tables of messages, deliveries, arrivals, payloads, receipts, submissions; what it says of
         other documents through matching.py; what waits to be judged through judging.py.
Raises:  ConflictError for other content under an idempotency key or a transfer id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from relay.audit.entries import AuditEvent, entry
from relay.delivery.pressure.quota import WAITING, Party, Quotas, caller_party, neighbour_party
from relay.delivery.records import (
    Admission,
    Admitted,
    AlreadyHere,
    ArrivalRow,
    DeliveryRow,
    MessageRow,
    NewDelivery,
    NewMessage,
    Renew,
    TakeIn,
    TakenIn,
)
from relay.errors import ConflictError, QuotaError
from relay.journal import carrying, early, matching, retaining, tallying, twins, waiting
from relay.journal.judging import await_judgement
from relay.journal.rows import chunks, findings_text, ms, trace_text
from relay.journal.sql import load
from relay.journal.submissions import failed, first_answer, require_same
from relay.journal.writer import Transaction
from relay.lifecycle import FINAL
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    Signed,
)

SQL = load("admit")
_REACHED = {
    DeliveryState.AVAILABLE: AuditEvent.DELIVERY_AVAILABLE,
    DeliveryState.REFUSED: AuditEvent.DELIVERY_FAILED,
    DeliveryState.EXPIRED: AuditEvent.DELIVERY_EXPIRED,
}


def admit(
    tx: Transaction, node: NodeId, admission: Admission, quotas: Quotas | None = None
) -> Admitted | Renew | QuotaError:
    """The message and its submission key, or the first answer, or who may start anew."""
    _check_idempotency(tx, admission)
    before = _first_answer(tx, admission.submission_key)
    first_row = None
    if before is not None:
        answer, first_row = before
        again = failed(tx.run(SQL["family"], first_row))
        if not again:
            _bind_idempotency(tx, admission)
            return answer
        wanted = frozenset(d.recipient for d in admission.deliveries)
        if admission.follows != answer.message_row or wanted != again:
            return Renew(answer, again)
    message = admission.message
    party = caller_party(message.submitted_by or "")
    if (excess := _excess(tx, party, admission.deliveries, quotas)) is not None:
        return excess
    row = _add_message(tx, message, first_row)
    arrival = _add_arrival(tx, row, None, admission.receipt, trace_text(admission.trace), message)
    _add_receipt(tx, row, node, admission.receipt, ms(message.accepted_at))
    rows = _add_deliveries(tx, node, row, arrival, message, admission.deliveries, party)
    _bind(tx, admission, row)
    _record_accepted(tx, node, admission)
    matching.match(tx, node, row, message)
    return Admitted(
        row,
        arrival,
        message.message_id,
        message.accepted_at,
        admission.receipt.digest,
        repeated=False,
        rows=rows,
    )


def admit_again(
    tx: Transaction, node: NodeId, admission: Admission, keys: Sequence[str], at: datetime
) -> None:
    """A message that was accepted before a restore lost it, under its old id and time of acceptance.

    The first of `keys` is its submission key; the others are bound only where they are bound already,
    so that it joins the family it renewed.
    """
    message = admission.message
    row = _add_message(tx, message, _family(tx, keys))
    arrival = _add_arrival(tx, row, None, admission.receipt, trace_text(admission.trace), message)
    _add_receipt(tx, row, node, admission.receipt, ms(at))
    for number, key in enumerate(keys):
        _bind_newest(tx, key, row, message, always=number == 0)
    add_recipients(tx, node, row, arrival, message, admission.deliveries, at)
    matching.match(tx, node, row, replace(message, accepted_at=at))


def add_recipients(
    tx: Transaction,
    node: NodeId,
    row: MessageRow,
    arrival: ArrivalRow,
    message: NewMessage,
    deliveries: Sequence[NewDelivery],
    at: datetime,
) -> None:
    """Deliveries of a message that a restore lost, and what receipts came for them meanwhile.

    They count as what waits of whoever gave them back, but no quota refuses them: they were accepted.
    """
    party = caller_party(message.submitted_by or "")
    waiting.of(tx, party)  # makes the row that the triggers keep
    _add_deliveries(tx, node, row, arrival, replace(message, accepted_at=at), deliveries, party)
    settle_early(tx, node, row, message.message_id, message.origin, at)


def _family(tx: Transaction, keys: Sequence[str]) -> MessageRow | None:
    for key in keys:
        found = tx.run(SQL["family_of"], key).fetchone()
        if found is not None:
            return MessageRow(found[1])
    return None


def _bind_newest(
    tx: Transaction, key: str, row: MessageRow, message: NewMessage, *, always: bool
) -> None:
    found = tx.run(SQL["family_of"], key).fetchone()
    if (found is None and always) or (found is not None and found[0] < message.message_id):
        tx.run(SQL["bind_submission"], key, row)


def settle_early(
    tx: Transaction,
    node: NodeId,
    row: MessageRow,
    message_id: MessageId,
    origin: NodeId,
    at: datetime,
) -> set[NodeId]:
    """Receipts that came before their message (early.py)."""

    def apply(signed: Signed, receipt: Receipt, neighbour: NodeId | None) -> set[NodeId]:
        (digest,) = tx.run("SELECT digest FROM messages WHERE message_row = ?", row).fetchone()
        if receipt.digest != digest:
            return set()
        return carrying.apply_receipt(tx, node, row, signed, receipt, at, neighbour)

    return early.settle(tx, message_id, origin, apply)


def take_in(
    tx: Transaction, node: NodeId, arrival: TakeIn, quotas: Quotas | None = None
) -> TakenIn | AlreadyHere | QuotaError:
    """The transfer's deliveries and its answer, or the answer it got before."""
    header = arrival.header
    before = tx.run(
        "SELECT a.header, a.message_row, a.arrival_row, r.document, r.signature FROM arrivals a"
        " JOIN receipts r ON r.digest = a.receipt WHERE a.neighbour = ? AND a.transfer_id = ?",
        arrival.neighbour,
        header.transfer_id,
    ).fetchone()
    if before is not None:
        if before[0] != arrival.signed_header.document:
            raise ConflictError(f"transfer {header.transfer_id} came before with another header")
        return TakenIn(Signed(before[3], before[4]), before[1], before[2], (), repeated=True)
    found = tx.run(
        "SELECT message_row, digest FROM messages WHERE message_id = ? AND origin = ?",
        header.message_id,
        header.origin,
    ).fetchone()
    here, same = _here(tx, found, header.digest, header.recipients)
    if arrival.message is not None and (here != arrival.known or not same):
        return AlreadyHere(here, same)
    party = neighbour_party(arrival.neighbour)
    if (excess := _excess(tx, party, arrival.deliveries, quotas)) is not None:
        return excess
    row: MessageRow | None = None
    if arrival.message is not None:
        row = MessageRow(found[0]) if found else _add_message(tx, arrival.message, None)
        if found:
            keep_again(tx, row, arrival.message)
    arrival_row = _add_arrival(
        tx, row, arrival, arrival.answer, trace_text(arrival.trace), arrival.message
    )
    _add_receipt(tx, row, node, arrival.answer, ms(arrival.at))
    _record_taken(tx, node, arrival)
    if not same:
        _record_conflict(tx, node, arrival)
    rows: tuple[DeliveryRow, ...] = ()
    if row is not None and arrival.message is not None:
        rows = _add_deliveries(
            tx, node, row, arrival_row, arrival.message, arrival.deliveries, party
        )
        kin = arrival.message.kin
        twins.list_once(tx, row, kin, arrival.deliveries, rows, again=found is not None)
        matching.match(tx, node, row, arrival.message)
        settle_early(tx, node, row, header.message_id, header.origin, arrival.at)
    return TakenIn(arrival.answer, row, arrival_row, rows, repeated=False)


def _excess(
    tx: Transaction, party: Party, deliveries: Sequence[NewDelivery], quotas: Quotas | None
) -> QuotaError | None:
    """Whether these would wait here on top of more than a quota. A repeat adds nothing and is not
    asked; nor is what is delivered or refused here and now."""
    if not any(d.state in WAITING for d in deliveries):
        return None
    found = waiting.of(tx, party)
    return None if quotas is None else quotas.excess(party, found)


def _here(
    tx: Transaction, found: tuple[int, str] | None, digest: Digest, recipients: Sequence[AgencyCode]
) -> tuple[frozenset[AgencyCode], bool]:
    """Which of the recipients stand here already under this message, and whether the bytes agree (W4.6)."""
    if found is None:
        return frozenset(), True
    rows = tx.run("SELECT recipient FROM deliveries WHERE message_row = ?", found[0])
    have = {AgencyCode(row[0]) for row in rows}
    return frozenset(have.intersection(recipients)), found[1] == digest


def _check_idempotency(tx: Transaction, admission: Admission) -> None:
    if admission.idempotency_key is None:
        return
    bound = tx.run(SQL["idempotent"], admission.idempotency_key).fetchone()
    require_same(bound, admission.submission_key)


def _bind(tx: Transaction, admission: Admission, row: MessageRow) -> None:
    tx.run(SQL["bind_submission"], admission.submission_key, row)
    _bind_idempotency(tx, admission)


def _bind_idempotency(tx: Transaction, admission: Admission) -> None:
    if admission.idempotency_key is not None:
        tx.run(SQL["bind_idempotent"], admission.idempotency_key, admission.submission_key)


def _first_answer(tx: Transaction, submission_key: str) -> tuple[Admitted, MessageRow] | None:
    """None for a submission that is new, or so old that its message left by retention."""
    submitted = tx.run(SQL["submission"], submission_key).fetchone()
    found = None if submitted is None else tx.run(SQL["first_answer"], submitted[0]).fetchone()
    return None if found is None else first_answer(found)


def _add_message(tx: Transaction, message: NewMessage, first_row: MessageRow | None) -> MessageRow:
    payload, seal = message.payload, message.seal
    cursor = tx.run(
        SQL["add_message"],
        message.origin,
        message.message_id,
        message.message_type,
        message.sender,
        message.sender_as,
        payload.digest,
        payload.size_bytes,
        int(message.priority),
        ms(message.accepted_at),
        ms(message.expires_at),
        message.subject,
        message.notation,
        message.document_id,
        message.promulgation_date,
        findings_text(message.findings),
        message.submitted_by,
        first_row,
        None if seal is None else seal.kind,
        None if seal is None else seal.signature,
    )
    row = MessageRow(cursor.lastrowid or 0)
    if not _add_payload(tx, message, row):
        tx.run(SQL["share_payload"], payload.digest, row)
    tallying.begin(tx, row, message, first_row)
    return row


def _add_payload(tx: Transaction, message: NewMessage, row: MessageRow) -> bool:
    """False when its bytes were here already."""
    payload = message.payload
    added = tx.run(
        SQL["add_payload"],
        payload.digest,
        payload.size_bytes,
        payload.content,
        None if payload.path is None else payload.path.name,
        ms(message.accepted_at),
        row,
    )
    return added.rowcount > 0


def keep_again(tx: Transaction, row: MessageRow, message: NewMessage) -> None:
    """More deliveries of a message whose payload may have left: retention has passed it by then."""
    if _add_payload(tx, message, row):
        tx.run(SQL["share_payload"], message.payload.digest, row)
        tx.run(SQL["keep_again"], row)
    else:
        retaining.need_again(tx, [row])


def _add_arrival(
    tx: Transaction,
    row: MessageRow | None,
    arrival: TakeIn | None,
    receipt: Signed,
    trace: str,
    message: NewMessage | None,
) -> ArrivalRow:
    if arrival is None and message is not None:
        values: tuple[object, ...] = (
            row,
            None,
            None,
            None,
            None,
            trace,
            receipt.digest,
            ms(message.accepted_at),
            1,
        )
    elif arrival is not None:
        signed = arrival.signed_header
        values = (
            row,
            arrival.neighbour,
            arrival.header.transfer_id,
            signed.document,
            signed.signature,
            trace,
            receipt.digest,
            ms(arrival.at),
            int(arrival.batched),
        )
    return ArrivalRow(tx.run(SQL["add_arrival"], *values).lastrowid or 0)


def _add_receipt(
    tx: Transaction, row: MessageRow | None, issuer: NodeId, receipt: Signed, at: int
) -> None:
    tx.run(SQL["add_receipt"], receipt.digest, row, issuer, receipt.document, receipt.signature, at)


def _add_deliveries(
    tx: Transaction,
    node: NodeId,
    row: MessageRow,
    arrival: ArrivalRow,
    message: NewMessage,
    deliveries: Sequence[NewDelivery],
    party: Party,
) -> tuple[DeliveryRow, ...]:
    at = ms(message.accepted_at)
    share_bytes = message.payload.size_bytes // max(1, len(deliveries))
    # As the message itself has it: some of its deliveries may have come later, after a restore.
    sent = tx.run(SQL["handed_in"], row).fetchone() or (None, None, None)
    rows = []
    cursor = None
    for delivery in deliveries:
        available = delivery.state is DeliveryState.AVAILABLE
        if available:
            cursor = tx.run(SQL["next_cursor"]).fetchone()[0]
        added = tx.run(
            SQL["add_delivery"],
            delivery.delivery_id,
            row,
            arrival,
            delivery.recipient,
            delivery.addressed_as,
            delivery.state,
            int(delivery.lane),
            delivery.next_hop,
            delivery.reason,
            delivery.detail,
            node if delivery.reason is not None else None,
            ms(message.expires_at),
            at if available else None,
            cursor if available else None,
            at if delivery.state in FINAL else None,
            at,
            party,
            share_bytes,
            *sent,
        )
        rows.append(DeliveryRow(added.lastrowid or 0))
    _record_reached(tx, node, message, deliveries)
    _record_successions(tx, node, message, deliveries)
    await_judgement(tx, row, message, deliveries)
    return tuple(rows)


def _record_reached(
    tx: Transaction, node: NodeId, message: NewMessage, deliveries: Sequence[NewDelivery]
) -> None:
    for state, event in _REACHED.items():
        codes = [d.recipient for d in deliveries if d.state is state]
        for part in chunks(codes):
            tx.record(
                entry(event, message.accepted_at, node, message=message.message_id, recipients=part)
            )


def _record_successions(
    tx: Transaction, node: NodeId, message: NewMessage, deliveries: Sequence[NewDelivery]
) -> None:
    found = [delivery.succession for delivery in deliveries if delivery.succession is not None]
    for start in range(0, len(found), 500):
        part = found[start : start + 500]
        tx.record(
            entry(
                AuditEvent.RECIPIENT_SUCCEEDED,
                message.accepted_at,
                node,
                message=message.message_id,
                recipients=[closed for closed, _ in part],
                successors=[heir for _, heir in part],
            )
        )


def _record_accepted(tx: Transaction, node: NodeId, admission: Admission) -> None:
    message = admission.message
    fields: dict[str, str] = {} if message.seal is None else {"seal": message.seal.kind.value}
    if admission.follows is not None:
        fields["renews"] = "yes"
    for part in chunks([d.recipient for d in admission.deliveries]):
        tx.record(
            entry(
                AuditEvent.MESSAGE_ACCEPTED,
                message.accepted_at,
                node,
                message=message.message_id,
                sender=message.sender,
                recipients=part,
                digest=message.payload.digest,
                size=message.payload.size_bytes,
                receipt=admission.receipt.digest,
                kind=message.message_type.value,
                **fields,
            )
        )


def _record_taken(tx: Transaction, node: NodeId, arrival: TakeIn) -> None:
    """What was taken over, and what was refused for each reason."""
    outcomes: dict[Reason | None, list[AgencyCode]] = {}
    for code in arrival.header.recipients:
        outcomes.setdefault(arrival.refused.get(code), []).append(code)
    for reason, codes in outcomes.items():
        _record_outcome(tx, node, arrival, reason, codes)


def _record_outcome(
    tx: Transaction,
    node: NodeId,
    arrival: TakeIn,
    reason: Reason | None,
    codes: Sequence[AgencyCode],
) -> None:
    event = AuditEvent.TRANSFER_RECEIVED if reason is None else AuditEvent.TRANSFER_REFUSED
    header = arrival.header
    for part in chunks(codes):
        tx.record(
            entry(
                event,
                arrival.at,
                node,
                message=header.message_id,
                origin=header.origin,
                neighbour=arrival.neighbour,
                transfer=header.transfer_id,
                recipients=part,
                digest=header.digest,
                receipt=arrival.answer.digest,
                reason=reason,
            )
        )


def _record_conflict(tx: Transaction, node: NodeId, arrival: TakeIn) -> None:
    tx.record(
        entry(
            AuditEvent.CONFLICT_ALERT,
            arrival.at,
            node,
            message=arrival.header.message_id,
            origin=arrival.header.origin,
            neighbour=arrival.neighbour,
            transfer=arrival.header.transfer_id,
            digest=arrival.header.digest,
        )
    )
