"""The lists, the counts and updateStatus.

Touches: the inbox and the outbox, through their Protocols.
Trusts:  the call, whose signature holds.
Raises:  RelayError, which the server answers in the dialect.

A long-lived client sends the headers of its earlier calls again. The `status` of its last
updateStatus must not turn into a filter that hides new documents, nor the docId of a document it
fetched into one that empties its sent list: either would look like "nothing there".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog
from aiohttp import web

from relay.delivery.ports import Acknowledgement, InboxQuery, SentQuery
from relay.errors import ConflictError, NotFoundError
from relay.lines import Line
from relay.model import DeliveryId, DeliveryState, MessageId, MessageType
from relay.transport.axis import answers, dialect
from relay.transport.axis.dialect import AxisCall, Call
from relay.transport.axis.face import Face
from relay.transport.axis.refusals import AxisRefusal, ErrorCode

log = structlog.get_logger("relay.axis")

ROWS_AT_A_TIME = 250
"""About a millisecond of writing rows."""

Item = TypeVar("Item")
_SAID = (Acknowledgement.PROCESSING, Acknowledgement.DONE, Acknowledgement.FAIL)
_COUNTED = {
    Call.COUNT_DOCUMENTS: MessageType.DOCUMENT,
    Call.COUNT_STATUSES: MessageType.STATUS,
}


async def received(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """What is not yet acknowledged `done`, the oldest first; with `status`, what has that one."""
    skip, limit = dialect.page(call, face.bounds.list_rows)
    since, until = dialect.period(call)
    query = InboxQuery(
        message_type=dialect.message_type(call),
        acknowledgement=_filter(call),
        since=since,
        until=until,
        skip=skip,
        limit=limit,
    )
    items = await face.inbox.list(call.system.caller(), query)
    row = partial(answers.received_row, asked=query.acknowledgement)
    return await _listing(call, items, row, limit)


async def sent(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """The newest packages first, as the outbox lists them, so that a cut list loses the oldest."""
    query = await _sent_query(face, call)
    items = await face.outbox.list(call.system.caller(), query)
    return await _listing(call, items, answers.sent_row, query.limit)


async def count(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    number = await face.inbox.count(call.system.caller(), _COUNTED[call.call])
    return web.Response(body=answers.success({"count": number}), content_type="application/json")


async def update(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """A transport acknowledgement; repeating it is safe."""
    given = dialect.acknowledgement(call, _SAID)
    if given is None:
        raise AxisRefusal(
            ErrorCode.SYSTEM_ERROR,
            "bad-parameter",
            "Thieu header status",
            f"header status is missing, it must be one of: {', '.join(_SAID)}",
        )
    try:
        reason = call.values.get("reason", "")
        await face.inbox.acknowledge(call.system.caller(), dialect.doc_id(call), given, reason)
    except ConflictError as error:
        raise AxisRefusal(
            ErrorCode.FILE_ERROR,
            "already-done",
            "Van ban da duoc xac nhan da nhan (done), khong doi thanh fail duoc",
            str(error),
        ) from None
    return web.Response(body=answers.success({}), content_type="application/json")


async def not_offered(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    raise AxisRefusal(
        ErrorCode.SYSTEM_ERROR,
        "not-offered",
        "Chuc nang nay chua duoc cung cap tai nut nay",
        f"{call.call.value} is not offered by this node",
    )


async def _sent_query(face: Face, call: AxisCall) -> SentQuery:
    """One package by its docId, whatever filters of an earlier list are left over; else what they ask."""
    kind, message_id = dialect.message_type(call), await _asked_message(face, call)
    if message_id is not None:
        return SentQuery(kind, message_id, limit=face.bounds.list_rows)
    skip, limit = dialect.page(call, face.bounds.list_rows)
    since, until = dialect.period(call)
    return SentQuery(kind, None, since, until, _states(call, kind), skip, limit)


def _states(
    call: AxisCall, kind: MessageType | None
) -> Mapping[MessageType, frozenset[DeliveryState]] | None:
    """Of the wanted sendStatus. One that comes with a docId is left over from updateStatus."""
    wanted = None if "docid" in call.values else dialect.acknowledgement(call)
    if wanted is None:
        return None
    kinds = list(MessageType) if kind is None else [kind]
    return {one: answers.STATES_OF[one].get(wanted.value, frozenset()) for one in kinds}


def _filter(call: AxisCall) -> Acknowledgement | None:
    """The wanted status. One that comes with a docId is left over from updateStatus."""
    return None if "docid" in call.others else dialect.acknowledgement(call)


async def _asked_message(face: Face, call: AxisCall) -> MessageId | None:
    """The docId of a package this system sent. That of one it received is left over."""
    if "docid" not in call.values:
        return None
    asked = dialect.doc_id(call)
    try:
        await face.inbox.find(call.system.caller(), DeliveryId(asked))
    except NotFoundError:
        return MessageId(asked)
    return None


async def _listing(
    call: AxisCall, items: Sequence[Item], row: Callable[[Item], dict[str, str]], limit: int
) -> web.Response:
    if len(items) >= limit and "pagesize" not in call.values:
        log.warning(Line.LIST_CUT, systemid=call.system.systemid, call=call.call, rows=limit)
    slices = []
    for start in range(0, len(items), ROWS_AT_A_TIME):
        if start:
            await asyncio.sleep(0)
        rows = [row(item) for item in items[start : start + ROWS_AT_A_TIME]]
        slices.append(answers.encode(rows)[1:-1])
    before, after = answers.around([])
    return web.Response(body=before + b",".join(slices) + after, content_type="application/json")
