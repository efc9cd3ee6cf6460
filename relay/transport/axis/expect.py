"""Expect: 100-continue, answered only when the caller is known: others need not send their body.

Touches: the request's own connection.
Trusts:  nothing.
Raises:  TransportError when a body stands still.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import HttpVersion11, hdrs, web

from relay.errors import TransportError


def waits(request: web.BaseRequest) -> bool:
    """True while the client holds its body back until it is told to go on."""
    expects = request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
    unsent = request.can_read_body and not request.content.total_bytes
    return expects and unsent and request.version >= HttpVersion11


async def later(request: web.Request) -> None:
    """In place of the library's own answer, which would come before anything is checked."""


async def go_on(request: web.Request) -> None:
    if waits(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # An interim answer is not the start of the answer.
        request.writer.output_size = 0


async def discard(request: web.Request, most_bytes: int, idle: timedelta) -> bool:
    """Read away a body nobody needs; False when there is more of it than `most_bytes`."""
    await go_on(request)
    read_bytes = 0
    try:
        async with asyncio.timeout(idle.total_seconds()):
            async for chunk in request.content.iter_any():
                read_bytes += len(chunk)
                if read_bytes > most_bytes:
                    return False
    except (TimeoutError, OSError, web.RequestPayloadError):
        raise TransportError("the body ended early or stood still") from None
    return True
