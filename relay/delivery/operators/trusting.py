"""Whom the node trusts, kept current while it runs: the files that the settings name are read again when an
operator says so or when they have changed.

A change is committed with its audit entry before it takes effect: what was added and what was removed (by
digest), and by whom. A file that cannot be used changes nothing, and is told loudly, once. Files are taken
when they look the same twice: nobody's half-written file drops an anchor.

If the process dies before the commit, the start finds the change and notes it; after it, the start has it.

Touches: the source of anchors, the journal; tells who listens. Trusts: the operator's files.
Raises:  SettingsError (a file that does not serve), JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from relay.delivery.clock import Clock
from relay.delivery.ports import Caller
from relay.errors import SettingsError
from relay.lines import Line
from relay.model import Digest

log = structlog.get_logger("relay.trust")
Entry = tuple[str, Digest]
"""The list it stands in and the certificate's SHA-256."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """A certificate that paths may end at, or that helps to find them."""

    listed_as: str
    """roots, intermediates, or the role it is pinned for."""
    sha256: Digest
    subject: str
    not_after: datetime
    branches: tuple[str, ...]
    """The nodes at the top of the branches it issues for; none: it names none."""

    @property
    def entry(self) -> Entry:
        return self.listed_as, self.sha256


@dataclass(frozen=True, slots=True)
class TrustChange:
    """What a reload did; nothing of both where the files are as before."""

    added: tuple[Entry, ...] = ()
    removed: tuple[Entry, ...] = ()
    closed: tuple[str, ...] = ()
    """Neighbours of which connections were closed."""


@dataclass(frozen=True, slots=True)
class TrustView:
    certificates: tuple[Trusted, ...]
    problem: str | None
    """Why the files as they lie there now are not in force."""


class Candidate(Protocol):
    """Anchors that were read and are not in force yet."""

    @property
    def certificates(self) -> Sequence[Trusted]: ...


class TrustSource(Protocol):
    """The files and the store."""

    def stamp(self) -> object:
        """Equal as long as no file has changed; cheap."""
        ...

    def read(self) -> Candidate:
        """Raises SettingsError with every problem."""
        ...

    def in_force(self) -> Sequence[Trusted]: ...

    def put_in_force(self, candidate: Candidate) -> None: ...


class TrustJournal(Protocol):
    async def known(self) -> frozenset[Entry]:
        """What was in force when it was last written down."""
        ...

    async def write(
        self, at: datetime, by: str, why: str, added: Sequence[Entry], removed: Sequence[Entry]
    ) -> None:
        """The change and its audit entry in one transaction."""
        ...

    async def refused(self, at: datetime, by: str, problems: int) -> None:
        """Only the audit entry."""
        ...


class TrustDoor(Protocol):
    """What a face needs; see TrustDesk."""

    def show(self) -> TrustView: ...

    async def reload(self, by: Caller, why: str) -> TrustChange: ...


@dataclass(slots=True)
class TrustDesk:
    """One for a node; the only one that changes whom it trusts."""

    source: TrustSource
    journal: TrustJournal
    clock: Clock
    look_every: timedelta
    judge_again: Callable[[], Sequence[str]] = lambda: ()
    """Closes the connections that would not be opened now; whose they were."""
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Told after each reading that serves, before connections are judged again."""
    _problem: str | None = None
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Before anything is served: what changed while the node did not run is in the log, too."""
        known = await self.journal.known()
        now = frozenset(one.entry for one in self.source.in_force())
        if known != now:
            added, removed = sorted(now - known), sorted(known - now)
            await self.journal.write(self.clock.now(), "node", "start", added, removed)

    async def run(self) -> None:
        """Until cancelled. The clock alone can end a certificate, so connections are judged each time. The
        first look reads the files whatever they look like: they may have changed since the start."""
        taken = seen = None
        while True:
            await asyncio.sleep(self.look_every.total_seconds())
            stamp = await asyncio.to_thread(self.source.stamp)
            if stamp == seen != taken:
                taken = stamp
                await self._look()
            seen = stamp
            self.judge_again()

    async def _look(self) -> None:
        try:
            await self._renew("node", "the files changed")
        except SettingsError:
            return  # told already

    def show(self) -> TrustView:
        return TrustView(tuple(self.source.in_force()), self._problem)

    async def reload(self, by: Caller, why: str) -> TrustChange:
        """Read the files now."""
        return await self._renew(by.holder, why)

    async def _renew(self, by: str, why: str) -> TrustChange:
        async with self._one:
            candidate = await self._read(by)
            before = frozenset(one.entry for one in self.source.in_force())
            after = frozenset(one.entry for one in candidate.certificates)
            added, removed = tuple(sorted(after - before)), tuple(sorted(before - after))
            if added or removed:
                await self.journal.write(self.clock.now(), by, why, added, removed)
                self.source.put_in_force(candidate)
                log.warning(Line.TRUST_CHANGED, added=len(added), removed=len(removed))
            for listener in self.listeners:
                listener()
            return TrustChange(added, removed, tuple(self.judge_again()))

    async def _read(self, by: str) -> Candidate:
        try:
            candidate = await asyncio.to_thread(self.source.read)
        except SettingsError as error:
            self._problem = "; ".join(error.problems)[:1000]
            log.error(Line.TRUST_REFUSED, problem=self._problem)
            await self.journal.refused(self.clock.now(), by, len(error.problems))
            raise
        self._problem = None
        return candidate
