"""What neighbours hand in of CRLs and OCSP responses (docs/wire-format.md W12).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of a body until it was proven.
Raises:  WireError, OverloadError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.delivery.revocation.stapling import Stapler
from relay.model import NodeId
from relay.transport.intake_stream import small_body
from relay.wire.statements import LIMIT_BYTES, read_statements

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
        body = await small_body(request, LIMIT_BYTES, "statements")
        await self.stapler.take(neighbour, read_statements(body))
        return web.Response(status=204)
