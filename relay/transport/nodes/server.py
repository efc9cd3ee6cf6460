"""What a neighbour may ask of this node: transfers, uploads ahead, receipts, who we are.

Touches: HTTP. Every request carries a TLS certificate whose path the handshake proved; here it is
bound to a configured neighbour, before anything else.
Trusts:  nothing of a body until the desks proved it.
Raises:  nothing: every failure leaves as a problem document. 4xx: do not repeat this as it is.
         503: repeat later, nothing was taken over. 500: repeat, it may have been.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web

from relay.delivery.arrivals import Opened, TransferDesk
from relay.delivery.ports import PayloadStore, Refusals
from relay.delivery.pressure import OPEN, Gate
from relay.delivery.quota import neighbour_party
from relay.delivery.recovery import CAPABILITY
from relay.delivery.reminding import RemindingDesk
from relay.delivery.returns import ReturnDesk
from relay.envelope.limits import Limits, in_units
from relay.errors import (
    ConflictError,
    EnvelopeError,
    JournalError,
    NotFoundError,
    OverloadError,
    PeerError,
    RelayError,
    TooLargeError,
    TransportError,
    WireError,
)
from relay.model import Digest, Envelope, NodeId, Payload, Signed, TransferId
from relay.transport.intake_stream import receive, while_moving
from relay.transport.nodes.door import NEIGHBOUR, Door
from relay.transport.nodes.parts import Body, Parts, read_parts
from relay.transport.nodes.reminding import ReminderFace, newest_shown
from relay.transport.problems import problem_of, problem_response, word_of
from relay.wire.container import read_receipts, write_receipts
from relay.wire.values import instant_text

log = structlog.get_logger("relay.nodes")
RECEIPTS_TYPE = "application/vnd.truc-relay.receipts+xml"
RECEIPTS_LIMIT_BYTES = 32 << 20
AHEAD_BYTES = 1 << 20
"""Envelopes over this size go ahead of their transfer."""
WIRE_VERSION = 1
ASK_LATER = 60
"""Seconds. What is repeated meanwhile is answered."""


class AheadStore(Protocol):
    def offset(self, neighbour: NodeId, digest: str) -> int: ...
    async def append(
        self, neighbour: NodeId, digest: str, stream: AsyncIterator[bytes], limit_bytes: int
    ) -> int: ...
    def read(self, neighbour: NodeId, digest: Digest) -> AsyncIterator[bytes]: ...
    def forget(self, neighbour: NodeId, digest: str) -> None: ...


@dataclass(frozen=True, slots=True)
class NodeFace:
    """The parts of a node that its neighbours speak with."""

    node: NodeId
    version: str
    neighbours: frozenset[NodeId]
    transfers: TransferDesk
    returns: ReturnDesk
    reminding: RemindingDesk
    store: PayloadStore
    ahead: AheadStore
    limits: Limits
    contact: Callable[[NodeId], None]
    mint: Callable[[], str]
    """A new request id."""
    identify: Callable[[bytes], NodeId]
    """The node a TLS certificate (DER) is of; raises SignatureError."""
    refusals: Refusals
    """Whom was refused without evidence: for the audit log."""
    pressure: Gate = OPEN
    """Asked before a transfer or an upload is read."""
    may_have_had: Callable[[TransferId], bool] = lambda _: False
    """Of a transfer that is unknown here: whether a restore may have lost it."""

    def door(self) -> Door:
        return Door(self.node, self.neighbours, self.identify, self.contact)


def nodes_app(face: NodeFace, door: Door) -> web.Application:
    """The application of the listener for neighbours."""
    handlers = _Handlers(face, door)
    app = web.Application(middlewares=[handlers.guard])
    app.router.add_get("/axis/v1/node", handlers.describe)
    app.router.add_post("/axis/v1/transfers", handlers.transfer)
    app.router.add_get("/axis/v1/transfers/{id}", handlers.answer)
    app.router.add_post("/axis/v1/receipts", handlers.receipts)
    app.router.add_route("HEAD", "/axis/v1/payloads/{digest}", handlers.offset)
    app.router.add_patch("/axis/v1/payloads/{digest}", handlers.upload)
    handlers.reminding.add_to(app.router)
    return app


class _Handlers:
    def __init__(self, face: NodeFace, door: Door) -> None:
        self._face = face
        self._door = door
        self.reminding = ReminderFace(face.reminding, face.store, door.neighbour)
        self._taking: Counter[tuple[NodeId, TransferId]] = Counter()
        """Transfers proven and not yet answered: nobody may say of them that they are unknown."""

    @web.middleware
    async def guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        try:
            self._door.neighbour(request)
            return await handler(request)
        except (RelayError, web.HTTPException) as error:
            return await self._refuse(request, error)
        except ConnectionError:
            log.info(
                "neighbour broke off", neighbour=request.get(NEIGHBOUR, "?"), path=request.path
            )
            # Left to aiohttp it would be a traceback in the log for each line that is cut.
            return self._problem(TransportError("the neighbour went away before its request ended"))
        except Exception as error:
            log.exception("node call failed", path=request.path)
            return self._problem(error)

    async def _refuse(
        self, request: web.Request, error: RelayError | web.HTTPException
    ) -> web.StreamResponse:
        if await self._told(request.get(NEIGHBOUR), error):
            # Asking for what is not here is how a neighbour learns that it must send it; and
            # back-pressure tells of itself once, not with each that is turned away.
            say = log.debug if isinstance(error, NotFoundError | OverloadError) else log.warning
            neighbour = request.get(NEIGHBOUR)
            say("neighbour refused", neighbour=neighbour, path=request.path, error=str(error))
        response = self._problem(error)
        if isinstance(error, JournalError) and not isinstance(error, OverloadError):
            response.set_status(500)  # it may be durable all the same: the neighbour is in doubt
        return response

    async def _told(self, neighbour: str | None, error: RelayError | web.HTTPException) -> bool:
        """Whether a line is due: not for strangers, and not without end."""
        if neighbour is None:
            self._face.refusals.stranger("nodes", "not-a-neighbour")
            return False
        if isinstance(error, NotFoundError | JournalError):
            return True
        reason, refused = word_of(error), isinstance(error, PeerError)
        return await self._face.refusals.known("nodes", neighbour, reason, entry=refused)

    def _problem(self, error: BaseException) -> web.Response:
        return problem_response(problem_of(error), self._face.mint())

    async def describe(self, request: web.Request) -> web.Response:
        newest = await self._face.reminding.newest(self._door.neighbour(request))
        return web.json_response(
            {
                "node": self._face.node,
                "version": self._face.version,
                "wire": [WIRE_VERSION],
                "capabilities": ["transfers", "receipts", "payloads-ahead", CAPABILITY],
                "envelope_limit_bytes": self._face.limits.envelope_bytes,
                "ahead_over_bytes": AHEAD_BYTES,
                "time": instant_text(self._face.transfers.clock.now()),
                **newest_shown(newest),
            }
        )

    # ------------------------------------------------------------ transfers

    async def transfer(self, request: web.Request) -> web.Response:
        neighbour = self._door.neighbour(request)
        with self._face.pressure.body(neighbour_party(neighbour), request.content_length):
            return await self._transfer(neighbour, request)

    async def _transfer(self, neighbour: NodeId, request: web.Request) -> web.Response:
        content_type = request.headers.get("Content-Type", "")
        parts = await read_parts(Body(request.content, content_type))
        opened = await self._face.transfers.open(neighbour, parts.header)
        if isinstance(opened, Signed):
            return _signed(opened)
        with self._being_taken(opened):
            return _signed(await self._answer_to(opened, parts))

    @contextmanager
    def _being_taken(self, opened: Opened) -> Iterator[None]:
        key = (opened.neighbour, opened.header.transfer_id)
        self._taking[key] += 1
        try:
            yield
        finally:
            self._taking[key] -= 1
            if not self._taking[key]:
                del self._taking[key]

    async def _answer_to(self, opened: Opened, parts: Parts) -> Signed:
        if opened.header.size_bytes > self._face.limits.envelope_bytes:
            return await self._too_large(opened, parts)
        if parts.envelope is None:
            return await self._gone_ahead(opened, parts)
        return await self._take(opened, parts.seal, _Counted(parts.envelope.chunks()))

    async def _too_large(self, opened: Opened, parts: Parts) -> Signed:
        """Refused by its signed size alone: none of it is read, none need be uploaded."""
        fault = TooLargeError(
            in_units(opened.header.size_bytes), limit=in_units(self._face.limits.envelope_bytes)
        )
        return await self._face.transfers.take(opened, parts.seal, fault, None)

    async def _gone_ahead(self, opened: Opened, parts: Parts) -> Signed:
        """The envelope is what this neighbour uploaded, or what it got an answer for before.

        An upload that is not all here yet is asked for again (404). One that is not what the header
        names is ours to lose, a crash can do that, so it is no evidence: it starts anew.
        """
        ahead, neighbour, header = self._face.ahead, opened.neighbour, opened.header
        answer = await self._face.transfers.first_answer(opened)
        if answer is not None:
            ahead.forget(neighbour, header.digest)
            return answer
        if ahead.offset(neighbour, header.digest) < header.size_bytes:
            raise NotFoundError("the envelope of this transfer has not gone ahead")
        counted = _Counted(ahead.read(neighbour, header.digest), hashlib.sha256())
        signed = await self._take(opened, parts.seal, counted)
        ahead.forget(neighbour, header.digest)
        return signed

    async def _take(self, opened: Opened, seal: bytes, counted: _Counted) -> Signed:
        header = opened.header
        found: Envelope | EnvelopeError
        payload: Payload | None = None
        limits = self._face.limits
        try:
            found, payload = await receive(
                counted.read(),
                self._face.store,
                limits,
                limit_bytes=min(limits.envelope_bytes, header.size_bytes),
                idle=None,
            )
        except EnvelopeError as error:
            found = error
        if counted.damaged(header.digest):
            self._face.ahead.forget(opened.neighbour, header.digest)
            if payload is not None:
                await self._face.store.release(payload)
            raise TransportError("the upload is not what its name says; it starts anew")
        try:
            if counted.size_bytes < header.size_bytes:
                raise TransportError(
                    f"{counted.size_bytes} of {header.size_bytes} bytes came: the body broke off"
                )
            return await self._face.transfers.take(opened, seal, found, payload)
        finally:
            if payload is not None:
                await self._face.store.release(payload)

    async def answer(self, request: web.Request) -> web.Response:
        """The answer once given, again. "Unknown" is only said of what will not be answered: a late
        commit after it would leave the document in two places. Nor is it said of what this node may
        have had and handed on before it was restored: the neighbour sends it again, or does not know."""
        neighbour = self._door.neighbour(request)
        transfer_id = TransferId(request.match_info["id"])
        if (neighbour, transfer_id) in self._taking:
            raise OverloadError("this transfer is being taken in now")
        found = await self._face.transfers.journal.answered(neighbour, transfer_id)
        if found is None and self._face.may_have_had(transfer_id):
            raise OverloadError("a restore may have lost this transfer: send it again", ASK_LATER)
        if found is None:
            raise NotFoundError("no such transfer of yours")
        return _signed(found)

    # ------------------------------------------------------------ receipts

    async def receipts(self, request: web.Request) -> web.Response:
        neighbour = self._door.neighbour(request)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > RECEIPTS_LIMIT_BYTES:
                raise WireError(f"receipts over {RECEIPTS_LIMIT_BYTES} bytes")
        await self._face.returns.take(neighbour, read_receipts(bytes(body), RECEIPTS_LIMIT_BYTES))
        return web.Response(status=204)

    # ------------------------------------------------------------ uploads ahead

    async def offset(self, request: web.Request) -> web.Response:
        neighbour = self._door.neighbour(request)
        have = self._face.ahead.offset(neighbour, request.match_info["digest"])
        return web.Response(status=204, headers={"Upload-Offset": str(have)})

    async def upload(self, request: web.Request) -> web.Response:
        """Append at the offset we have; any other is a conflict that names ours."""
        neighbour, digest = self._door.neighbour(request), request.match_info["digest"]
        have = self._face.ahead.offset(neighbour, digest)
        if request.headers.get("Upload-Offset") != str(have):
            response = self._problem(ConflictError(f"the offset here is {have}"))
            response.headers["Upload-Offset"] = str(have)
            return response
        stream = while_moving(request.content)
        with self._face.pressure.body(neighbour_party(neighbour), request.content_length):
            size = await self._face.ahead.append(
                neighbour, digest, stream, self._face.limits.envelope_bytes
            )
        return web.Response(status=204, headers={"Upload-Offset": str(size)})


class _Counted:
    """Counts what came, so that a body that broke off is told from one that lies; of an upload, the
    digest too."""

    def __init__(self, stream: AsyncIterator[bytes], hashed: hashlib._Hash | None = None) -> None:
        self._stream = stream
        self._hash = hashed
        self.size_bytes = 0

    async def read(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self.size_bytes += len(chunk)
            if self._hash is not None:
                self._hash.update(chunk)
            yield chunk

    def damaged(self, digest: Digest) -> bool:
        """Whether an upload's bytes are other than its name promises."""
        return self._hash is not None and self._hash.hexdigest() != digest


def _signed(answer: Signed) -> web.Response:
    return web.Response(body=write_receipts([answer]), content_type=RECEIPTS_TYPE)
