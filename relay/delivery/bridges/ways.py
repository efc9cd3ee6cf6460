"""One wire for the dispatcher: neighbours by transfers and receipts, bridges by packages.

Touches: what it is made of.
Raises:  as delivery.records.Wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.delivery.bridges.ports import BridgeJournal
from relay.delivery.bridges.sending import Sender
from relay.delivery.records import Journal, Wire
from relay.errors import PeerError
from relay.model import NodeId, Payload, Signed, TransferId
from relay.wire.transfer import read_transfer


@dataclass(frozen=True, slots=True)
class Ways:
    """delivery.records.Wire."""

    wire: Wire
    senders: Mapping[NodeId, Sender]
    journal: Journal
    bridges: BridgeJournal

    async def carry(
        self,
        neighbour: NodeId,
        header: Signed,
        seal: bytes,
        payload: Payload,
        *,
        batched: bool = False,
    ) -> Signed:
        if (sender := self.senders.get(neighbour)) is not None:
            return await sender.carry(header, payload)
        return await self.wire.carry(neighbour, header, seal, payload, batched=batched)

    def together(self, neighbour: NodeId) -> int:
        return 1 if neighbour in self.senders else self.wire.together(neighbour)

    def takes_batches(self, neighbour: NodeId) -> bool:
        return neighbour not in self.senders and self.wire.takes_batches(neighbour)

    async def carry_several(
        self,
        neighbour: NodeId,
        transfers: Sequence[tuple[Signed, bytes, Payload]],
        *,
        batched: bool = False,
    ) -> Sequence[Signed]:
        if neighbour in self.senders:
            return [await self.carry(neighbour, *transfers[0])]
        return await self.wire.carry_several(neighbour, transfers, batched=batched)

    async def ask(self, neighbour: NodeId, transfer_id: TransferId) -> Signed | None:
        sender = self.senders.get(neighbour)
        if sender is None:
            return await self.wire.ask(neighbour, transfer_id)
        header = await self.bridges.header(transfer_id)
        payload = await self.journal.payload(read_transfer(header.document).digest)
        return await sender.ask(header, payload)

    async def hand_back(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        if neighbour in self.senders:
            raise PeerError(f"{neighbour} takes no receipts")
        await self.wire.hand_back(neighbour, receipts)
