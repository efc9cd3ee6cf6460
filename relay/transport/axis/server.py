"""The axis face as an aiohttp application: one door for every path, every answer in the dialect.

Touches: HTTP.
Trusts:  nothing before dialect.read_call; then only what was signed.
Raises:  nothing. What a call raises is answered here, and told here once: one line per refusal of a
         system we know, with neither headers nor payload; strangers are counted.

The signature binds neither path nor body, so the same signed headers may serve two calls. That is
the dialect's nature; what bounds it is that a call touches only its system's own deliveries and
that repeating one changes nothing. TLS is the transport's matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import structlog
from aiohttp import web

from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.ports import Inbox, Intake, Outbox, PayloadStore, Refusals
from relay.delivery.pressure.gate import OPEN, Gate
from relay.delivery.pressure.refused import UNNOTED
from relay.delivery.pressure.repeats import Repeats
from relay.envelope.limits import Limits, in_units
from relay.errors import JournalError, OverloadError, PeerError, RelayError
from relay.lines import Line
from relay.model import AgencyCode
from relay.transport import requests
from relay.transport.axis import (
    agencies,
    answers,
    documents,
    expect,
    listing,
    registering,
    rest,
    sending,
)
from relay.transport.axis.binding import Binding, Peer
from relay.transport.axis.dialect import AxisCall, Call, read_call
from relay.transport.axis.face import Bounds, Face
from relay.transport.axis.refusals import UNEXPECTED, AxisRefusal, ErrorCode, refusal_of
from relay.transport.axis.systems import System, Systems

log = structlog.get_logger("relay.axis")

Handler = Callable[[Face, AxisCall, web.Request], Awaitable[web.StreamResponse]]

HANDLERS: Mapping[Call, Handler] = {
    Call.SEND: sending.send,
    Call.RECEIVED: listing.received,
    Call.SENT: listing.sent,
    Call.GET: documents.get,
    Call.DOWNLOAD: documents.download,
    Call.COUNT_DOCUMENTS: listing.count,
    Call.COUNT_STATUSES: listing.count,
    Call.UPDATE: listing.update,
    Call.AGENCIES: agencies.listing,
    Call.AGENCIES_QD20: agencies.listing,
    Call.SYNCHRONIZE: agencies.listing,
    Call.REGISTER: registering.register,
    Call.UNREGISTER: registering.unregister,
}
_WITH_BODY = frozenset({Call.SEND, Call.REGISTER})
_SYSTEM = web.RequestKey("system", str)
"""The systemid, once its signature holds."""
_CALL = web.RequestKey("call", Call)
"""Of a call of the REST variant, the dialect's own."""
_LOCKS = web.RequestKey("locks", bool)
"""This wrong secret was one too many from there."""
_GET_TOO = frozenset({Call.DOWNLOAD, Call.COUNT_DOCUMENTS, Call.COUNT_STATUSES})


def axis_app(
    intake: Intake,
    inbox: Inbox,
    outbox: Outbox,
    store: PayloadStore,
    systems: Systems,
    limits: Limits,
    clock: Callable[[], datetime],
    resolve: Callable[[str], AgencyCode],
    *,
    bounds: Bounds | None = None,
    gate: Gate = OPEN,
    refusals: Refusals = UNNOTED,
    binding: Binding | None = None,
    rest_prefix: str = "/lgsp",
    directory: DirectoryDesk | None = None,
    repeats: Repeats | None = None,
) -> web.Application:
    """Serve it with runner.AxisRunner, which also answers what never becomes a request."""
    face = Face(
        intake,
        inbox,
        outbox,
        store,
        systems,
        limits,
        bounds or Bounds(),
        clock,
        resolve,
        gate,
        binding or Binding(),
        rest_prefix,
        directory,
        repeats,
    )
    door = _Door(face, refusals)
    app = web.Application(middlewares=[door.guard])
    app.on_response_prepare.append(requests.name)
    app.router.add_route("*", "/{path:.*}", door.answer, expect_handler=expect.later)
    return app


