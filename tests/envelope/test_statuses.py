"""The table of business statuses."""

from __future__ import annotations

import pytest

from relay.envelope.statuses import STATUSES, Direction, find, lookup, may_follow
from relay.errors import EnvelopeError


def test_every_following_code_is_in_the_table() -> None:
    """The table is closed."""
    assert {code for row in STATUSES.values() for code in row.following} <= STATUSES.keys()


def test_only_the_take_back_goes_to_the_receiver() -> None:
    """13 is the sender's; all others are the receiver's answers."""
    towards = {row.code for row in STATUSES.values() if row.direction is Direction.TO_RECEIVER}

    assert towards == {"13"}


def test_refusals_and_take_backs_need_a_reason() -> None:
    """The other side has to know why."""
    assert {code for code, row in STATUSES.items() if row.reason_required} == {"02", "13", "16"}


def test_a_code_is_found_with_and_without_its_zero() -> None:
    """ "1" is met for "01"."""
    assert lookup("1") is lookup(" 01 ")
    assert find("7") is None
    with pytest.raises(EnvelopeError, match="unknown status code"):
        lookup("00" * 30)


@pytest.mark.parametrize(
    ("previous", "code", "regular"),
    [
        (None, "01", True),
        (None, "13", True),
        (None, "06", False),
        ("01", "02", True),
        ("01", "03", True),
        ("01", "06", False),
        ("03", "05", True),
        ("05", "05", True),
        ("03", "03", False),
        ("02", "03", False),
        ("06", "13", True),
        ("13", "15", True),
        ("13", "13", False),
        ("16", "13", True),
        ("15", "13", False),
    ],
)
def test_what_regularly_comes_next(previous: str | None, code: str, regular: bool) -> None:
    """The table's rows, the repeat of 05 and the take-back at any time."""
    assert may_follow(previous, code) is regular
