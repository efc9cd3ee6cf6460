"""Ask a neighbour for the key of its log, and to cosign a head of ours (docs/wire-format.md W15).

Touches: sockets, through NodesClient. Trusts: nothing of an answer.
Raises:  TransportError, UnansweredError, PeerError.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Final

from relay.audit.cosignature import Cosigner, cosigner_name
from relay.delivery.clock import Clock
from relay.errors import WireError
from relay.model import NodeId
from relay.transport.nodes.answers import has_capability, json_object
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.witnessing import ADD_PATH, KEY_PATH, OPENING_HEADER, write_opening
from relay.transport.witnessing import CHECKPOINT_TYPE, read_answer
from relay.witness.judging import Opening
from relay.witness.ports import CAPABILITY, LogKeys, WitnessAnswer

_ANSWERS: Final = frozenset({400, 403, 404, 409, 422})
_MOST_CERTIFICATES: Final = 8
ASK_AGAIN_SECONDS: Final = 600.0
"""How long a neighbour that witnesses nothing is left alone, and one that does is believed to."""


@dataclass(slots=True)
class NeighbourWitness:
    """witness.ports.AskWitness: a neighbour, where it has the capability."""

    nodes: NodesClient
    neighbour: NodeId
    keys: LogKeys
    """Of the neighbours' logs, which they cosign with, too."""
    clock: Clock
    _knows: bool = False
    _looked_at: float | None = field(default=None)

    @property
    def name(self) -> str:
        return cosigner_name(self.neighbour)

    async def cosigner(self, *, anew: bool = False) -> Cosigner | None:
        if not await self._witnesses():
            return None
        key = await self.keys.of_node(self.neighbour, anew=anew)
        return Cosigner(self.name, key.public_key, key.verify)

    async def _witnesses(self) -> bool:
        now = self.clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= ASK_AGAIN_SECONDS:
            self._knows = await has_capability(self.nodes, self.neighbour, CAPABILITY)
            self._looked_at = now
        return self._knows

    async def add_checkpoint(self, body: bytes, opening: Opening | None) -> WitnessAnswer:
        headers = {"Content-Type": CHECKPOINT_TYPE}
        if opening is not None:
            headers[OPENING_HEADER] = write_opening(opening)
        async with self.nodes.ask_of(self.neighbour, ADD_PATH, body, headers, _ANSWERS) as response:
            return await read_answer(response)


async def log_certificates(nodes: NodesClient, neighbour: NodeId) -> tuple[bytes, ...]:
    """The chain that a neighbour shows for the key of its log, DER, its own certificate first."""
    async with nodes.call(neighbour, "GET", KEY_PATH) as response:
        found = (await json_object(response)).get("certificates")
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_CERTIFICATES:
        raise WireError("the neighbour shows no certificates of its log")
    try:
        return tuple(b64decode(str(one), validate=True) for one in found)
    except ValueError:
        raise WireError("a certificate of the neighbour's log is not base64") from None
