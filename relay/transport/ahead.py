"""Uploads that go on where they were cut, as both faces take them: where one ends, and more of it from there.

    HEAD   tells Upload-Offset, how many bytes are here
    PATCH  application/partial-upload, with that Upload-Offset: 204 and the new one; 409 names another

Touches: what is ahead, through its store.
Trusts:  that the caller authenticated the owner.
Raises:  what the store does, and TransportError where the body stands still or breaks off: what came stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Protocol

from aiohttp import web

from relay.errors import ConflictError
from relay.model import Digest
from relay.transport.intake_stream import while_moving

OFFSET: Final = "Upload-Offset"
PARTIAL: Final = "application/partial-upload"


class AheadStore(Protocol):
    """`owner` is a neighbour's node id, or a name that none can have."""

    def offset(self, owner: str, digest: str) -> int: ...
    async def append(
        self, owner: str, digest: str, stream: AsyncIterator[bytes], limit_bytes: int
    ) -> int: ...
    def read(self, owner: str, digest: Digest) -> AsyncIterator[bytes]: ...
    def forget(self, owner: str, digest: str) -> None: ...


def told(size_bytes: int) -> web.Response:
    return web.Response(status=204, headers={OFFSET: str(size_bytes)})


def misplaced(request: web.Request, have_bytes: int) -> ConflictError | None:
    """What is wrong where the request would go on elsewhere than here."""
    if request.headers.get(OFFSET) == str(have_bytes):
        return None
    return ConflictError(f"the offset here is {have_bytes}")


async def append(
    store: AheadStore, owner: str, digest: str, request: web.Request, limit_bytes: int
) -> web.Response:
    """What the body brings, up to its end or break."""
    return told(await store.append(owner, digest, while_moving(request.content), limit_bytes))
