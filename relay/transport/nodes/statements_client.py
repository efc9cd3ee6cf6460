"""Hand a neighbour CRLs and OCSP responses, where it knows of them (docs/wire-format.md W12).

Touches: sockets, through NodesClient. Trusts: nothing of an answer.
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.delivery.revocation.stapling import CAPABILITY, LARGE_CAPABILITY
from relay.model import NodeId
from relay.transport.nodes.answers import has_capability
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.statements import CONTENT_TYPE, PATH
from relay.wire.statements import Stapled, write_statements


@dataclass(frozen=True, slots=True)
class StatementClient:
    """delivery.revocation.stapling.StapleWire (W12.3)."""

    nodes: NodesClient

    async def knows_statements(self, neighbour: NodeId) -> bool:
        return await has_capability(self.nodes, neighbour, CAPABILITY)

    async def knows_large(self, neighbour: NodeId) -> bool:
        return await has_capability(self.nodes, neighbour, LARGE_CAPABILITY)

    async def tell_statements(self, neighbour: NodeId, found: Sequence[Stapled]) -> None:
        await self.nodes.put(neighbour, PATH, write_statements(found), CONTENT_TYPE)
