"""Readers who wait for entries to come: a live stream of server-sent events, and the long poll.

An event's id is the entry's index, so that a broken stream goes on after the last one seen
(Last-Event-ID). Where nothing that is wanted came for a while, however much else did, an event without data
moves that id on past what was looked at: a client that comes again does not have it all looked at once more.

Touches: the log reader's door.
Raises:  RequestError, OverloadError beyond the number of followers, of which one caller has half at most; a reader who takes nothing for half a
         minute is dropped (what waits for it is bounded by a page).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing

from aiohttp import web

from relay.delivery.ports import Caller, LogPage
from relay.delivery.wanted import Wanted
from relay.transport.native.gate import admit, still_admitted
from relay.transport.native.inside import Inside, Who
from relay.transport.native.leaves import event as event_of
from relay.transport.native.live import HEARTBEAT_SECONDS, gone, live
from relay.transport.places import place
from relay.transport.problems import RequestError

PAGE = 100
_LOOK_SECONDS = 5.0
"""How often is looked whether who waits is still there, and may still read."""
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


async def stream(
    inside: Inside, caller: Caller, request: web.Request, wanted: Wanted, after: int
) -> web.StreamResponse:
    after = _resume(request, after)
    with _placed(inside, caller):
        followed = inside.log.follow(wanted, after, PAGE)
        pages = _pages(inside.closing, followed, lambda: _LOOK_SECONDS)
        return await live(request, _events(inside, request, pages))


async def awaited(
    inside: Inside,
    caller: Caller,
    request: web.Request,
    wanted: Wanted,
    after: int,
    limit: int,
    seconds: int,
) -> LogPage:
    """The first page that has an entry; after so many seconds an empty one, moved on as far as was
    looked. It ends early where the node stops or the client goes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    found = LogPage((), after, more=False)
    with _placed(inside, caller):
        followed = inside.log.follow(wanted, after, limit)
        async with aclosing(
            _pages(inside.closing, followed, lambda: min(_LOOK_SECONDS, end - loop.time()))
        ) as pages:
            async for page in pages:
                found = found if page is None else page
                if found.entries or loop.time() >= end or gone(request):
                    break
    await admit(inside, Who.READER, request)  # a token may have been revoked meanwhile
    return found


def _resume(request: web.Request, after: int) -> int:
    """Where a broken stream goes on: just past the last entry its client saw."""
    last = request.headers.get("Last-Event-ID")
    if last is None:
        return after
    if not _ID.fullmatch(last):
        raise RequestError("must be the index of an entry", parameter="Last-Event-ID")
    return max(after, int(last) + 1)


def _placed(inside: Inside, caller: Caller) -> AbstractContextManager[None]:
    half = max(1, inside.followers // 2)
    return place(
        inside.following, caller.holder, "follow the log", most=inside.followers, of_one=half
    )


async def _events(
    inside: Inside, request: web.Request, following: AsyncGenerator[LogPage | None, None]
) -> AsyncGenerator[bytes, None]:
    """What is written for each page that holds something, and for each silence. Who left is noticed in a
    silence, too, and a token that was revoked ends it."""
    now = asyncio.get_running_loop().time
    said = at = 0
    written = admitted = now()
    async with aclosing(following) as pages:
        async for page in pages:
            if now() - admitted >= _LOOK_SECONDS:
                if not await still_admitted(inside, Who.READER, request):
                    return
                admitted = now()
            at = at if page is None else page.next
            if page is not None and page.entries:
                said = page.entries[-1].index + 1
                yield b"".join(map(event_of, page.entries))
            elif gone(request):
                raise ConnectionResetError
            elif now() - written >= HEARTBEAT_SECONDS:
                moved = b"id: %d\n" % (at - 1) if at > said else b""
                said = max(said, at)
                yield b": still here\n%s\n" % moved
            else:
                continue
            written = now()


async def _pages(
    closing: asyncio.Event, followed: AsyncIterator[LogPage], patience: Callable[[], float]
) -> AsyncGenerator[LogPage | None, None]:
    """Each page, None when none came for so long; ends when the node stops."""
    closed = asyncio.ensure_future(closing.wait())
    coming = _next(followed)
    try:
        while not closed.done():
            await asyncio.wait(
                (coming, closed),
                timeout=max(0.0, patience()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not coming.done():
                if not closed.done():
                    yield None
                continue
            page = coming.result()
            if page is None:
                return
            yield page
            coming = _next(followed)
    finally:
        closed.cancel()
        coming.cancel()
        await asyncio.gather(closed, coming, return_exceptions=True)


def _next(followed: AsyncIterator[LogPage]) -> asyncio.Task[LogPage | None]:
    async def following() -> LogPage | None:
        return await anext(followed, None)

    return asyncio.create_task(following())
