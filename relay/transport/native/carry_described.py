"""The OpenAPI description of carry files.

Touches: nothing.
"""

from __future__ import annotations

from relay.delivery.carry.ports import LEAST_BYTES, MOST_BYTES
from relay.transport.native.carry import CONTENT_TYPE, DEFAULT_BYTES
from relay.transport.native.fragments import WHY, Json, content, in_path, in_query, operation
from relay.transport.native.schemas import TEXT

_BINARY: Json = {"type": "string", "contentMediaType": "application/zip"}


def carry_paths() -> Json:
    return {
        "/v1/carry": {"post": _take()},
        "/v1/carry/{neighbour}": {"post": _export(), "parameters": [in_path("neighbour", TEXT)]},
    }


def _export() -> Json:
    limit = {
        "type": "integer",
        "minimum": LEAST_BYTES,
        "maximum": MOST_BYTES,
        "default": DEFAULT_BYTES,
    }
    told = (
        "JSON: carry_id, neighbour, digest (of the manifest), transfers, payloads, receipts, statements "
        "(of revocation), size_bytes, more"
    )
    earlier = (
        "false: no statements of revocation, for a node of an earlier release, which refuses them"
    )
    return {
        **operation(
            "exportCarryFile",
            "Write what waits for a neighbour to a file to take there; puts it in doubt",
            {"200": _file("The carry file", told)},
            (400, 401, 403, 404, 503),
        ),
        "parameters": [
            in_query("limit_bytes", limit, "The most the file may be of"),
            in_query("statements", _flag("true"), earlier),
            WHY,
        ],
    }


def _take() -> Json:
    told = (
        "JSON: carry_id, neighbour, digest (of the manifest), transfers, answered, refused, unproven, "
        "put_off, damaged, settled, receipts, stray, statements (of revocation, that were news), broken "
        "(why it was not read to its end, or empty), temporary (whether that passes)"
    )
    later = "true: statements in the file to bring back, though the one that was brought has none"
    nothing = {"description": "Taken; there is nothing to bring back", "headers": _header(told)}
    return {
        **operation(
            "importCarryFile",
            "Take in a neighbour's carry file, streamed; what was taken before a fault stays taken",
            {"200": _file("The carry file to bring back", told), "204": nothing},
            (400, 401, 403, 415, 422, 503),
        ),
        "parameters": [in_query("statements", _flag("false"), later), WHY],
        "requestBody": {"required": True, "content": {CONTENT_TYPE: {"schema": _BINARY}}},
    }


def _flag(default: str) -> Json:
    return {"type": "string", "enum": ["true", "false"], "default": default}


def _file(description: str, told: str) -> Json:
    return {**content(description, CONTENT_TYPE, _BINARY), "headers": _header(told)}


def _header(told: str) -> Json:
    return {"Relay-Carry": {"schema": TEXT, "description": told}}
