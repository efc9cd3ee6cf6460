"""What a neighbour may ask of this node: transfers, uploads ahead, receipts, who we are.

Touches: HTTP. Every request carries a TLS certificate whose path the handshake proved; here it is
bound to a configured neighbour, before anything else.
Trusts:  nothing of a body until the desks proved it.
Raises:  nothing: every failure leaves as a problem document. 4xx: do not repeat this as it is.
         503: repeat later, nothing was taken over. 500: repeat, it may have been.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from aiohttp import web

from relay.delivery.arrivals import TransferDesk
from relay.delivery.attaching.keeping import ProofKeeper
from relay.delivery.attaching.ports import CAPABILITY as PROOFS_CAPABILITY
from relay.delivery.attaching.ports import PASSAGES_CAPABILITY
from relay.delivery.directory.hearing import DirectoryEar
from relay.delivery.directory.ports import CAPABILITY as DIRECTORY_CAPABILITY
from relay.delivery.directory.ports import CERTIFICATES_CAPABILITY
from relay.delivery.operators.published import LogFiles
from relay.delivery.ports import PayloadStore, Refusals
from relay.delivery.pressure.gate import OPEN, Gate, entered
from relay.delivery.pressure.quota import neighbour_party
from relay.delivery.reconciling.listing import ListingDesk
from relay.delivery.reconciling.ports import CAPABILITY as RECONCILE_CAPABILITY
from relay.delivery.recovery.ports import CAPABILITY
from relay.delivery.recovery.reminding import RemindingDesk
from relay.delivery.returns import ReturnDesk
from relay.delivery.revocation.stapling import BY_HAND_CAPABILITY, LARGE_CAPABILITY, Stapler
from relay.delivery.revocation.stapling import CAPABILITY as STATEMENTS_CAPABILITY
from relay.envelope.limits import Limits
from relay.errors import (
    JournalError,
    NotFoundError,
    OverloadError,
    PeerError,
    RelayError,
    TransportError,
    WireError,
)
from relay.lines import Line
from relay.model import NodeId, Signed, TransferId
from relay.transport import requests
from relay.transport.ahead import OFFSET, AheadStore, append, misplaced, told
from relay.transport.nodes.attaching import AttachFace
from relay.transport.nodes.connections import Connections
from relay.transport.nodes.directory import DirectoryFace
from relay.transport.nodes.door import NEIGHBOUR, Door
from relay.transport.nodes.parts import Body
from relay.transport.nodes.published import CAPABILITY as TILES_CAPABILITY
from relay.transport.nodes.published import PublishedFace
from relay.transport.nodes.reconciling import ListingFace
from relay.transport.nodes.reminding import ReminderFace, newest_shown
from relay.transport.nodes.statements import StatementFace
from relay.transport.nodes.taking import TRANSFERS_A_REQUEST, Taking
from relay.transport.nodes.witnessing import LogFace
from relay.transport.problems import problem_of, problem_response, word_of
from relay.wire.container import read_receipts, write_receipts
from relay.wire.values import instant_text
from relay.witness.desk import WitnessDesk
from relay.witness.ports import CAPABILITY as WITNESS_CAPABILITY

log = structlog.get_logger("relay.nodes")
RECEIPTS_TYPE = "application/vnd.truc-relay.receipts+xml"
RECEIPTS_LIMIT_BYTES = 32 << 20
AHEAD_BYTES = 1 << 20
"""Envelopes over this size go ahead of their transfer."""
TRANSFERS_HEADER = "Relay-Transfers-A-Request"
"""In the answer to transfers: how many the next request may carry (W4.13)."""
BATCHES_HEADER = "Relay-Batched-Receipts"
BATCHES_TAKEN = "1"
"""In a request with transfers: whoever their receipts travel back to understands batches (W13.6)."""
BATCHES_CAPABILITY = "batched-receipts"
SHARED_HEADER = "Relay-Batched-Transfers"
"""In the answer to transfers: "1" where the headers of the next request may share a signature (W13.9)."""
SHARED_CAPABILITY = "batched-transfers"
WIRE_VERSION = 1
ASK_LATER = 60
"""Seconds. What is repeated meanwhile is answered."""


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
    connections: Connections
    refusals: Refusals
    """Whom was refused without evidence: for the audit log."""
    pressure: Gate = OPEN
    """Asked before a transfer or an upload is read."""
    may_have_had: Callable[[TransferId], bool] = lambda _: False
    """Of a transfer that is unknown here: whether a restore may have lost it."""
    directory: DirectoryEar | None = None
    stapler: Stapler | None = None
    """None where nothing is checked for revocation."""
    published: LogFiles | None = None
    witness: WitnessDesk | None = None
    """None where no logs are cosigned."""
    attached: ProofKeeper | None = None
    """None where no proofs of receipts are taken."""
    listing: ListingDesk | None = None
    """What was exchanged with a neighbour, for that neighbour."""
    log_certificates: Callable[[], Sequence[bytes]] = tuple
    """Of the key of this node's log as of now, DER, its own first."""
    batched_transfers: bool = True
    """Whether neighbours may sign the headers of a request in one batch."""

    @property
    def capabilities(self) -> list[str]:
        """By these a neighbour of another version knows what it may ask (W1.7)."""
        directory = [DIRECTORY_CAPABILITY, CERTIFICATES_CAPABILITY]
        more = [] if self.directory is None else directory
        told = [STATEMENTS_CAPABILITY, LARGE_CAPABILITY, BY_HAND_CAPABILITY]
        more += [] if self.stapler is None else told
        more += [] if self.published is None else [TILES_CAPABILITY]
        more += [] if self.witness is None else [WITNESS_CAPABILITY]
        more += [] if self.attached is None else [PROOFS_CAPABILITY, PASSAGES_CAPABILITY]
        more += [] if self.listing is None else [RECONCILE_CAPABILITY]
        more += [SHARED_CAPABILITY] if self.batched_transfers else []
        return ["transfers", "receipts", "payloads-ahead", BATCHES_CAPABILITY, CAPABILITY, *more]

    def door(self) -> Door:
        return Door(self.node, self.neighbours, self.connections, self.contact)


