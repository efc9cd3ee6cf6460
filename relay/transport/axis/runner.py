"""Serve the axis face so that even what never becomes a request is answered in the dialect.

Touches: sockets, through aiohttp.
Trusts:  nothing.
Raises:  nothing.

A client takes anything but the dialect's JSON for "no documents", or throws and sends again. The
library answers an over-long header or a broken request line by itself, in plain text, before any
application sees it, and closes at once, which on some systems destroys the answer on its way. Here
it is answered in JSON, and the connection stays half open until the client has had time to read.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage

from relay.delivery.ports import Refusals
from relay.delivery.pressure.refused import UNNOTED
from relay.lines import Line
from relay.transport.axis import answers
from relay.transport.axis.refusals import UNEXPECTED, AxisRefusal, ErrorCode

log = structlog.get_logger("relay.axis")

FIELD_BYTES = 128 << 10
"""One header with its name: twice what a sign-header may have, so that ours is the clear refusal."""
HEADERS = 64
LINGER_SECONDS = 2.0
SERVING: dict[str, Any] = {
    "max_field_size": FIELD_BYTES,
    "max_headers": HEADERS,
    "auto_decompress": False,  # the bytes that arrive are the bytes that are hashed
    "keepalive_timeout": 75.0,  # also how long a request head may take to come
    # A refused client of a thin link is still sending: closing would cost it the reason.
    "lingering_time": 60.0,
    "access_log": None,
}
_UNREADABLE = AxisRefusal(
    ErrorCode.SYSTEM_ERROR,
    "bad-request",
    "Yeu cau HTTP sai dinh dang hoac header qua dai",
    f"the HTTP request could not be read, or a header is longer than {FIELD_BYTES >> 10} KiB",
)


class AxisRunner(web.AppRunner):
    """An AppRunner for axis_app; takes the same arguments."""

    def __init__(self, app: web.Application, refusals: Refusals = UNNOTED, **serving: Any) -> None:
        super().__init__(app, **{**SERVING, **serving})
        self._refusals = refusals

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        made = _AxisServer(
            server.request_handler, request_factory=server.request_factory, **self._kwargs
        )
        made.refusals = self._refusals
        return made


class _AxisServer(web.Server):
    refusals: Refusals = UNNOTED

    def __call__(self) -> web.RequestHandler:
        return _AxisConnection(self, loop=self._loop, **self._kwargs)


class _AxisConnection(web.RequestHandler):
    """A connection of the face; after an unreadable request it only listens for the end."""

    __slots__ = ("_gone", "_refusals", "_unreadable")

    def __init__(self, server: _AxisServer, **named: Any) -> None:
        super().__init__(server, **named)
        self._refusals = server.refusals
        self._unreadable = False
        self._gone = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        if self._unreadable:
            return
        super().data_received(data)
        self._end_broken_body()

    def _end_broken_body(self) -> None:
        """A chunked body whose framing breaks never ends by itself: the library queues an error
        behind the very request that waits for more of it."""
        request = self._current_request
        if request is None or request.content.is_eof() or not self._messages:
            return
        if not isinstance(self._messages[-1][0], RawRequestMessage):
            request.content.set_exception(web.RequestPayloadError("broken framing"))

    def eof_received(self) -> None:
        self._gone.set()
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._gone.set()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The library's texts quote what was received; ours name only the kind of fault."""
        if isinstance(exc, ConnectionError):
            raise exc  # nobody is there to be answered
        if request.writer.output_size:
            raise ConnectionAbortedError("the answer has begun already")
        if status >= 500:
            log.error(Line.AXIS_CONNECTION_FAILED, status=status, exc_info=exc)
            return _fill(web.Response(), UNEXPECTED, status)
        self._unreadable = True
        self._refusals.stranger("axis", "unreadable")
        response = _Lingering()
        response.connection = self
        return _fill(response, _UNREADABLE, status)

    async def linger(self) -> None:
        """Closing over unread bytes resets the connection, and the answer with it."""
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            return


class _Lingering(web.Response):
    connection: _AxisConnection

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        await self.connection.linger()


def _fill(response: web.Response, refusal: AxisRefusal, status: int) -> web.Response:
    response.set_status(status)
    response.body = answers.failure(None, refusal)
    response.content_type = "application/json"
    response.force_close()
    return response
