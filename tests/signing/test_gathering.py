"""Who waits at the same time shares a signature; whoever comes alone does not wait for company."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from relay.errors import KeyUnavailableError, OverloadError
from relay.model import Signed
from relay.signing.gathering import MOST_AT_ONCE, MOST_IN_HAND, MOST_WAITING, Gathering
from relay.signing.hand import Hand, Rank

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)


@dataclass
class Pen:
    """Signs nothing, but remembers what was signed together; held until `permits` are given."""

    groups: list[list[bytes]] = field(default_factory=list)
    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    held: bool = False
    failing: Exception | None = None

    def sign(self, receipts: Sequence[bytes]) -> list[Signed]:
        if self.held:
            assert self.permits.acquire(timeout=30)
        self.groups.append(list(receipts))
        if self.failing is not None:
            raise self.failing
        return [Signed(receipt, b"signature") for receipt in receipts]


@dataclass
class Moment:
    """When signatures are made: as the test says."""

    works: list[Callable[[], None]] = field(default_factory=list)

    def __call__(self, work: Callable[[], None]) -> None:
        self.works.append(work)

    def comes(self) -> None:
        works, self.works = self.works, []
        for work in works:
            work()


async def _asked(gathering: Gathering, *receipts: bytes) -> list[asyncio.Task[Signed]]:
    tasks = [asyncio.create_task(gathering.signed(receipt)) for receipt in receipts]
    await asyncio.sleep(0)
    return tasks


def _numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


async def test_what_waits_when_the_moment_comes_is_signed_together() -> None:
    pen, moment = Pen(), Moment()
    gathering = Gathering(pen.sign, moment)
    tasks = await _asked(gathering, b"a", b"b", b"c")
    assert len(moment.works) == 1

    moment.comes()

    assert pen.groups == [[b"a", b"b", b"c"]]
    assert [(await task).document for task in tasks] == [b"a", b"b", b"c"]


async def test_who_comes_later_is_signed_at_the_next_moment() -> None:
    pen, moment = Pen(), Moment()
    gathering = Gathering(pen.sign, moment)
    await _asked(gathering, b"a")
    moment.comes()
    (late,) = await _asked(gathering, b"b")
    moment.comes()

    assert pen.groups == [[b"a"], [b"b"]]
    assert (await late).document == b"b"


async def test_a_group_is_bounded() -> None:
    """However many wait, the loop signs no more under one root than it can in some milliseconds."""
    pen, moment = Pen(), Moment()
    tasks = await _asked(Gathering(pen.sign, moment), *_numbered(2 * MOST_AT_ONCE + 1))
    moment.comes()
    assert [len(group) for group in pen.groups] == [MOST_AT_ONCE]
    moment.comes()
    moment.comes()
    await asyncio.gather(*tasks)
    assert moment.works == []

    assert [len(group) for group in pen.groups] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]


async def test_how_many_may_wait_is_bounded() -> None:
    gathering = Gathering(Pen().sign, Moment())
    await _asked(gathering, *_numbered(MOST_WAITING))

    with pytest.raises(OverloadError):
        await gathering.signed(b"one too many")


async def test_whoever_went_away_is_left_out() -> None:
    pen, moment = Pen(), Moment()
    tasks = await _asked(Gathering(pen.sign, moment), b"a", b"b", b"c")
    tasks[1].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[1]
    moment.comes()

    assert pen.groups == [[b"a", b"c"]]


async def test_a_key_that_fails_tells_each_that_waits() -> None:
    pen, moment = Pen(failing=KeyUnavailableError("out")), Moment()
    gathering = Gathering(pen.sign, moment)
    tasks = await _asked(gathering, b"a", b"b")
    moment.comes()
    for task in tasks:
        with pytest.raises(KeyUnavailableError, match="out"):
            await task

    pen.failing = None
    (again,) = await _asked(gathering, b"c")
    moment.comes()
    assert (await again).document == b"c"


# ---------------------------------------------------------------- slow keys


@pytest.fixture
def hand() -> Hand:
    return Hand("test-hand")


async def _until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not look():
            await asyncio.sleep(0.001)


async def test_three_hundred_receipts_take_two_signatures_of_a_slow_key(hand: Hand) -> None:
    """One for whoever came first, alone; one for all that came while it was made. So a key of three
    signatures a second issues whatever the rest of the node can."""
    pen = Pen(held=True)
    gathering = Gathering(pen.sign, Moment(), hand)
    (first,) = await _asked(gathering, b"first")
    await _until(hand._work.empty)
    others = await _asked(gathering, *_numbered(300))
    await asyncio.sleep(0.01)
    assert not first.done()

    pen.permits.release(2)
    await asyncio.gather(first, *others)

    assert [len(group) for group in pen.groups] == [1, 300]


async def test_a_group_of_a_slow_key_is_bounded_too(hand: Hand) -> None:
    pen = Pen()
    tasks = await _asked(Gathering(pen.sign, Moment(), hand), *_numbered(MOST_IN_HAND + 1))
    await asyncio.gather(*tasks)

    assert [len(group) for group in pen.groups] == [MOST_IN_HAND, 1]


async def test_receipts_go_before_the_headers_and_seals_that_wait(hand: Hand) -> None:
    """A backlog of transfers must not keep the 2xx of those who hand documents in."""
    order: list[str] = []
    begin = threading.Event()
    hand.do(Rank.TRANSFER, lambda: begin.wait(30))
    await _until(hand._work.empty)
    for rank in (Rank.SEAL, Rank.TRANSFER, Rank.SEAL, Rank.TRANSFER):
        hand.do(rank, partial(order.append, rank.name))

    def sign(receipts: Sequence[bytes]) -> list[Signed]:
        order.append("gathered")
        return Pen().sign(receipts)

    (task,) = await _asked(Gathering(sign, Moment(), hand), b"a")
    await _until(lambda: hand._work.qsize() == 5)
    last = hand.do(Rank.SEAL, lambda: order.append("last"))
    begin.set()
    await asyncio.wrap_future(last)

    assert (await task).document == b"a"
    assert order == ["gathered", "TRANSFER", "TRANSFER", "SEAL", "SEAL", "last"]


def test_a_hand_works_for_itself_at_once(hand: Hand) -> None:
    """A receipt's signing asks the token from within the hand: it must not wait for itself."""
    inner: Any = hand.do(
        Rank.RECEIPT, lambda: hand.wait_for(Rank.SEAL, threading.current_thread)
    ).result(timeout=30)
    assert inner is hand._thread
    assert hand.wait_for(Rank.SEAL, threading.current_thread) is inner
