"""Steady time: the system's clock as it was at the start, carried on by the monotonic one.

A clock that somebody sets by a day must neither expire nor stall nor hurry anything, so a jump is told
but not followed. It is followed once a neighbour's word agrees with the system and not with us: that is
how a node that was started with a wrong clock comes right. Who lies there can only choose between the
two clocks that this machine has anyway.

Touches: nothing by itself; both clocks are handed in. Raises: nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from relay.lines import Line

STEP = timedelta(seconds=2)
"""Differences up to here are followed at once: how the clocks of one machine drift apart."""
AGREES = timedelta(minutes=1)
"""A neighbour's word is on its way for a while."""
LOOK_SECONDS = 1.0
log = structlog.get_logger("relay.clock")


def _system() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class SteadyTime:
    """`now` is what the node takes the time to be."""

    system: Callable[[], datetime] = _system
    monotonic: Callable[[], float] = time.monotonic
    _from: datetime = field(init=False)
    _from_monotonic: float = field(init=False)
    _told: timedelta = timedelta()
    """The jump that was told of last."""

    def __post_init__(self) -> None:
        self._follow(self.system(), self.monotonic())

    def now(self) -> datetime:
        return self._at(self.monotonic())

    def _at(self, monotonic: float) -> datetime:
        return self._from + timedelta(seconds=monotonic - self._from_monotonic)

    def compare(self) -> timedelta | None:
        """How far the system's clock has jumped from ours, where that is news; zero when it is back."""
        system, monotonic = self.system(), self.monotonic()
        jump = system - self._at(monotonic)
        if abs(jump) <= STEP:
            self._follow(system, monotonic)  # not one that is read now: it may have been set since
            jump = timedelta()
        if abs(jump - self._told) <= STEP:
            return None
        self._told = jump
        return jump

    def seen(self, at: datetime) -> None:
        """A neighbour said just now that it is `at`; old words change nothing."""
        if not self._told:
            return
        system, monotonic = self.system(), self.monotonic()
        if abs(at - system) <= AGREES < abs(at - self._at(monotonic)):
            log.warning(Line.CLOCK_FOLLOWED, seconds=round(self._told.total_seconds()))
            self._follow(system, monotonic)

    def _follow(self, system: datetime, monotonic: float) -> None:
        self._from, self._from_monotonic = system, monotonic

    async def watch(self, jumped: Callable[[int], Awaitable[None]]) -> None:
        """Compare until cancelled; `jumped` gets the seconds of each jump, for the audit log."""
        while True:
            jump = self.compare()
            if jump is not None:
                seconds = round(jump.total_seconds())
                if jump:
                    log.warning(Line.CLOCK_JUMPED, seconds=seconds)
                else:
                    log.info(Line.CLOCK_STEADY)
                await jumped(seconds)
            await asyncio.sleep(LOOK_SECONDS)
