"""Hand a neighbour CRLs and OCSP responses, where it knows of them (docs/wire-format.md W12).

Touches: sockets, through NodesClient. Trusts: nothing of an answer.
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from relay.delivery.revocation.stapling import CAPABILITY
from relay.errors import TransportError
from relay.model import NodeId
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.statements import CONTENT_TYPE, PATH
from relay.wire.statements import Stapled, write_statements

_NODE_LIMIT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class StatementClient:
    """delivery.revocation.stapling.StapleWire."""

    nodes: NodesClient

    async def knows_statements(self, neighbour: NodeId) -> bool:
        async with self.nodes.call(neighbour, "GET", "/axis/v1/node") as response:
            body = await response.content.read(_NODE_LIMIT_BYTES)
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise TransportError("the neighbour's answer is not JSON") from None
        words = told.get("capabilities") if isinstance(told, dict) else None
        return isinstance(words, list) and CAPABILITY in words

    async def tell_statements(self, neighbour: NodeId, found: Sequence[Stapled]) -> None:
        await self.nodes.put(neighbour, PATH, write_statements(found), CONTENT_TYPE)
