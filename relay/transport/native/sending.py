"""Send a payload's exact bytes at flat memory: whole, or the range a resuming client asks for.

Touches: the payload store through its door.
Trusts:  that a payload's bytes never change once stored.
Raises:  RangeError; ConnectionResetError when the bytes stop coming once the answer has begun.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from relay.delivery.ports import PayloadStore
from relay.lines import Line
from relay.model import Payload
from relay.transport.intake_stream import IDLE, hold_little
from relay.transport.problems import RangeError

_log = structlog.get_logger("relay.native")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


async def send_payload(
    request: web.Request, store: PayloadStore, payload: Payload
) -> web.StreamResponse:
    """200 with everything, or 206 with one range; several ranges at once get everything."""
    wanted = _wanted(request, payload)
    headers = _headers(request, payload)
    if wanted is None:
        return await send_stream(request, 200, headers, payload.size_bytes, store.read(payload))
    start, stop = wanted
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{payload.size_bytes}"
    chunks = _slice(store.read(payload, start), stop - start)
    return await send_stream(request, 206, headers, stop - start, chunks)


def _headers(request: web.Request, payload: Payload) -> dict[str, str]:
    digest = b64encode(bytes.fromhex(payload.digest)).decode()
    return {
        "Content-Type": "application/xml",
        "Content-Disposition": 'attachment; filename="envelope.edxml"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-transform",
        "Accept-Ranges": "bytes",
        "ETag": _etag(payload),
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530: of the whole, also beside a range
    }


def _etag(payload: Payload) -> str:
    return f'"{payload.digest}"'


def _wanted(request: web.Request, payload: Payload) -> tuple[int, int] | None:
    """Start and stop of the one range asked for (RFC 9110 §14); None where everything is to be sent."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if match is None or request.headers.get("If-Range", _etag(payload)) != _etag(payload):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    size = payload.size_bytes
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= size or start >= stop:
        raise RangeError(f"the envelope has {size} bytes", size)
    return start, stop


async def send_stream(
    request: web.Request,
    status: int,
    headers: dict[str, str],
    size_bytes: int,
    chunks: AsyncIterator[bytes],
) -> web.StreamResponse:
    """Exactly so many bytes, as they come; what fails on the way breaks the connection."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = size_bytes
    first = await anext(chunks, b"")  # a store that fails at once is still answered as a problem
    await response.prepare(request)
    hold_little(request.transport)
    try:
        await _write(response, first)
        async for chunk in chunks:
            await _write(response, chunk)
        await response.write_eof()
    except ConnectionError:
        raise
    except Exception as error:
        # The head is out: only a broken connection can tell the client that bytes are missing.
        if isinstance(error, TimeoutError):
            _log.info(Line.CLIENT_TAKES_NO_BYTES, path=request.path)
        else:
            _log.exception(Line.SENDING_BROKE_OFF, path=request.path)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from error
    return response


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    """A reader that takes nothing for too long gives its place, and its open file, to others."""
    async with asyncio.timeout(IDLE.total_seconds()):
        await response.write(chunk)


async def _slice(chunks: AsyncIterator[bytes], size_bytes: int) -> AsyncIterator[bytes]:
    """The first so many bytes."""
    async for chunk in chunks:
        yield chunk[:size_bytes]
        size_bytes -= len(chunk)
        if size_bytes <= 0:
            return
    raise OSError("a payload file is shorter than its record says")
