"""The development PKI's timestamp authority on loopback, for tests and the demo only.

    POST /tsa     an RFC 3161 request, answered at once

Touches: one loopback port.
Trusts:  nothing that is asked.
Raises:  SettingsError for an address that is not loopback.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from relay.errors import SettingsError
from relay.signing.pki_tsa import REQUEST_LIMIT_BYTES, TimestampResponder
from relay.transport.timestamping import QUERY, REPLY

PATH = "/tsa"


def timestamp_route(responder: TimestampResponder) -> Handler:
    """To be mounted at PATH of any application."""

    async def stamp(request: web.Request) -> web.StreamResponse:
        if request.content_type != QUERY:
            raise web.HTTPUnsupportedMediaType(text=f"{QUERY} is needed\n")
        question = await request.read()
        body = await asyncio.to_thread(responder.answer, question)
        return web.Response(body=body, content_type=REPLY)

    return stamp


async def serve(responder: TimestampResponder, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Until the runner is cleaned up; the port that was really taken."""
    if not ip_address(host).is_loopback:
        raise SettingsError([f"a development authority stamps on loopback only, not on {host}"])
    app = web.Application(client_max_size=REQUEST_LIMIT_BYTES)
    app.router.add_post(PATH, timestamp_route(responder))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError([f"{host}:{port}: {error.strerror}"]) from None
    return runner, int(runner.addresses[0][1])


async def serve_until_told(responder: TimestampResponder, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    runner, taken = await serve(responder, host, port)
    # On stderr, for people: what it is, and what it is not.
    print(
        f"relay: timestamps at http://{host}:{taken}{PATH}, for tests and the demo only",
        file=sys.stderr,
        flush=True,
    )
    await told.wait()
    await runner.cleanup()
