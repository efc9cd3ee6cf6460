"""Seal what was accepted before it could be sealed: for keys too slow to keep a client waiting.

Nothing leaves unsealed: a delivery stays in `sealing` until its message's seal is durable.

Touches: the journal, the notary. Raises: nothing; a key that fails is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from relay.delivery.clock import Clock
from relay.delivery.records import Journal, Notary, Unsealed
from relay.errors import KeyUnavailableError, SignatureError
from relay.lines import Line
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
    _busy: set[AgencyCode] = field(default_factory=set)
    _failed: dict[AgencyCode, float] = field(default_factory=dict)
    """Agencies whose key failed, and until when it is left alone, in monotonic seconds."""

    def wake(self) -> None:
        """Something was accepted unsealed."""
        self._signal.set()

    async def run(self) -> None:
        """Until cancelled; what a restart found unsealed comes first."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._signal.clear()
                await self._begin(group)
                try:
                    async with asyncio.timeout(self._pause()):
                        await self._signal.wait()
                except TimeoutError:
                    pass

    async def sweep(self) -> int:
        """Once through all that waits; how many agencies' keys failed."""
        self._failed.clear()
        async with asyncio.TaskGroup() as group:
            self._signal.clear()
            while await self._begin(group):
                await self._signal.wait()
                self._signal.clear()
        return len(self._failed)

    def _pause(self) -> float | None:
        """Until a key that failed is to be tried again."""
        if not self._failed:
            return None
        return max(0.0, min(self._failed.values()) - self.clock.monotonic())

    async def _begin(self, group: asyncio.TaskGroup) -> bool:
        """Begin with whom nothing is being sealed for; whether anything is."""
        now = self.clock.monotonic()
        self._failed = {who: until for who, until in self._failed.items() if until > now}
        if len(self._busy) < AT_ONCE:
            left_out = self._busy | self._failed.keys()
            messages: dict[AgencyCode, list[Unsealed]] = {}
            for one in await self.journal.unsealed(AT_ONCE, left_out):
                messages.setdefault(one.sender, []).append(one)
            for sender, waiting in messages.items():
                self._busy.add(sender)
                group.create_task(self._seal_all(sender, waiting))
        return bool(self._busy)

    async def _seal_all(self, sender: AgencyCode, waiting: Sequence[Unsealed]) -> None:
        """One agency's, one after the other. A key that is slow, hangs or fails holds up only its own,
        and is asked once for all that wait for it."""
        try:
            for one in waiting:
                with structlog.contextvars.bound_contextvars(message=one.message_id):
                    await self._seal(one)
        except (SignatureError, KeyUnavailableError) as error:
            self._failed[sender] = self.clock.monotonic() + TRY_AGAIN_SECONDS
            log.error(
                Line.SEALING_FAILED, sender=sender, error=str(error), seconds=TRY_AGAIN_SECONDS
            )
        finally:
            self._busy.discard(sender)
            self._signal.set()

    async def _seal(self, one: Unsealed) -> None:
        at = self.clock.now()
        seal = await self.notary.issue_seal(one.digest, one.sender, at)
        consigned = await self._consigned(one)
        hops = await self.journal.store_seal(one.message_row, seal, consigned, at)
        self.look(hops)

    async def _consigned(self, one: Unsealed) -> tuple[Signed, Receipt] | None:
        if not one.served_here:
            return None
        at = self.clock.now()
        receipt = Receipt.about(
            one,
            issuer=self.node,
            at=at,
            evidence=tuple(
                Evidence(Event.CONTENT_CONSIGNMENT, code, one.previous) for code in one.served_here
            ),
        )
        return await self.notary.issue_receipt(receipt, at, batched=True), receipt
