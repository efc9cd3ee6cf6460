"""The audit log's part of the OpenAPI description.

Touches: nothing.
"""

from __future__ import annotations

from relay.transport.native.audit import MOST_WAIT_SECONDS
from relay.transport.native.fragments import (
    Json,
    content,
    cursor,
    in_path,
    in_query,
    json_answer,
    operation,
)
from relay.transport.native.schemas import (
    DIGEST,
    TEXT,
    UUID,
    WHOLE,
    Schema,
    list_of,
    or_null,
    record,
    reference,
)
from relay.transport.native.wanting import MOST_VALUES

_BESIDE: dict[str, Schema] = {
    "salt": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "words": {"type": "object", "additionalProperties": TEXT},
}
_WHOLE = record(
    "One entry, and what stands around it.",
    index=WHOLE,
    entry={"type": "object"},
    **_BESIDE,
    leaf={"type": "string", "contentEncoding": "base64", "description": "Its exact bytes"},
    leaf_hash={**DIGEST, "description": "RFC 6962: SHA-256(0x00 || leaf)"},
    log={**TEXT, "description": "The log's name in this epoch: the origin of its checkpoints"},
    epoch=WHOLE,
    before=or_null(reference("AuditEntry")),
    after=or_null(reference("AuditEntry")),
)
AUDIT_SCHEMAS: dict[str, Schema] = {
    "AuditEntry": {
        **record(
            "The exact bytes of `entry` are the leaf. Where it holds salted digests of who and why, `words`"
            " has the text for each place in the leaf and `salt` what the digests were made with, until"
            " removed.",
            index=WHOLE,
            entry={"type": "object"},
            **_BESIDE,
        ),
        "required": ["index", "entry"],
    },
    "AuditPage": record(
        "Entries of the audit log; ask again with `after` set to `next`, which has passed over what was not "
        "wanted. A page looks at a bounded part of the log: it may be empty although `more` is there.",
        entries=list_of(reference("AuditEntry")),
        next=WHOLE,
        more={"type": "boolean", "description": "Whether there were entries from `next` on."},
    ),
    "AuditEntryWhole": {**_WHOLE, "required": [n for n in _WHOLE["required"] if n not in _BESIDE]},
}

_VALUES: Schema = {"type": "array", "items": TEXT, "maxItems": MOST_VALUES}


def audit_paths() -> Json:
    return {
        "/v1/audit": {"get": _audit()},
        "/v1/audit/entries/{id}": {
            "get": operation(
                "getAuditEntry",
                "One entry with its leaf hash, its epoch and its neighbours",
                {"200": json_answer("AuditEntryWhole")},
                (400, 401, 403, 404, 503),
            ),
            "parameters": [in_path("id", WHOLE)],
        },
        "/v1/audit/head": {
            "get": operation(
                "getAuditHead",
                "The newest signed head, of all that is durable; neither published nor cosigned yet",
                {"200": content("The note", "text/plain", TEXT)},
                (401, 403, 503),
            )
        },
    }


def _audit() -> Json:
    page = json_answer(
        "AuditPage",
        "A page, or a live stream whose event ids are indexes; an event without data only moves the id on",
    )
    page["content"]["text/event-stream"] = {"schema": TEXT}
    return {
        **operation("readAudit", "Entries of the audit log", {"200": page}, (400, 401, 403, 503)),
        "parameters": [
            *cursor(
                "Index of the first entry wanted, that one included; `next` of a page is the one to go on with"
            ),
            in_query(
                "last",
                {"type": "integer", "minimum": 0, "maximum": 1000},
                "So many of the last entries instead; not with after, limit, since or wait, nor as a stream",
            ),
            in_query(
                "since",
                {"type": "string", "format": "date-time"},
                "Not before the place where the log reaches this instant",
            ),
            in_query(
                "wait",
                {"type": "integer", "minimum": 0, "maximum": MOST_WAIT_SECONDS, "default": 0},
                "Seconds to wait for the first entry to come where there is none",
            ),
            *_filters(),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "schema": TEXT,
                "description": "Where a broken stream goes on",
            },
        ],
    }


def _filters() -> list[Json]:
    return [
        in_query(
            "event", _VALUES, "An event's name, or its beginning up to a hyphen; any of several"
        ),
        in_query("agency", _VALUES, "A code the entry names as sender, recipient or otherwise"),
        in_query("message", UUID, "The id of a message the entry is about"),
        in_query("node", _VALUES, "Another node the entry names: neighbour, peer, origin, issuer"),
    ]
