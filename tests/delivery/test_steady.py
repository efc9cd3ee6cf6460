"""Steady time under clocks that jump."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.steady import AGREES, STEP, SteadyTime

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)


class _Machine:
    """A machine whose two clocks a test sets."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.set_by = timedelta()
        self.steady = SteadyTime(self.system, lambda: 1000.0 + self.elapsed)

    def system(self) -> datetime:
        return START + timedelta(seconds=self.elapsed) + self.set_by

    def true(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)


@given(st.lists(st.tuples(st.integers(3, 3000), st.integers(-172_800, 172_800)), max_size=12))
def test_no_jump_of_the_systems_clock_moves_the_nodes(jumps: list[tuple[int, int]]) -> None:
    """However often and however far it is set, the node's time only passes."""
    machine = _Machine()
    for elapsed, jump in jumps:
        machine.elapsed += elapsed
        machine.set_by = timedelta(seconds=jump)
        machine.steady.compare()
        assert abs(machine.steady.now() - machine.true()) <= len(jumps) * STEP


def test_a_jump_is_news_once_and_its_end_too() -> None:
    machine = _Machine()
    machine.set_by = DAY

    assert machine.steady.compare() == DAY
    machine.elapsed += 5
    assert machine.steady.compare() is None
    machine.set_by = timedelta()
    assert machine.steady.compare() == timedelta()
    assert machine.steady.compare() is None


def test_small_steps_are_followed() -> None:
    """As a time service makes them, and as two clocks drift."""
    machine = _Machine()
    machine.set_by = STEP

    assert machine.steady.compare() is None
    assert machine.steady.now() == machine.system()


@pytest.mark.parametrize("reads", range(1, 6))
def test_a_clock_that_is_set_in_the_middle_of_a_look_is_not_followed(reads: int) -> None:
    """Between one reading of it and the next: what the second says was not compared with anything."""
    machine = _Machine()
    left = reads

    def system() -> datetime:
        nonlocal left
        left -= 1
        machine.set_by = DAY if left < 0 else timedelta()
        return machine.system()

    machine.steady.system = system
    told = [machine.steady.compare() for _ in range(reads + 1)]

    assert told.count(DAY) == 1
    assert abs(machine.steady.now() - machine.true()) <= STEP


def test_a_neighbour_that_agrees_with_the_system_is_believed() -> None:
    """The node was started with a clock that was a day behind, and the clock was set right."""
    machine = _Machine()
    machine.set_by = DAY
    machine.steady.compare()

    machine.steady.seen(machine.system() - AGREES / 2)

    assert machine.steady.now() == machine.system()
    assert machine.steady.compare() == timedelta()


def test_what_a_neighbour_agreed_with_is_followed_and_nothing_set_since() -> None:
    machine = _Machine()
    machine.set_by = DAY
    machine.steady.compare()
    agreed = machine.system()
    readings = iter((agreed, agreed + DAY))
    machine.steady.system = lambda: next(readings)

    machine.steady.seen(agreed)

    assert machine.steady.now() == agreed


def test_a_neighbour_that_agrees_with_neither_or_with_us_changes_nothing() -> None:
    """Old receipts, other wrong clocks, and neighbours that live in the time we keep."""
    machine = _Machine()
    machine.set_by = DAY
    machine.steady.compare()
    for at in (machine.true(), machine.true() - 7 * DAY, machine.system() + 2 * AGREES):
        machine.steady.seen(at)
        assert machine.steady.now() == machine.true()


async def test_the_watch_tells_of_each_jump() -> None:
    """For the log that is kept."""
    machine = _Machine()
    machine.set_by = -DAY
    told: list[int] = []

    async def jumped(seconds: int) -> None:
        told.append(seconds)

    watching = asyncio.create_task(machine.steady.watch(jumped))
    await asyncio.sleep(0.05)
    watching.cancel()

    assert told == [-86_400]
