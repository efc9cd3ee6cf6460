"""Ask a neighbour what it believes was exchanged with this node (docs/wire-format.md W21).

Touches: sockets through NodesClient. Trusts: nothing of an answer.
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from relay.delivery.reconciling.ports import CAPABILITY, Side, Told, Window
from relay.errors import TransportError
from relay.model import NodeId
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.listed import ANSWER_LIMIT_BYTES, PATH, query_of, read_page
from relay.transport.nodes.recovering import RecoveryClient


@dataclass(frozen=True, slots=True)
class ListingClient:
    """delivery.reconciling.ports.Ask."""

    nodes: NodesClient
    recovery: RecoveryClient

    async def capable(self, neighbour: NodeId) -> bool:
        return CAPABILITY in (await self.recovery.describe(neighbour)).capabilities

    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Told:
        query = query_of(side, window)
        body = bytearray()
        async with self.nodes.call(neighbour, "GET", PATH, **query) as response:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_LIMIT_BYTES:
                    raise TransportError(f"a list over {ANSWER_LIMIT_BYTES} bytes")
        return await asyncio.to_thread(read_page, bytes(body), window)
