"""Lists too large to go ahead of a signature go beside it (W12.5): one by one, holding nothing up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from relay.delivery.revocation.stapling import LARGE_WAITING, Stapler
from relay.errors import OverloadError, PeerError, TransportError
from relay.model import NodeId
from relay.signing.revocation.verdicts import RevocationState
from relay.wire.statements import CONTENT_LIMIT_BYTES
from tests.delivery.revocation.conftest import Authority
from tests.delivery.revocation.test_stapling import UP, Side, _digest, _learns, sides

__all__ = ["sides"]
XA, XB, XC = NodeId("xa"), NodeId("xb"), NodeId("xc")


@contextlib.asynccontextmanager
async def _running(stapler: Stapler) -> AsyncIterator[None]:
    task = asyncio.create_task(stapler.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def _with_a_long_list(world: Any, here: Side, copied: Authority) -> tuple[Any, bytes]:
    """What this node has of its agency, and a seal of it."""
    copied.long["branches/tinh-h01/ca"] = 9_000
    path = await _learns(here, copied)
    return path, world.keys["xa"].seal(_digest(), "H01.15", world.clock.now()).signature


def _sizes(side: Side) -> list[list[int]]:
    return [[len(one.content) for one in found] for found in side.wire.told]


async def test_a_long_list_goes_beside_what_rests_on_it(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """What is small goes ahead as ever; the neighbour judges as soon as the rest came."""
    here, there = sides
    path, seal = await _with_a_long_list(world, here, copied)
    await here.stapler.bring(UP, [seal])
    assert [len(found) for found in here.wire.told] == [1]
    assert there.learner.verdict(path).state is RevocationState.UNKNOWN

    async with _running(here.stapler):
        await _until(lambda: len(here.wire.told) > 1)
        await _until(lambda: there.learner.verdict(path).state is RevocationState.VALID)
        await here.stapler.bring(UP, [seal])
    assert [len(found) for found in here.wire.told] == [1, 1], "once, and alone"
    assert _sizes(here)[1][0] > CONTENT_LIMIT_BYTES


async def test_a_neighbour_that_takes_no_large_ones_is_sent_none(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    here, _ = sides
    here.wire.large = False
    _, seal = await _with_a_long_list(world, here, copied)
    async with _running(here.stapler):
        await here.stapler.bring(UP, [seal])
        await asyncio.sleep(0.1)
    assert [len(found) for found in here.wire.told] == [1]


async def test_what_a_broken_line_kept_back_goes_when_the_neighbour_shows_life(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    here, there = sides
    path, seal = await _with_a_long_list(world, here, copied)
    await here.stapler.bring(UP, [seal])
    here.wire.failing = TransportError("cut")
    async with _running(here.stapler):
        await _until(lambda: UP in here.stapler._failed)
        here.wire.failing = None
        here.stapler.met(UP)
        await _until(lambda: there.learner.verdict(path).state is RevocationState.VALID)


async def test_what_is_refused_as_it_is_goes_no_second_time(
    world: Any, sides: tuple[Side, Side], copied: Authority
) -> None:
    """And keeps back nothing behind it."""
    here, _ = sides
    _, seal = await _with_a_long_list(world, here, copied)
    await here.stapler.bring(UP, [seal])
    here.wire.failing = PeerError("HTTP 422")
    async with _running(here.stapler):
        await _until(lambda: not here.stapler._large[UP])
        here.wire.failing = None
        here.stapler.met(UP)
        await asyncio.sleep(0.05)
    assert [len(found) for found in here.wire.told] == [1]


def test_few_wait_for_one_neighbour(sides: tuple[Side, Side]) -> None:
    """The newest: the others it can still fetch."""
    stapler = sides[0].stapler
    for number in range(LARGE_WAITING + 3):
        stapler._put_off(UP, _digest(number), ())
    assert list(stapler._large[UP]) == [_digest(n) for n in range(3, LARGE_WAITING + 3)]


def test_one_of_each_neighbour_and_two_of_all_are_read_at_once(sides: tuple[Side, Side]) -> None:
    """So that what they cost in memory is bounded, however many call."""
    stapler = sides[0].stapler
    with stapler.large(XA):
        with pytest.raises(OverloadError), stapler.large(XA):
            pass
        with stapler.large(XB), pytest.raises(OverloadError), stapler.large(XC):
            pass
        with stapler.large(XC):
            pass


async def test_one_that_a_newer_took_the_place_of_is_passed_over(sides: tuple[Side, Side]) -> None:
    """It is in the journal no more; what took its place waits behind it."""
    stapler = sides[0].stapler
    stapler._put_off(UP, _digest(1), ())
    async with _running(stapler):
        await _until(lambda: not stapler._large[UP])
    assert sides[0].wire.told == []