class _Door:
    """Finds the call, proves the caller, runs the call, turns every failure into an answer."""

    def __init__(self, face: Face, refusals: Refusals) -> None:
        self._face = face
        self._refusals = refusals
        self._odd_stamps: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = rest.call_at(self._face.rest_prefix, request.path)
        if name is not None:
            return await self._answer_rest(request, name)
        call = _called(request)
        if call is None:
            raise web.HTTPNotFound
        if request.method != "POST" and not (request.method == "GET" and call in _GET_TOO):
            raise web.HTTPMethodNotAllowed(request.method, _methods(call))
        now = self._face.clock()
        known, failed = self._meeting(request, now)
        axis_call = read_call(call, request.raw_headers, self._face.systems, now, known, failed)
        self._note_stamp(axis_call)
        if call not in _WITH_BODY and request.can_read_body:
            await self._discard_body(request)
        return await HANDLERS[call](self._face, axis_call, request)

    async def _answer_rest(self, request: web.Request, name: str) -> web.StreamResponse:
        request[_CALL] = rest.meant(name)
        now = self._face.clock()
        known, failed = self._meeting(request, now)

        def prove() -> System:
            system = rest.prove(request, self._face.systems, now, failed)
            known(system)
            return system

        return await rest.answer(self._face, name, request, prove, HANDLERS)

    def _meeting(
        self, request: web.Request, now: datetime
    ) -> tuple[Callable[[System], None], Callable[[System], None]]:
        """What is done once a system has proven its secret, and once one has not."""
        peer, binding = _peer(request), self._face.binding

        def known(system: System) -> None:
            request[_SYSTEM] = system.systemid
            requests.adopt(request)
            binding.admit(system, peer, now)

        def failed(system: System) -> None:
            if binding.failed(system, peer, now):
                request[_SYSTEM], request[_LOCKS] = system.systemid, True

        return known, failed

    @web.middleware
    async def guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        requests.begin(request)
        try:
            return await handler(request)
        except ConnectionError:
            await self._told(request, "broke-off", entry=False)
            raise
        except web.HTTPException as error:
            self._refusals.stranger("axis", "bad-path")
            return _answer_http(request, error)
        except RelayError as error:
            return await self._refuse(request, error)
        except Exception:
            # A bug of ours: loud here, shown to nobody.
            log.exception(Line.AXIS_CALL_FAILED, call=_called(request))
            return _response(request, UNEXPECTED, 500)

    async def _refuse(self, request: web.Request, error: RelayError) -> web.StreamResponse:
        refusal, call = refusal_of(error), _called(request)
        if isinstance(error, JournalError) and not isinstance(error, OverloadError):
            log.error(Line.AXIS_CALL_NOT_STORED, call=call, error=str(error))
            return _response(request, refusal, 200)
        refused = isinstance(error, PeerError) and refusal.why != "not-found"
        why = "locked-out" if request.get(_LOCKS) else refusal.why
        if await self._told(request, why, entry=refused):
            log.info(
                Line.AXIS_CALL_REFUSED,
                systemid=request[_SYSTEM],
                call=call,
                code=refusal.code,
                why=why,
                detail=refusal.logged,
                peer=request.remote or "",
            )
        return _response(request, refusal, 200)

    async def _told(self, request: web.Request, why: str, *, entry: bool) -> bool:
        """Whether a line is due: not for strangers, who could fill the log, and not without end."""
        systemid = request.get(_SYSTEM)
        if systemid is None:
            self._refusals.stranger("axis", why)
            return False
        return await self._refusals.known("axis", f"system:{systemid}", why, entry=entry)

    def _note_stamp(self, call: AxisCall) -> None:
        """Once per odd timestamp: a client repeats its own for days."""
        systemid = call.system.systemid
        if call.finding is not None and self._odd_stamps.get(systemid) != call.stamp:
            self._odd_stamps[systemid] = call.stamp
            log.warning(
                Line.TIMESTAMP_ODD,
                systemid=systemid,
                finding=call.finding.code,
                detail=call.finding.detail,
            )

    async def _discard_body(self, request: web.Request) -> None:
        bounds = self._face.bounds
        if not await expect.discard(request, bounds.spare_body_bytes, bounds.idle):
            raise AxisRefusal(
                ErrorCode.SYSTEM_ERROR,
                "long-body",
                "Noi dung kem theo qua lon",
                f"a body of over {in_units(bounds.spare_body_bytes)} where none is used",
            )


def _answer_http(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    refusal = AxisRefusal(
        ErrorCode.SYSTEM_ERROR,
        "bad-path",
        "Sai dia chi hoac phuong thuc goi",
        f"HTTP {error.status}: no call of the dialect at this path with method {request.method}",
    )
    response = _response(request, refusal, error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _response(request: web.Request, refusal: AxisRefusal, status: int) -> web.Response:
    if request.writer.output_size:
        # Half an answer is out already: cut it short, it must not look whole.
        raise ConnectionAbortedError(refusal.why)
    response = web.Response(
        status=status,
        body=answers.failure(_called(request), refusal),
        content_type="application/json",
    )
    if expect.waits(request):
        response.force_close()
    return response


def _called(request: web.BaseRequest) -> Call | None:
    """The call by the last segment of the path: clients put any base before it."""
    known: Call | None = request.get(_CALL)
    if known is not None:
        return known
    try:
        return Call(request.path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return None


def _peer(request: web.Request) -> Peer:
    def certificate() -> str | None:
        transport = request.transport
        tls = None if transport is None else transport.get_extra_info("ssl_object")
        shown = None if tls is None else tls.getpeercert(binary_form=True)
        return hashlib.sha256(shown).hexdigest() if shown else None

    return Peer(request.remote or "", certificate)


def _methods(call: Call) -> tuple[str, ...]:
    return ("GET", "POST") if call in _GET_TOO else ("POST",)
