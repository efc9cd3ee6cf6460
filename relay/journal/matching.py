"""Statuses and requests joined with the documents they speak of, whichever came first.

A code and its successor's are one agency here, whichever was named (`NewMessage.kin`).
By the relay's own name of a delivery or message where a system writes that, else by DocumentId, else by
From, number and date. What finds nothing is kept and joined in the transaction that brings its document.
What a status says goes through lifecycle.advance here; it never moves a delivery.

Touches: reports, report_matches, business; obligations through obliging.py.
Raises:  nothing of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from relay import lifecycle
from relay.audit.entries import AuditEvent, entry
from relay.delivery.records import Kin, MessageRow, NewMessage, Report
from relay.envelope.statuses import Direction, find
from relay.journal import obliging
from relay.journal.obliging import Cause, Found, may_speak_of
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.model import AgencyCode, BusinessState, MessageId, MessageType, NodeId

SQL = load("business")
_ANSWERS = frozenset({"15", "16"})
_TAKE_BACK = "13"


@dataclass(frozen=True, slots=True)
class _Reported:
    """A status as it is stored."""

    row: int
    code: str
    sender: AgencyCode
    others: tuple[AgencyCode, ...]
    """Who is spoken to: the agency it names, and the recipients of the status here."""
    document_id: str
    notation: str
    promulgation_date: str
    message_id: MessageId
    origin: NodeId
    accepted_at: int


def match(tx: Transaction, node: NodeId, row: MessageRow, message: NewMessage) -> None:
    """Join a new message with what is here, and what is here with it."""
    at = message.accepted_at
    if message.report is not None and _add_report(tx, row, message, message.report):
        _match_report(tx, node, row, message.kin, at)
    if message.message_type is MessageType.DOCUMENT:
        _match_early(tx, node, row, message, at)
    if message.requests:
        cause = Cause(
            row, message.message_id, message.origin, message.payload.digest, message.sender
        )
        ours = message.submitted_by is not None
        for request in message.requests:
            found = _of_request(tx, cause, _all(message.kin, [request.recipient]), request)
            obliging.oblige(tx, node, cause, request, found, at, ours=ours)


def _add_report(tx: Transaction, row: MessageRow, message: NewMessage, report: Report) -> bool:
    """False when a part of the same status was here before."""
    if tx.run("SELECT 1 FROM reports WHERE message_row = ?", row).fetchone():
        return False
    tx.run(
        SQL["add_report"],
        row,
        report.status_code,
        message.sender,
        report.organ_id,
        report.document_id,
        report.notation,
        report.promulgation_date,
        report.description,
        report.reported_at,
    )
    return True


def _match_report(tx: Transaction, node: NodeId, row: int, kin: Kin, at: datetime) -> bool:
    report = _reported(tx, row)
    found = _of_report(tx, report, kin)
    if not found:
        return False
    if report.code != _TAKE_BACK:  # it speaks of the newest; a take-back of all of that name
        found = [one for one in found if one.message_row == found[0].message_row]
    tx.run(SQL["match_report"], row, found[0].message_row)
    tx.record(
        entry(
            AuditEvent.STATUS_MATCHED,
            at,
            node,
            message=report.message_id,
            document=found[0].message_id,
            status=_known(report.code),
        )
    )
    for one in found:
        tx.run(SQL["match_delivery"], row, one.delivery_row)
        _say(tx, node, report, kin, one, at)
    return True


def _say(
    tx: Transaction, node: NodeId, report: _Reported, kin: Kin, one: Found, at: datetime
) -> None:
    """What the document's own recipient says of it, or who stands for it; from others it is only kept."""
    recipient, before = tx.run(SQL["state"], one.delivery_row).fetchone()
    row = find(report.code)
    itself = recipient in _all(kin, [report.sender])
    if row is None or row.direction is not Direction.TO_SENDER or not itself:
        return
    if row.code in _ANSWERS:
        obliging.reckon(tx, node, one.delivery_row, at)
        return
    after = lifecycle.advance(BusinessState(before), row.code)
    tx.run(SQL["keep_state"], one.delivery_row, after, row.code, report.accepted_at)


