"""Keeps the directory of a running node: every change durable first, then in force everywhere at once.

A change is prepared beside this process (preparing.py), written together with its audit entries and,
where it is about this node's branch, with the document that tells the others, and only then laid under
the one `Directory` that everybody asks. Of all that it was made of nothing stays in memory.

If the process dies before the commit nothing has changed; after it, the start shows the change.

Touches: the journal, the workshop; tells who listens. Trusts: what the workshop made.
Raises:  DirectoryError, SignatureError, WireError from the workshop; OverloadError; JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from relay.agencies import VIETNAM, Agency, day_of
from relay.delivery.clock import Clock
from relay.delivery.directory.ports import (
    Changed,
    Decision,
    DirectoryJournal,
    DirectoryNotary,
    Document,
    Held,
    Workshop,
    Written,
)
from relay.delivery.directory.preparing import Issued, Made, Seed, Work
from relay.errors import KeyUnavailableError
from relay.lines import Line
from relay.model import NodeId, Signed
from relay.routing.directory import Directory
from relay.routing.listing import Table

log = structlog.get_logger("relay.directory")
LOOK_AGAIN = timedelta(hours=1)
RULES = "1"
"""Grows when the same words would be seen otherwise than by the version before."""


@dataclass(slots=True)
class DirectoryKeeper:
    """One for a node; the only one that writes its directory."""

    here: NodeId
    directory: Directory
    seed: Seed
    journal: DirectoryJournal
    notary: DirectoryNotary
    workshop: Workshop
    clock: Clock
    valid_for: timedelta
    doubted: Callable[[], bool] = lambda: False
    """Whether neighbours contradict this node's clock: no date is judged by it, and none written."""
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Told after each change."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the look at what is known to the commit of what follows from it."""
    _held: dict[NodeId, Held] = field(default_factory=dict)
    _as_of: str = ""
    _said: str = ""

    # ------------------------------------------------------------ at the start, and as days pass

    async def start(self) -> None:
        """What the journal has, over the configuration as it is now. Before anything is served."""
        self._said = self.seed.digest
        self._held = {held.issuer: held for held in await self.journal.held()}
        book = await self.journal.view(self.as_of(self.clock.now()))
        if book is None:
            await self._look("start")
            return
        self._as_of = self.as_of(self.clock.now())
        self.directory.become(book)
        self.tell()

    async def run(self) -> None:
        """Until cancelled: codes open and close with the day, and this node's word is renewed."""
        while True:
            await asyncio.sleep(_until_next_look(self.clock.now()))
            if self.as_of(self.clock.now()) != self._as_of:
                await self._look("a new day")
            try:
                await self._renew()
            except KeyUnavailableError as error:
                log.error(Line.DIRECTORY_NOT_RENEWED, error=str(error))

    def as_of(self, now: datetime) -> str:
        """What a view depends on beside the journal: the day, the configuration, the rules."""
        return f"{day_of(now)} {RULES} {self._said}"

    async def _look(self, why: str) -> None:
        async with self.lock:
            now = self.clock.now()
            made = await self.workshop.make(self.work(now))
            await self.commit(made, self.written(made, now, "node", why))
        self.tell()

    async def _renew(self) -> None:
        """Well before neighbours would no longer take what this node says of its branch."""
        async with self.lock:
            held, now = self._held.get(self.here), self.clock.now()
            if held is None or self.doubted() or held.expires_at - now > self.valid_for / 2:
                return
            made = await self.workshop.make(self.work(now, least_version=held.version + 1))
            await self.commit(made, self.written(made, now, "node", "renewed"))
        self.tell()

    # ------------------------------------------------------------ changes made here

    async def change(
        self,
        by: str,
        why: str,
        agencies: Iterable[Agency] = (),
        table: Table | None = None,
        decision: Decision | None = None,
        *,
        dry_run: bool = False,
    ) -> Changed:
        """These records, and those of the table, from now on stand here for their codes."""
        async with self.lock:
            now = self.clock.now()
            made = await self.workshop.make(self.work(now, agencies=tuple(agencies), table=table))
            book = made.book
            done = Changed(book.version, made.changed, book.records.count, made.remarks)
            if not dry_run:
                written = self.written(made, now, by, why)
                await self.commit(made, replace(written, decision=decision))
        if not dry_run:
            self.tell()
        return done

    # ------------------------------------------------------------ what is held

    def held(self) -> list[Held]:
        return sorted(self._held.values(), key=lambda one: one.issuer)

    def held_of(self, issuer: NodeId) -> Held | None:
        return self._held.get(issuer)

    async def document(self, issuer: NodeId) -> Signed | None:
        return await self.journal.document(issuer)

    # ------------------------------------------------------------ a change, step by step

    def work(self, now: datetime, **more: Any) -> Work:
        """What is to be prepared; call it under the lock."""
        return Work(self.here, self.seed, now, day_of(now), self.valid_for, **more)

    def written(self, made: Made, now: datetime, by: str, why: str = "") -> Written:
        return Written(now, by, why, made, self.as_of(now))

    async def commit(self, made: Made, written: Written) -> None:
        """Durable, then in force; under the lock."""
        if made.issued is not None:
            own = await asyncio.to_thread(self._sign, made.issued, written.at)
            written = replace(written, documents=(*written.documents, own))
        await self.journal.write(written)
        for one in written.documents:
            head = one.head
            held = Held(head.issuer, head.version, one.digest, head.expires_at)
            self._held[head.issuer] = held
        self._as_of = written.as_of
        self.directory.become(made.book)
        for remark in made.remarks:
            log.warning(Line.DIRECTORY_REMARK, remark=remark)
        if made.changed:
            log.info(Line.DIRECTORY_CHANGED, version=made.book.version, agencies=made.changed)

    def _sign(self, issued: Issued, at: datetime) -> Document:
        signed = self.notary.sign_branch(issued.head, issued.content, at)
        return Document(issued.head, signed, signed.digest, issued.agencies)

    def tell(self) -> None:
        for listener in self.listeners:
            listener()


def _until_next_look(now: datetime) -> float:
    """Seconds to the next day in Vietnam, at most an hour."""
    local = now.astimezone(VIETNAM)
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=1, microsecond=0)
    return min((midnight - local).total_seconds(), LOOK_AGAIN.total_seconds())
