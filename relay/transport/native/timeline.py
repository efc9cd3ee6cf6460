"""A message's timeline over all tiers: as a document, or as a stream that brings it again at each change.

A stream looks again after a pause that grows with what a look costs, so that many who watch a circular
take a bounded part of the node's time. It ends by itself when every delivery has ended for good.

Touches: the timeline's door.
Raises:  NotFoundError, RequestError, OverloadError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web

from relay.delivery.aside import MANY_RECIPIENTS, aside
from relay.delivery.ports import Caller
from relay.delivery.timeline.ports import Timeline, TimelineDoor
from relay.errors import NotFoundError
from relay.model import MessageId
from relay.transport.native.asking import message_id, only
from relay.transport.native.gate import still_admitted
from relay.transport.native.inside import Inside, Who
from relay.transport.native.live import HEARTBEAT_SECONDS, TYPE, gone, live
from relay.transport.native.timeline_described import timeline_view
from relay.transport.native.views import json_bytes
from relay.transport.places import place

MOST_STREAMS = 64
MOST_OF_ONE = 8
"""Of one caller: nobody takes the places of all."""
LEAST_PAUSE_SECONDS = 1.0
COST = 20
"""A look takes at most one part in so many of a stream's time."""
_STILL_HERE = b": still here\n\n"


async def timeline(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    if inside.timelines is None:
        raise NotFoundError("this face tells no timelines")
    message = message_id(request)
    found = await inside.timelines.timeline(caller, message)
    if TYPE in request.headers.get("Accept", ""):
        with place(
            inside.watching,
            caller.holder,
            "follow a timeline",
            most=MOST_STREAMS,
            of_one=MOST_OF_ONE,
        ):
            looks = _looks(inside.timelines, caller, message, found)
            return await live(request, _events(inside, request, looks))
    return web.Response(body=await _shown(found), content_type="application/json")


async def _shown(found: Timeline) -> bytes:
    many = len(found.view.deliveries) > MANY_RECIPIENTS
    return await aside(many, _bytes, found)


def _bytes(found: Timeline) -> bytes:
    return json_bytes(timeline_view(found))


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


async def _events(
    inside: Inside, request: web.Request, looks: AsyncIterator[tuple[Timeline, float]]
) -> AsyncGenerator[bytes, None]:
    said, spoke = b"", time.monotonic()
    async for found, cost in looks:
        if gone(request):
            raise ConnectionResetError("the reader is gone")
        if said and not await still_admitted(inside, Who.CALLER, request):
            return
        shown = await _shown(found)
        if shown != said:
            said, spoke = shown, time.monotonic()
            yield b"event: timeline\ndata: %s\n\n" % shown
        elif time.monotonic() - spoke >= HEARTBEAT_SECONDS:
            spoke = time.monotonic()
            yield _STILL_HERE
        if found.final:
            yield b"event: end\ndata: {}\n\n"
            return
        left = max(LEAST_PAUSE_SECONDS, COST * cost)
        while left > 0:
            part = min(left, HEARTBEAT_SECONDS)
            if await _closing(inside, part):
                return
            left -= part
            if left > 0:
                yield _STILL_HERE


async def _closing(inside: Inside, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await inside.closing.wait()
    except TimeoutError:
        return False
    return True
