"""The OpenAPI 3.1 description of the native face; a test holds it against the routes, both ways.

Touches: nothing.
"""

from __future__ import annotations

from relay import __version__
from relay.delivery.ports import Acknowledgement
from relay.model import MessageType
from relay.transport.native.archive import ARCHIVE_SCHEMAS, archive_paths
from relay.transport.native.audit_described import AUDIT_SCHEMAS, audit_paths
from relay.transport.native.carry_described import carry_paths
from relay.transport.native.certificates import CERTIFICATE_SCHEMAS, certificate_paths
from relay.transport.native.digests import FIELDS
from relay.transport.native.directory_described import DIRECTORY_SCHEMAS, directory_paths
from relay.transport.native.evidence import evidence_paths
from relay.transport.native.forgetting import FORGETTING_SCHEMAS, forgetting_paths
from relay.transport.native.fragments import (
    LIMIT,
    Json,
    content,
    cursor,
    in_path,
    in_query,
    json_answer,
    json_body,
    open_to_all,
    operation,
    problem_answer,
    reading,
    seal_answer,
    xml_answer,
)
from relay.transport.native.judged import JUDGED_SCHEMAS
from relay.transport.native.log_export import log_export_paths
from relay.transport.native.messages import MOST_SKIPPED
from relay.transport.native.obligations import OBLIGATION_SCHEMAS, obligation_paths
from relay.transport.native.operating_paths import operating_paths
from relay.transport.native.operating_schemas import OPERATING_SCHEMAS
from relay.transport.native.proofs import proof_paths
from relay.transport.native.published import PUBLISHED_SCHEMAS, published_paths
from relay.transport.native.reconcile_described import RECONCILE_SCHEMAS, reconcile_paths
from relay.transport.native.recovery import RECOVERY_SCHEMAS, recovery_paths
from relay.transport.native.schemas import DIGEST, SCHEMAS, TEXT, UUID, reference
from relay.transport.native.statistics import STATISTICS_SCHEMAS, statistics_paths
from relay.transport.native.systems_described import SYSTEM_SCHEMAS, system_paths
from relay.transport.native.timeline_described import TIMELINE_SCHEMAS, timeline_paths
from relay.transport.native.timestamps import TIMESTAMP_SCHEMAS, timestamp_paths
from relay.transport.native.trust_described import TRUST_SCHEMAS, trust_paths
from relay.transport.native.uploads import upload_paths
from relay.transport.native.witnesses_described import WITNESS_SCHEMAS, witness_paths

_TITLES = {
    400: "The request is malformed",
    401: "No valid bearer token",
    403: "Not for this caller",
    404: "Nothing of the caller's has that name",
    409: "Other content stands under that name, the opposite was said before, or it is not to be acted on now",
    410: "It was here; its retention time is over",
    413: "More than this node takes",
    415: "A kind of body not taken here",
    416: "The range lies outside the document",
    422: "The envelope, its seal or its recipients cannot be taken",
    503: "Not now; see Retry-After",
}


