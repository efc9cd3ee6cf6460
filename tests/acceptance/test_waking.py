"""A neighbour that is back is sent what waits for it, long before the back-off would have it tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.pair import founded

pytestmark = [pytest.mark.slow]
PATIENT = "[delivery]\nretry_first = 300\nretry_cap = 600\n"


async def test_a_start_wakes_whoever_waits_for_the_node(tmp_path: Path) -> None:
    """It has nothing to send itself, and its first words, before it listens to anybody, came too early:
    whoever was woken by them found nobody there."""
    async with founded(tmp_path, PATIENT) as pair:
        await pair.start("xa")
        message_id = await pair.submit()
        frozen = "SELECT 1 FROM transfers WHERE attempts > 0"
        await pair.until(lambda: bool(pair.rows("xa", frozen)))

        await pair.start("tinh")

        await pair.until(lambda: pair.ends(message_id) == [("available", None)])
