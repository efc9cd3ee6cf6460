"""Receipts travel back: taken from a neighbour's hand, kept, and handed to where the message came from.

A receipt is sent on as it is, signed by whoever issued it, until it reaches the origin. It never
causes another receipt. Those that wait for a neighbour go in batches; one that the neighbour refuses
by itself is parked, so that it stops no other.

Touches: the journal, the wire, the notary.
Trusts:  the neighbour's authentication; receipts are hearsay until verified.
Raises:  SignatureError, WireError for receipts that prove nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.clock import Clock
from relay.delivery.neighbours.standing import require_issuer
from relay.delivery.records import Journal, Notary, WaitingReturn, Wire
from relay.errors import AccessError, PeerError, TransportError, UncertainError, WireError
from relay.model import NodeId, Receipt, Signed
from relay.routing.directory import Directory

BATCH = 100
BATCH_BYTES = 4 << 20
MOST_AT_ONCE = 200
"""Receipts of one request that are looked at; a neighbour of ours sends half as many."""


@dataclass(frozen=True, slots=True)
class ReturnDesk:
    """Both directions of the way back (W5.8)."""

    node: NodeId
    directory: Directory
    journal: Journal
    notary: Notary
    wire: Wire
    clock: Clock
    waiting: Callable[[Iterable[NodeId]], None]
    """Told for which neighbours receipts were queued."""

    async def take(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        """Durable when it returns; nothing of the batch is kept when one of it is refused."""
        different = {signed.digest: signed for signed in receipts}
        if len(different) > MOST_AT_ONCE:
            raise WireError(f"{len(different)} receipts, limit {MOST_AT_ONCE}")
        check = self.notary.checker(self.clock.now())
        proven = [(one, await self._prove(neighbour, one, check)) for one in different.values()]
        self.waiting(await self.journal.record_receipts(neighbour, proven, self.clock.now()))

    async def _prove(
        self, neighbour: NodeId, signed: Signed, check: Callable[[Signed], Receipt]
    ) -> Receipt:
        long = len(signed.document) > LONG_DOCUMENT_BYTES
        try:
            receipt = await aside(long, check, signed)
        except UncertainError as error:  # refused it would be parked: it comes again
            raise TransportError(str(error)) from error
        require_issuer(self.directory, self.node, neighbour, receipt)
        await asyncio.sleep(0)  # a batch takes its turns with everything else
        return receipt

    async def hand_back(self, neighbour: NodeId) -> bool:
        """One batch to one neighbour. False when nothing waited. Raises TransportError."""
        batch = _bounded(await self.journal.returns(neighbour, BATCH))
        if not batch:
            return False
        try:
            await self.wire.hand_back(neighbour, [one.receipt for one in batch])
        except AccessError as error:
            # It does not take us for a neighbour now: a mistake of configuration, not of the receipts.
            raise TransportError(str(error)) from error
        except PeerError:
            await self._one_by_one(neighbour, batch)
            return True
        await self.journal.returned([one.return_row for one in batch])
        return True

    async def _one_by_one(self, neighbour: NodeId, batch: Sequence[WaitingReturn]) -> None:
        for one in batch:
            try:
                await self.wire.hand_back(neighbour, [one.receipt])
            except AccessError as error:
                raise TransportError(str(error)) from error  # as above
            except PeerError as error:
                await self.journal.park_return(one.return_row, str(error), self.clock.now())
            else:
                await self.journal.returned([one.return_row])


def _bounded(waiting: Sequence[WaitingReturn]) -> Sequence[WaitingReturn]:
    """As many of them as fit one request; always the first."""
    size = 0
    for number, one in enumerate(waiting):
        size += len(one.receipt.document) + len(one.receipt.signature)
        if size > BATCH_BYTES and number:
            return waiting[:number]
    return waiting
