"""The local calendar of statistics: periods of Vietnam's days (UTC+7), and which days are worked.

Days count from 1970, half-days likewise: the morning of day 3 is half 6, its afternoon, from 12:00, half 7.

Touches: nothing. Trusts: the operator's list of days. Raises: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from relay.envelope.dates import VIETNAM

FIRST = date(1970, 1, 1)
_LAST_DAY = (date.max - FIRST).days
_SATURDAY = 5


class Per(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS = {Per.MONTH: 1, Per.QUARTER: 3, Per.YEAR: 12}


def day_of(day: date) -> int:
    return (day - FIRST).days


def date_of(day: int) -> date:
    return FIRST + timedelta(days=day)


def today(now: datetime) -> date:
    return now.astimezone(VIETNAM).date()


def first_of(day: date, per: Per) -> date:
    """The first day of the period that the day is in; weeks begin on Monday (ISO 8601)."""
    if per is Per.DAY:
        return day
    if per is Per.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(month=(day.month - 1) // _MONTHS[per] * _MONTHS[per] + 1, day=1)


def last_of(first: date, per: Per) -> date:
    """The last day of the period that begins with `first`."""
    if per is Per.DAY:
        return first
    if per is Per.WEEK:
        return first + timedelta(days=6)
    year, month = divmod(first.year * 12 + first.month - 1 + _MONTHS[per], 12)
    return date(year, month + 1, 1) - timedelta(days=1)


def label(first: date, per: Per) -> str:
    """2026-11-29, 2026-W48, 2026-11, 2026-Q4 or 2026."""
    if per is Per.WEEK:
        year, week, _ = first.isocalendar()
        return f"{year:04}-W{week:02}"
    if per is Per.MONTH:
        return f"{first:%Y-%m}"
    if per is Per.QUARTER:
        return f"{first:%Y}-Q{(first.month + 2) // 3}"
    return f"{first:%Y}" if per is Per.YEAR else first.isoformat()


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Monday to Friday but the days off, and the days that are worked in exchange."""

    off: frozenset[date] = frozenset()
    on: frozenset[date] = frozenset()

    def is_worked(self, day: int) -> bool:
        found = date_of(day)
        return found in self.on or (found.weekday() < _SATURDAY and found not in self.off)

    def before(self, day: int) -> int:
        """The last working day before it; the day itself where there is none within a year."""
        near = range(day - 1, max(day - 366, -1), -1)
        return next((earlier for earlier in near if self.is_worked(earlier)), day)

    def earliest_in_time(self, half: int) -> int:
        """The earliest day of issue for which this half-day is no later than the next working morning."""
        day, afternoon = divmod(half, 2)
        if not 0 < day <= _LAST_DAY or (afternoon and self.is_worked(day)):
            return day
        return self.before(day)
