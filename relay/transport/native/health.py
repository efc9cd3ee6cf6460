"""What a load balancer and a newcomer ask without a token: alive, ready, the API's description.

Touches: nothing but the node's own word on whether it takes documents.
Raises:  OverloadError when it does not.
"""

from __future__ import annotations

from functools import cache

from aiohttp import web

from relay.delivery.ports import Caller
from relay.errors import OverloadError
from relay.transport.native.asking import only
from relay.transport.native.inside import Inside
from relay.transport.native.openapi import document
from relay.transport.native.views import json_bytes, json_response


async def alive(_: Inside, __: Caller, ___: web.Request) -> web.StreamResponse:
    return json_response({"status": "alive"})


async def ready(inside: Inside, _: Caller, __: web.Request) -> web.StreamResponse:
    reason = inside.ready()
    if reason is not None:
        raise OverloadError(f"not ready: {reason}")
    return json_response({"status": "ready"})


async def openapi(_: Inside, __: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return web.Response(body=_description(), content_type="application/json")


@cache
def _description() -> bytes:
    return json_bytes(document())
