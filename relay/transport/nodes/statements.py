"""What neighbours hand in of CRLs and OCSP responses (docs/wire-format.md W12).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of a body until it was proven.
Raises:  WireError, OverloadError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.revocation.stapling import Stapler
from relay.model import NodeId
from relay.transport.intake_stream import small_body
from relay.wire.statements import LARGE_LIMIT_BYTES, LIMIT_BYTES, read_statements

PATH = "/axis/v1/statements"
CONTENT_TYPE = "application/vnd.truc-relay.statements+xml"


@dataclass(frozen=True, slots=True)
class StatementFace:
    stapler: Stapler
    neighbour: Callable[[web.Request], NodeId]

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post(PATH, self.take)

    async def take(self, request: web.Request) -> web.Response:
        """204: what proves anything here is durable."""
        neighbour = self.neighbour(request)
        if (request.content_length or 0) > LIMIT_BYTES:
            with self.stapler.large(neighbour):
                return await self._taken(neighbour, request, LARGE_LIMIT_BYTES)
        return await self._taken(neighbour, request, LIMIT_BYTES)

    async def _taken(
        self, neighbour: NodeId, request: web.Request, limit_bytes: int
    ) -> web.Response:
        body = await small_body(request, limit_bytes, "statements")
        found = await aside(len(body) > LONG_DOCUMENT_BYTES, read_statements, body)
        await self.stapler.take(neighbour, found)
        return web.Response(status=204)
