"""A file of the published log as an answer: cacheable for ever, but for the checkpoint.

Touches: the file, which the library sends as it lies on the disk. What may leave the disk meanwhile, a partial
         tile, comes as bytes; conditional requests are answered for both.
Raises:  NotFoundError.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import web

from relay.delivery.operators.published import LogFiles

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
    entries: bool = True,
) -> web.StreamResponse:
    """`public`: whether caches on the way may keep it for others."""
    found = await files.file(epoch, path, entries=entries)
    mutable = path == _CHECKPOINT
    whose = "public" if public else "private"
    headers = {
        "Content-Type": "text/plain; charset=utf-8" if mutable else "application/octet-stream",
        "Cache-Control": f"{whose}, {_FOR_NOW if mutable else _FOR_EVER}",
        "X-Content-Type-Options": "nosniff",
    }
    if isinstance(found, Path):
        return web.FileResponse(found, headers=headers)
    return _bytes(request, found, headers)


def _bytes(request: web.Request, found: bytes, headers: dict[str, str]) -> web.Response:
    """Whole, whatever range is asked for (RFC 9110 §14.2 leaves that open); 304 to who has it."""
    etag = hashlib.sha256(found).hexdigest()
    known = {one.value for one in request.if_none_match or ()}
    response = (
        web.Response(status=304, headers=headers)
        if known & {etag, "*"}
        else web.Response(body=found, headers=headers)
    )
    response.etag = etag
    return response
