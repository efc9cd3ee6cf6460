"""Whether this node's clock can be right: what time its neighbours say it is, against its own.

A clock that was wrong when the node started dates everything wrongly: what it accepts expires on its
way, what it freezes is put off by the next node, what comes in seems to have expired. So neighbours are
asked for their time (W1.4), before anything is taken from anybody. The clock is doubted while somebody
contradicts it and nobody agrees: one neighbour whose own clock is wrong closes no node that has another
neighbour, and one without any goes by its own. In doubt no document is accepted and nothing ends for
its age, operators are told, and the neighbours are asked again until it is over. Nobody's word moves
the clock: it is followed only where it agrees with the system's (steady.py).

Touches: the wire, through `ask`. Trusts: that a neighbour was authenticated, and no single one of them.
Raises:  JournalError from `tell`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from relay.delivery.clock import Clock
from relay.errors import PeerError, TransportError
from relay.lines import Line
from relay.model import NodeId

ASK_AGAIN_SECONDS = 15.0
ANSWER_SECONDS = 10.0
HOLDS_SECONDS = 600.0
"""A word that contradicts counts so long, should its neighbour not be heard of any more."""
log = structlog.get_logger("relay.clock")


@dataclass(frozen=True, slots=True)
class _Word:
    at: datetime
    heard: float
    """Monotonic: what was said then has gone on since."""


@dataclass(slots=True)
class Agreement:
    neighbours: frozenset[NodeId]
    tolerance: timedelta
    clock: Clock
    ask: Callable[[NodeId], Awaitable[datetime | None]]
    """None from a neighbour that does not tell the time."""
    tell: Callable[[int], Awaitable[None]]
    """For the audit log: how many seconds the clock is off; 0 when it is doubted no longer."""
    off: timedelta | None = None
    """How far the clock is ahead of those who contradict it (behind: negative); None: not doubted."""
    _words: dict[NodeId, _Word] = field(default_factory=dict)
    _told: bool = False
    _call: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, neighbour: NodeId, at: datetime | None) -> None:
        """The neighbour said just now what time it is."""
        if at is None:
            return
        self.clock.seen(at)
        self._words[neighbour] = _Word(at, self.clock.monotonic())
        self.judge()

    def look(self) -> None:
        """The clock jumped, or the node can be reached by now: everybody is asked again."""
        self._call.set()

    def judge(self) -> None:
        """By what was said so far."""
        now, monotonic = self.clock.now(), self.clock.monotonic()
        contradicting: list[timedelta] = []
        self.off = None
        for word in self._words.values():
            age = monotonic - word.heard
            off = now - (word.at + timedelta(seconds=age))
            if abs(off) <= self.tolerance:
                return
            if age <= HOLDS_SECONDS:
                contradicting.append(off)
        if contradicting:
            self.off = min(contradicting, key=abs)
            self._call.set()

    @property
    def doubted(self) -> bool:
        return self.off is not None

    def waits_for(self) -> str | None:
        """Why nothing is taken in; None while it is."""
        if self.off is None:
            return None
        seconds = round(abs(self.off.total_seconds()))
        side = "ahead of" if self.off > timedelta() else "behind"
        return f"the clock is {seconds} s {side} that of every neighbour that was asked"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ASK_AGAIN_SECONDS if self.doubted else None):
                    await self._call.wait()
            except TimeoutError:
                pass
            self._call.clear()
            await self.ask_all()
            await self._tell()
            if self.doubted:
                self._call.clear()  # asked just now: the next time when the pause is over

    async def ask_all(self) -> None:
        await asyncio.gather(*(self._ask(neighbour) for neighbour in sorted(self.neighbours)))
        self.judge()

    async def _ask(self, neighbour: NodeId) -> None:
        """Silence says nothing of the time; that the neighbour is away is told elsewhere."""
        with suppress(TransportError, PeerError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                at = await self.ask(neighbour)
            self.heard(neighbour, at)

    async def _tell(self) -> None:
        if self._told == self.doubted:
            return
        self._told = self.doubted
        seconds = 0 if self.off is None else round(self.off.total_seconds())
        if self.doubted:
            log.critical(Line.CLOCK_DOUBTED, seconds=seconds, hint="set this machine's clock right")
        else:
            log.warning(Line.CLOCK_AGREED)
        await self.tell(seconds)
