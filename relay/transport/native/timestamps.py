"""How it stands with timestamps, for operators: what waits for one, since when, and why.

Touches: the stamp reader's door.
Raises:  RequestError, NotFoundError, JournalError.
"""

from __future__ import annotations

from base64 import b64encode

from aiohttp import web

from relay.delivery.ports import Caller
from relay.delivery.stamping.ports import Stamped, StampedHead, Standing
from relay.errors import NotFoundError
from relay.transport.native.asking import number, only
from relay.transport.native.fragments import Json, in_query, json_answer, operation
from relay.transport.native.inside import Inside
from relay.transport.native.schemas import INSTANT, TEXT, WHOLE, Schema, list_of, reference
from relay.transport.native.views import json_response, stamp

_MAYBE_INSTANT: Schema = {"anyOf": [INSTANT, {"type": "null"}]}
TIMESTAMP_SCHEMAS: dict[str, Schema] = {
    "Timestamps": {
        "type": "object",
        "required": ["kinds"],
        "properties": {"kinds": list_of(reference("TimestampStanding"))},
    },
    "TimestampStanding": {
        "type": "object",
        "required": ["kind", "waiting", "stamped", "newest", "oldest_waiting", "last_error"],
        "properties": {
            "kind": {"type": "string", "enum": [one.value for one in Stamped]},
            "waiting": WHOLE,
            "stamped": WHOLE,
            "newest": _MAYBE_INSTANT,
            "oldest_waiting": _MAYBE_INSTANT,
            "last_error": TEXT,
        },
    },
    "StampedHeads": {
        "type": "object",
        "required": ["heads"],
        "properties": {"heads": list_of(reference("StampedHead"))},
    },
    "StampedHead": {
        "type": "object",
        "description": "A checkpoint note, and a token (RFC 3161, DER in base64) of its very bytes",
        "required": ["note", "token", "authority", "at"],
        "properties": {"note": TEXT, "token": TEXT, "authority": TEXT, "at": INSTANT},
    },
}


async def standing(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    if inside.stamps is None:
        raise NotFoundError("this face tells nothing of timestamps")
    return json_response({"kinds": [_view(one) for one in await inside.stamps.standing()]})


async def heads(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """Heads of the log with the token of each; openssl ts verifies them."""
    only(request, "limit")
    limit = number(request, "limit", 10, 1, 1000)
    found = [] if inside.stamps is None else await inside.stamps.heads(limit)
    return json_response({"heads": [_head(one) for one in found]})


def _head(one: StampedHead) -> Json:
    return {
        "note": one.note.decode(),
        "token": b64encode(one.token.content).decode(),
        "authority": one.token.authority,
        "at": stamp(one.token.gen_time),
    }


def _view(one: Standing) -> Json:
    return {
        "kind": one.kind.value,
        "waiting": one.waiting,
        "stamped": one.stamped,
        "newest": None if one.newest is None else stamp(one.newest),
        "oldest_waiting": None if one.oldest_waiting is None else stamp(one.oldest_waiting),
        "last_error": one.last_error,
    }


def timestamp_paths() -> Json:
    described = operation(
        "listTimestamps",
        "What waits for a timestamp, by kind",
        {"200": json_answer("Timestamps")},
        (400, 401, 403, 404, 503),
    )
    limit = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
    stamped = operation(
        "listStampedHeads",
        "Heads of the log with a timestamp, the newest first",
        {"200": json_answer("StampedHeads")},
        (400, 401, 403, 503),
    )
    return {
        "/v1/timestamps": {"get": described},
        "/v1/audit/timestamps": {
            "get": {**stamped, "parameters": [in_query("limit", limit, "So many")]}
        },
    }
