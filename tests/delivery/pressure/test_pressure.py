"""The gate before every body: who is refused, with which words, and who never is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest

from relay.delivery.pressure.gate import Pressure, PressureWatch, Shortage
from relay.delivery.pressure.quota import Party, Quotas, Waiting, caller_party, neighbour_party
from relay.errors import OverloadError, QuotaError, ReserveError
from relay.model import NodeId

SYSTEM, OTHER = caller_party("system:a"), caller_party("system:b")
NODE = neighbour_party(NodeId("tinh"))
QUOTAS = Quotas(10, 10, 1000, 1000)
SHORT = Shortage("space", 5, 10)


class Room:
    """A disk in the test's hand."""

    def __init__(self) -> None:
        self.found: Shortage | None = None
        self.shortage: Shortage | None = None
        self.promised: list[int | None] = []

    def look(self) -> None:
        self.shortage = self.found

    def promise(self, size_bytes: int | None) -> None:
        if self.shortage is not None:
            raise ReserveError(str(self.shortage))
        self.promised.append(size_bytes)

    def redeem(self, size_bytes: int | None) -> None:
        self.promised.remove(size_bytes)


class Counts:
    def __init__(self) -> None:
        self.found: dict[Party, Waiting] = {}

    async def waiting(self) -> dict[Party, Waiting]:
        return dict(self.found)


def _pressure(at_once: int = 4, each: int = 3) -> tuple[Pressure, Room]:
    room = Room()
    return Pressure(room, QUOTAS, at_once, each), room


def test_bodies_are_bounded_of_each_and_of_all() -> None:
    """The fourth of one party and the fifth of all are refused at once; one that ends makes room."""
    pressure, room = _pressure()
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(pressure.body(SYSTEM, 1))
        with pressure.body(SYSTEM, 1):
            with pytest.raises(OverloadError, match="3 bodies of yours are coming in, limit 3"):
                held.enter_context(pressure.body(SYSTEM, 1))
            held.enter_context(pressure.body(NODE, 1))
            with pytest.raises(OverloadError, match="4 bodies are coming in, limit 4"):
                held.enter_context(pressure.body(OTHER, 1))
        held.enter_context(pressure.body(OTHER, 1))
    assert not room.promised
    assert not pressure._coming


def test_a_body_that_fails_gives_its_room_back() -> None:
    """Whatever ends it."""
    pressure, room = _pressure(1, 1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), pressure.body(SYSTEM, 7):
            raise ValueError("broken")
    assert not room.promised


def test_a_stopping_node_takes_nobodys_body() -> None:
    """And says when to come again."""
    pressure, _ = _pressure()
    pressure.stopping = True
    with pytest.raises(OverloadError, match="stopping") as refused, pressure.body(SYSTEM, 1):
        pass
    assert refused.value.retry_after_seconds > 0
    assert pressure.reason == "the node is stopping"


async def test_the_reserve_is_told_when_it_begins_and_when_it_ends() -> None:
    """Once each; between, everybody is refused."""
    told: list[Shortage | None] = []
    pressure, room = _pressure()
    watch = PressureWatch(pressure, Counts(), _telling(told))
    for found in (None, SHORT, SHORT, None, None):
        room.found = found
        await watch.look()
        assert pressure.reason == (None if found is None else "free space 5 bytes, reserve 10")
        if found is not None:
            with pytest.raises(ReserveError), pressure.body(SYSTEM, 1):
                pass

    assert told == [SHORT, None]


def _telling(told: list[Shortage | None]) -> Callable[[Shortage | None], Awaitable[None]]:
    async def tell(shortage: Shortage | None) -> None:
        told.append(shortage)

    return tell


async def test_a_party_over_its_quota_is_refused_before_its_body_and_comes_back() -> None:
    """By the counts of the last look; others are not touched."""
    pressure, _ = _pressure()
    counts = Counts()
    watch = PressureWatch(pressure, counts, _telling([]))
    counts.found = {SYSTEM: Waiting(10, 0), NODE: Waiting(0, 1000), OTHER: Waiting(9, 999)}
    await watch.look()

    with pytest.raises(QuotaError, match="waiting_per_system"), pressure.body(SYSTEM, 1):
        pass
    with pytest.raises(QuotaError, match="waiting_bytes_per_neighbour"), pressure.body(NODE, 1):
        pass
    with pressure.body(OTHER, 1):
        pass
    counts.found = {}
    await watch.look()
    with pressure.body(SYSTEM, 1):
        pass


async def test_the_drain_waits_for_every_body() -> None:
    """Also for one that came while it waited."""
    pressure, _ = _pressure()
    first, second = pressure.body(SYSTEM, 1), pressure.body(OTHER, 1)
    first.__enter__()
    waiting = asyncio.ensure_future(pressure.none_left())
    await asyncio.sleep(0)
    second.__enter__()
    first.__exit__(None, None, None)
    await asyncio.sleep(0)
    assert not waiting.done()
    second.__exit__(None, None, None)
    await asyncio.wait_for(waiting, 5)


def test_while_the_node_recovers_only_neighbours_are_heard() -> None:
    """What they bring is what it recovers by; a caller is told before its body, with when to come again."""
    pressure, _ = _pressure()
    pressure.recovering = lambda: "recovering"
    told = pytest.raises(OverloadError, match="nothing is taken in now: recovering")
    with told as refused, pressure.body(SYSTEM, 1):
        pass

    assert (refused.value.retry_after_seconds, pressure.reason) == (30, "recovering")
    with pressure.body(NODE, 1):
        pass
    pressure.recovering = lambda: None
    with pressure.body(SYSTEM, 1):
        assert pressure.reason is None
