"""A file of the published log as an answer: cacheable for ever, but for the checkpoint.

Touches: the file, which the library sends as it lies on the disk, and answers conditional requests for.
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
    files: LogFiles, epoch: str, path: str, *, public: bool, entries: bool = True
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
    response = web.Response(body=found, headers=headers)
    response.etag = hashlib.sha256(found).hexdigest()
    return response
