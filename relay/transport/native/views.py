"""The inside's records as the JSON of the API: names as in the records, instants as RFC 3339 UTC.

Touches: nothing.
Raises:  nothing. Absent values are null, so that every member named in the OpenAPI document is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from relay.delivery.ports import (
    DeliveryView,
    InboxItem,
    MessageView,
    ObligationView,
    ReceiptView,
    SentItem,
    StatusView,
    TokenView,
)
from relay.model import Event, Finding
from relay.transport.native.judged import signatures_view
from relay.wire.remote_word import read_word

Json = dict[str, Any]

_encode = json.JSONEncoder(ensure_ascii=False).encode


def json_bytes(document: Mapping[str, object]) -> bytes:
    # A lone surrogate, kept as found in a hostile document, has no UTF-8: it is shown escaped.
    return _encode(document).encode("utf-8", "backslashreplace")


def json_response(document: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes(document), content_type="application/json")


def stamp(instant: datetime) -> str:
    """2026-11-23T04:05:06.123Z"""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _stamp_or_none(instant: datetime | None) -> str | None:
    return None if instant is None else stamp(instant)


def message_view(view: MessageView, now: datetime) -> Json:
    return {
        "message_id": view.message_id,
        "origin": view.origin,
        "message_type": view.message_type,
        "sender": view.sender,
        "subject": view.subject,
        "notation": view.notation,
        "document_id": view.document_id,
        "priority": int(view.priority),
        "digest": view.digest,
        "size_bytes": view.size_bytes,
        "accepted_at": stamp(view.accepted_at),
        "expires_at": stamp(view.expires_at),
        "seal_kind": view.seal_kind,
        "linked_to": view.linked_to,
        "findings": [_finding(finding) for finding in view.findings],
        "deliveries": [_delivery(delivery, now) for delivery in view.deliveries],
        "signatures": signatures_view(view),
    }


def _finding(finding: Finding) -> Json:
    return {"code": finding.code, "detail": finding.detail, "where": finding.where}


def _delivery(view: DeliveryView, now: datetime) -> Json:
    return {
        "delivery_id": view.delivery_id,
        "recipient": view.recipient,
        "addressed_as": view.addressed_as,
        "state": view.state,
        "next_hop": view.next_hop,
        "attempts": view.attempts,
        "next_attempt_at": _stamp_or_none(view.next_attempt_at),
        "last_error": view.last_error,
        "reason": view.reason,
        "detail": view.detail,
        "trace": trace(view),
        "receipts": [_receipt(receipt) for receipt in view.receipts],
        "statuses": [_status(status) for status in view.statuses],
        "business": view.business,
        "obligations": [obligation(one, now) for one in view.obligations],
    }


_NOT_AN_ARRIVAL = frozenset(
    {
        Event.SUBMISSION_REJECTION,
        Event.RELAY_REJECTION,
        Event.RELAY_FAILURE,
        Event.RELAY_TO_NON_ERDS_FAILURE,
    }
)


def trace(view: DeliveryView) -> list[Json]:
    """The nodes this delivery passed, in order, each with when it arrived and the receipt that says so."""
    hops: dict[str, Json] = {}
    for receipt in view.receipts:
        if receipt.event in _NOT_AN_ARRIVAL:
            continue
        remote = _remote(receipt)
        if remote is not None and receipt.event is Event.RECEIVED_FROM_NON_ERDS:
            hops.setdefault(remote, _step(remote, receipt, "none"))
        hops.setdefault(receipt.issuer, _step(receipt.issuer, receipt, "signed"))
        if remote is not None and receipt.event is not Event.RECEIVED_FROM_NON_ERDS:
            hops.setdefault(remote, _step(remote, receipt, "none"))
    return list(hops.values())


def _step(node: str, receipt: ReceiptView, evidence: str) -> Json:
    """`evidence` none: a remote that signs nothing; the receipt is this side's, of its word."""
    return {
        "node": node,
        "at": stamp(receipt.at),
        "event": receipt.event,
        "receipt": receipt.digest,
        "evidence": evidence,
    }


def _remote(receipt: ReceiptView) -> str | None:
    """The remote whose word a receipt repeats."""
    word = read_word(receipt.detail)
    return None if word is None else word.remote


def _receipt(view: ReceiptView) -> Json:
    return {
        "digest": view.digest,
        "event": view.event,
        "issuer": view.issuer,
        "at": stamp(view.at),
        "previous": view.previous,
        "hop": _hop(view),
        "reason": view.reason,
        "detail": view.detail,
        "evidence": "signed" if _remote(view) is None else "remote",
    }


def _hop(view: ReceiptView) -> Json | None:
    if view.transfer_id is None and view.sent_by is None:
        return None
    return {"transfer_id": view.transfer_id, "sent_by": view.sent_by}


def _status(view: StatusView) -> Json:
    return {
        "message_id": view.message_id,
        "status_code": view.status_code,
        "sender": view.sender,
        "description": view.description,
        "timestamp": view.timestamp,
        "arrived_at": stamp(view.arrived_at),
    }


def obligation(view: ObligationView, now: datetime) -> Json:
    return {
        "cursor": view.cursor,
        "kind": view.kind,
        "state": view.state,
        "answer": view.answer,
        "overdue": view.overdue(now),
        "cause": view.cause,
        "document": view.document,
        "delivery_id": view.delivery_id,
        "sender": view.sender,
        "recipient": view.recipient,
        "document_id": view.document_id,
        "notation": view.notation,
        "promulgation_date": view.promulgation_date,
        "asked_at": stamp(view.asked_at),
        "due_at": stamp(view.due_at),
        "settled_at": _stamp_or_none(view.settled_at),
        "reason": view.reason,
    }


def inbox_item(item: InboxItem) -> Json:
    return {
        "delivery_id": item.delivery_id,
        "cursor": item.cursor,
        "message_id": item.message_id,
        "message_type": item.message_type,
        "sender": item.sender,
        "recipient": item.recipient,
        "subject": item.subject,
        "notation": item.notation,
        "priority": int(item.priority),
        "digest": item.digest,
        "size_bytes": item.size_bytes,
        "state": item.state,
        "acknowledgement": item.acknowledgement,
        "available_at": stamp(item.available_at),
        "updated_at": stamp(item.updated_at),
        "seal_kind": item.seal_kind,
        "answering": None if item.answering is None else asdict(item.answering),
        "business": item.business,
        "obligation": item.obligation,
    }


def sent_item(item: SentItem) -> Json:
    return {
        "message_id": item.message_id,
        "delivery_id": item.delivery_id,
        "message_type": item.message_type,
        "sender": item.sender,
        "recipient": item.recipient,
        "subject": item.subject,
        "notation": item.notation,
        "accepted_at": stamp(item.accepted_at),
        "state": item.state,
        "acknowledgement": item.acknowledgement,
        "settled_at": _stamp_or_none(item.settled_at),
        "reason": item.reason,
        "detail": item.detail,
        "failed_at_node": item.failed_at_node,
        "business": item.business,
        "obligation": item.obligation,
    }


def token_view(view: TokenView) -> Json:
    return {
        "token_id": view.token_id,
        "holder": view.holder,
        "scopes": list(view.scopes),
        "created_at": stamp(view.created_at),
        "revoked_at": _stamp_or_none(view.revoked_at),
    }
