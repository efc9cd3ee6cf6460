"""Work side by side: bounded, waited for, and its first error is not lost."""

from __future__ import annotations

import asyncio

import pytest

from relay.delivery.several import Several
from relay.errors import JournalError, WireError


async def test_so_many_at_a_time_and_all_of_it_is_waited_for() -> None:
    """The next begins when there is a place; the end comes after the last."""
    running, most, done = 0, 0, 0

    async def work() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        done += 1

    async with Several(3) as several:
        for _ in range(10):
            await several.begin(work)

    assert (most, done, running) == (3, 10, 0)


async def test_the_first_error_stops_what_was_not_begun() -> None:
    """What was begun ends as it would have, and the error is raised."""
    begun, ended = [], []

    async def work(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(0.001 * number)
        if number == 1:
            raise JournalError("the disk")
        ended.append(number)

    async def give() -> None:
        async with Several(2) as several:
            for number in range(1, 9):
                await several.begin(work, number)

    with pytest.raises(JournalError, match="the disk"):
        await give()

    assert begun == [1, 2]
    assert ended == [2]


async def test_an_error_of_the_work_is_not_hidden_by_one_of_its_giver() -> None:
    """A broken file does not hide a disk that failed."""

    async def work() -> None:
        raise JournalError("the disk")

    async def give() -> None:
        async with Several(2) as several:
            await several.begin(work)
            raise WireError("the file")

    with pytest.raises(JournalError, match="the disk") as caught:
        await give()
    assert isinstance(caught.value.__cause__, WireError)


async def test_a_cancelled_giver_waits_for_what_it_began() -> None:
    """What holds a payload is not cut off in the middle."""
    ended = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        ended.set()

    async def give() -> None:
        async with Several(2) as several:
            await several.begin(work)
            await asyncio.sleep(10)

    task = asyncio.create_task(give())
    await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
