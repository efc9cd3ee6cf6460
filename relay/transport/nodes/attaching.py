"""Proofs of receipts that neighbours hand in (docs/wire-format.md W20).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of a body until it was proven.
Raises:  WireError, OverloadError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from relay.delivery.attaching.keeping import ProofKeeper
from relay.delivery.ports import Refusals
from relay.model import NodeId
from relay.transport.intake_stream import small_body
from relay.wire.attached import LIMIT_BYTES, Answer, read_proofs, write_answers

PATH: Final = "/axis/v1/proofs"
CONTENT_TYPE: Final = "application/vnd.truc-relay.proofs+xml"


@dataclass(frozen=True, slots=True)
class AttachFace:
    keeper: ProofKeeper
    neighbour: Callable[[web.Request], NodeId]
    refusals: Refusals

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post(PATH, self.take)

    async def take(self, request: web.Request) -> web.Response:
        """200 with an answer to each: what is kept is durable."""
        neighbour = self.neighbour(request)
        body = await small_body(request, LIMIT_BYTES, "proofs")
        answers = await self.keeper.take(neighbour, read_proofs(body))
        if any(one.answer is Answer.REFUSED for one in answers):
            await self.refusals.known("nodes", neighbour, "proof-refused")
        return web.Response(body=write_answers(answers), content_type="application/json")
