"""Real nodes that are started with a wrong clock: what was accepted under it ends, and at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.transport.axis.client import AxisFailure
from tests.acceptance.pair import RIGHT, Pair, founded

pytestmark = [pytest.mark.slow]
EXTRA = """[delivery]
retry_first = 0.1
retry_cap = 0.4
expiry_normal = "P1D"
expiry_urgent = "P1D"
expiry_express = "P1D"
"""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with founded(tmp_path, EXTRA) as found:
        yield found


@pytest.mark.parametrize("off", [2 * DAY, HOUR, -HOUR, -2 * DAY], ids=lambda off: f"{off}")
async def test_nothing_is_accepted_under_a_clock_that_every_neighbour_contradicts(
    pair: Pair, off: timedelta
) -> None:
    """From the first moment on; and once the clock is set right everything goes, within seconds."""
    await pair.start("tinh")
    await pair.start("xa", off)
    with pytest.raises(AxisFailure):
        await pair.submit()
    assert pair.running["xa"]._ready() is not None

    pair.off["xa"] = RIGHT
    await pair.until(pair.takes)
    message_id = await pair.submit()

    await pair.until(lambda: pair.ends(message_id) == [("available", None)])
    ((expires,),) = pair.rows("xa", "SELECT max(expires_at) FROM messages")
    assert abs(expires / 1000 - (datetime.now(UTC) + DAY).timestamp()) < 60
    begun, over = pair.doubts()
    assert abs(begun - off.total_seconds()) < 60
    assert over == 0


async def test_what_was_accepted_alone_under_a_clock_ahead_goes_once_the_clock_is_right(
    pair: Pair,
) -> None:
    """Nobody could be asked; it was frozen with a time to come. The neighbour puts it off, the operator
    sets the clock, and nothing waits for that time."""
    await pair.start("xa", HOUR)
    message_ids = [await pair.submit() for _ in range(3)]
    await pair.until(lambda: bool(pair.rows("xa", "SELECT 1 FROM transfers WHERE attempts > 1")))
    await pair.start("tinh")
    await pair.until(lambda: len(pair.doubts()) == 1)
    assert all(pair.ends(one) == [("queued", None)] for one in message_ids)

    pair.off["xa"] = RIGHT
    there = [("available", None)]
    await pair.until(lambda: all(pair.ends(one) == there for one in message_ids))

    assert len(pair.rows("tinh", "SELECT 1 FROM deliveries")) == 3


async def test_the_same_with_a_restart_in_between(pair: Pair) -> None:
    """What an earlier process froze and may have sent, this one asks about and freezes anew."""
    await pair.start("xa", DAY)
    message_id = await pair.submit()
    await pair.until(lambda: bool(pair.rows("xa", "SELECT 1 FROM transfers WHERE attempts > 0")))
    await pair.stop("xa")
    await pair.start("tinh")
    await pair.start("xa")

    await pair.until(lambda: pair.ends(message_id) == [("available", None)])


async def test_what_was_accepted_alone_under_a_clock_far_behind_ends_with_a_receipt(
    pair: Pair,
) -> None:
    """It had expired by everyone else's clock when it arrived: the neighbour's signed word says so at once,
    and the same document sent again under the right clock is another message, which arrives."""
    await pair.start("xa", -3 * DAY)
    message_id = await pair.submit()
    await pair.start("xb")
    await pair.start("tinh")

    await pair.until(lambda: pair.ends(message_id) == [("refused", "expired")])

    pair.off["xa"] = RIGHT
    await pair.until(pair.takes)
    assert pair.running["tinh"]._ready() is None


async def test_two_that_have_only_each_other_end_nothing_until_one_is_set_right(
    pair: Pair,
) -> None:
    """Neither can know which of them is wrong: what seems to have expired is put off, not refused."""
    await pair.start("xa", -3 * DAY)
    message_id = await pair.submit()
    await pair.start("tinh")
    await pair.until(lambda: pair.running["tinh"]._ready() is not None)
    await pair.until(lambda: bool(pair.rows("xa", "SELECT 1 FROM transfers WHERE attempts > 3")))
    assert pair.ends(message_id) == [("queued", None)]

    pair.off["xa"] = RIGHT

    await pair.until(lambda: pair.ends(message_id) == [("refused", "expired")])
    await pair.until(lambda: pair.running["tinh"]._ready() is None)
