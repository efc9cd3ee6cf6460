"""Publish a development PKI on loopback: its CRLs, and an OCSP responder.

    GET  /crl/NAME.crl    the present CRL of an authority (root/root, branches/BRANCH/ca), made on the spot
    POST /ocsp/NAME       an OCSP request (RFC 6960 A.1), answered from what is revoked now

Touches: one loopback port; the PKI's folder, reading only.
Trusts:  nothing that is asked: questions are bounded.
Raises:  SettingsError for an address that is not loopback.

For development, tests and the demo only: the keys lie in files beside it, and nobody is told apart.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web

from relay.errors import SettingsError
from relay.signing.pki_revoking import REQUEST_LIMIT_BYTES, Authority, answer, authorities, crl

CRL_TYPE = "application/pkix-crl"
OCSP_TYPE = "application/ocsp-response"


@dataclass(frozen=True, slots=True)
class Publisher:
    """What is published, and how long it is good for; `asked` counts by path, for tests and people."""

    directory: Path
    clock: Callable[[], datetime]
    valid: timedelta = timedelta(hours=1)
    asked: dict[str, int] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=REQUEST_LIMIT_BYTES)
        app.router.add_get("/crl/{name:.+}.crl", self.crl)
        app.router.add_post("/ocsp/{name:.+}", self.ocsp)
        return app

    async def crl(self, request: web.Request) -> web.Response:
        found = await self._named(request)
        body = await asyncio.to_thread(crl, found, now=self.clock(), valid=self.valid)
        return web.Response(body=body, content_type=CRL_TYPE)

    async def ocsp(self, request: web.Request) -> web.Response:
        question = await request.read()
        found = await self._named(request)
        body = await asyncio.to_thread(answer, found, question, now=self.clock(), valid=self.valid)
        return web.Response(body=body, content_type=OCSP_TYPE)

    async def _named(self, request: web.Request) -> Authority:
        self.asked[request.path] = self.asked.get(request.path, 0) + 1
        name = request.match_info["name"]
        for one in await asyncio.to_thread(authorities, self.directory):
            if one.name == name:
                return one
        raise web.HTTPNotFound


async def serve(publisher: Publisher, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Until the runner is cleaned up; the port that was really taken."""
    if not ip_address(host).is_loopback:
        raise SettingsError([f"a development PKI is published on loopback only, not on {host}"])
    runner = web.AppRunner(publisher.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError([f"{host}:{port}: {error.strerror}"]) from None
    return runner, int(runner.addresses[0][1])


def serve_forever(publisher: Publisher, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM."""
    asyncio.run(_serve_forever(publisher, host, port))


async def _serve_forever(publisher: Publisher, host: str, port: int) -> None:
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    runner, taken = await serve(publisher, host, port)
    # On stderr, for people: what it is, and what it is not.
    print(
        f"relay: CRLs and OCSP of {publisher.directory} on http://{host}:{taken},"
        " for tests and the demo only",
        file=sys.stderr,
        flush=True,
    )
    await told.wait()
    await runner.cleanup()
