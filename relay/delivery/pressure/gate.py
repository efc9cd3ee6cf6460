"""Back-pressure: whether a new body may be taken, asked before the first byte of it is read.

Refused with an OverloadError, never queued: when the node stops, when it
recovers (submissions only: what neighbours bring is what it recovers by), when the disk's reserve is reached,
when its party has its quota waiting here, when too many bodies are coming in already. What was accepted
before is not asked: it finishes, and whoever repeats it gets its answer (repeats.py).

Touches: nothing by itself; `PressureWatch` reads the disk and the journal about once a second and
writes the reserve's beginning and end into the log. Raises: OverloadError and its kin.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from relay.delivery.pressure.quota import Counts, Party, Quotas, Waiting, is_caller, shown
from relay.errors import OverloadError, QuotaError, ReserveError
from relay.lines import Line

LOOK_SECONDS = 1.0
RECOVERING_SECONDS = 30
"""After which a caller may come again."""
log = structlog.get_logger("relay.pressure")


class Gate(Protocol):
    """What the faces ask."""

    def body(self, party: Party, size_bytes: int | None) -> AbstractContextManager[None]:
        """Held from before the body is read until what it brought is durable or refused.

        `size_bytes` as declared, None where it is not. Raises OverloadError and its kin.
        """
        ...

    def repeat(self, party: Party) -> AbstractContextManager[None]:
        """Held while a body is read that `body` refused for want of room, or for its party's quota, and of
        which nothing is stored. Raises OverloadError.
        """
        ...


class _Open:
    def body(self, party: Party, size_bytes: int | None) -> AbstractContextManager[None]:
        del party, size_bytes
        return nullcontext()

    def repeat(self, party: Party) -> AbstractContextManager[None]:
        del party
        return nullcontext()


OPEN: Gate = _Open()
"""Takes everything: for a face by itself."""


@contextmanager
def entered(gate: Gate, party: Party, size_bytes: int | None) -> Iterator[OverloadError | None]:
    """`gate.body`, or `gate.repeat` and why only that. Raises OverloadError where not even that."""
    refusal = None
    with ExitStack() as held:
        try:
            held.enter_context(gate.body(party, size_bytes))
        except (ReserveError, QuotaError) as error:
            refusal = error
            held.enter_context(gate.repeat(party))
        yield refusal


@dataclass(frozen=True, slots=True)
class Shortage:
    """Less is free than the reserve: of `what` ("space", in bytes, or "inodes")."""

    what: str
    free: int
    reserve: int

    def __str__(self) -> str:
        unit = " bytes" if self.what == "space" else ""
        return f"free {self.what} {self.free}{unit}, reserve {self.reserve}"


class Room(Protocol):
    """The disk under the data folder (journal/space.py)."""

    @property
    def shortage(self) -> Shortage | None:
        """As it was found last."""
        ...

    def look(self) -> None:
        """Measure anew."""
        ...

    def promise(self, size_bytes: int | None) -> None:
        """Set room aside for a body. Raises ReserveError when it has no room above the reserve."""
        ...

    def redeem(self, size_bytes: int | None) -> None:
        """The body is here, or will not come."""
        ...


@dataclass(slots=True)
class Pressure:
    """Gate over the real things."""

    room: Room
    quotas: Quotas
    at_once: int
    """Bodies that may be coming in at once, of everyone together."""
    at_once_each: int
    stopping: bool = False
    """The node takes nothing new any more."""
    recovering: Callable[[], str | None] = lambda: None
    """Why no caller's documents are taken, though neighbours' are; None while they are."""
    waiting: Mapping[Party, Waiting] = field(default_factory=dict)
    """As it was counted last; the journal looks again when it admits."""
    _coming: Counter[Party] = field(default_factory=Counter)
    _count: int = 0
    _none_left: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def body(self, party: Party, size_bytes: int | None) -> Iterator[None]:
        self._require_place(party)
        if (excess := self.quotas.excess(party, self.waiting.get(party, Waiting()))) is not None:
            raise excess
        self.room.promise(size_bytes)
        try:
            with self._place(party):
                yield
        finally:
            self.room.redeem(size_bytes)

    @contextmanager
    def repeat(self, party: Party) -> Iterator[None]:
        self._require_place(party)
        with self._place(party):
            yield

    async def none_left(self) -> None:
        """Returns once no body is being taken."""
        while self._count:
            self._none_left.clear()
            await self._none_left.wait()

    @property
    def reason(self) -> str | None:
        """Why no documents are taken now; None while they are."""
        if self.stopping:
            return "the node is stopping"
        if self.room.shortage is not None:
            return str(self.room.shortage)
        return self.recovering()

    def _require_place(self, party: Party) -> None:
        if self.stopping:
            raise OverloadError("the node is stopping", 10)
        if is_caller(party) and (reason := self.recovering()) is not None:
            raise OverloadError(f"nothing is taken in now: {reason}", RECOVERING_SECONDS)
        if self._count >= self.at_once:
            raise OverloadError(f"{self._count} bodies are coming in, limit {self.at_once}", 1)
        if self._coming[party] >= self.at_once_each:
            limit = self.at_once_each
            raise OverloadError(f"{limit} bodies of yours are coming in, limit {limit}", 1)

    @contextmanager
    def _place(self, party: Party) -> Iterator[None]:
        self._coming[party] += 1
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._coming[party] -= 1
            if not self._coming[party]:
                del self._coming[party]
            if not self._count:
                self._none_left.set()


@dataclass(slots=True)
class PressureWatch:
    """Keeps a Pressure's view of disk and quotas about a second old, and tells of changes."""

    pressure: Pressure
    counts: Counts
    tell: Callable[[Shortage | None], Awaitable[None]]
    """For the audit log: the shortage that begins, None when it ends."""
    _told: bool = False
    _over: frozenset[Party] = frozenset()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Once."""
        self.pressure.room.look()
        await self._tell_of_shortage(self.pressure.room.shortage)
        self.pressure.waiting = await self.counts.waiting()
        self._tell_of_quotas()

    async def _tell_of_shortage(self, shortage: Shortage | None) -> None:
        if self._told == (shortage is not None):
            return
        self._told = shortage is not None
        if shortage is None:
            log.info(Line.RESERVE_REGAINED)
        else:
            log.warning(Line.RESERVE_REACHED, free=str(shortage))
        await self.tell(shortage)

    def _tell_of_quotas(self) -> None:
        quotas, found = self.pressure.quotas, self.pressure.waiting
        excess = {p: e for p, w in found.items() if (e := quotas.excess(p, w)) is not None}
        for party in excess.keys() - self._over:
            log.warning(Line.QUOTA_REACHED, party=shown(party), detail=str(excess[party]))
        for party in self._over - excess.keys():
            log.info(Line.QUOTA_REGAINED, party=shown(party))
        self._over = frozenset(excess)
