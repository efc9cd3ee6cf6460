"""Operators' actions by HTTP, and what they look at before: the queue's shape, why a delivery waits.

Touches: the doors of control and queue.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError, NotPossibleError (409: nothing was changed), and what the doors raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from aiohttp import web

from relay.delivery.operators.inspecting import (
    AGES,
    Ages,
    Explanation,
    NeighbourView,
    Shape,
    ShapeRow,
    Why,
)
from relay.delivery.operators.orders import Action, Done
from relay.delivery.ports import Caller
from relay.model import NodeId
from relay.transport.native.asking import delivery_id, members, only, text_member
from relay.transport.native.inside import Handler, Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import (
    Json,
    json_response,
    message_view,
    stamp,
)
from relay.transport.problems import RequestError

T = TypeVar("T")
_BODY_BYTES = 1 << 14
WHY_CHARACTERS = 500
_NODE_CHARACTERS = 64


async def shape(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return json_response(_shape(await inside.queue.shape()))


async def why(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """Of a delivery, or of all of a message's: those that wait come first."""
    only(request)
    return json_response(_why(await inside.queue.why(delivery_id(request))))


def _on_one(action: Action, *optional: str) -> Handler:
    async def handle(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
        only(request)
        name = delivery_id(request)
        await proceed(request)
        required = ("why", "to") if action is Action.REDIRECT else ("why",)
        found = await members(request, _BODY_BYTES, required, optional)
        to = _node(found, "to") if action is Action.REDIRECT else None
        unanswered = _flag(found, "unanswered")
        done = await inside.control.act(
            caller, action, name, _reason(found), to=to, unanswered=unanswered
        )
        return json_response(_done(done))

    return handle


def _on_all(action: Action) -> Handler:
    async def handle(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
        only(request)
        await proceed(request)
        anyone = action is Action.FLUSH
        required = ("why",) if anyone else ("why", "neighbour")
        found = await members(request, _BODY_BYTES, required, ("neighbour",) if anyone else ())
        neighbour = _node(found, "neighbour") if "neighbour" in found else None
        done = await inside.control.act_on_neighbour(caller, action, neighbour, _reason(found))
        return json_response(_done(done))

    return handle


hold = _on_one(Action.HOLD)
release = _on_one(Action.RELEASE)
requeue = _on_one(Action.REQUEUE)
cancel = _on_one(Action.CANCEL, "unanswered")
redirect = _on_one(Action.REDIRECT)
flush = _on_one(Action.FLUSH)
hold_all = _on_all(Action.HOLD)
release_all = _on_all(Action.RELEASE)
requeue_all = _on_all(Action.REQUEUE)
flush_all = _on_all(Action.FLUSH)


def _reason(found: dict[str, object]) -> str:
    text = text_member(found, "why", WHY_CHARACTERS).strip()
    if not text:
        raise RequestError("an operator's action needs a reason", parameter="why")
    return text


def _node(found: dict[str, object], name: str) -> NodeId:
    text = text_member(found, name, _NODE_CHARACTERS)
    if not text:
        raise RequestError("must be a node's id", parameter=name)
    return NodeId(text)


def _flag(found: dict[str, object], name: str) -> bool:
    value = found.get(name, False)
    if not isinstance(value, bool):
        raise RequestError("must be true or false", parameter=name)
    return value


# ---------------------------------------------------------------- as JSON


def _done(done: Done) -> Json:
    return {
        "action": done.action,
        "acted": done.acted,
        "settled": done.settled,
        "left": done.left,
        "reasons": list(done.reasons),
        "receipts": done.receipts,
        "more": done.more,
    }


def _shape(found: Shape) -> Json:
    return {
        "at": stamp(found.at),
        "ages_minutes": [int(age.total_seconds()) // 60 for age in AGES],
        "rows": [_row(row) for row in found.rows],
        "put_back": found.put_back,
    }


def _row(row: ShapeRow) -> Json:
    return {
        "neighbour": row.neighbour,
        "state": _or_none(_neighbour, row.view),
        "counts": {kind.value: _ages(ages) for kind, ages in row.kinds.items()},
        "receipts": row.receipts,
        "receipts_parked": row.receipts_parked,
    }


def _ages(ages: Ages) -> Json:
    return {"total": ages.total, "by_age": list(ages.counts)}


def _neighbour(view: NeighbourView) -> Json:
    certificate = view.certificate
    return {
        "node": view.neighbour,
        "bridge": view.bridge,
        "condition": view.condition,
        "failures": view.failures,
        "next_probe_at": _or_none(stamp, view.next_probe_at),
        "window": view.window,
        "under_way": view.under_way,
        "last_error": view.last_error,
        "certificate": None
        if certificate is None
        else {
            "subject": certificate.subject,
            "not_after": stamp(certificate.not_after),
            "seen_at": stamp(certificate.seen_at),
        },
    }


def _why(found: Why) -> Json:
    asked = replace(found.message, deliveries=tuple(one.delivery for one in found.deliveries))
    message = message_view(asked, found.at)
    views = message["deliveries"]
    return {
        "at": stamp(found.at),
        "message": {**message, "deliveries": []},
        "deliveries": [
            _explanation(one, view) for one, view in zip(found.deliveries, views, strict=True)
        ],
        "others": found.others,
    }


def _explanation(one: Explanation, delivery: Json) -> Json:
    facts, done = one.facts, one.facts.intervention
    return {
        "because": list(one.sentences),
        "delivery": delivery,
        "came_from": facts.came_from,
        "arrived_at": stamp(facts.arrived_at),
        "since": stamp(facts.since),
        "transfer_id": facts.frozen,
        "ahead": facts.ahead,
        "failed_at_node": facts.failed_at_node,
        "revocation": one.revocation,
        "neighbour": _or_none(_neighbour, one.neighbour),
        "intervention": None
        if done is None
        else {"action": done.action, "by": done.by, "why": done.why, "at": stamp(done.at)},
    }


def _or_none(write: Callable[[Any], T], value: object) -> T | None:
    return None if value is None else write(value)