def nodes_app(face: NodeFace, door: Door) -> web.Application:
    """The application of the listener for neighbours."""
    handlers = _Handlers(face, door)
    app = web.Application(middlewares=[handlers.guard])
    app.on_response_prepare.append(requests.name)
    app.router.add_get("/axis/v1/node", handlers.describe)
    app.router.add_post("/axis/v1/transfers", handlers.transfer)
    app.router.add_get("/axis/v1/transfers/{id}", handlers.answer)
    app.router.add_post("/axis/v1/receipts", handlers.receipts)
    app.router.add_route("HEAD", "/axis/v1/payloads/{digest}", handlers.offset)
    app.router.add_patch("/axis/v1/payloads/{digest}", handlers.upload)
    handlers.reminding.add_to(app.router)
    if face.directory is not None:
        DirectoryFace(face.directory, door.neighbour).add_to(app.router)
    if face.stapler is not None:
        StatementFace(face.stapler, door.neighbour).add_to(app.router)
    if face.published is not None:
        PublishedFace(face.published).add_to(app.router)
    if face.attached is not None:
        AttachFace(face.attached, door.neighbour, face.refusals).add_to(app.router)
    if face.listing is not None:
        ListingFace(face.listing, door.neighbour).add_to(app.router)
    log_face = LogFace(face.log_certificates, face.witness, door.neighbour, face.refusals)
    log_face.add_to(app.router)
    return app