def document() -> Json:
    """The whole description; fresh each time, so nobody's change to it reaches another."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trục Relay, native API",
            "version": __version__,
            "description": "Hand in official documents, follow them, collect them, read the audit log. "
            "202 means: durable. Every refusal is a problem document (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From `relay token issue`, with scopes agency:CODE, operator, auditor.",
                }
            },
            "schemas": {
                **SCHEMAS,
                **AUDIT_SCHEMAS,
                **OBLIGATION_SCHEMAS,
                **STATISTICS_SCHEMAS,
                **JUDGED_SCHEMAS,
                **OPERATING_SCHEMAS,
                **RECONCILE_SCHEMAS,
                **RECOVERY_SCHEMAS,
                **SYSTEM_SCHEMAS,
                **CERTIFICATE_SCHEMAS,
                **FORGETTING_SCHEMAS,
                **TRUST_SCHEMAS,
                **WITNESS_SCHEMAS,
                **DIRECTORY_SCHEMAS,
                **ARCHIVE_SCHEMAS,
                **TIMESTAMP_SCHEMAS,
                **TIMELINE_SCHEMAS,
                **PUBLISHED_SCHEMAS,
            },
            "responses": {
                f"Problem{status}": content(title, "application/problem+json", reference("Problem"))
                for status, title in _TITLES.items()
            },
        },
    }


def _paths() -> Json:
    one_delivery = [in_path("id", UUID)]
    one_message = [in_path("id", UUID)]
    return {
        "/v1/envelopes": {"post": _submit()},
        **upload_paths(),
        "/v1/messages/{id}": {
            "get": reading(
                "trackMessage", "State, trace and receipts of a message", json_answer("Message")
            ),
            "parameters": one_message,
        },
        "/v1/messages/{id}/seal": {
            "get": reading("getMessageSeal", "The seal over the envelope", seal_answer()),
            "parameters": one_message,
        },
        **timeline_paths(),
        **evidence_paths(),
        **archive_paths(),
        **log_export_paths(),
        **timestamp_paths(),
        "/v1/messages/{id}/statements": {
            "get": reading(
                "getMessageStatements",
                "What was said of the revocation of those who signed it",
                json_answer("Statements"),
            ),
            "parameters": one_message,
        },
        "/v1/sent": {"get": _sent()},
        "/v1/receipts/{digest}": {
            "get": reading(
                "getReceipt",
                "One signed receipt in a container, with its signature or its proof in a batch",
                xml_answer("The container"),
            ),
            "parameters": [in_path("digest", DIGEST)],
        },
        "/v1/deliveries": {"get": _listing()},
        "/v1/deliveries/{id}/envelope": {"get": _envelope(), "parameters": one_delivery},
        "/v1/deliveries/{id}/seal": {
            "get": reading("getDeliverySeal", "The seal over the envelope", seal_answer()),
            "parameters": one_delivery,
        },
        "/v1/deliveries/{id}/ack": {"post": _acknowledge(), "parameters": one_delivery},
        **obligation_paths(),
        **reconcile_paths(),
        **statistics_paths(),
        **recovery_paths(),
        **operating_paths(),
        **directory_paths(),
        **audit_paths(),
        **proof_paths(),
        **published_paths(),
        "/v1/tokens": {"get": _tokens(), "post": _issue()},
        "/v1/tokens/{id}": {
            "delete": operation(
                "revokeToken", "Revoke a token", {"200": json_answer("Token")}, (401, 403, 404, 503)
            ),
            "parameters": [in_path("id", TEXT)],
        },
        **system_paths(),
        **certificate_paths(),
        **trust_paths(),
        **witness_paths(),
        **forgetting_paths(),
        **carry_paths(),
        "/v1/openapi.json": {
            "get": open_to_all(
                "describe",
                "This document",
                {"200": content("OpenAPI 3.1", "application/json", {"type": "object"})},
            )
        },
        "/healthz": {
            "get": open_to_all("alive", "The process runs", {"200": json_answer("Health")})
        },
        "/readyz": {
            "get": open_to_all(
                "ready",
                "Documents are taken",
                {"200": json_answer("Health"), "503": problem_answer(503)},
            )
        },
    }


def _submit() -> Json:
    accepted = json_answer("Accepted", "Durable; a repeat gets the same body")
    accepted["headers"] = {
        "Location": {"schema": TEXT, "description": "Where to follow the message"},
        "Relay-Repeated": {"schema": TEXT, "description": "`true` where this was a repeat"},
        "Relay-Seal-Kind": {
            "schema": TEXT,
            "description": "On a repeat that brought a seal: the kind of the first message's, which "
            "stands (`not-yet` while it is being made); the one brought now is not kept",
        },
    }
    return {
        **operation(
            "submitEnvelope",
            "Hand in an envelope",
            {"202": accepted},
            (400, 401, 403, 404, 409, 413, 415, 422, 503),
        ),
        "parameters": [
            in_query(
                "to",
                {"type": "array", "items": {"type": "string", "maxLength": 64}},
                "Recipients, where they are not the document's own",
            ),
            in_query(
                "upload",
                DIGEST,
                "The envelope was brought by /v1/uploads; the body is the agency's seal, or nothing",
            ),
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "Other content under the same key is refused",
            },
            *(
                {
                    "name": name,
                    "in": "header",
                    "schema": {"type": "string", "examples": ["sha-256=:BASE64:"]},
                    "description": "RFC 9530, sha-256 or sha-512 over the whole body; other bytes are "
                    "refused (422, damaged)",
                }
                for name in FIELDS
            ),
        ],
        "requestBody": {"required": False, "content": _bodies()},
    }


def _bodies() -> Json:
    raw = {"schema": {"type": "string", "contentMediaType": "application/xml"}}
    parts = {
        "schema": {
            "type": "object",
            "description": "The envelope, and beside it the agency's own seal over it (`relay seal`). A "
            "part is named by its form-data name or its Content-ID: envelope or envelope.edxml, seal or "
            "seal.xml. Parts without a name are the envelope first, the seal second.",
            "properties": {"envelope": raw["schema"], "seal": raw["schema"]},
            "required": ["envelope"],
        }
    }
    plain = ("application/xml", "text/xml", "application/edxml+xml", "application/octet-stream")
    return {
        **dict.fromkeys(plain, raw),
        **dict.fromkeys(("multipart/related", "multipart/form-data"), parts),
    }


def _listing() -> Json:
    listed = ["open", "all", *(word.value for word in Acknowledgement)]
    return {
        **operation(
            "listDeliveries",
            "What came, by cursor",
            {"200": json_answer("Deliveries")},
            (400, 401, 503),
        ),
        "parameters": [
            *cursor("Cursor of the last delivery seen"),
            in_query(
                "type",
                {"type": "string", "enum": [kind.value for kind in MessageType]},
                "One kind only",
            ),
            in_query(
                "acknowledgement",
                {"type": "string", "enum": listed, "default": "open"},
                "`open` leaves out what is acknowledged `done`",
            ),
        ],
    }


def _sent() -> Json:
    return {
        **operation(
            "listSent",
            "What the caller's agencies sent here, and how each delivery of it stands",
            {"200": json_answer("Sent")},
            (400, 401, 503),
        ),
        "parameters": [
            in_query(
                "skip",
                {"type": "integer", "minimum": 0, "maximum": MOST_SKIPPED, "default": 0},
                "Rows to leave out, the newest first",
            ),
            LIMIT,
            in_query(
                "type",
                {"type": "string", "enum": [kind.value for kind in MessageType]},
                "One kind only",
            ),
            in_query("message_id", UUID, "The deliveries of one message only"),
        ],
    }


def _envelope() -> Json:
    headers = {
        "Repr-Digest": {"schema": TEXT, "description": "RFC 9530, SHA-256 of the whole envelope"},
        "ETag": {"schema": TEXT, "description": "For If-Range"},
    }
    whole = {**xml_answer("The exact bytes"), "headers": headers}
    return {
        **operation(
            "getDeliveryEnvelope",
            "The exact bytes that were sent; marks the delivery fetched",
            {"200": whole, "206": {**xml_answer("One range of them"), "headers": headers}},
            (400, 401, 404, 410, 416, 503),
        ),
        "parameters": [
            {"name": "Range", "in": "header", "schema": TEXT, "description": "One byte range"}
        ],
    }


def _acknowledge() -> Json:
    return {
        **operation(
            "acknowledgeDelivery",
            "Say what became of a delivery; `done` sends the sender a receipt",
            {"200": json_answer("Delivery")},
            (400, 401, 404, 409, 413, 415, 503),
        ),
        "requestBody": json_body("Acknowledge"),
    }


def _tokens() -> Json:
    return operation(
        "listTokens", "All tokens", {"200": json_answer("Tokens")}, (400, 401, 403, 503)
    )


def _issue() -> Json:
    return {
        **operation(
            "issueToken",
            "Issue a token; its secret is shown once",
            {"201": json_answer("IssuedToken")},
            (400, 401, 403, 413, 415, 503),
        ),
        "requestBody": json_body("TokenRequest"),
    }
