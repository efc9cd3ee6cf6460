"""The audit log for operators and auditors: pages by cursor, a live stream, the signed head.

Touches: the log reader's door.
Trusts:  that leaves are canonical JSON on one line (audit/entries.py): they are passed on unparsed,
         so that what is read here is what was hashed.
Raises:  RequestError, OverloadError.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog
from aiohttp import web

from relay.delivery.ports import Caller, LogEntry
from relay.errors import OverloadError
from relay.lines import Line
from relay.transport.native.asking import LARGEST, number, only
from relay.transport.native.inside import Inside
from relay.transport.problems import RequestError

_log = structlog.get_logger("relay.native")
_MOST_STREAMS = 64
_HEARTBEAT_SECONDS = 15.0
"""Under the half minute after which proxies give up on a silent connection."""
_ID = re.compile(r"[0-9]{1,18}")


async def entries(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """Entries with index >= `after`; a client that accepts text/event-stream gets those to come, too."""
    only(request, "after", "limit")
    after = number(request, "after", 0, 0, LARGEST)
    limit = number(request, "limit", 100, 1, 1000)
    if "text/event-stream" in request.headers.get("Accept", ""):
        return await _stream(inside, request, _resume(request, after))
    found = await inside.log.entries(after, limit)
    following = found[-1].index + 1 if found else after
    lines = b",".join(b'{"index":%d,"entry":%s}' % (entry.index, entry.leaf) for entry in found)
    return web.Response(
        body=b'{"entries":[%s],"next":%d}' % (lines, following), content_type="application/json"
    )


async def head(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return web.Response(body=await inside.log.head(), content_type="text/plain", charset="utf-8")


def _resume(request: web.Request, after: int) -> int:
    """Where a broken stream goes on: just past the last entry its client saw."""
    last = request.headers.get("Last-Event-ID")
    if last is None:
        return after
    if not _ID.fullmatch(last):
        raise RequestError("must be the index of an entry", parameter="Last-Event-ID")
    return int(last) + 1


async def _stream(inside: Inside, request: web.Request, after: int) -> web.StreamResponse:
    if len(inside.streams) >= _MOST_STREAMS:
        raise OverloadError(f"{len(inside.streams)} live streams, limit {_MOST_STREAMS}")
    place = inside.entropy(16).hex()
    inside.streams.add(place)
    try:
        return await _send(inside, request, inside.log.follow(after))
    finally:
        inside.streams.discard(place)


async def _send(
    inside: Inside, request: web.Request, followed: AsyncIterator[LogEntry]
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(request)
    try:
        async with aclosing(_events(inside.closing, followed)) as events:
            async for event in events:
                await response.write(event)
        await response.write_eof()
    except ConnectionError:
        raise
    except Exception as error:
        _log.exception(Line.LIVE_LOG_BROKE_OFF)
        raise ConnectionResetError from error
    return response


async def _events(
    closing: asyncio.Event, followed: AsyncIterator[LogEntry]
) -> AsyncGenerator[bytes, None]:
    """Each entry as an event, a comment when none came for a while; ends when the node stops."""
    closed = asyncio.ensure_future(closing.wait())
    coming = _next(followed)
    try:
        while not closed.done():
            await asyncio.wait(
                (coming, closed),
                timeout=_HEARTBEAT_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not coming.done():
                if not closed.done():
                    yield b": still here\n\n"
                continue
            entry = coming.result()
            if entry is None:
                return
            yield b"id: %d\ndata: %s\n\n" % (entry.index, entry.leaf)
            coming = _next(followed)
    finally:
        closed.cancel()
        coming.cancel()
        await asyncio.gather(closed, coming, return_exceptions=True)


def _next(followed: AsyncIterator[LogEntry]) -> asyncio.Task[LogEntry | None]:
    async def following() -> LogEntry | None:
        return await anext(followed, None)

    return asyncio.create_task(following())
