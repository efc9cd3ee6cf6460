"""Servers in a node's place that are none: each answers everything alike, whatever it is asked.

They hold the certificates and tell the capabilities of a node that could do everything, so that the kit asks all it has.

Touches: loopback ports, one folder.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from relay.conformance import credentials
from relay.conformance.credentials import Authority
from relay.conformance.subject import Kit, Second, Subject
from relay.demo.ports import free_ports
from relay.signing import pki

CAPABILITIES = (
    "batched-receipts",
    "batched-transfers",
    "carried-statements",
    "directory",
    "directory-certificates",
    "log-tiles",
    "log-witness",
    "receipt-proofs",
    "reconcile",
    "recovery",
    "statements",
    "take-back",
)


Saying = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bare:
    """What it does with each connection, once the handshake is over: no server of HTTP."""

    name: str
    says: Saying

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext, port: int) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None]] = set()

        async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                tasks.add(task)
            with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
                await self.says(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(taken, "127.0.0.1", port, ssl=context)
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Down:
    """Nobody listens there."""

    name: str = "down"

    @asynccontextmanager
    async def serving(self, _context: ssl.SSLContext, _port: int) -> AsyncIterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Stub:
    """What it says to whatever it is asked."""

    name: str
    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    tells_of_itself: bool = True
    """It has the document of a node (W1.4) that can do everything."""

    async def answered(self, request: web.Request) -> web.StreamResponse:
        async for _ in request.content.iter_any():
            pass
        if self.tells_of_itself and request.path == "/axis/v1/node":
            return web.json_response(self._document())
        kind = {"Content-Type": self.kind} if self.body else {}
        return web.Response(status=self.status, body=self.body, headers=kind | self.headers)

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext, port: int) -> AsyncIterator[None]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.answered)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        try:
            yield
        finally:
            await runner.cleanup()

    def _document(self) -> dict[str, object]:
        return {
            "node": self.name,
            "version": "a stub",
            "wire": [1],
            "capabilities": list(CAPABILITIES),
            "envelope_limit_bytes": 64 << 20,
            "ahead_over_bytes": 1 << 20,
            "transfers_a_request": 16,
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z",
            "newest": {"receipt": None, "transfer": None},
        }


def problem(status: int) -> bytes:
    """A problem document of that status, which names no reason."""
    said = {"type": "about:blank", "title": "said by a stub", "status": status}
    return json.dumps(said).encode()


SAYS_YES = Stub("says-yes", 200)
SAYS_DONE = Stub("says-done", 204)
SAYS_NONE = Stub("says-none", 404, problem(404), "application/problem+json")
SAYS_LATER = Stub("says-later", 503, problem(503), "application/problem+json")
SAYS_NO = Stub("says-no", 422, problem(422), "application/problem+json")
SAYS_BAD = Stub("says-bad", 400, problem(400), "application/problem+json")
SAYS_NEVER = Stub("says-never", 403, problem(403), "application/problem+json")
SAYS_OTHERWISE = Stub("says-otherwise", 409, problem(409), "application/problem+json")


async def _closes(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    pass


async def _hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        pass


async def _raves(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff" * 500 + b"\r\n\r\n")
    await writer.drain()


async def _never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head, and a body of 100 MB and more."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(128):
        if writer.is_closing():
            return
        writer.write(b"[" * (1 << 20))
        await writer.drain()


DOWN = Down()
CLOSES = Bare("closes", _closes)
HANGS = Bare("hangs", _hangs)
RAVES = Bare("raves", _raves)
NEVER_ENDS = Bare("never-ends", _never_ends)
GIBBERISH = Stub("gibberish", 200, b"[" * 100_000, tells_of_itself=False)
ELSEWHERE = Stub(
    "elsewhere", 307, headers={"Location": "https://127.0.0.1:1/"}, tells_of_itself=False
)
SAYS_FAIL = Stub(
    "says-fail", 200, b'{"status":"FAIL","ErrorCode":"15","ErrorDesc":"no","DocId":"","count":0}'
)
SAYS_OK = Stub(
    "says-ok",
    200,
    b'{"status":"OK","ErrorCode":"0","ErrorDesc":"","DocId":"1","count":1,"data":"","documents":[],'
    b'"proofs":[],"logs":[],"transfers":[],"receipts":[],"sent":[],"cursor":null}',
)
OF_THE_DIALECT = (SAYS_FAIL, SAYS_OK)
EVERY_ANSWER = (
    (SAYS_YES, SAYS_NONE),
    (SAYS_DONE, SAYS_LATER),
    (SAYS_NO, SAYS_BAD),
    (SAYS_NEVER, SAYS_OTHERWISE),
)
NO_ANSWER = ((CLOSES, RAVES), (NEVER_ENDS, GIBBERISH), (ELSEWHERE, CLOSES))


@dataclass(frozen=True, slots=True)
class Stood:
    """Two of them, as the kit is given nodes."""

    subjects: tuple[Subject, Subject]
    authority: Authority


@asynccontextmanager
async def stood(folder: Path, stubs: Sequence[Bare | Down | Stub]) -> AsyncIterator[Stood]:
    """Each with certificates under one root, the kit let in everywhere."""
    now = datetime.now(UTC)
    ports = free_ports(5 * len(stubs))
    at = folder / "pki"
    pki.init(at, name="Stubs", key=pki.KeyType.P256, now=now, days=1)
    pki.issue_branch(at, "stubs", key=pki.KeyType.P256, now=now, days=1)
    subjects = []
    async with AsyncExitStack() as running:
        for number, stub in enumerate(stubs):
            port, *free = ports[5 * number : 5 * number + 5]
            _issue(at, stub.name, now)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            mine = at / "nodes" / stub.name
            context.load_cert_chain(mine / "tls.pem", mine / "tls.key.pem")
            await running.enter_async_context(stub.serving(context, port))
            subjects.append(_subject(stub.name, number, at, port, free))
        first, second = subjects
        yield Stood((first, second), credentials.prepare(folder / "kit", (first, second), now))


def _issue(at: Path, name: str, now: datetime) -> None:
    key = pki.KeyType.P256
    pki.issue_node(at, name, "stubs", key=key, dns=[], ips=["127.0.0.1"], now=now, days=1)


def _subject(name: str, number: int, at: Path, port: int, free: Sequence[int]) -> Subject:
    here, agency = f"https://127.0.0.1:{port}", f"H98.1{number}"
    listen, second, via, _ = (f"127.0.0.1:{one}" for one in free)
    return Subject(
        id=name,
        nodes=here,
        axis=here,
        native=here,
        roots=at / "root" / "root.pem",
        agency=agency,
        also=f"000.00.1{number}.H98",
        systemid="vxp.stub",
        secret="secret",
        token="token",
        auditor="token",
        operator="token",
        kit=Kit(
            node=f"kit-{number}",
            agency=f"{agency}.91",
            listen=listen,
            via=via,
            second=Second(node=f"kit-{number}-2", agency=f"{agency}.92", listen=second),
        ),
    )
