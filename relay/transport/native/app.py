"""The native face put together: the routes, who may use each, and what becomes of a failure.

Touches: the doors of delivery.ports through the handlers; structlog's context.
Trusts:  nothing that comes in.
Raises:  nothing: every failure leaves as a problem document with the request's id.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from relay.delivery.ports import (
    Inbox,
    Intake,
    LogReader,
    Outbox,
    PayloadStore,
    Tokens,
    Tracking,
)
from relay.delivery.recovery import Recovering
from relay.envelope.limits import Limits
from relay.transport.native import audit, deliveries, health, messages, submit, tokens
from relay.transport.native import recovery as recovery_face
from relay.transport.native.gate import admit
from relay.transport.native.inside import REQUEST_ID, Inside, Route, Who
from relay.transport.problems import is_expected, problem_of, problem_response

_log = structlog.get_logger("relay.native")
_SHOWN_PATH = 100
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/envelopes", submit.envelope),
    Route("GET", "/v1/messages/{id}", messages.message),
    Route("GET", "/v1/messages/{id}/seal", messages.seal),
    Route("GET", "/v1/sent", messages.sent),
    Route("GET", "/v1/receipts/{digest}", messages.receipt),
    Route("GET", "/v1/deliveries", deliveries.listing),
    Route("GET", "/v1/deliveries/{id}/envelope", deliveries.envelope),
    Route("GET", "/v1/deliveries/{id}/seal", deliveries.seal),
    Route("POST", "/v1/deliveries/{id}/ack", deliveries.acknowledge),
    Route("GET", "/v1/recovery", recovery_face.standing, Who.OPERATOR),
    Route("POST", "/v1/recovery/skip", recovery_face.skip, Who.OPERATOR),
    Route("GET", "/v1/audit", audit.entries, Who.READER),
    Route("GET", "/v1/audit/head", audit.head, Who.READER),
    Route("POST", "/v1/tokens", tokens.issue, Who.OPERATOR),
    Route("GET", "/v1/tokens", tokens.listing, Who.OPERATOR),
    Route("DELETE", "/v1/tokens/{id}", tokens.revoke, Who.OPERATOR),
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
    local_operator: bool = False,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
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
        recovery,
    )
    app = web.Application(middlewares=[_answering(inside)])
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _door(inside, route), expect_handler=_later)

    async def close(_: web.Application) -> None:
        inside.closing.set()

    app.on_shutdown.append(close)
    return app


def _door(inside: Inside, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def door(request: web.Request) -> web.StreamResponse:
        caller = await admit(inside, route.who, request)
        return await route.handler(inside, caller, request)

    return door


async def _later(_: web.Request) -> None:
    """`Expect: 100-continue` is answered by who reads the body, once the caller is known."""


def _answering(inside: Inside) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request_id_of(request, inside.entropy)
        request[REQUEST_ID] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = await handler(request)
        except Exception as error:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError from error  # nobody is there to be answered
            return _refusal(request, error, request_id)
        if not response.prepared:
            response.headers["X-Request-ID"] = request_id
        return response

    return answer


def _refusal(request: web.Request, error: Exception, request_id: str) -> web.Response:
    problem = problem_of(error)
    if isinstance(error, web.HTTPNotFound):
        path = ascii(request.path)[1:-1][:_SHOWN_PATH]
        detail = f"no route of the API is at {path}; /v1/openapi.json lists them"
        problem = replace(problem, detail=detail)
    if is_expected(error):
        # Whoever is known leaves a line; strangers must not be able to fill the log.
        say = _log.debug if problem.kind.status in (401, 404, 405) else _log.info
        say(
            "refused",
            method=request.method,
            path=request.path,
            status=problem.kind.status,
            problem=problem.kind.word,
            detail=problem.detail,
        )
    else:
        _log.error("failed", method=request.method, path=request.path, exc_info=error)
    return problem_response(problem, request_id)


def request_id_of(request: web.Request, entropy: Callable[[int], bytes]) -> str:
    """The caller's own X-Request-ID where it is sane, else a fresh one."""
    given = request.headers.get("X-Request-ID")
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return entropy(8).hex()
