"""The OpenAPI description of the directory's calls.

Touches: nothing.
"""

from __future__ import annotations

from relay.agencies import Standing
from relay.delivery.directory.ports import RequestKind, RequestState
from relay.model import Tier
from relay.transport.native.directory import MOST_LISTED, WHY_CHARACTERS
from relay.transport.native.fragments import (
    Json,
    in_path,
    in_query,
    json_answer,
    json_body,
    operation,
)
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
    word,
)

_DAY: Schema = {"type": "string", "format": "date"}
_PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": 100}
_LIMIT = in_query("limit", _PAGE, "A page")
_REASON: Schema = {"type": "string", "minLength": 1, "maxLength": WHY_CHARACTERS}
_CODE = [{**in_path("code", TEXT), "description": "An agency's code in any form"}]
_NUMBER = [in_path("id", WHOLE)]


def directory_paths() -> Json:
    decided = (400, 401, 403, 404, 409, 413, 415, 422, 503)
    after = in_query("after", TEXT, "The last code of the page before")
    return {
        "/v1/directory": {
            "get": {
                **_get("listDirectory", "Agencies in the order of their codes", "DirectoryPage"),
                "parameters": [after, _LIMIT],
            }
        },
        "/v1/directory/import": {"post": _import()},
        "/v1/directory/branches": {
            "get": _get("listBranches", "What owners of branches signed", "Branches")
        },
        "/v1/directory/requests": {
            "get": {
                **_get("listRequests", "What systems asked for, undecided", "DirectoryRequests"),
                "parameters": [
                    in_query("after", WHOLE, "The last number of the page before"),
                    _LIMIT,
                ],
            }
        },
        "/v1/directory/requests/{id}/approve": {
            "post": _decision("approveRequest", "Do what a system asked for; audited", decided),
            "parameters": _NUMBER,
        },
        "/v1/directory/requests/{id}/reject": {
            "post": _decision("rejectRequest", "Do not; audited", decided),
            "parameters": _NUMBER,
        },
        "/v1/directory/{code}": {
            "get": _get("showAgency", "One agency by either form of its code", "Agency", 404),
            "parameters": _CODE,
        },
        "/v1/directory/{code}/explain": {
            "get": _get(
                "explainCode", "How a code is understood here, in sentences", "CodeExplained"
            ),
            "parameters": _CODE,
        },
    }


def _get(name: str, summary: str, schema: str, *more: int) -> Json:
    return operation(name, summary, {"200": json_answer(schema)}, (400, 401, 403, *more, 503))


def _decision(name: str, summary: str, refusals: tuple[int, ...]) -> Json:
    answer = {"200": json_answer("DirectoryRequest")}
    return {**operation(name, summary, answer, refusals), "requestBody": json_body("Reason")}


def _import() -> Json:
    csv: Schema = {
        "type": "string",
        "description": "Columns code, old_code, name, tier, node, parent, mail, centre, valid_from, "
        "valid_to (the first day closed), successors and certificates (separated by spaces), deleted",
    }
    return {
        **operation(
            "importDirectory",
            "Agencies (and, in JSON, nodes) from a table; audited. All of it, or with 422 nothing",
            {"200": json_answer("DirectoryChanged")},
            (400, 401, 403, 413, 415, 422, 503),
        ),
        "parameters": [
            in_query("why", _REASON, "The operator's words for the audit log"),
            in_query(
                "dry_run", {"type": "boolean", "default": False}, "Only say what would change"
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": csv},
                "application/json": {"schema": reference("DirectoryTable")},
            },
        },
    }


_ROW: dict[str, Schema] = {
    "code": TEXT,
    "old_code": or_null(TEXT),
    "name": TEXT,
    "tier": word(Tier),
    "node": TEXT,
    "parent": or_null(TEXT),
    "mail": TEXT,
    "centre": TEXT,
    "valid_from": or_null(_DAY),
    "valid_to": or_null(_DAY),
    "successors": list_of(TEXT),
    "deleted": {"type": "boolean"},
    "certificates": {
        **list_of(DIGEST),
        "description": "SHA-256 of certificates that may seal for it although they do not name it",
    },
}
_ENTRY = record("A node and its place.", id=TEXT, tier=word(Tier), parent=TEXT)
_TABLE_ROW: Schema = {
    "type": "object",
    "properties": _ROW,
    "required": ["code", "name", "tier", "node"],
    "additionalProperties": False,
}

DIRECTORY_SCHEMAS: dict[str, Schema] = {
    "Reason": record("Why; who is known by the token.", why=_REASON),
    "Agency": record(
        "An agency; `valid_to` is the first day on which it is closed. `number` and `version` are this "
        "node's own: `version` grows with each change of what it sees.",
        **_ROW,
        standing=or_null(word(Standing)),
        number=or_null(WHOLE),
        version=or_null(WHOLE),
        modified_at=or_null(INSTANT),
    ),
    "DirectoryPage": record(
        "A page; `next` goes into `after`, null at the end.",
        version=WHOLE,
        total=WHOLE,
        agencies=list_of(reference("Agency")),
        next=or_null(TEXT),
    ),
    "DirectoryTable": {
        "type": "object",
        "properties": {"agencies": list_of(_TABLE_ROW), "nodes": list_of(_ENTRY)},
        "additionalProperties": False,
    },
    "DirectoryChanged": record(
        "How many agencies look otherwise now; `remarks`: what stronger words keep from it.",
        version=WHOLE,
        changed=WHOLE,
        agencies=WHOLE,
        remarks=list_of(TEXT),
    ),
    "CodeExplained": record(
        "What a code says by itself, what the directory says of it, and the way from here.",
        code=TEXT,
        form=TEXT,
        level=WHOLE,
        parent=or_null(TEXT),
        agency=or_null(reference("Agency")),
        next_hop=or_null(TEXT),
        sentences=list_of(TEXT),
    ),
    "DirectoryRequest": record(
        "What a system asked for with registerAgency or deleteAgency, and what became of it.",
        request_id=WHOLE,
        systemid=TEXT,
        kind=word(RequestKind),
        agency=record("As it would be.", **_ROW),
        state=word(RequestState),
        asked_at=INSTANT,
        decided_at=or_null(INSTANT),
        by=or_null(TEXT),
        why=or_null(TEXT),
    ),
    "DirectoryRequests": record(
        "The oldest first.", requests=list_of(reference("DirectoryRequest")), next=or_null(WHOLE)
    ),
    "Branches": record(
        "The newest of each issuer; an expired one stays in force until a newer one comes.",
        branches=list_of(
            record(
                "Signed by its issuer.",
                issuer=TEXT,
                version=WHOLE,
                digest=DIGEST,
                expires_at=INSTANT,
                expired={"type": "boolean"},
            )
        ),
    ),
}
