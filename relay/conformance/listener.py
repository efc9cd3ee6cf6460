"""The kit's own listener for nodes: what a judged node hands it, and what it answers.

It answers as an honest neighbour does unless an assertion says otherwise: `answers` may lose an answer, refuse,
or say what no node should.

Touches: one listening port.
Trusts:  the handshake; a transfer is kept as it came, and proven by whoever asks.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from relay.conformance.credentials import Credentials
from relay.conformance.exchanges import Exchange, Exchanges
from relay.conformance.instants import now
from relay.conformance.peer import FAULT_LIMIT, RECEIPTS_TYPE
from relay.conformance.requested import Arrived, arrived_of
from relay.conformance.showing import Showing
from relay.conformance.verdicts import InconclusiveError
from relay.conformance.witness import CAPABILITY as WITNESS
from relay.conformance.witness import Witness
from relay.errors import RelayError
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    NodeId,
    Reason,
    Receipt,
    Signed,
)
from relay.signing import evidence
from relay.signing.keys import Signer
from relay.signing.tls import server_context
from relay.wire.attached import read_proofs
from relay.wire.container import read_receipts, write_receipts

PROOFS = "receipt-proofs"
PROOFS_PATH = "/axis/v1/proofs"
DECLINED_WORDS = "the conformance kit does not want this one yet"
BODY_LIMIT_BYTES = 64 << 20
ROOM_BYTES = 512 << 20
"""For all that the judged node says here in a run; then the kit takes nothing more (503)."""
CALL_BYTES = 2_000
"""What a call costs beside its body."""
READ_AT_ONCE = 8
CONTAINER_LIMIT_BYTES = 32 << 20
TOGETHER = 16
"""Transfers that a request may carry, where an assertion lets several come."""


Answering = Callable[[Arrived], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Listener:
    """One of the kit's nodes, as the judged node calls it."""

    node: NodeId
    agency: AgencyCode
    signer: Signer
    exchanges: Exchanges
    witness: Witness
    capabilities: list[str] = field(default_factory=lambda: [WITNESS, PROOFS])
    always: list[str] = field(default_factory=list)
    """Capabilities beside those, whatever an assertion puts in their place."""
    wire: list[int] = field(default_factory=lambda: [1])
    transfers_a_request: int = 1
    says: dict[str, str] = field(default_factory=dict)
    """Heads of every answer to transfers."""
    arrived: list[Arrived] = field(default_factory=list)
    """In the order they came, repeats too."""
    receipts: list[Signed] = field(default_factory=list)
    """Those that travelled back here."""
    proofs: list[bytes] = field(default_factory=list)
    """Those that followed receipts here (W20)."""
    proof_calls: list[Exchange] = field(default_factory=list)
    """The calls that brought them."""
    of_proofs: list[Callable[[bytes], str | None]] = field(default_factory=list)
    """What is said of one, by the last of these that says anything; else that it is kept."""
    declined: dict[str, list[float]] = field(default_factory=dict)
    """By the envelope's digest, what is refused for now and is not among `arrived`: when it came, by the loop's clock."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every call."""
    uploads: dict[str, bytearray] = field(default_factory=dict)
    answers: Answering | None = None
    """Instead of the honest answer."""
    others: Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]] | None = None
    """Asked first about every call but transfers; None: as an honest neighbour."""
    given: dict[str, bytes] = field(default_factory=dict)
    """The answer to each transfer, by its id: the same bytes again (W4.5)."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    room_bytes: int = ROOM_BYTES
    shown: Showing | None = None
    """Which certificate, once it listens."""
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READ_AT_ONCE))

    # ------------------------------------------------------------ for assertions

    @contextmanager
    def answering(self, answers: Answering) -> Iterator[None]:
        """Until the end of the block, instead of the honest answer."""
        before, self.answers = self.answers, answers
        try:
            yield
        finally:
            self.answers = before

    @contextmanager
    def taking_several(self, *, shared: bool) -> Iterator[None]:
        """Until the end of the block it says that a request may carry several transfers (W4.13), and where
        `shared`, that their headers may share a batch (W13.9)."""
        self.transfers_a_request = TOGETHER
        self.says = {"Relay-Transfers-A-Request": str(TOGETHER)}
        if shared:
            self.says["Relay-Batched-Transfers"] = "1"
        try:
            yield
        finally:
            self.transfers_a_request, self.says = 1, {}

    @contextmanager
    def declining(self, digest: str) -> Iterator[list[float]]:
        """Until the end of the block what has that envelope is refused without evidence (422), and all else is
        as it was; when it came."""
        self.declined[digest] = []
        try:
            yield self.declined[digest]
        finally:
            del self.declined[digest]

    @contextmanager
    def saying_of_proofs(self, said: Callable[[bytes], str | None]) -> Iterator[None]:
        """Until the end of the block the answer to those of which it says anything."""
        self.of_proofs.append(said)
        try:
            yield
        finally:
            self.of_proofs.remove(said)

    @contextmanager
    def refusing_receipts(self) -> Iterator[list[bytes]]:
        """Until the end of the block receipts travelling back are not taken (503); their containers."""
        refused: list[bytes] = []

        async def refuse(request: web.Request, body: bytes) -> web.StreamResponse | None:
            if request.path != "/axis/v1/receipts":
                return None
            refused.append(body)
            return web.Response(status=503)

        before, self.others = self.others, refuse
        try:
            yield refused
        finally:
            self.others = before

    @contextmanager
    def of_an_earlier_release(self) -> Iterator[None]:
        """Until the end of the block it tells of nothing that came later than transfers and receipts (W1.7)."""

        async def known(request: web.Request, _: bytes) -> web.StreamResponse | None:
            if request.path == "/axis/v1/node":
                first = ("node", "version", "wire", "envelope_limit_bytes", "ahead_over_bytes")
                told = {name: self.described()[name] for name in first}
                return web.json_response({**told, "capabilities": []})
            known_then = ("/axis/v1/receipts", "/axis/v1/payloads/", "/axis/v1/transfers/")
            return None if request.path.startswith(known_then) else web.Response(status=404)

        before, self.others = self.others, known
        try:
            yield
        finally:
            self.others = before

    async def until(self, found: Callable[[], Any], seconds: float, what: str) -> Any:
        """What `found` finds as soon as it finds anything. INCONCLUSIVE when that takes too long: whether
        that is a fault is for absence.py to say."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with self.changed:
            while not (value := found()):
                left = end - loop.time()
                if left <= 0:
                    raise InconclusiveError(f"{what} did not come within {seconds:g} s")
                try:
                    await asyncio.wait_for(self.changed.wait(), left)
                except TimeoutError:
                    continue
            return value

    async def transfer_of(self, digest: str, seconds: float = 20.0, count: int = 1) -> Arrived:
        """The count-th transfer here with that envelope."""
        found = partial(self.nth, digest, count)
        arrived: Arrived = await self.until(found, seconds, "the transfer")
        return arrived

    def nth(self, digest: str, count: int = 1) -> Arrived | None:
        """The same, where it came already."""
        these = [one for one in self.arrived if one.header.digest == digest]
        return these[count - 1] if len(these) >= count else None

    def honest(self, arrived: Arrived) -> bytes:
        """The answer of a node that serves the recipient."""
        return self.answer(arrived, Event.RELAY_ACCEPTANCE, Event.CONTENT_CONSIGNMENT)

    def answer(self, arrived: Arrived, *events: Event, reason: Reason | None = None) -> bytes:
        return write_receipts([self.signed(self.receipt(arrived, *events, reason=reason))])

    def receipt(self, arrived: Arrived, *events: Event, reason: Reason | None = None) -> Receipt:
        header = arrived.header
        previous = header.trace[-1].receipt
        return Receipt.about(
            header,
            issuer=self.node,
            at=now(),
            transfer_id=header.transfer_id,
            sent_by=header.sent_by,
            evidence=tuple(
                Evidence(event, code, previous, reason if event.negative else None)
                for code in header.recipients
                for event in events
            ),
        )

    def signed(self, receipt: Receipt) -> Signed:
        return evidence.sign_receipt(receipt, self.signer, now())

    # ------------------------------------------------------------ HTTP

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.router.add_route("*", "/{path:.*}", self._asked)
        return app

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        if self.shown is not None and not self.shown.over(request):
            raise asyncio.CancelledError  # the connection breaks, as others did when that changed
        async with self._reading:
            body = await request.read()
        self.room_bytes -= len(body) + CALL_BYTES
        if self.room_bytes < 0:
            return web.Response(status=503)
        kept = self.exchanges.begin(
            f"{self.node} asked", request.method, request.path_qs, request.headers, body
        )
        self.calls.append((request.method, request.path))
        if request.path == PROOFS_PATH:
            self.proof_calls.append(kept)
        try:
            response = await self._answered(request, body)
        except (RelayError, KeyError, ValueError) as error:  # it is none of what is taken here
            kept.fault = f"{type(error).__name__}: {error}"[:FAULT_LIMIT]
            response = web.Response(status=400)
        finally:  # an answer that is lost is news, too
            async with self.changed:
                self.changed.notify_all()
        kept.status, kept.answer_headers = response.status, dict(response.headers)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            kept.answer = response.body
        return response

    async def _answered(self, request: web.Request, body: bytes) -> web.StreamResponse:
        path = request.path
        if (request.method, path) == ("POST", "/axis/v1/transfers"):
            return await self._transfers(request, body)
        if self.others is not None and (said := await self.others(request, body)) is not None:
            return said
        if (said := self.witness.answered(request, body)) is not None:
            return said
        if path == "/axis/v1/node":
            return web.json_response(self.described())
        if (request.method, path) == ("POST", "/axis/v1/receipts"):
            self.receipts += read_receipts(body, CONTAINER_LIMIT_BYTES)
            return web.Response(status=204)
        if (request.method, path) == ("POST", PROOFS_PATH):
            came = read_proofs(body)
            self.proofs += came
            return web.json_response({"proofs": [{"answer": self._of_proof(o)} for o in came]})
        if path.startswith("/axis/v1/payloads/"):
            return self._upload(request, body)
        if path.startswith("/axis/v1/transfers/"):
            found = self.given.get(path.rpartition("/")[2])
            return container(found) if found else web.Response(status=404)
        return web.Response(status=404)

    def _of_proof(self, proof: bytes) -> str:
        said = (one(proof) for one in reversed(self.of_proofs))
        return next((word for word in said if word is not None), "kept")

    def described(self) -> dict[str, object]:
        return {
            "node": self.node,
            "version": "conformance-kit",
            "wire": self.wire,
            "capabilities": [*self.capabilities, *self.always],
            "envelope_limit_bytes": BODY_LIMIT_BYTES,
            "ahead_over_bytes": 1 << 20,
            "transfers_a_request": self.transfers_a_request,
            "time": f"{now():%Y-%m-%dT%H:%M:%S}.000Z",
            "newest": {"receipt": None, "transfer": None},
        }

    async def _transfers(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Each as if it came alone, in their order. The first without receipts ends the request (W4.13)."""
        came = arrived_of(request, body, self.uploads)
        self.arrived += [one for one in came if one and one.header.digest not in self.declined]
        response = await self._transfer(came[0])
        if len(came) > 1 and response.status == 200:
            response = container(write_receipts(await self._answers(response, came[1:])))
        response.headers.update(self.says)
        return response

    async def _answers(
        self, response: web.StreamResponse, others: Sequence[Arrived | None]
    ) -> list[Signed]:
        """That of the first, and what the others of its request are answered."""
        found = _receipts(response)
        for one in others:
            response = await self._transfer(one)
            if response.status != 200:
                break
            found += _receipts(response)
        return found

    async def _transfer(self, arrived: Arrived | None) -> web.StreamResponse:
        if arrived is None:
            return web.Response(status=404)
        if (attempts := self.declined.get(arrived.header.digest)) is not None:
            attempts.append(asyncio.get_running_loop().time())
            return await saying(422, DECLINED_WORDS)(arrived)
        if self.answers is not None:
            return await self.answers(arrived)
        return self.honestly(arrived)

    def honestly(self, arrived: Arrived) -> web.Response:
        """The answer of the first time, again where it was given before."""
        made = self.given.get(arrived.header.transfer_id)
        if made is None:
            made = self.honest(arrived)
            self.given[arrived.header.transfer_id] = made
        return container(made)

    def _upload(self, request: web.Request, body: bytes) -> web.Response:
        held = self.uploads.setdefault(request.path.rpartition("/")[2], bytearray())
        if request.method == "PATCH":
            if request.headers.get("Upload-Offset") != str(len(held)):
                return web.Response(status=409, headers={"Upload-Offset": str(len(held))})
            held += body
        return web.Response(status=204, headers={"Upload-Offset": str(len(held))})


def container(content: bytes) -> web.Response:
    return web.Response(body=content, headers={"Content-Type": RECEIPTS_TYPE})


def _receipts(response: web.StreamResponse) -> list[Signed]:
    body = response.body if isinstance(response, web.Response) else None
    return list(read_receipts(body if isinstance(body, bytes) else b"", CONTAINER_LIMIT_BYTES))


async def lost(_: Arrived) -> web.StreamResponse:
    """The connection breaks before there is an answer."""
    raise asyncio.CancelledError


def saying(status: int, title: str = "said by the conformance kit") -> Answering:
    """A problem with this status, nothing taken over or refused."""

    async def said(_: Arrived) -> web.StreamResponse:
        body = json.dumps({"type": "about:blank", "title": title, "status": status})
        return web.Response(status=status, text=body, content_type="application/problem+json")

    return said


@asynccontextmanager
async def listening(
    listener: Listener, credentials: Credentials, roots: Any, host: str, port: int
) -> AsyncIterator[Listener]:
    context: ssl.SSLContext = server_context(credentials.file("tls"), credentials.key("tls"), roots)
    runner = web.AppRunner(listener.app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    if runner.server is not None:
        listener.shown = Showing(context, roots, runner.server)
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    try:
        yield listener
    finally:
        await runner.cleanup()
