"""The OpenAPI description of reconciliation.

Touches: nothing.
"""

from __future__ import annotations

from typing import Final

from relay.delivery.reconciling.ports import MOST_NAMED, Kind, Side, What
from relay.transport.native.asking import WHY_CHARACTERS
from relay.transport.native.fragments import (
    Json,
    in_path,
    json_answer,
    json_body,
    operation,
)
from relay.transport.native.reconcile import DOCUMENTS, MOST_GRACE_SECONDS, TEXT_CHARACTERS
from relay.transport.native.reconciled import CSV
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    UUID,
    WHOLE,
    Schema,
    list_of,
    or_null,
    record,
    reference,
    word,
)

_COUNTS: Final[Json] = {str(kind): WHOLE for kind in Kind}
_GIVEN_INSTANT: Schema = {"type": "string", "format": "date-time"}
_GIVEN_TEXT: Schema = {"type": "string", "maxLength": TEXT_CHARACTERS}
_CODE: Schema = {"type": "string", "maxLength": 64, "description": "In either form of code"}
_PERIOD: Final[Json] = {
    "since": {**_GIVEN_INSTANT, "description": "From then on"},
    "until": {**_GIVEN_INSTANT, "description": "Before then; else until now"},
    "grace_seconds": {
        "type": "integer",
        "minimum": 0,
        "maximum": MOST_GRACE_SECONDS,
        "default": 900,
        "description": "What is so young, or so near an edge of the period, is under-way, not missing",
    },
}


def _asked(description: str, required: list[str], **members: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {**_PERIOD, **members},
        "required": ["since", *required],
        "additionalProperties": False,
    }


_CLAIM: Schema = {
    "type": "object",
    "description": "One document that the system believes it sent or received. It is found by delivery_id, "
    "message_id, digest, or document_id or notation (with promulgation_date, where given): the first that "
    "is there.",
    "properties": {
        "direction": word(Side),
        "message_id": {**UUID, "description": "Of what was sent: senderDocId in the axis dialect"},
        "delivery_id": {**UUID, "description": "Of what was received: receiverDocId"},
        "document_id": _GIVEN_TEXT,
        "notation": {**_GIVEN_TEXT, "examples": ["7816/VPCP-TTĐT"]},
        "promulgation_date": {**_GIVEN_TEXT, "examples": ["2026/11/23"]},
        "digest": {**DIGEST, "description": "Of the envelope's bytes"},
        "agency": {**_CODE, "description": "Who it was sent to, or who sent it"},
        "at": {**_GIVEN_INSTANT, "description": "When, by the system's clock"},
    },
    "required": ["direction"],
    "additionalProperties": False,
}

RECONCILE_SCHEMAS: dict[str, Schema] = {
    "ClaimedDocument": _CLAIM,
    "ReconcileRequest": _asked(
        "What an agency's system believes of a period.",
        ["documents"],
        agency={**_CODE, "description": "Whose; not needed where the token is for one agency"},
        statuses={"type": "boolean", "default": False, "description": "Statuses, too"},
        documents={"type": "array", "maxItems": DOCUMENTS, "items": reference("ClaimedDocument")},
    ),
    "NeighbourReconcileRequest": _asked(
        "A period to compare with a neighbour.",
        [],
        agency={**_CODE, "description": "Only what it sent or received"},
        why={"type": "string", "maxLength": WHY_CHARACTERS},
    ),
    "Reconciliation": record(
        "What both believe alike and what not, in the order of agencies.",
        agrees={"type": "boolean", "description": "Nothing is missing, doubled or different"},
        party={**TEXT, "description": "The agency, or the neighbour"},
        since=INSTANT,
        until=INSTANT,
        at=INSTANT,
        kept_since={
            **INSTANT,
            "description": "Older than that is not-compared where it is missing",
        },
        offset_seconds={"type": "integer", "description": "The neighbour's clock ahead of ours"},
        compared=record("Deliveries that either side knows", sent=WHOLE, received=WHOLE),
        same=WHOLE,
        counts=record("Of all that is not the same", **_COUNTS),
        agencies=list_of(record("One agency's", agency=TEXT, same=WHOLE, **_COUNTS)),
        differences={**list_of(reference("Difference")), "maxItems": MOST_NAMED},
        unnamed={**WHOLE, "description": "How many differences are only counted"},
    ),
    "Difference": record(
        "One delivery of which the two do not say the same.",
        kind=word(Kind),
        what=word(What),
        direction=word(Side),
        where={**TEXT, "description": "Who lacks it or says otherwise: relay, dms, or a node"},
        agency={**TEXT, "description": "For whom it is counted"},
        sender=TEXT,
        recipient=TEXT,
        message_id=TEXT,
        delivery_id=TEXT,
        document=TEXT,
        at=or_null(INSTANT),
        ours={
            **TEXT,
            "description": "What this node says of it; of doubled, the first message's id",
        },
        theirs=TEXT,
    ),
}


def _answer() -> Json:
    described = json_answer("Reconciliation", "As JSON, or as CSV where Accept says text/csv")
    described["content"][CSV] = {"schema": TEXT}
    return described


def reconcile_paths() -> Json:
    system = operation(
        "reconcile",
        "Compare what the caller's system believes with what this node keeps; changes nothing",
        {"200": _answer()},
        (400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    neighbour = operation(
        "reconcileNeighbour",
        "Compare with a neighbour what both believe was exchanged",
        {"200": _answer()},
        (400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    return {
        "/v1/reconcile": {"post": {**system, "requestBody": json_body("ReconcileRequest")}},
        "/v1/reconcile/{neighbour}": {
            "post": {**neighbour, "requestBody": json_body("NeighbourReconcileRequest")},
            "parameters": [in_path("neighbour", TEXT)],
        },
    }
