"""A live answer: server-sent events written as they come, to a reader who takes them.

Touches: the response of one request.
Raises:  ConnectionResetError where the reader is gone, or takes nothing for half a minute (what waits for it
         is bounded by one event); so does a fault of whoever makes the events, once it is in the lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from aiohttp import web

from relay.lines import Line

TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
"""Under the half minute after which proxies give up on a silent connection."""
SLOW_SECONDS = 30.0
"""How long a write may wait for the reader."""
_log = structlog.get_logger("relay.native")


def gone(request: web.Request) -> bool:
    """Whether nobody is there any more to be answered."""
    return request.transport is None or request.transport.is_closing()


async def live(request: web.Request, events: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """The events until they end; they are closed whatever happens to the connection."""
    response = web.StreamResponse(headers={"Content-Type": TYPE, "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        async with aclosing(events):
            async for event in events:
                await _written(request, response, event)
        await response.write_eof()
    except ConnectionError:
        raise
    except Exception as error:
        _log.exception(Line.LIVE_ANSWER_BROKE_OFF, path=request.path)
        raise ConnectionResetError from error
    return response


async def _written(request: web.Request, response: web.StreamResponse, event: bytes) -> None:
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            await response.write(event)
    except TimeoutError:
        _log.info(Line.FOLLOWER_DROPPED, path=request.path, seconds=SLOW_SECONDS)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None