def _match_early(
    tx: Transaction, node: NodeId, row: MessageRow, message: NewMessage, at: datetime
) -> None:
    """Statuses and requests that overtook this document."""
    named = (message.document_id, message.notation, message.promulgation_date)
    if not tx.run(SQL["spoken_of"], row, *named, message.message_id, message.sender).fetchone()[0]:
        return
    values: dict[str, object] = {
        "names": json.dumps(_names(tx, row, message)),
        "notation": message.notation,
        "date": message.promulgation_date,
    }
    for (early,) in tx.connection.execute(SQL["early"], values).fetchall():
        _match_report(tx, node, early, message.kin, at)
    values = {**values, "row": row, "sender": message.sender, "kin": _pairs(message.kin)}
    found = tx.connection.execute(SQL["early_obligations"], values).fetchall()
    if message.kin:
        found += tx.connection.execute(SQL["early_of_kin"], values).fetchall()
    for obligation, kind, cause_id, cause_origin, unmatched, delivery in found:
        if may_speak_of(kind, cause_id, cause_origin, message.message_id, message.origin):
            obliging.join(tx, node, obligation, delivery, at, unmatched=bool(unmatched))


def _pairs(kin: Kin) -> str:
    """Each code with each other that stands for the same agency."""
    return json.dumps([[code, other] for code, all_ in kin.items() for other in all_ - {code}])


def _all(kin: Kin, codes: Iterable[AgencyCode]) -> tuple[AgencyCode, ...]:
    """These and who stands for them, each once, in order."""
    several = ((code, *sorted(kin.get(code, ()))) for code in codes)
    return tuple(dict.fromkeys(code for family in several for code in family))


def _names(tx: Transaction, row: MessageRow, message: NewMessage) -> list[str]:
    ids = [
        name for (name,) in tx.run("SELECT delivery_id FROM deliveries WHERE message_row = ?", row)
    ]
    return [*filter(None, [message.document_id]), message.message_id, *ids]


def _reported(tx: Transaction, row: int) -> _Reported:
    code, sender, organ, document_id, notation, date, message_id, origin, accepted_at = tx.run(
        SQL["report"], row
    ).fetchone()
    recipients = [AgencyCode(one) for (one,) in tx.run(SQL["others"], row)]
    others = tuple(dict.fromkeys([AgencyCode(organ), *recipients]))
    return _Reported(
        row,
        code,
        AgencyCode(sender),
        others,
        document_id,
        notation,
        date,
        MessageId(message_id),
        NodeId(origin),
        accepted_at,
    )


def _of_report(tx: Transaction, report: _Reported, kin: Kin) -> list[Found]:
    row = find(report.code)
    code = report.code if row is None else row.code
    ones, others = _all(kin, [report.sender]), _all(kin, report.others)
    found = _search(tx, report.sender, ones, others, report)
    if code != _TAKE_BACK:
        return found
    return [
        one
        for one in found
        if may_speak_of("take-back", report.message_id, report.origin, one.message_id, one.origin)
    ]


def _of_request(
    tx: Transaction, cause: Cause, recipients: Sequence[AgencyCode], named: obliging.Named
) -> list[Found]:
    """The documents the request speaks of, the newest first, sent by who asks to who is asked."""
    return [
        one
        for one in _search(tx, cause.sender, (cause.sender,), recipients, named)
        if one.message_row != cause.row
        and may_speak_of("take-back", cause.message_id, cause.origin, one.message_id, one.origin)
        and tx.run("SELECT sender FROM messages WHERE message_row = ?", one.message_row).fetchone()[
            0
        ]
        == cause.sender
    ]


def _search(
    tx: Transaction,
    one: AgencyCode,
    ones: Sequence[AgencyCode],
    others: Sequence[AgencyCode],
    named: obliging.Named,
) -> list[Found]:
    """Between `one` and the others; as a recipient `one` is any of `ones`, who stand for each other."""
    values = {
        "one": one,
        "ones": json.dumps(list(ones)),
        "others": json.dumps(list(others)),
        "named": named.document_id,
        "notation": named.notation,
        "date": named.promulgation_date,
    }
    ways = []
    if named.document_id:
        ways += ["by_name", "by_document_id"]
    if named.notation:
        ways.append("by_notation")
    for way in ways:
        if rows := tx.connection.execute(SQL[way], values).fetchall():
            return [_found(row) for row in rows]
    return []


def _found(row: Sequence[object]) -> Found:
    message_row, delivery_row, message_id, origin = row
    return Found(
        int(str(message_row)),
        int(str(delivery_row)),
        MessageId(str(message_id)),
        NodeId(str(origin)),
    )


def _known(status: str) -> str:
    """The log holds codes only: whatever else a document puts there stays in the document."""
    found = find(status)
    return "unknown" if found is None else found.code
