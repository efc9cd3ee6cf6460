"""Which request a line, an answer and a problem document belong to.

Every request gets an id of ours at its beginning. A caller that proves who it is may bring its own, in
X-Request-ID or as the trace id of a W3C traceparent; whoever does not cannot put anything into our lines.

Touches: structlog's context, the answer's header. Trusts: nothing of a header but its form. Raises: nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

REQUEST_ID: Final = web.RequestKey("request_id", str)
HEADER: Final = "X-Request-ID"
_OWN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRACE: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def begin(request: web.Request, entropy: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A new id; what a request before it on the same connection has bound is forgotten."""
    structlog.contextvars.clear_contextvars()
    return _bind(request, entropy(8).hex())


def adopt(request: web.Request) -> None:
    """The caller's own id, where it has one: called once the caller is known."""
    given = request.headers.get(HEADER, "")
    if _OWN.fullmatch(given):
        _bind(request, given)
    elif (trace := _TRACE.fullmatch(request.headers.get("traceparent", ""))) is not None:
        _bind(request, trace[1])


async def name(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: whatever answers says which request it answers."""
    if REQUEST_ID in request:
        response.headers[HEADER] = request[REQUEST_ID]


def _bind(request: web.Request, value: str) -> str:
    request[REQUEST_ID] = value
    structlog.contextvars.bind_contextvars(request=value)
    return value
