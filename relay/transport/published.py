"""A file of the published log as an answer: cacheable for ever, but for the checkpoint.

A full tile is sent by the library as it lies on the disk. What changes or may leave meanwhile, the checkpoint and
partial tiles, comes as bytes under an ETag of them: two checkpoints of one second have the same Last-Modified.

Touches: the file.
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
    """Whole, whatever range is asked for (RFC 9110 §14.2 leaves that open), by an ETag of what it holds."""
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
