"""Every 503 says when to come again."""

from __future__ import annotations

import pytest

from relay.errors import OverloadError, QuotaError, ReserveError
from relay.transport.axis.refusals import ErrorCode, refusal_of
from relay.transport.problems import TABLE, is_expected, problem_of

OURS = (
    OverloadError("5 wait, limit 4"),
    ReserveError("free space 5 bytes, reserve 10"),
    QuotaError("waiting_per_system", "5 deliveries of yours wait here, limit 4"),
)


@pytest.mark.parametrize(
    "error",
    [*OURS, *(kind("x") for kind, row in TABLE.items() if row.status == 503)],
    ids=lambda e: type(e).__name__,
)
def test_every_503_has_retry_after(error: Exception) -> None:
    """Whole seconds, whichever failure it is."""
    problem = problem_of(error)
    assert problem.kind.status == 503
    assert int(problem.headers["Retry-After"]) > 0


def test_a_quota_is_named_in_the_problem() -> None:
    """As the setting is called, for a program to read."""
    assert problem_of(OURS[2]).extras["quota"] == "waiting_per_system"


@pytest.mark.parametrize("error", OURS, ids=lambda e: type(e).__name__)
def test_back_pressure_is_expected_and_is_error_20_of_the_axis(error: OverloadError) -> None:
    """No traceback in the log for doing what was configured; Vietnamese without diacritics first."""
    refusal = refusal_of(error)
    assert is_expected(error)
    assert refusal.code == ErrorCode.SYSTEM_ERROR
    assert refusal.text.isascii()
    assert str(error) in refusal.text
    assert "hay thu lai sau / " in refusal.text
