"""Recovery after a restore by HTTP, for operators: how far it is, and going on without a neighbour.

Touches: the recovery's door.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError, ConflictError, and what the door raises.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.ports import Caller
from relay.delivery.recovery.ports import Progress, Recovery
from relay.model import NodeId
from relay.transport.native.asking import members, only, text_member
from relay.transport.native.fragments import Json as Described
from relay.transport.native.fragments import json_answer, json_body, operation
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.schemas import INSTANT, TEXT, WHOLE, Schema, list_of, reference
from relay.transport.native.views import Json, json_response, stamp
from relay.transport.problems import RequestError

_BODY_BYTES = 1 << 14
_WHY_CHARACTERS = 500
_NODE_CHARACTERS = 64
_MAYBE_INSTANT: Schema = {"anyOf": [INSTANT, {"type": "null"}]}
_MAYBE_TEXT: Schema = {"anyOf": [TEXT, {"type": "null"}]}


async def standing(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return json_response(_view(*await inside.recovery.standing()))


async def skip(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("neighbour", "why"))
    neighbour = NodeId(_text(found, "neighbour", _NODE_CHARACTERS))
    await inside.recovery.skip(caller, neighbour, _text(found, "why", _WHY_CHARACTERS))
    return json_response(_view(*await inside.recovery.standing()))


def _text(found: dict[str, object], name: str, most: int) -> str:
    text = text_member(found, name, most).strip()
    if not text:
        raise RequestError("must not be empty", parameter=name)
    return text


def _view(recovery: Recovery, errors: dict[NodeId, str]) -> Json:
    state = "none" if recovery.finished_at is None else "finished"
    return {
        "state": "recovering" if recovery.since is not None else state,
        "since": None if recovery.since is None else stamp(recovery.since),
        "finished_at": None if recovery.finished_at is None else stamp(recovery.finished_at),
        "neighbours": [_progress(one, errors) for one in recovery.neighbours],
    }


def _progress(one: Progress, errors: dict[NodeId, str]) -> Json:
    return {
        "neighbour": one.neighbour,
        "step": one.step.value,
        "documents": one.documents,
        "transfers": one.transfers,
        "receipts": one.receipts,
        "missing": one.missing,
        "done_at": None if one.done_at is None else stamp(one.done_at),
        "last_error": errors.get(one.neighbour, ""),
        "skipped_by": one.by,
        "why": one.why,
    }


def recovery_paths() -> Described:
    answer = {"200": json_answer("Recovery")}
    return {
        "/v1/recovery": {
            "get": operation(
                "getRecovery", "How far a restored node has recovered", answer, (400, 401, 403, 503)
            )
        },
        "/v1/recovery/skip": {
            "post": {
                **operation(
                    "skipNeighbour",
                    "Go on without what a neighbour may have; audited",
                    answer,
                    (400, 401, 403, 404, 409, 413, 415, 503),
                ),
                "requestBody": json_body("RecoverySkip"),
            }
        },
    }


def _record(description: str, /, **named: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": named,
        "required": list(named),
        "additionalProperties": False,
    }


RECOVERY_SCHEMAS: dict[str, Schema] = {
    "Recovery": _record(
        "What a restored node asks its neighbours for; `since` is when its backup was made.",
        state={"type": "string", "enum": ["none", "recovering", "finished"]},
        since=_MAYBE_INSTANT,
        finished_at=_MAYBE_INSTANT,
        neighbours=list_of(reference("RecoveryNeighbour")),
    ),
    "RecoveryNeighbour": _record(
        "How far it is with one neighbour: own messages that came back, transfers and receipts that "
        "the neighbour sends again, and what neither has any more.",
        neighbour=TEXT,
        step=TEXT,
        documents=WHOLE,
        transfers=WHOLE,
        receipts=WHOLE,
        missing=WHOLE,
        done_at=_MAYBE_INSTANT,
        last_error=TEXT,
        skipped_by=_MAYBE_TEXT,
        why=_MAYBE_TEXT,
    ),
    "RecoverySkip": _record("Which neighbour, and why without it.", neighbour=TEXT, why=TEXT),
}
