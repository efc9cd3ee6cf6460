"""The benchmark's pace: what is sent when, and from when it counts."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bench.load import Answered, Beat, Pace, Sent


async def test_a_beat_counts_from_when_a_document_was_due() -> None:
    """Whoever asks late gets the instant it should have begun: waiting for others is part of it."""
    beat = Beat(per_second=1000)
    due = [await beat.begin() for _ in range(3)]
    await asyncio.sleep(0.02)
    due += [await beat.begin() for _ in range(3)]

    instants = [one for one in due if one is not None]
    steps = [later - before for before, later in pairwise(instants)]
    assert steps == pytest.approx([0.001] * 5)


async def test_a_stopped_beat_begins_nothing() -> None:
    beat = Beat(per_second=1000)
    assert await beat.begin() is not None
    beat.stop()
    assert await beat.begin() is None


async def test_a_pace_is_filled_when_there_was_no_room() -> None:
    """Only then the load goes as fast as the nodes, and may be measured."""
    pace = Pace(2)
    assert [await pace.begin() is not None for _ in range(2)] == [True, True]
    before = pace.filled_at
    third = asyncio.create_task(pace.begin())
    await asyncio.sleep(0)
    assert before is None
    assert pace.filled_at is not None
    assert not third.done()
    pace.tell(1)
    assert await third is not None


def test_latencies_are_of_what_was_answered_in_the_window() -> None:
    sent = Sent([Answered(0, 1.0, 1.5), Answered(1, 1.0, 3.0), Answered(2, 2.0, 2.25)])
    assert sent.latencies(1.5, 3.0) == [0.25, 0.5]