class _Handlers:
    def __init__(self, face: NodeFace, door: Door) -> None:
        self._face = face
        self._door = door
        self.reminding = ReminderFace(face.reminding, face.store, door.neighbour)
        self._taking = Taking(face.transfers, face.store, face.ahead, face.limits)

    @web.middleware
    async def guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        requests.begin(request)
        try:
            neighbour = self._door.neighbour(request)
            requests.adopt(request)
            structlog.contextvars.bind_contextvars(neighbour=neighbour)
            return await handler(request)
        except (RelayError, web.HTTPException) as error:
            return await self._refuse(request, error)
        except ConnectionError:
            log.info(
                Line.NEIGHBOUR_BROKE_OFF, neighbour=request.get(NEIGHBOUR, "?"), path=request.path
            )
            # Left to aiohttp it would be a traceback in the log for each line that is cut.
            return self._problem(
                request, TransportError("the neighbour went away before its request ended")
            )
        except Exception as error:
            log.exception(Line.NODE_CALL_FAILED, path=request.path)
            return self._problem(request, error)

    async def _refuse(
        self, request: web.Request, error: RelayError | web.HTTPException
    ) -> web.StreamResponse:
        if await self._told(request.get(NEIGHBOUR), error):
            # Asking for what is not here is how a neighbour learns that it must send it; and
            # back-pressure tells of itself once, not with each that is turned away.
            quiet = isinstance(error, NotFoundError | OverloadError)
            log.log(
                logging.DEBUG if quiet else logging.WARNING,
                Line.NEIGHBOUR_REFUSED,
                neighbour=request.get(NEIGHBOUR),
                path=request.path,
                error=str(error),
            )
        response = self._problem(request, error)
        if isinstance(error, JournalError) and not isinstance(error, OverloadError):
            response.set_status(500)  # it may be durable all the same: the neighbour is in doubt
        if NEIGHBOUR not in request:
            # It may have another certificate by now, and only a new connection shows that.
            response.force_close()
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

    def _problem(self, request: web.Request, error: BaseException) -> web.Response:
        return problem_response(problem_of(error), request[requests.REQUEST_ID])

    async def describe(self, request: web.Request) -> web.Response:
        newest = await self._face.reminding.newest(self._door.neighbour(request))
        return web.json_response(
            {
                "node": self._face.node,
                "version": self._face.version,
                "wire": [WIRE_VERSION],
                "capabilities": self._face.capabilities,
                "envelope_limit_bytes": self._face.limits.envelope_bytes,
                "ahead_over_bytes": AHEAD_BYTES,
                "transfers_a_request": TRANSFERS_A_REQUEST,
                "time": instant_text(self._face.transfers.clock.now()),
                **newest_shown(newest),
            }
        )

    # ------------------------------------------------------------ transfers

    async def transfer(self, request: web.Request) -> web.Response:
        neighbour = self._door.neighbour(request)
        party = neighbour_party(neighbour)
        with entered(self._face.pressure, party, request.content_length) as refusal:
            body = Body(request.content, request.headers.get("Content-Type", ""))
            batched = request.headers.get(BATCHES_HEADER) == BATCHES_TAKEN
            answers = await self._taking.take(neighbour, body, batched=batched, refusal=refusal)
            response = _signed(answers)
            response.headers[TRANSFERS_HEADER] = str(TRANSFERS_A_REQUEST)
            if self._face.batched_transfers:
                response.headers[SHARED_HEADER] = BATCHES_TAKEN
            return response

    async def answer(self, request: web.Request) -> web.Response:
        """The answer once given, again. "Unknown" is only said of what will not be answered: a late
        commit after it would leave the document in two places. Nor is it said of what this node may
        have had and handed on before it was restored: the neighbour sends it again, or does not know."""
        neighbour = self._door.neighbour(request)
        transfer_id = TransferId(request.match_info["id"])
        if self._taking.under_way(neighbour, transfer_id):
            raise OverloadError("this transfer is being taken in now")
        found = await self._face.transfers.journal.answered(neighbour, transfer_id)
        if found is None and self._face.may_have_had(transfer_id):
            raise OverloadError("a restore may have lost this transfer: send it again", ASK_LATER)
        if found is None:
            raise NotFoundError("no such transfer of yours")
        return _signed([found])

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
        return told(self._face.ahead.offset(neighbour, request.match_info["digest"]))

    async def upload(self, request: web.Request) -> web.Response:
        """Append at the offset we have; any other is a conflict that names ours."""
        neighbour, digest = self._door.neighbour(request), request.match_info["digest"]
        have = self._face.ahead.offset(neighbour, digest)
        if (error := misplaced(request, have)) is not None:
            response = self._problem(request, error)
            response.headers[OFFSET] = str(have)
            return response
        with self._face.pressure.body(neighbour_party(neighbour), request.content_length):
            return await append(
                self._face.ahead, neighbour, digest, request, self._face.limits.envelope_bytes
            )


def _signed(answers: Sequence[Signed]) -> web.Response:
    return web.Response(body=write_receipts(answers), content_type=RECEIPTS_TYPE)
