"""A message's timeline over all tiers: as a document, or as a stream that brings it again at each change.

A stream looks again after a pause that grows with what a look costs, so that many who watch a circular
take a bounded part of the node's time. It ends by itself when every delivery has ended for good.

Touches: the timeline's door.
Raises:  NotFoundError, RequestError, OverloadError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

from relay.delivery.aside import MANY_RECIPIENTS, aside
from relay.delivery.ports import Caller
from relay.delivery.timeline.ports import Timeline, TimelineDoor
from relay.errors import NotFoundError, OverloadError
from relay.model import MessageId
from relay.transport.native.asking import message_id, only
from relay.transport.native.inside import REQUEST_ID, Inside
from relay.transport.native.timeline_described import timeline_view
from relay.transport.native.views import json_bytes

MOST_STREAMS = 64
MOST_OF_ONE = 8
"""Of one caller: nobody takes the places of all."""
LEAST_PAUSE_SECONDS = 1.0
COST = 20
"""A look takes at most one part in so many of a stream's time."""
HEARTBEAT_SECONDS = 15.0
"""Under the half minute after which proxies give up on a silent connection."""
SLOW_SECONDS = 30.0
"""How long a write may wait for the reader."""
_STILL_HERE = b": still here\n\n"
_log = structlog.get_logger("relay.native")


async def timeline(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    if inside.timelines is None:
        raise NotFoundError("this face tells no timelines")
    message = message_id(request)
    found = await inside.timelines.timeline(caller, message)
    if "text/event-stream" in request.headers.get("Accept", ""):
        with _place(inside, caller):
            looks = _looks(inside.timelines, caller, message, found)
            return await _stream(inside, request, looks)
    return web.Response(body=await _shown(found), content_type="application/json")


async def _shown(found: Timeline) -> bytes:
    many = len(found.view.deliveries) > MANY_RECIPIENTS
    return await aside(many, _bytes, found)


def _bytes(found: Timeline) -> bytes:
    return json_bytes(timeline_view(found))


@contextmanager
def _place(inside: Inside, caller: Caller) -> Iterator[None]:
    held = inside.watching
    if held.total() >= MOST_STREAMS or held[caller.holder] >= MOST_OF_ONE:
        raise OverloadError(
            f"{held.total()} follow a timeline, limit {MOST_STREAMS};"
            f" {held[caller.holder]} of this caller, limit {MOST_OF_ONE}"
        )
    held[caller.holder] += 1
    try:
        yield
    finally:
        held[caller.holder] -= 1
        if not held[caller.holder]:
            del held[caller.holder]


async def _looks(
    door: TimelineDoor, caller: Caller, message: MessageId, found: Timeline
) -> AsyncIterator[tuple[Timeline, float]]:
    """What is found and what it cost, again and again, up to the one that is final. The caller's right
    to see it is judged anew each time."""
    cost = 0.0
    while True:
        yield found, cost
        if found.final:
            return
        began = time.monotonic()
        found = await door.timeline(caller, message)
        cost = time.monotonic() - began


async def _stream(
    inside: Inside, request: web.Request, looks: AsyncIterator[tuple[Timeline, float]]
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Request-ID": request[REQUEST_ID],
        }
    )
    await response.prepare(request)
    try:
        await _tell(inside, request, response, looks)
        await response.write_eof()
    except ConnectionError:
        raise
    except Exception as error:
        _log.exception("live timeline broke off")
        raise ConnectionResetError from error
    return response


async def _tell(
    inside: Inside,
    request: web.Request,
    response: web.StreamResponse,
    looks: AsyncIterator[tuple[Timeline, float]],
) -> None:
    said, spoke = b"", time.monotonic()
    async for found, cost in looks:
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the reader is gone")
        shown = await _shown(found)
        if shown != said:
            said, spoke = shown, time.monotonic()
            await _written(request, response, b"event: timeline\ndata: %s\n\n" % shown)
        elif time.monotonic() - spoke >= HEARTBEAT_SECONDS:
            spoke = time.monotonic()
            await _written(request, response, _STILL_HERE)
        if found.final:
            await _written(request, response, b"event: end\ndata: {}\n\n")
        elif await _paused(inside, request, response, max(LEAST_PAUSE_SECONDS, COST * cost)):
            return


async def _paused(
    inside: Inside, request: web.Request, response: web.StreamResponse, seconds: float
) -> bool:
    """Whether the node stops within the pause, however long it is."""
    while seconds > 0:
        part = min(seconds, HEARTBEAT_SECONDS)
        if await _closing(inside, part):
            return True
        seconds -= part
        if seconds > 0:
            await _written(request, response, _STILL_HERE)
    return False


async def _closing(inside: Inside, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await inside.closing.wait()
    except TimeoutError:
        return False
    return True


async def _written(request: web.Request, response: web.StreamResponse, content: bytes) -> None:
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            await response.write(content)
    except TimeoutError:
        _log.info("a reader of a timeline takes nothing; dropped", seconds=SLOW_SECONDS)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None
