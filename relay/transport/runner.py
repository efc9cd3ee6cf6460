"""Serve a face so that what aiohttp refuses by itself is a problem document, too, and said quietly.

Touches: aiohttp's server classes, at the one place where they answer without asking the application.
Trusts:  nothing; a request line or header that cannot be parsed never reaches the application. What
         was received is neither shown nor logged.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from relay.lines import Line
from relay.transport.problems import problem_of, problem_response

_log = structlog.get_logger("relay.http")

Unreadable = Callable[[web.BaseRequest], None]
"""Told of each request that could not be read; the request has only its connection."""


class ProblemRunner(web.AppRunner):
    """An AppRunner whose last resort is a problem document; `server` are aiohttp's own keywords."""

    def __init__(self, app: web.Application, unreadable: Unreadable, **server: Any) -> None:
        super().__init__(app, access_log=None, auto_decompress=False, **server)
        self._unreadable = unreadable

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            unreadable=self._unreadable,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - aiohttp has no other way to name the protocol class
        )


class _Server(web.Server):
    def __init__(self, *arguments: Any, unreadable: Unreadable, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.unreadable = unreadable

    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ("_unreadable",)

    def __init__(self, server: _Server, **named: Any) -> None:
        super().__init__(server, **named)
        self._unreadable = server.unreadable

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called for what cannot be parsed; what the application raises it has answered itself."""
        if isinstance(exc, ConnectionError):
            raise exc  # nobody is there to be answered; the application has said so
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, no other can follow")
        if status >= 500:
            _log.error(Line.REQUEST_FAILED_OUTSIDE, status=status, exc_info=exc)
        else:
            self._unreadable(request)
        answer = problem_response(
            problem_of(exc or HttpProcessingError(code=status)), secrets.token_hex(8)
        )
        answer.force_close()
        return answer
