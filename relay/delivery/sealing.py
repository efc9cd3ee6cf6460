"""Seal what was accepted before it could be sealed: for keys too slow to keep a client waiting.

Nothing leaves unsealed: a delivery stays in `sealing` until its message's seal is durable.

Touches: the journal, the notary. Raises: nothing; a key that fails is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from relay.delivery.clock import Clock
from relay.delivery.records import Journal, Notary, Unsealed
from relay.errors import KeyUnavailableError, SignatureError
from relay.model import AgencyCode, Event, Evidence, NodeId, Receipt, Signed

AT_ONCE = 32
TRY_AGAIN_SECONDS = 5.0
log = structlog.get_logger("relay.sealing")


@dataclass(slots=True)
class SealingDesk:
    node: NodeId
    journal: Journal
    notary: Notary
    clock: Clock
    look: Callable[[Iterable[NodeId]], None]
    _signal: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something was accepted unsealed."""
        self._signal.set()

    async def run(self) -> None:
        """Until cancelled; what a restart found unsealed comes first."""
        self._signal.set()
        while True:
            await self._signal.wait()
            self._signal.clear()
            if await self.sweep():
                await asyncio.sleep(TRY_AGAIN_SECONDS)
                self._signal.set()

    async def sweep(self) -> int:
        """Seal what waits; how many agencies' keys failed. Such a key holds up only its own messages,
        however many they are."""
        failed: set[AgencyCode] = set()
        while waiting := await self.journal.unsealed(AT_ONCE, failed):
            for one in waiting:
                if one.sender in failed:
                    continue
                try:
                    await self._seal(one)
                except (SignatureError, KeyUnavailableError) as error:
                    failed.add(one.sender)
                    log.error(
                        "sealing-failed",
                        message=one.message_id,
                        error=str(error),
                        seconds=TRY_AGAIN_SECONDS,
                    )
        return len(failed)

    async def _seal(self, one: Unsealed) -> None:
        at = self.clock.now()
        seal = await asyncio.to_thread(self.notary.seal, one.digest, one.sender, at)
        consigned = await self._consigned(one)
        hops = await self.journal.store_seal(one.message_row, seal, consigned, at)
        self.look(hops)

    async def _consigned(self, one: Unsealed) -> tuple[Signed, Receipt] | None:
        if not one.served_here:
            return None
        at = self.clock.now()
        receipt = Receipt(
            issuer=self.node,
            origin=one.origin,
            message_id=one.message_id,
            digest=one.digest,
            size_bytes=one.size_bytes,
            transfer_id=None,
            sent_by=None,
            at=at,
            evidence=tuple(
                Evidence(Event.CONTENT_CONSIGNMENT, code, one.previous) for code in one.served_here
            ),
        )
        return await self.notary.issue_receipt(receipt, at, batched=True), receipt
