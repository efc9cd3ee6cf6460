"""The bytes of tlog-witness over HTTP, for whoever speaks it: a bounded request read, a bounded answer, and a
witness that is no node, asked over plain HTTP or HTTPS (docs/wire-format.md W15).

Touches: sockets. Trusts: nothing of a request or an answer; a cosignature proves itself.
Raises:  RequestError, LengthError, TransportError.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aiohttp
from aiohttp import web

from relay.audit.add_checkpoint import LIMIT_BYTES
from relay.audit.cosignature import Cosigner
from relay.errors import TransportError
from relay.transport.intake_stream import while_moving
from relay.transport.posting import posted
from relay.transport.problems import LengthError
from relay.witness.judging import Opening
from relay.witness.ports import WitnessAnswer

ANSWER_LIMIT_BYTES: Final = 64 * 1024
BODY_WITHIN: Final = timedelta(seconds=10)
"""How long a request may stand still: it is small, and a place is kept for it."""
BODY_IN_ALL: Final = timedelta(seconds=30)
"""How long it may take, however it moves."""
CHECKPOINT_TYPE: Final = "text/plain; charset=utf-8"


async def read_body(request: web.Request) -> bytes:
    if (request.content_length or 0) > LIMIT_BYTES:
        raise _too_long()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_IN_ALL.total_seconds()):
            async for chunk in while_moving(request.content, BODY_WITHIN):
                body += chunk
                if len(body) > LIMIT_BYTES:
                    raise _too_long()
    except TimeoutError:
        took = BODY_IN_ALL.total_seconds()
        raise TransportError(f"the body took over {took:g} s, limit {took:g} s") from None
    return bytes(body)


def _too_long() -> LengthError:
    return LengthError("a request to the witness is too long", limit=f"{LIMIT_BYTES} bytes")


def shown(answer: WitnessAnswer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type or "text/plain", "Cache-Control": "no-store"},
    )


async def read_answer(response: aiohttp.ClientResponse) -> WitnessAnswer:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT_BYTES:
            raise TransportError(f"answer over {ANSWER_LIMIT_BYTES} bytes")
    return WitnessAnswer(response.status, bytes(body), response.content_type)


@dataclass(frozen=True, slots=True)
class OtherWitness:
    """witness.ports.AskWitness: one that the settings name by address and verifier key."""

    known: Cosigner
    url: str
    """Its submission prefix."""
    within: timedelta
    tls: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        return self.known.name

    async def cosigner(self, *, anew: bool = False) -> Cosigner | None:
        return self.known

    async def add_checkpoint(self, body: bytes, opening: Opening | None) -> WitnessAnswer:
        """How an epoch begins is nothing to it."""
        url = f"{self.url.rstrip('/')}/add-checkpoint"
        async with posted(url, body, CHECKPOINT_TYPE, self.within, self.tls) as response:
            return await read_answer(response)
