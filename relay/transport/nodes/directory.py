"""What neighbours may hand in and ask of directories of branches (docs/wire-format.md W9).

Touches: HTTP. Trusts: that the guard named the neighbour; nothing of a body until the keeper proved it.
Raises:  WireError, NotFoundError, OverloadError, and what the keeper raises.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
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
PIECE_BYTES = 1 << 16
AT_ONCE = 2
"""Directories that are read in at the same time, each whole in memory."""


async def body_of(signed: Signed) -> AsyncIterator[bytes]:
    """The length of the signature in four bytes, the signature, the document (W9.3); in pieces, since
    to encrypt thirty megabytes at once takes as long as a hundred documents."""
    yield len(signed.signature).to_bytes(4, "big") + signed.signature
    for start in range(0, len(signed.document), PIECE_BYTES):
        yield signed.document[start : start + PIECE_BYTES]


def size_of(signed: Signed) -> int:
    return 4 + len(signed.signature) + len(signed.document)


async def read_signed(chunks: AsyncIterator[bytes]) -> Signed:
    """What body_of wrote; each byte is moved once."""
    head, rest = await _signature(chunks)
    document = io.BytesIO()
    document.write(rest)
    async for chunk in chunks:
        document.write(chunk)
        if document.tell() > LIMIT_BYTES:
            raise WireError(f"a directory over {LIMIT_BYTES} bytes")
    if not document.tell():
        raise WireError("a signature without a directory")
    return Signed(document.getvalue(), head)


async def _signature(chunks: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    """The signature, and what came with it of the document."""
    found = b""
    async for chunk in chunks:
        found += chunk
        size = int.from_bytes(found[:4], "big")
        if len(found) >= 4 and not 0 < size <= SIGNATURE_LIMIT_BYTES:
            break
        if len(found) >= 4 + size and len(found) >= 4:
            return found[4 : 4 + size], found[4 + size :]
    raise WireError(f"a directory of {len(found)} bytes whose signature has no length or no end")


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

    async def document(self, request: web.Request) -> web.StreamResponse:
        self.neighbour(request)
        signed = await self.ear.keeper.document(NodeId(request.match_info["issuer"]))
        if signed is None:
            raise NotFoundError("nothing of this issuer is held here")
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        response.content_length = size_of(signed)
        await response.prepare(request)
        async for piece in body_of(signed):
            await response.write(piece)
        await response.write_eof()
        return response

    async def take(self, request: web.Request) -> web.Response:
        """204 means durable, and in force."""
        neighbour = self.neighbour(request)
        if self.reading >= AT_ONCE:
            raise OverloadError(f"{self.reading} directories are being read, limit {AT_ONCE}")
        self.reading += 1
        try:
            if (request.content_length or 0) > BODY_LIMIT_BYTES:
                raise WireError(f"a directory over {BODY_LIMIT_BYTES} bytes")
            await self.ear.take(neighbour, await read_signed(while_moving(request.content)))
        finally:
            self.reading -= 1
        return web.Response(status=204)
