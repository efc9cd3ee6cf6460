"""The OpenAPI description of document-management systems.

Touches: nothing.
"""

from __future__ import annotations

from relay.transport.native.fragments import Json, json_answer, json_body, operation
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    WHOLE,
    Schema,
    list_of,
    or_null,
    record,
    reference,
)
from relay.transport.native.systems import (
    MOST_ROWS,
    NAME_CHARACTERS,
    SECRET_CHARACTERS,
    WHY_CHARACTERS,
)

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS}
_SECRET: Schema = {
    "type": "string",
    "maxLength": SECRET_CHARACTERS,
    "description": "Else one is made",
}
_FRESHNESS: Schema = {"type": "string", "enum": ["off", "warn", "enforce"]}
_FLAG: Schema = {"type": "boolean"}


def _request(description: str, required: list[str], **members: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": members,
        "required": required,
        "additionalProperties": False,
    }


def _rows(description: str) -> Schema:
    return {**list_of(TEXT), "maxItems": MOST_ROWS, "description": description}


SYSTEM_SCHEMAS: dict[str, Schema] = {
    "System": record(
        "A document-management system of the axis face, without its secrets.",
        systemid=TEXT,
        configured=_FLAG,
        agencies=list_of(TEXT),
        addresses=list_of(TEXT),
        certificates=list_of(DIGEST),
        freshness=_FRESHNESS,
        window_seconds=WHOLE,
        rest=_FLAG,
        created_at=or_null(INSTANT),
        secrets=list_of(
            record(
                "One that works; none: the system is revoked.",
                secret_id=TEXT,
                created_at=or_null(INSTANT),
                ends_at=or_null(INSTANT),
            )
        ),
    ),
    "Systems": record("All systems.", systems=list_of(reference("System"))),
    "SystemSecret": record(
        "The secret is shown this once; the node keeps it sealed.",
        system=reference("System"),
        secret=TEXT,
    ),
    "SystemRequest": _request(
        "A new system.",
        ["systemid", "agencies"],
        systemid=_NAME,
        agencies=_rows("Codes of agencies served here"),
        secret=_SECRET,
        addresses=_rows("Where it may call from (CIDR); none: from anywhere"),
        certificates=_rows("Client certificates it must show, DER in base64"),
        freshness=_FRESHNESS,
        window_seconds=WHOLE,
        rest=_FLAG,
    ),
    "RotateRequest": _request(
        "A new secret; those before it work for the overlap.",
        ["systemid"],
        systemid=_NAME,
        overlap_seconds=WHOLE,
        secret=_SECRET,
    ),
    "RevokeRequest": _request(
        "No secret works any more.",
        ["systemid", "why"],
        systemid=_NAME,
        why={"type": "string", "minLength": 1, "maxLength": WHY_CHARACTERS},
    ),
}


def system_paths() -> Json:
    refusals = (400, 401, 403, 404, 409, 413, 415, 503)
    add = operation("addSystem", "Add a system", {"201": json_answer("SystemSecret")}, refusals)
    rotate = operation(
        "rotateSystem", "Give it a new secret", {"200": json_answer("SystemSecret")}, refusals
    )
    revoke = operation("revokeSystem", "End its secrets", {"200": json_answer("System")}, refusals)
    listing = operation(
        "listSystems", "All systems", {"200": json_answer("Systems")}, (400, 401, 403, 404, 503)
    )
    return {
        "/v1/systems": {
            "get": listing,
            "post": {**add, "requestBody": json_body("SystemRequest")},
        },
        "/v1/systems/rotate": {"post": {**rotate, "requestBody": json_body("RotateRequest")}},
        "/v1/systems/revoke": {"post": {**revoke, "requestBody": json_body("RevokeRequest")}},
    }
