"""Carry files by HTTP, for operators: one to take along to a neighbour, one that was brought.

Touches: the courier's door.
Trusts:  that the gate let only an operator in; nothing of the file.
Raises:  RequestError, TransportError when a body stops coming, and what the door raises.

What a file holds, or what became of it, stands beside the body in the header Relay-Carry, as JSON in
ASCII: the body is the file itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.delivery.carry.ports import LEAST_BYTES, MOST_BYTES, CarryDesk, CarryFile, Imported
from relay.delivery.ports import Caller
from relay.errors import NotFoundError, TransportError
from relay.model import NodeId
from relay.transport.native.asking import number, only, operators_words, refuse_coding, word
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.sending import send_stream

DEFAULT_BYTES = 4_000_000_000
"""What the file system of most USB sticks takes as one file, with a little to spare."""
CONTENT_TYPE = "application/vnd.truc-relay.carry+zip"
IDLE = timedelta(minutes=2)


async def export(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """A file for the neighbour. All that it carries is in doubt before its first byte leaves."""
    only(request, "limit_bytes", "statements", "why")
    limit = number(request, "limit_bytes", DEFAULT_BYTES, LEAST_BYTES, MOST_BYTES)
    neighbour = NodeId(request.match_info["neighbour"])
    desk = _desk(inside)
    statements = word(request, "statements", ("true", "false")) != "false"
    why = operators_words(request)
    file = await desk.export(caller, neighbour, limit, why, statements=statements)
    return await _send(request, desk, file, _written(file))


async def take(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """200 with the file to bring back, 204 when there is nothing to say; both say what was taken."""
    only(request, "statements", "why")
    refuse_coding(request)
    statements = word(request, "statements", ("true", "false")) == "true"
    why = operators_words(request)
    desk = _desk(inside)
    await proceed(request)
    told, file = await desk.take(caller, why, _body(request), statements=statements)
    summary = _told(told)
    if file is None:
        return web.Response(status=204, headers={"Relay-Carry": json.dumps(summary)})
    return await _send(request, desk, file, summary)


def _desk(inside: Inside) -> CarryDesk:
    if inside.carry is None:
        raise NotFoundError("this face takes no carry files")
    return inside.carry


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    chunks = aiter(request.content.iter_any())
    try:
        while True:
            async with asyncio.timeout(IDLE.total_seconds()):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk
    except TimeoutError:
        raise TransportError(f"no byte for {IDLE.total_seconds():g} s") from None
    except (OSError, web.RequestPayloadError, HttpProcessingError, aiohttp.ClientError):
        raise TransportError("the body ended early or was framed wrongly") from None


async def _send(
    request: web.Request, desk: CarryDesk, file: CarryFile, summary: dict[str, str | int | bool]
) -> web.StreamResponse:
    headers = {
        "Content-Type": CONTENT_TYPE,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Relay-Carry": json.dumps(summary),
    }
    return await send_stream(request, 200, headers, file.size_bytes, desk.write(file))


def _written(file: CarryFile) -> dict[str, str | int | bool]:
    manifest = file.manifest
    return {
        "carry_id": manifest.carry_id,
        "neighbour": manifest.sent_to,
        "digest": file.signed.digest,
        "transfers": sum(1 for _ in manifest.transfer_ids),
        "payloads": len(manifest.payloads),
        "receipts": sum(len(box.receipts) for box in file.receipts),
        "statements": sum(len(box.statements) for box in file.statements),
        "size_bytes": file.size_bytes,
        "more": file.more,
    }


def _told(told: Imported) -> dict[str, str | int | bool]:
    return {
        "carry_id": told.carry_id,
        "neighbour": told.neighbour,
        "digest": told.digest,
        "transfers": told.transfers,
        "answered": told.answered,
        "refused": told.refused,
        "unproven": told.unproven,
        "put_off": told.put_off,
        "damaged": told.damaged,
        "settled": told.settled,
        "receipts": told.receipts,
        "stray": told.stray,
        "statements": told.statements,
        "broken": told.broken,
        "temporary": told.temporary,
    }
