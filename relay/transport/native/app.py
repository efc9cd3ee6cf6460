"""The native face put together: the routes, who may use each, and what becomes of a failure.

Touches: the doors of delivery.ports through the handlers; structlog's context.
Trusts:  nothing that comes in.
Raises:  nothing: every failure leaves as a problem document with the request's id.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from relay.delivery.carry.ports import CarryDesk
from relay.delivery.directory.desk import DirectoryDoor
from relay.delivery.evidence.archive_ports import ArchiveDoor
from relay.delivery.evidence.ports import EvidenceDoor
from relay.delivery.operators.forgetting import ForgettingDesk
from relay.delivery.operators.inspecting import QueueReader
from relay.delivery.operators.orders import Control
from relay.delivery.operators.proving import Proofs
from relay.delivery.operators.published import LogFiles
from relay.delivery.operators.renewing import CertificateDoor
from relay.delivery.operators.systems import SystemsDesk
from relay.delivery.operators.trusting import TrustDoor
from relay.delivery.ports import (
    Inbox,
    Intake,
    LogReader,
    Obligations,
    Outbox,
    PayloadStore,
    Refusals,
    Tokens,
    Tracking,
)
from relay.delivery.pressure.gate import OPEN, Gate
from relay.delivery.pressure.refused import UNNOTED
from relay.delivery.pressure.repeats import Repeats
from relay.delivery.reconciling.ports import Reconciler
from relay.delivery.recovery.ports import Recovering
from relay.delivery.stamping.ports import StampReader
from relay.delivery.statistics.figures import Statistics
from relay.delivery.timeline.ports import TimelineDoor
from relay.envelope.limits import Limits
from relay.errors import NotFoundError, PeerError, RelayError
from relay.lines import Line
from relay.transport import requests
from relay.transport.ahead import AheadStore
from relay.transport.native import archive as archive_face
from relay.transport.native import (
    audit,
    carry,
    certificates,
    deliveries,
    evidence,
    forgetting,
    health,
    log_export,
    messages,
    obligations,
    operating,
    proofs,
    published,
    reconcile,
    submit,
    systems,
    timeline,
    timestamps,
    tokens,
    uploads,
)
from relay.transport.native import directory as directory_face
from relay.transport.native import recovery as recovery_face
from relay.transport.native import statistics as statistics_face
from relay.transport.native import trust as trust_face
from relay.transport.native import witnesses as witness_face
from relay.transport.native.gate import admit
from relay.transport.native.inside import CALLER, Inside, Route, Who
from relay.transport.native.live import gone
from relay.transport.native.log_export import LogExporter
from relay.transport.problems import is_expected, problem_of, problem_response, word_of
from relay.witness.ports import WitnessDoor

_log = structlog.get_logger("relay.native")
_SHOWN_PATH = 100

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/envelopes", submit.envelope),
    Route("HEAD", "/v1/uploads/{digest}", uploads.offset),
    Route("PATCH", "/v1/uploads/{digest}", uploads.extend),
    Route("GET", "/v1/messages/{id}", messages.message),
    Route("GET", "/v1/messages/{id}/trace", timeline.timeline),
    Route("GET", "/v1/messages/{id}/seal", messages.seal),
    Route("GET", "/v1/messages/{id}/evidence", evidence.export),
    Route("GET", "/v1/messages/{id}/statements", messages.statements),
    Route("GET", "/v1/sent", messages.sent),
    Route("GET", "/v1/receipts/{digest}", messages.receipt),
    Route("GET", "/v1/obligations", obligations.listing),
    Route("GET", "/v1/stats", statistics_face.report),
    Route("GET", "/v1/deliveries", deliveries.listing),
    Route("GET", "/v1/deliveries/{id}/envelope", deliveries.envelope),
    Route("GET", "/v1/deliveries/{id}/seal", deliveries.seal),
    Route("POST", "/v1/deliveries/{id}/ack", deliveries.acknowledge),
    Route("POST", "/v1/reconcile", reconcile.with_system),
    Route("POST", "/v1/reconcile/{neighbour}", reconcile.with_neighbour, Who.READER),
    Route("GET", "/v1/recovery", recovery_face.standing, Who.OPERATOR),
    Route("POST", "/v1/recovery/skip", recovery_face.skip, Who.OPERATOR),
    Route("GET", "/v1/queue/shape", operating.shape, Who.OPERATOR),
    Route("POST", "/v1/queue/hold", operating.hold_all, Who.OPERATOR),
    Route("POST", "/v1/queue/release", operating.release_all, Who.OPERATOR),
    Route("POST", "/v1/queue/requeue", operating.requeue_all, Who.OPERATOR),
    Route("POST", "/v1/queue/flush", operating.flush_all, Who.OPERATOR),
    Route("GET", "/v1/deliveries/{id}/why", operating.why, Who.OPERATOR),
    Route("POST", "/v1/deliveries/{id}/hold", operating.hold, Who.OPERATOR),
    Route("POST", "/v1/deliveries/{id}/release", operating.release, Who.OPERATOR),
    Route("POST", "/v1/deliveries/{id}/requeue", operating.requeue, Who.OPERATOR),
    Route("POST", "/v1/deliveries/{id}/cancel", operating.cancel, Who.OPERATOR),
    Route("POST", "/v1/deliveries/{id}/redirect", operating.redirect, Who.OPERATOR),
    Route("POST", "/v1/deliveries/{id}/flush", operating.flush, Who.OPERATOR),
    Route("GET", "/v1/audit", audit.entries, Who.READER),
    Route("GET", "/v1/audit/entries/{id}", audit.entry, Who.READER),
    Route("GET", "/v1/audit/export", log_export.export, Who.READER),
    Route("GET", "/v1/audit/head", audit.head, Who.READER),
    Route("GET", "/v1/audit/entries/{id}/proof", proofs.entry, Who.READER),
    Route("GET", "/v1/receipts/{digest}/proof", proofs.receipt),
    Route("POST", "/v1/audit/forget", forgetting.forget, Who.OPERATOR),
    Route("GET", "/v1/audit/timestamps", timestamps.heads, Who.READER),
    Route("GET", published.INDEX, published.index, Who.LOG_READER),
    Route("HEAD", published.INDEX, published.index, Who.LOG_READER),
    Route("GET", published.FILES, published.file, Who.LOG_READER),
    Route("HEAD", published.FILES, published.file, Who.LOG_READER),
    Route("GET", "/v1/audit/checkpoint", witness_face.checkpoint, Who.READER),
    Route("GET", "/v1/audit/witnesses", witness_face.overview, Who.READER),
    Route("POST", "/v1/audit/witnesses/clear", witness_face.clear, Who.OPERATOR),
    Route("POST", "/v1/witness/add-checkpoint", witness_face.add_checkpoint, Who.ANYONE),
    Route("POST", "/v1/tokens", tokens.issue, Who.OPERATOR),
    Route("GET", "/v1/tokens", tokens.listing, Who.OPERATOR),
    Route("DELETE", "/v1/tokens/{id}", tokens.revoke, Who.OPERATOR),
    Route("POST", "/v1/systems", systems.add, Who.OPERATOR),
    Route("GET", "/v1/systems", systems.listing, Who.OPERATOR),
    Route("POST", "/v1/systems/rotate", systems.rotate, Who.OPERATOR),
    Route("POST", "/v1/systems/revoke", systems.revoke, Who.OPERATOR),
    Route("GET", "/v1/certificates", certificates.show, Who.OPERATOR),
    Route("POST", "/v1/certificates/reload", certificates.reload, Who.OPERATOR),
    Route("GET", "/v1/trust", trust_face.show, Who.OPERATOR),
    Route("POST", "/v1/trust/reload", trust_face.reload, Who.OPERATOR),
    Route("POST", "/v1/carry", carry.take, Who.OPERATOR),
    Route("POST", "/v1/carry/{neighbour}", carry.export, Who.OPERATOR),
    Route("GET", "/v1/directory", directory_face.listing),
    Route("POST", "/v1/directory/import", directory_face.take_over, Who.OPERATOR),
    Route("GET", "/v1/directory/branches", directory_face.branches, Who.READER),
    Route("GET", "/v1/directory/requests", directory_face.requests, Who.OPERATOR),
    Route("POST", "/v1/directory/requests/{id}/approve", directory_face.approve, Who.OPERATOR),
    Route("POST", "/v1/directory/requests/{id}/reject", directory_face.reject, Who.OPERATOR),
    Route("GET", "/v1/directory/{code}", directory_face.show),
    Route("GET", "/v1/directory/{code}/explain", directory_face.explained),
    Route("GET", "/v1/archive", archive_face.files, Who.READER),
    Route("GET", "/v1/archive/holds", archive_face.holds, Who.READER),
    Route("POST", "/v1/archive/holds", archive_face.place, Who.OPERATOR),
    Route("POST", "/v1/archive/holds/release", archive_face.release, Who.OPERATOR),
    Route("GET", "/v1/timestamps", timestamps.standing, Who.OPERATOR),
    Route("GET", "/v1/openapi.json", health.openapi, Who.ANYONE),
    Route("GET", "/healthz", health.alive, Who.ANYONE),
    Route("GET", "/readyz", health.ready, Who.ANYONE),
)


def native_app(
    intake: Intake,
    inbox: Inbox,
    tracking: Tracking,
    log: LogReader,
    tokens: Tokens,
    store: PayloadStore,
    limits: Limits,
    clock: Callable[[], datetime],
    ready: Callable[[], str | None],
    *,
    outbox: Outbox,
    recovery: Recovering,
    control: Control,
    queue: QueueReader,
    courier: CarryDesk | None = None,
    systems: SystemsDesk | None = None,
    local_operator: bool = False,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
    ahead: AheadStore | None = None,
    gate: Gate = OPEN,
    refusals: Refusals = UNNOTED,
    directory: DirectoryDoor | None = None,
    obliged: Obligations | None = None,
    bundles: EvidenceDoor | None = None,
    archive: ArchiveDoor | None = None,
    stamps: StampReader | None = None,
    log_exports: LogExporter | None = None,
    trust: TrustDoor | None = None,
    words: ForgettingDesk | None = None,
    certificates_door: CertificateDoor | None = None,
    statistics: Statistics | None = None,
    timelines: TimelineDoor | None = None,
    followers: int = 64,
    prover: Proofs | None = None,
    published: LogFiles | None = None,
    public_log: bool = False,
    witnesses: WitnessDoor | None = None,
    reconciler: Reconciler | None = None,
    repeats: Repeats | None = None,
) -> web.Application:
    """The face as an application; with `local_operator` the one for the node's control socket.

    Serve the latter on a unix socket only: whoever can connect is an operator.
    """
    inside = Inside(
        intake,
        inbox,
        outbox,
        tracking,
        log,
        tokens,
        store,
        limits,
        clock,
        ready,
        local_operator,
        entropy,
        control,
        queue,
        recovery,
        ahead=ahead,
        gate=gate,
        carry=courier,
        systems=systems,
        refusals=refusals,
        directory=directory,
        obligations=obliged,
        evidence=bundles,
        archive=archive,
        stamps=stamps,
        log_exports=log_exports,
        trust=trust,
        words=words,
        certificates=certificates_door,
        statistics=statistics,
        timelines=timelines,
        followers=followers,
        proofs=prover,
        published=published,
        public_log=public_log,
        witnesses=witnesses,
        reconciler=reconciler,
        repeats=repeats,
    )
    app = web.Application(middlewares=[_answering(inside)])
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _door(inside, route), expect_handler=_later)

    async def close(_: web.Application) -> None:
        inside.closing.set()

    app.on_shutdown.append(close)
    app.on_response_prepare.append(requests.name)
    return app


def _door(inside: Inside, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def door(request: web.Request) -> web.StreamResponse:
        caller = await admit(inside, route.who, request)
        if route.who is not Who.ANYONE:
            requests.adopt(request)
        return await route.handler(inside, caller, request)

    return door


async def _later(_: web.Request) -> None:
    """`Expect: 100-continue` is answered by who reads the body, once the caller is known."""


def _answering(inside: Inside) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        requests.begin(request, inside.entropy)
        try:
            return await handler(request)
        except Exception as error:
            if gone(request) and isinstance(error, RelayError | OSError | web.HTTPException):
                await _note_gone(inside.refusals, request)
                raise ConnectionResetError from error  # nobody is there to be answered
            return await _refusal(inside, request, error)

    return answer


async def _refusal(inside: Inside, request: web.Request, error: Exception) -> web.Response:
    problem = problem_of(error)
    if isinstance(error, web.HTTPNotFound):
        detail = f"no route of the API is at {_shown(request)}; /v1/openapi.json lists them"
        problem = replace(problem, detail=detail)
    if not is_expected(error):
        _log.error(Line.REQUEST_FAILED, method=request.method, path=request.path, exc_info=error)
    elif await _told(inside.refusals, request, error):
        _log.info(
            Line.REQUEST_REFUSED,
            method=request.method,
            path=request.path,
            status=problem.kind.status,
            problem=problem.kind.word,
            detail=problem.detail,
        )
    return problem_response(problem, request[requests.REQUEST_ID])


async def _note_gone(refusals: Refusals, request: web.Request) -> None:
    caller = request.get(CALLER)
    if caller is None:
        refusals.stranger("native", "broke-off")
    elif await refusals.known("native", caller.holder, "broke-off", entry=False):
        _log.info(Line.CLIENT_BROKE_OFF, method=request.method, path=request.path)


async def _told(refusals: Refusals, request: web.Request, error: Exception) -> bool:
    """Whether a line is due: not for strangers, who could fill the log, and not without end."""
    caller = request.get(CALLER)
    if caller is None:
        if isinstance(error, PeerError | web.HTTPException):
            refusals.stranger("native", word_of(error))
        return False
    refused = isinstance(error, PeerError) and not isinstance(error, NotFoundError)
    return await refusals.known("native", caller.holder, word_of(error), entry=refused)


def _shown(request: web.Request) -> str:
    """A path that nobody of ours chose, fit for a line."""
    return ascii(request.path)[1:-1][:_SHOWN_PATH]
