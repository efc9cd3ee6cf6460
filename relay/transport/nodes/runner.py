"""Serve the listener for neighbours, so that what cannot be read is refused like the rest: once, in words.

Touches: sockets, through aiohttp.
Trusts:  nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web

from relay.delivery.ports import Refusals
from relay.errors import PeerError
from relay.lines import Line
from relay.transport.nodes.door import Door
from relay.transport.runner import ProblemRunner

log = structlog.get_logger("relay.nodes")
MAX_FIELD_BYTES = 16 * 1024


def nodes_runner(
    app: web.Application, door: Door, refusals: Refusals, **server: Any
) -> web.AppRunner:
    """A runner for `nodes_app` of the same door; `server` are aiohttp's own keywords."""
    under_way: set[asyncio.Task[None]] = set()

    async def tell(neighbour: str) -> None:
        if await refusals.known("nodes", neighbour, "unreadable"):
            log.warning(Line.NEIGHBOUR_UNREADABLE, neighbour=neighbour)

    def unreadable(request: web.BaseRequest) -> None:
        try:
            neighbour = door.neighbour(request)
        except PeerError:
            refusals.stranger("nodes", "unreadable")
            return
        task = asyncio.ensure_future(tell(neighbour))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    return ProblemRunner(app, unreadable, max_field_size=MAX_FIELD_BYTES, **server)
