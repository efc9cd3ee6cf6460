"""Whether a node's clock can be right, by what its neighbours say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from relay.delivery import agreeing
from relay.delivery.agreeing import HOLDS_SECONDS, Agreement
from relay.delivery.clock import Clock
from relay.delivery.steady import SteadyTime
from relay.errors import TransportError
from relay.model import NodeId

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
UP, DOWN, OLD = NodeId("tinh"), NodeId("thon"), NodeId("ban")
HOUR, TOLERANCE = timedelta(hours=1), timedelta(minutes=5)


@dataclass
class _Machine:
    """A node's clock, and those of its neighbours: by how much each is off; None: does not say."""

    off: timedelta = timedelta()
    others: dict[NodeId, timedelta | None] = field(default_factory=dict)
    away: set[NodeId] = field(default_factory=set)
    elapsed: float = 0.0
    told: list[int] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.steady = SteadyTime(lambda: self.true() + self.off, lambda: self.elapsed)
        clock = Clock(wall=self.steady.now, monotonic=lambda: self.elapsed, seen=self.steady.seen)
        neighbours = frozenset(self.others)
        self.agreement = Agreement(neighbours, TOLERANCE, clock, self.ask, self.tell)

    def true(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    async def ask(self, neighbour: NodeId) -> datetime | None:
        self.asked += 1
        if neighbour in self.away:
            raise TransportError("nobody there")
        off = self.others[neighbour]
        return None if off is None else self.true() + off

    async def tell(self, seconds: int) -> None:
        self.told.append(seconds)


@pytest.mark.parametrize(
    ("off", "others", "doubted"),
    [
        (timedelta(), {UP: timedelta()}, False),
        (HOUR, {UP: timedelta()}, True),
        (-HOUR, {UP: timedelta()}, True),
        (TOLERANCE - timedelta(seconds=1), {UP: timedelta()}, False),
        (timedelta(), {UP: HOUR, DOWN: timedelta()}, False),
        (timedelta(), {UP: HOUR, DOWN: -HOUR}, True),
        (HOUR, {UP: None}, False),
        (HOUR, {UP: None, DOWN: timedelta()}, True),
        (HOUR, {}, False),
    ],
    ids=[
        "agreed",
        "ahead",
        "behind",
        "within the tolerance",
        "one agrees",
        "nobody agrees",
        "one that does not say",
        "another that says",
        "no neighbours",
    ],
)
async def test_a_clock_is_doubted_when_somebody_contradicts_and_nobody_agrees(
    off: timedelta, others: dict[NodeId, timedelta | None], *, doubted: bool
) -> None:
    """One wrong clock beside a right one closes nobody; a node by itself goes by its own."""
    machine = _Machine(off, others)

    await machine.agreement.ask_all()

    assert machine.agreement.doubted is doubted
    assert (machine.agreement.waits_for() is not None) is doubted


async def test_it_says_how_far_and_which_way() -> None:
    """For the operator, and for whoever is turned away."""
    machine = _Machine(HOUR, {UP: timedelta()})
    await machine.agreement.ask_all()
    assert machine.agreement.waits_for() == (
        "the clock is 3600 s ahead of that of every neighbour that was asked"
    )


async def test_what_was_said_goes_on_with_the_time() -> None:
    """A word of yesterday's agrees today: no time passes differently there."""
    machine = _Machine(timedelta(), {UP: timedelta(), DOWN: timedelta()})
    await machine.agreement.ask_all()
    machine.elapsed += 86_400

    machine.agreement.heard(DOWN, machine.true() + HOUR)

    assert not machine.agreement.doubted


async def test_a_word_that_contradicts_lapses_with_its_neighbour() -> None:
    """Nobody can be asked any more: the node goes by its own clock, as one does that never had a link."""
    machine = _Machine(HOUR, {UP: timedelta()})
    await machine.agreement.ask_all()
    machine.away.add(UP)
    machine.elapsed += HOLDS_SECONDS
    await machine.agreement.ask_all()
    assert machine.agreement.doubted

    machine.elapsed += 1
    await machine.agreement.ask_all()

    assert not machine.agreement.doubted


async def test_it_ends_when_the_clock_is_set_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jump is looked at, the neighbour agrees with the system, and that is followed; begin and end
    are told once each, however often it is asked."""
    monkeypatch.setattr(agreeing, "ASK_AGAIN_SECONDS", 0.01)
    machine = _Machine(-30 * timedelta(days=1), {UP: timedelta()})
    machine.agreement.heard(UP, machine.true())
    running = asyncio.create_task(machine.agreement.run())
    async with asyncio.timeout(5):
        while machine.asked < 3:
            await asyncio.sleep(0.005)
        assert machine.agreement.waits_for() is not None
        machine.off = timedelta()
        machine.steady.compare()
        machine.agreement.look()
        while machine.agreement.doubted:
            await asyncio.sleep(0.005)
        while len(machine.told) < 2:
            await asyncio.sleep(0.005)
    asked = machine.asked
    await asyncio.sleep(0.05)
    running.cancel()

    assert machine.told == [-30 * 86_400, 0]
    assert machine.steady.now() == machine.true()
    assert machine.asked <= asked + 1, "nobody is asked once it is over"


async def test_a_neighbour_that_cannot_be_asked_holds_up_nothing() -> None:
    machine = _Machine(HOUR, {UP: timedelta(), DOWN: timedelta()}, away={DOWN})

    await machine.agreement.ask_all()

    assert machine.agreement.doubted
