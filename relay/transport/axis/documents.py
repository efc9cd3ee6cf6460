"""getEdoc, downloadEdoc: a document out to its recipient, in constant memory.

Touches: the inbox and the payload store, through their Protocols; the request's connection.
Trusts:  the call, whose signature holds. The stored bytes are hashed on their way out: the last of
         them leaves only when they are the bytes that came in.
Raises:  RelayError before the first byte; after it ConnectionAbortedError, which cuts the answer
         short of its Content-Length.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pybase64
import structlog
from aiohttp import web

from relay.delivery.ports import PayloadStore
from relay.envelope.limits import in_units
from relay.lines import Line
from relay.model import Payload
from relay.transport.axis import answers, dialect
from relay.transport.axis.dialect import AxisCall
from relay.transport.axis.face import Face
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.intake_stream import hold_little

log = structlog.get_logger("relay.axis")


async def get(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """The document as base64 in JSON; larger ones are refused before they count as fetched."""
    caller, delivery_id = call.system.caller(), dialect.doc_id(call)
    item = await face.inbox.find(caller, delivery_id)
    if item.size_bytes > face.bounds.get_bytes:
        raise _too_large(item.size_bytes, face.bounds.get_bytes)
    fetched = await face.inbox.fetch(caller, delivery_id)
    payload = fetched.payload
    before, after = answers.around("")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(before) + (payload.size_bytes + 2) // 3 * 4 + len(after)
    await response.prepare(request)
    hold_little(request.transport)
    await response.write(before)
    rest = b""
    async with aclosing(_proven(face.store, payload)) as chunks:
        async for chunk in chunks:
            ready = rest + chunk
            whole = len(ready) // 3 * 3  # three bytes make four letters: no padding inside
            rest = ready[whole:]
            await _write(face, response, pybase64.b64encode(ready[:whole]))
    await _write(face, response, pybase64.b64encode(rest) + after)
    await response.write_eof()
    return response


async def download(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """The document's own bytes."""
    fetched = await face.inbox.fetch(call.system.caller(), dialect.doc_id(call))
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = fetched.payload.size_bytes
    await response.prepare(request)
    hold_little(request.transport)
    async with aclosing(_proven(face.store, fetched.payload)) as chunks:
        async for chunk in chunks:
            await _write(face, response, chunk)
    await response.write_eof()
    return response


async def _proven(store: PayloadStore, payload: Payload) -> AsyncGenerator[bytes, None]:
    """The payload's bytes; the last chunk only once size and digest hold (A1.11)."""
    digest, size_bytes, held = hashlib.sha256(), 0, b""
    async for chunk in store.read(payload):
        if held:
            yield held
        digest.update(chunk)
        size_bytes += len(chunk)
        held = chunk
    if (digest.hexdigest(), size_bytes) != (payload.digest, payload.size_bytes):
        log.error(Line.PAYLOAD_DAMAGED, digest=payload.digest, size_bytes=size_bytes)
        raise ConnectionAbortedError("stored payload is damaged")
    if held:
        yield held


async def _write(face: Face, response: web.StreamResponse, content: bytes) -> None:
    """A reader that takes nothing for too long gives its place, and its open file, to others."""
    try:
        async with asyncio.timeout(face.bounds.idle.total_seconds()):
            await response.write(content)
    except TimeoutError:
        raise ConnectionAbortedError("the client takes no bytes") from None


def _too_large(size_bytes: int, limit_bytes: int) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.FILE_ERROR,
        "use-download",
        "Van ban qua lon cho getEdoc, hay dung downloadEdoc",
        f"{in_units(size_bytes)}, limit {in_units(limit_bytes)} for getEdoc: use downloadEdoc",
    )
