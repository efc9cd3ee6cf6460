"""A message for those who may know of it: where each delivery stands, its seal, its receipts.

Touches: the tracking door.
Raises:  NotFoundError, RequestError.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.ports import Caller
from relay.model import Seal
from relay.transport.native.asking import digest, message_id, only
from relay.transport.native.inside import Inside
from relay.transport.native.views import json_response, message_view
from relay.wire.container import write_receipts


async def message(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return json_response(message_view(await inside.tracking.message(caller, message_id(request))))


async def seal(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return seal_response(await inside.tracking.seal(caller, message_id(request)))


async def receipt(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """One signed receipt in the container that nodes exchange: its exact bytes and its signature's."""
    only(request)
    signed = await inside.tracking.receipt(caller, digest(request))
    return web.Response(body=write_receipts([signed]), content_type="application/xml")


def seal_response(seal: Seal) -> web.Response:
    return web.Response(
        body=seal.signature, content_type="application/xml", headers={"Relay-Seal-Kind": seal.kind}
    )
