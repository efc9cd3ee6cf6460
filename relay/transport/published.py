"""A file of the published log as an answer: cacheable for ever, but for the checkpoint.

It is read whole, then sent: a partial tile may leave the disk meanwhile, and its ETag is of what it holds, for two
checkpoints may be of one second. A tile has a few KiB, a bundle seldom more than a hundred; of the few that are
large so many are sent at a time, so that slow readers hold a bounded part of the memory.

Touches: HTTP. Raises: NotFoundError, OverloadError; ConnectionResetError for a reader who takes too long.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from datetime import timedelta
from typing import Final

from aiohttp import web

from relay.delivery.operators.published import LogFiles
from relay.transport.places import place

LARGE_BYTES: Final = 256 * 1024
MOST_LARGE: Final = 16
LARGE_WITHIN: Final = timedelta(minutes=5)
_CHECKPOINT = "checkpoint"
_FOR_EVER = "max-age=31536000, immutable"
_FOR_NOW = "max-age=2"


async def published_file(
    request: web.Request,
    files: LogFiles,
    epoch: str,
    path: str,
    *,
    public: bool,
    sending: Counter[str],
    entries: bool = True,
) -> web.StreamResponse:
    """`public`: whether caches on the way may keep it for others. `sending`: large ones, in this face (W16.4)."""
    found = await files.file(epoch, path, entries=entries)
    mutable = path == _CHECKPOINT
    whose = "public" if public else "private"
    headers = {
        "Content-Type": "text/plain; charset=utf-8" if mutable else "application/octet-stream",
        "Cache-Control": f"{whose}, {_FOR_NOW if mutable else _FOR_EVER}",
        "X-Content-Type-Options": "nosniff",
    }
    response = _conditional(request, found, headers)
    if response.body is not None and len(found) > LARGE_BYTES and request.method == "GET":
        with place(sending, "", "large files are being sent", most=MOST_LARGE, of_one=MOST_LARGE):
            await _sent(request, response)
    return response


def _conditional(request: web.Request, found: bytes, headers: dict[str, str]) -> web.Response:
    """Whole, whatever range is asked for: RFC 9110 §14.2 leaves that open, and nobody needs a part."""
    etag = hashlib.sha256(found).hexdigest()
    same = {etag, "*"}
    if request.if_match and not same & {one.value for one in request.if_match if not one.is_weak}:
        return web.Response(status=412, headers=headers)
    if request.if_none_match and same & {one.value for one in request.if_none_match}:
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=found, headers=headers)
    response.etag = etag
    return response


async def _sent(request: web.Request, response: web.Response) -> None:
    await response.prepare(request)
    try:
        async with asyncio.timeout(LARGE_WITHIN.total_seconds()):
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None
