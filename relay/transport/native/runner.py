"""Serve the native face so that what aiohttp refuses by itself is a problem document, too.

Touches: aiohttp's server classes, at the one place where they answer without asking the application.
Trusts:  nothing; a request line or header that cannot be parsed never reaches the application.
"""

from __future__ import annotations

import secrets
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from relay.transport.problems import problem_of, problem_response

_log = structlog.get_logger("relay.native")

MAX_LINE_BYTES = 64 * 1024
"""A circular names some thousand recipients in its query."""
MAX_FIELD_BYTES = 16 * 1024


def native_runner(app: web.Application, **server: Any) -> web.AppRunner:
    """A runner for `native_app`; `server` are aiohttp's own keywords (shutdown_timeout, …)."""
    return _Runner(
        app,
        access_log=None,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        auto_decompress=False,
        **server,
    )


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - aiohttp has no other way to name the protocol class
        )


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called for what cannot be parsed; what the application raises it has answered itself."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, no other can follow")
        if status >= 500:
            _log.error("failed outside the application", status=status, exc_info=exc)
        answer = problem_response(
            problem_of(exc or HttpProcessingError(code=status)), secrets.token_hex(8)
        )
        answer.force_close()
        return answer
