"""Back-off is arithmetic: one table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.neighbours.retry import RetryPolicy
from relay.model import Lane

POLICY = RetryPolicy(timedelta(seconds=1), timedelta(seconds=60))


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(1, 0.5, 1), (2, 1, 2), (5, 8, 16), (7, 30, 60), (1000, 30, 60)]
)
def test_the_wait_doubles_up_to_its_cap(failures: int, least: float, most: float) -> None:
    """After n failures the wait lies in the upper half of base·2^(n−1), never above the cap."""
    assert POLICY.wait(failures, 0.0).total_seconds() == least
    assert POLICY.wait(failures, 0.999999).total_seconds() == pytest.approx(most, rel=1e-4)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_nothing_and_never_over_the_cap(failures: int, random: float) -> None:
    """However often it failed."""
    assert timedelta(0) < POLICY.wait(failures, random) <= POLICY.cap


def test_the_faster_lane_gives_up_sooner() -> None:
    """An express document that cannot be delivered must be known to have failed early."""
    assert POLICY.expiry(Lane.EXPRESS) < POLICY.expiry(Lane.URGENT) < POLICY.expiry(Lane.NORMAL)
