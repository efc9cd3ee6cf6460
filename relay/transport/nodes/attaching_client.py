"""Hand a neighbour proofs of receipts, where it takes them (docs/wire-format.md W20).

Touches: sockets, through NodesClient. Trusts: nothing of an answer but that the neighbour gave it.
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.delivery.attaching.ports import CAPABILITY, PASSAGES_CAPABILITY
from relay.model import NodeId
from relay.transport.nodes.answers import has_capability, whole
from relay.transport.nodes.attaching import CONTENT_TYPE, PATH
from relay.transport.nodes.client import NodesClient
from relay.wire.attached import ANSWER_BYTES, Answered, read_answers, write_proofs

_ANSWERS: Final = frozenset({200})


@dataclass(frozen=True, slots=True)
class AttachClient:
    """delivery.attaching.ports.AttachWire."""

    nodes: NodesClient

    async def takes_proofs(self, neighbour: NodeId) -> bool:
        return await has_capability(self.nodes, neighbour, CAPABILITY)

    async def takes_passages(self, neighbour: NodeId) -> bool:
        return await has_capability(self.nodes, neighbour, PASSAGES_CAPABILITY)

    async def attach(self, neighbour: NodeId, proofs: Sequence[bytes]) -> Sequence[Answered]:
        headers = {"Content-Type": CONTENT_TYPE}
        body = write_proofs(proofs)
        async with self.nodes.ask_of(neighbour, PATH, body, headers, _ANSWERS) as response:
            return read_answers(await whole(response, ANSWER_BYTES), len(proofs))
