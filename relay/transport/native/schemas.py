"""The JSON Schemas of the API, as data: one for each record that views.py writes.

Touches: nothing.
"""

from __future__ import annotations

from typing import Any

from relay.delivery.ports import Acknowledgement, StatementKind
from relay.model import (
    BusinessState,
    DeliveryState,
    Event,
    MessageType,
    ObligationState,
    Reason,
    SealKind,
)
from relay.transport.problems import WORDS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
INSTANT: Schema = {"type": "string", "format": "date-time", "description": "UTC, milliseconds"}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256"}
UUID: Schema = {"type": "string", "format": "uuid"}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _word(words: type) -> Schema:
    return {"type": "string", "enum": [str(word.value) for word in words]}  # type: ignore[attr-defined]


def _record(description: str, /, **members: Schema) -> Schema:
    """An object with all of these members, always, and no other."""
    return {
        "type": "object",
        "description": description,
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


record, or_null, word = _record, _or_null, _word
"""For the schemas that have a module of their own."""

_PRIORITY: Schema = {"type": "integer", "minimum": 0, "maximum": 4}
_SCOPES = list_of({"type": "string", "pattern": "^(operator|auditor|agency:[A-Za-z0-9.]{1,35})$"})

SCHEMAS: dict[str, Schema] = {
    "Statements": _record(
        "What lies beside a message's seal and receipts: the certificates that signed, with their "
        "issuers, and what their authorities said of revocation about that time. DER, in base64.",
        certificates=list_of(TEXT),
        statements=list_of(
            _record(
                "A CRL or an OCSP response, as it was taken.",
                kind=_word(StatementKind),
                digest=DIGEST,
                this_update=INSTANT,
                next_update=_or_null(INSTANT),
                content=TEXT,
            )
        ),
    ),
    "Accepted": _record(
        "The envelope is durable here; it will be delivered or refused with a signed receipt.",
        message_id=UUID,
        accepted_at=INSTANT,
        receipt=DIGEST,
    ),
    "Finding": _record(
        "Something odd in the document, kept as found.", code=TEXT, detail=TEXT, where=TEXT
    ),
    "Hop": _record(
        "A node the delivery passed: when it arrived there, and the receipt that says so.",
        node=TEXT,
        at=INSTANT,
        event=_word(Event),
        receipt=DIGEST,
        evidence={
            "enum": ["signed", "none"],
            "description": "none: a remote that signs nothing; the receipt is its neighbour's.",
        },
    ),
    "Receipt": _record(
        "Signed evidence of an event, by its ETSI EN 319 522 name.",
        digest=DIGEST,
        event=_word(Event),
        issuer=TEXT,
        at=INSTANT,
        previous=_or_null(DIGEST),
        hop=_or_null(
            _record(
                "The carry between two nodes it speaks of.",
                transfer_id=_or_null(UUID),
                sent_by=_or_null(TEXT),
            )
        ),
        reason=_or_null(_word(Reason)),
        detail=TEXT,
        evidence={
            "enum": ["signed", "remote"],
            "description": "remote: the issuer's evidence of the word of a remote that signs nothing.",
        },
    ),
    "Status": _record(
        "A business status that came for the document.",
        message_id=UUID,
        status_code=TEXT,
        sender=TEXT,
        description=TEXT,
        timestamp=TEXT,
        arrived_at=INSTANT,
    ),
    "DeliveryView": _record(
        "The message on its way to one recipient, as this node knows it.",
        delivery_id=UUID,
        recipient=TEXT,
        addressed_as=TEXT,
        state=_word(DeliveryState),
        next_hop=_or_null(TEXT),
        attempts=WHOLE,
        next_attempt_at=_or_null(INSTANT),
        last_error=TEXT,
        reason=_or_null(_word(Reason)),
        detail=TEXT,
        trace=list_of(reference("Hop")),
        receipts=list_of(reference("Receipt")),
        statuses=list_of(reference("Status")),
        business=_word(BusinessState),
        obligations=list_of(reference("Obligation")),
    ),
    "Message": _record(
        "An accepted envelope and where each of its deliveries stands.",
        message_id=UUID,
        origin=TEXT,
        message_type=_word(MessageType),
        sender=TEXT,
        subject=TEXT,
        notation=TEXT,
        document_id=TEXT,
        priority=_PRIORITY,
        digest=DIGEST,
        size_bytes=WHOLE,
        accepted_at=INSTANT,
        expires_at=INSTANT,
        seal_kind=_or_null(_word(SealKind)),
        linked_to=_or_null(UUID),
        findings=list_of(reference("Finding")),
        deliveries=list_of(reference("DeliveryView")),
        signatures=reference("JudgedSignatures"),
    ),
    "Delivery": _record(
        "A document at its recipient's disposal.",
        delivery_id=UUID,
        cursor=WHOLE,
        message_id=UUID,
        message_type=_word(MessageType),
        sender=TEXT,
        recipient=TEXT,
        subject=TEXT,
        notation=TEXT,
        priority=_PRIORITY,
        digest=DIGEST,
        size_bytes=WHOLE,
        state=_word(DeliveryState),
        acknowledgement=_word(Acknowledgement),
        available_at=INSTANT,
        updated_at=INSTANT,
        seal_kind=_word(SealKind),
        answering=_or_null(reference("Answering")),
        business=_word(BusinessState),
        obligation=_or_null(_word(ObligationState)),
    ),
    "Answering": _record(
        "What a status message says, and the document it speaks of as it writes it.",
        status_code=TEXT,
        document_id=TEXT,
        notation=TEXT,
        promulgation_date=TEXT,
    ),
    "Deliveries": _record(
        "A page; ask again with `after` set to `next`.",
        deliveries=list_of(reference("Delivery")),
        next=WHOLE,
    ),
    "SentDelivery": _record(
        "One delivery of a message that entered here; `reason` says why it ended without arriving.",
        message_id=UUID,
        delivery_id=UUID,
        message_type=_word(MessageType),
        sender=TEXT,
        recipient=TEXT,
        subject=TEXT,
        notation=TEXT,
        accepted_at=INSTANT,
        state=_word(DeliveryState),
        acknowledgement=_word(Acknowledgement),
        settled_at=_or_null(INSTANT),
        reason=_or_null(_word(Reason)),
        detail=TEXT,
        failed_at_node=_or_null(TEXT),
        business=_word(BusinessState),
        obligation=_or_null(_word(ObligationState)),
    ),
    "Sent": _record(
        "The newest message first; ask again with `skip` raised by the rows that came.",
        sent=list_of(reference("SentDelivery")),
    ),
    "Token": _record(
        "A bearer token, without its secret.",
        token_id=TEXT,
        holder=TEXT,
        scopes=_SCOPES,
        created_at=INSTANT,
        revoked_at=_or_null(INSTANT),
    ),
    "Tokens": _record("All tokens, the revoked ones too.", tokens=list_of(reference("Token"))),
    "IssuedToken": _record(
        "The secret is shown this once; the node keeps its hash only.",
        token=reference("Token"),
        secret=TEXT,
    ),
    "TokenRequest": _record("Whom a token is for.", holder=TEXT, scopes=_SCOPES),
    "Acknowledge": {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["processing", "done", "fail"]},
            "reason": {"type": "string", "maxLength": 2000},
            "why": {
                "type": "string",
                "maxLength": 500,
                "description": "On the control socket only: why an operator acknowledges for the agency",
            },
        },
        "required": ["status"],
        "additionalProperties": False,
    },
    "Health": _record("One word.", status=TEXT),
    "Problem": {
        "type": "object",
        "description": "RFC 9457. `type` is urn:truc-relay:problem: and one of "
        + ", ".join(sorted(WORDS)),
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "instance": {"type": "string", "format": "uri", "description": "The request id."},
            "what": TEXT,
            "where": TEXT,
            "limit": TEXT,
            "parameter": TEXT,
            "reason": TEXT,
            "codes": list_of(TEXT),
            "retry_after_seconds": WHOLE,
        },
        "required": ["type", "title", "status", "detail", "instance"],
    },
}
