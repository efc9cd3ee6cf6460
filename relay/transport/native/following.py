"""Readers who wait for entries to come: a live stream of server-sent events, and the long poll.

An event's id is the entry's index, so that a broken stream goes on after the last one seen
(Last-Event-ID). Where nothing that is wanted came for a while, an event without data moves that id on
past what was looked at: a client that comes again does not have it all looked at once more.

Touches: the log reader's door.
Raises:  RequestError, OverloadError beyond the number of followers; a reader who takes nothing for half a
         minute is dropped (what waits for it is bounded by a page).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager

from aiohttp import web

from relay.delivery.ports import LogPage
from relay.delivery.wanted import Wanted
from relay.errors import OverloadError
from relay.transport.native.inside import Inside
from relay.transport.native.leaves import event as event_of
from relay.transport.native.live import HEARTBEAT_SECONDS, live
from relay.transport.problems import RequestError

PAGE = 100
_LOOK_SECONDS = 5.0
"""How often is looked whether who waits is still there."""
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


async def stream(
    inside: Inside, request: web.Request, wanted: Wanted, after: int
) -> web.StreamResponse:
    after = _resume(request, after)
    with _place(inside):
        followed = inside.log.follow(wanted, after, PAGE)
        return await live(
            request, _events(_pages(inside.closing, followed, lambda: HEARTBEAT_SECONDS))
        )


async def awaited(
    inside: Inside, request: web.Request, wanted: Wanted, after: int, limit: int, seconds: int
) -> LogPage:
    """The first page that has an entry; after so many seconds an empty one, moved on as far as was
    looked. It ends early where the node stops or the client goes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    found = LogPage((), after, more=False)
    with _place(inside):
        followed = inside.log.follow(wanted, after, limit)
        async with aclosing(
            _pages(inside.closing, followed, lambda: min(_LOOK_SECONDS, end - loop.time()))
        ) as pages:
            async for page in pages:
                found = found if page is None else page
                if found.entries or loop.time() >= end or _is_gone(request):
                    break
    return found


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _resume(request: web.Request, after: int) -> int:
    """Where a broken stream goes on: just past the last entry its client saw."""
    last = request.headers.get("Last-Event-ID")
    if last is None:
        return after
    if not _ID.fullmatch(last):
        raise RequestError("must be the index of an entry", parameter="Last-Event-ID")
    return max(after, int(last) + 1)


@contextmanager
def _place(inside: Inside) -> Iterator[None]:
    if len(inside.following) >= inside.followers:
        raise OverloadError(f"{len(inside.following)} follow the log, limit {inside.followers}")
    place = object()
    inside.following.add(place)
    try:
        yield
    finally:
        inside.following.discard(place)


async def _events(
    following: AsyncGenerator[LogPage | None, None],
) -> AsyncGenerator[bytes, None]:
    """What is written for each page, and for each silence."""
    said = at = 0
    async with aclosing(following) as pages:
        async for page in pages:
            at = at if page is None else page.next
            if page is not None and page.entries:
                said = page.entries[-1].index + 1
                yield b"".join(map(event_of, page.entries))
            elif page is None:
                moved = b"id: %d\n" % (at - 1) if at > said else b""
                said = max(said, at)
                yield b": still here\n%s\n" % moved


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
