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
from relay.delivery.records import Journal, MessageRow, Notary, Unsealed
from relay.errors import SignatureError
from relay.model import Event, Evidence, NodeId, Receipt, Signed

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
        """Seal what waits; how many could not be. A key that fails holds up only its own messages."""
        failed: set[MessageRow] = set()
        while True:
            waiting = await self.journal.unsealed(AT_ONCE + len(failed))
            fresh = [one for one in waiting if one.message_row not in failed]
            if not fresh:
                return len(failed)
            for one in fresh:
                try:
                    await self._seal(one)
                except SignatureError as error:
                    failed.add(one.message_row)
                    log.error(
                        "sealing-failed",
                        message=one.message_id,
                        error=str(error),
                        seconds=TRY_AGAIN_SECONDS,
                    )

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
