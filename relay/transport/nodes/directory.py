"""What neighbours may hand in and ask of directories of branches (docs/wire-format.md W9).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of a body until the keeper proved it.
Raises:  WireError, NotFoundError, OverloadError, and what the keeper raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from relay.delivery.directory.hearing import DirectoryEar
from relay.errors import NotFoundError, OverloadError, WireError
from relay.model import NodeId, Signed
from relay.transport.intake_stream import while_moving
from relay.wire.branch import LIMIT_BYTES

PATH = "/axis/v1/directory"
CONTENT_TYPE = "application/vnd.truc-relay.directory"
SIGNATURE_LIMIT_BYTES = 64 << 10
BODY_LIMIT_BYTES = 4 + SIGNATURE_LIMIT_BYTES + LIMIT_BYTES
AT_ONCE = 2
"""Directories that are read in at the same time, each whole in memory."""


def body_of(signed: Signed) -> bytes:
    """The length of the signature in four bytes, the signature, the document (W9.3)."""
    return len(signed.signature).to_bytes(4, "big") + signed.signature + signed.document


def signed_of(body: bytes) -> Signed:
    size = int.from_bytes(body[:4], "big")
    if not 0 < size <= SIGNATURE_LIMIT_BYTES or len(body) <= 4 + size:
        raise WireError(f"a directory of {len(body)} bytes with a signature of {size}")
    return Signed(body[4 + size :], body[4 : 4 + size])


@dataclass(slots=True)
class DirectoryFace:
    ear: DirectoryEar
    neighbour: Callable[[web.Request], NodeId]
    reading: int = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get(PATH, self.held)
        router.add_post(PATH, self.take)
        router.add_get(PATH + "/{issuer}", self.document)

    async def held(self, request: web.Request) -> web.Response:
        self.neighbour(request)
        return web.json_response(
            {
                "documents": [
                    {"issuer": one.issuer, "version": one.version, "digest": one.digest}
                    for one in self.ear.keeper.held()
                ]
            }
        )

    async def document(self, request: web.Request) -> web.Response:
        self.neighbour(request)
        signed = await self.ear.keeper.document(NodeId(request.match_info["issuer"]))
        if signed is None:
            raise NotFoundError("nothing of this issuer is held here")
        return web.Response(body=body_of(signed), content_type=CONTENT_TYPE)

    async def take(self, request: web.Request) -> web.Response:
        """204 means durable, and in force."""
        neighbour = self.neighbour(request)
        if self.reading >= AT_ONCE:
            raise OverloadError(f"{self.reading} directories are being read, limit {AT_ONCE}")
        self.reading += 1
        try:
            await self.ear.take(neighbour, signed_of(await _body(request)))
        finally:
            self.reading -= 1
        return web.Response(status=204)


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise WireError(f"a directory over {BODY_LIMIT_BYTES} bytes")
    body = bytearray()
    async for chunk in while_moving(request.content):
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise WireError(f"a directory over {BODY_LIMIT_BYTES} bytes")
    return bytes(body)
