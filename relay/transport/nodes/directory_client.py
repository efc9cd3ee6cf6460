"""Ask a neighbour for directories of branches, and hand it what it lacks (docs/wire-format.md W9).

Touches: sockets, through NodesClient. Trusts: nothing of an answer.
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.delivery.directory.ports import CAPABILITY, CERTIFICATES_CAPABILITY
from relay.errors import WireError
from relay.model import NodeId, Signed
from relay.transport.nodes.answers import json_object
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.directory import (
    CONTENT_TYPE,
    PATH,
    body_of,
    read_signed,
    size_of,
)
from relay.wire import values

LIST_LIMIT_BYTES = 8 << 20
MOST_LISTED = 50_000


@dataclass(frozen=True, slots=True)
class DirectoryClient:
    """delivery.directory.ports.DirectoryWire."""

    nodes: NodesClient
    _take_certificates: set[NodeId] = field(default_factory=set)

    async def held(self, neighbour: NodeId) -> dict[NodeId, int] | None:
        async with self.nodes.call(neighbour, "GET", "/axis/v1/node") as response:
            told = await json_object(response, LIST_LIMIT_BYTES)
        words = told.get("capabilities")
        if not isinstance(words, list) or CAPABILITY not in words:
            return None
        if CERTIFICATES_CAPABILITY in words:
            self._take_certificates.add(neighbour)
        else:
            self._take_certificates.discard(neighbour)
        async with self.nodes.call(neighbour, "GET", PATH) as response:
            listed = (await json_object(response, LIST_LIMIT_BYTES)).get("documents")
        if not isinstance(listed, list) or len(listed) > MOST_LISTED:
            raise WireError("the neighbour lists no directories")
        return dict(map(_listed, listed))

    def takes_certificates(self, neighbour: NodeId) -> bool:
        return neighbour in self._take_certificates

    async def tell(self, neighbour: NodeId, signed: Signed) -> None:
        await self.nodes.put(neighbour, PATH, body_of(signed), CONTENT_TYPE, size_of(signed))

    async def ask_for(self, neighbour: NodeId, issuer: NodeId) -> Signed:
        async with self.nodes.call(neighbour, "GET", f"{PATH}/{issuer}") as response:
            return await read_signed(response.content.iter_any())


def _listed(one: object) -> tuple[NodeId, int]:
    if not isinstance(one, dict):
        raise WireError("a listed directory is an object")
    version = one.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version < 10**16:
        raise WireError("a listed directory has a version")
    return values.node(str(one.get("issuer", "")), "issuer"), version
