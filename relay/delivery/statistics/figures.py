"""Statistics asked for and counted: the values between the faces and the journal (docs/statistics.md).

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from relay.delivery.ports import Caller
from relay.delivery.statistics.periods import Per, WorkingDays
from relay.errors import PeerError
from relay.model import AgencyCode

MOST_DAYS = 3660
MOST_LINES = 10_000
UNKNOWN = "unknown"
SENT = (
    "documents",
    "deliveries",
    "delivered",
    "electronic",
    "with_paper",
    "paper_not_stated",
    "not_kept",
    "same_day",
    "next_morning",
    "late",
    "undated",
    "failed",
    "cancelled",
    "refused",
    "taken_back",
    "take_backs_asked",
    "take_backs_agreed",
    "requests",
    "answers_late",
)
"""Counts of what an agency sent; each is defined in docs/statistics.md."""
RECEIVED = (
    "documents",
    "electronic",
    "with_paper",
    "paper_not_stated",
    "not_kept",
    "failed",
    "refused",
    "taken_back",
    "with_deadline",
    "late",
    "take_backs_asked",
    "take_backs_agreed",
    "requests",
    "answers_late",
)


class QuestionError(PeerError):
    """More than can be answered, or a period that ends before it begins."""


@dataclass(frozen=True, slots=True)
class By:
    """What a line is told apart by, beside its period."""

    agency: bool = True
    tier: bool = False
    document_type: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Both days belong to it."""

    since: date
    until: date
    per: Per = Per.MONTH
    by: By = By()
    agency: AgencyCode | None = None


@dataclass(frozen=True, slots=True)
class Answering:
    """How long recipients took, in whole minutes begun; nearest rank, None where nothing was counted."""

    count: int = 0
    median_minutes: int | None = None
    p90_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one agency, tier or type (None: not told apart) in one period."""

    first: date
    agency: AgencyCode | None
    tier: str | None
    document_type: str | None
    sent: Mapping[str, int]
    received: Mapping[str, int]
    arrived: Answering = field(default_factory=Answering)
    accepted: Answering = field(default_factory=Answering)
    agency_name: str | None = None
    """As the directory has it at the time of asking."""


def share(some: int, others: int) -> float | None:
    """Of both together, to four places; None of nothing."""
    return round(some / (some + others), 4) if some + others else None


class FigureBook(Protocol):
    """The journal's side. Takes seconds: to be called in a thread."""

    def count(
        self,
        question: Question,
        agencies: frozenset[AgencyCode] | None,
        days: WorkingDays,
        now: datetime,
        told_as: Callable[[str], tuple[str, str]],
        stopped: Callable[[], bool],
    ) -> list[Line]:
        """One more than MOST_LINES where there are more. Of `agencies` only; None: of all. `told_as`: the code and
        tier of the line that an agency's figures belong to."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """The answer, and what it is the answer to: the periods are whole or cut at both ends."""

    question: Question
    at: datetime
    lines: tuple[Line, ...]


class Statistics(Protocol):
    async def report(self, caller: Caller, question: Question) -> Report:
        """What the caller may see of it.

        Raises AccessError for another's agency, NotFoundError for one that is not known, QuestionError
        for more than can be answered, OverloadError while many ask.
        """
        ...

    def period(self, since: date | None, until: date | None, per: Per) -> tuple[date, date]:
        """With today for `until`, and the beginning of that period for `since`, where None."""
        ...
