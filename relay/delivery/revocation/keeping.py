"""Keeps statements fresh: fetched before they are needed, stored, and whatever they revoke acted on.

Nothing on a document's way waits for this (R10). A target that fails is asked again with back-off and jitter,
and what is held of it goes on counting until its freshness and grace are over.

Touches: the network and the journal, through its doors.
Trusts:  nothing that is fetched until it was proven.
Raises:  nothing expected; failures become waits. JournalError ends `run`, and with it the node.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from relay.delivery.clock import Clock
from relay.delivery.revocation.holding import HoldingDesk
from relay.delivery.revocation.ports import (
    Fetcher,
    Kind,
    Proven,
    RevocationJournal,
    Statements,
    Target,
)
from relay.errors import SignatureError, TransportError
from relay.lines import Line

AT_ONCE = 4
"""Fetches under way at the same time."""
LIMITS_BYTES = {Kind.CRL: 16 << 20, Kind.OCSP: 64 << 10}
FORGOTTEN = timedelta(days=90)
LOOK_AGAIN_SECONDS = 60.0
LOOK_SOON_SECONDS = 0.2
log = structlog.get_logger("relay.revocation")


@dataclass(slots=True)
class StatementKeeper:
    statements: Statements
    fetcher: Fetcher
    journal: RevocationJournal
    holding: HoldingDesk
    clock: Clock
    _signal: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """A certificate nobody has a statement of was met; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._signal.set)

    async def start(self) -> None:
        """What was stored before comes back before anything is judged."""
        self._loop = asyncio.get_running_loop()
        await self.journal.forget(self.clock.now() - FORGOTTEN)
        met, found = await self.journal.remembered(), await self.journal.newest()
        noted, now = [one.revoked for one in await self.journal.noted()], self.clock.now()
        known = await asyncio.to_thread(self.statements.restore, met, found, noted, now)
        log.info(Line.REVOCATION_STATEMENTS_RESTORED, count=known)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._signal.clear()
            await self.look()
            wait = min(self.statements.next_due(self.clock.now()), LOOK_AGAIN_SECONDS)
            try:
                async with asyncio.timeout(max(wait, LOOK_SOON_SECONDS)):
                    await self._signal.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """One round: remember whom it met, fetch what is due, hold what was revoked, note what was
        used."""
        slots = asyncio.Semaphore(AT_ONCE)
        if met := self.statements.met():
            await self.journal.remember(met, self.clock.now())
        due = self.statements.due(self.clock.now())
        await asyncio.gather(*(self._fetch(target, slots) for target in due))
        await self.holding.look(await asyncio.to_thread(self.statements.revoked))
        if used := self.statements.used():
            await self.journal.keep(used)

    async def _fetch(self, target: Target, slots: asyncio.Semaphore) -> None:
        async with slots:
            error = "the certificate names no address that the configuration allows"
            for url in target.urls:
                try:
                    content = await self.fetcher.fetch(
                        url, target.question, LIMITS_BYTES[target.kind]
                    )
                    await self._take(target, content)
                except (TransportError, SignatureError) as fault:
                    error = f"{url}: {fault}"
                    continue
                return
            self.statements.failed(target, error, self.clock.now())
            log.warning(
                Line.REVOCATION_STATEMENT_NOT_HAD,
                kind=target.kind.value,
                about=target.about[:16],
                error=error[:300],
            )

    async def _take(self, target: Target, content: bytes) -> Proven:
        now = self.clock.now()
        proven = await asyncio.to_thread(self.statements.take, target, content, now)
        if proven.fresh:
            await self.journal.store(proven, now)
        return proven
