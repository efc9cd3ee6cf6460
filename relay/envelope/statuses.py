"""The business statuses of edXML, as one table.

Statuses arrive late, twice and out of order, and many systems skip 04: the table says what is
regular, so that the rest can be remarked on; it is no reason to drop a status.

Touches: nothing. Raises: EnvelopeError for a code the table does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from relay.errors import EnvelopeError


class Direction(StrEnum):
    TO_SENDER = "to-sender"
    TO_RECEIVER = "to-receiver"


@dataclass(frozen=True, slots=True)
class Status:
    """One row. `following` are the codes that regularly come next; empty where it ends."""

    code: str
    vietnamese: str
    english: str
    direction: Direction
    following: frozenset[str]
    reason_required: bool = False
    may_repeat: bool = False
    at_any_time: bool = False


def _row(
    code: str, vietnamese: str, english: str, following: str, *, reason: bool = False
) -> Status:
    return Status(
        code=code,
        vietnamese=vietnamese,
        english=english,
        direction=Direction.TO_RECEIVER if code == "13" else Direction.TO_SENDER,
        following=frozenset(following.split()),
        reason_required=reason,
        may_repeat=code == "05",
        at_any_time=code == "13",
    )


STATUSES: dict[str, Status] = {
    row.code: row
    for row in (
        _row("01", "Đã đến", "arrived", "02 03"),
        _row("02", "Từ chối tiếp nhận", "refused", "", reason=True),
        _row("03", "Đã tiếp nhận", "accepted", "04 05 06"),
        _row("04", "Phân công", "assigned", "05 06"),
        _row("05", "Đang xử lý", "in progress", "05 06"),
        _row("06", "Hoàn thành", "completed", ""),
        _row("13", "Lấy lại", "take back", "15 16", reason=True),
        _row("15", "Đồng ý cập nhật, lấy lại", "agreed to update or take back", ""),
        _row(
            "16", "Từ chối cập nhật, lấy lại", "refused to update or take back", "13", reason=True
        ),
    )
}


def find(code: str) -> Status | None:
    """The row of a code as written, "1" for "01" included; None when there is none."""
    return STATUSES.get(code.strip().zfill(2))


def lookup(code: str) -> Status:
    """The row of a code, or EnvelopeError."""
    found = find(code)
    if found is None:
        raise EnvelopeError("unknown status code", limit=", ".join(STATUSES))
    return found


def may_follow(previous: str | None, code: str) -> bool:
    """Is `code` regular after `previous` (None: nothing came before)?

    A take-back is regular at any time until it is agreed to; while one is open it is not repeated.
    """
    row = lookup(code)
    if previous is None:
        return row.code in {"01", "13"}
    before = lookup(previous)
    if row.code == before.code:
        return row.may_repeat
    if row.at_any_time:
        return before.code != "15"
    return row.code in before.following
