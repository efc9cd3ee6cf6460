"""Statistics: the calendar they go by, and who is told what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.agencies import Agency, NodeEntry
from relay.delivery.clock import Clock
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller
from relay.delivery.statistics.desk import MOST_OF_ONE, MOST_WAITING, StatisticsDesk
from relay.delivery.statistics.figures import (
    MOST_DAYS,
    MOST_LINES,
    RECEIVED,
    SENT,
    Line,
    Question,
    QuestionError,
)
from relay.delivery.statistics.periods import (
    Per,
    WorkingDays,
    date_of,
    day_of,
    first_of,
    label,
    last_of,
    today,
)
from relay.errors import AccessError, NotFoundError, OverloadError
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Directory

NOW = datetime(2026, 11, 29, 17, 30, tzinfo=UTC)
H01, H02 = AgencyCode("H01"), AgencyCode("H02")
OPERATOR = Caller("operator", frozenset(), operator=True)
OWN = Caller("dms", frozenset({H01}))
QUESTION = Question(date(2026, 11, 1), date(2026, 11, 30))
LINE = Line(date(2026, 11, 1), H01, None, None, dict.fromkeys(SENT, 0), dict.fromkeys(RECEIVED, 0))


# ---------------------------------------------------------------- the calendar


def test_a_day_is_vietnams() -> None:
    """Half an hour past midnight in Hà Nội is the next day already."""
    assert today(NOW) == date(2026, 11, 30)


@given(day=st.dates(date(1970, 1, 1), date(2900, 1, 1)), per=st.sampled_from(Per))
def test_periods_meet_without_gap_or_overlap(day: date, per: Per) -> None:
    """A day is in the period that is named by its first day, and the next day begins another only after the last."""
    first = first_of(day, per)
    last = last_of(first, per)
    assert first <= day <= last
    assert first_of(last, per) == first
    after = last + timedelta(days=1)
    assert first_of(after, per) == after
    assert label(first, per) != label(after, per)


def test_periods_are_named_as_calendars_name_them() -> None:
    """Weeks by ISO 8601, whose year is that of their Thursday."""
    day = date(2027, 1, 1)
    names = [label(first_of(day, per), per) for per in Per]
    assert names == ["2027-01-01", "2026-W53", "2027-01", "2027-Q1", "2027"]


@given(
    off=st.frozensets(st.dates(date(2026, 1, 1), date(2026, 2, 28)), max_size=20),
    on=st.frozensets(st.dates(date(2026, 1, 1), date(2026, 2, 28)), max_size=5),
    half=st.integers(2 * 20460, 2 * 20510),
)
def test_the_earliest_day_in_time_is_what_walking_forward_finds(
    off: frozenset[date], on: frozenset[date], half: int
) -> None:
    """Whatever the holidays: from a day of issue on, the next working morning is the last in time."""
    days = WorkingDays(off - on, on)

    def in_time(issued: int) -> bool:
        following = next(d for d in range(issued + 1, issued + 400) if days.is_worked(d))
        return half // 2 <= issued or half < 2 * following + 1

    earliest = days.earliest_in_time(half)
    assert [d for d in range(earliest - 60, half // 2 + 1) if in_time(d)] == list(
        range(earliest, half // 2 + 1)
    )
    assert day_of(date_of(earliest)) == earliest


# ---------------------------------------------------------------- who is told what


@dataclass
class Book:
    """Remembers for whom it counted; waits until it is let go, or stopped."""

    lines: int = 1
    asked: list[Any] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    stopped: int = 0
    told_as: Any = None

    def count(
        self, question: Question, agencies: Any, days: Any, now: Any, told_as: Any, stopped: Any
    ) -> list[Line]:
        self.asked.append(agencies)
        self.told_as = told_as
        self.begun.set()
        while not self.go.wait(0.005):
            if stopped():
                self.stopped += 1
                break
        return [LINE] * self.lines


@pytest.fixture
def book() -> Book:
    book = Book()
    book.go.set()
    return book


@pytest.fixture
def desk(book: Book) -> StatisticsDesk:
    return _desk(book, Directory((), ()))


def _desk(book: Book, directory: Directory, *met: AgencyCode) -> StatisticsDesk:
    """Of a node that met these agencies, beside those of its directory."""

    async def knows(codes: Collection[AgencyCode]) -> bool:
        return not set(met).isdisjoint(codes)

    known = KnownAgencies(directory.forms_of, lambda code: directory.find(code) is not None, knows)
    return StatisticsDesk(book, directory, known, Clock(wall=lambda: NOW), WorkingDays())


async def test_an_operator_is_told_of_all_and_an_agency_of_its_own(
    desk: StatisticsDesk, book: Book
) -> None:
    """With or without naming one."""
    for caller, agency in [(OPERATOR, None), (OPERATOR, H02), (OWN, None), (OWN, H01)]:
        await desk.report(caller, Question(QUESTION.since, QUESTION.until, agency=agency))
    assert book.asked == [None, {H02}, {H01}, {H01}]


async def test_an_agency_is_named_as_the_directory_has_it(book: Book) -> None:
    """At the time of asking; one that is not listed has its code only."""
    listed = Agency(H01, "UBND tỉnh Mẫu", Tier.PROVINCE, NodeId("tinh"))
    nodes = (NodeEntry(NodeId("tinh"), Tier.PROVINCE),)
    for agencies, name in [((listed,), "UBND tỉnh Mẫu"), ((), None)]:
        desk = _desk(book, Directory(nodes, agencies))
        assert (await desk.report(OPERATOR, QUESTION)).lines[0].agency_name == name


async def test_an_agency_is_counted_under_every_form_of_its_code(book: Book) -> None:
    """What came before the directory changed its code is its own, whichever form is asked for."""
    old = AgencyCode("000.00.00.H01")
    listed = Agency(H01, "UBND tỉnh Mẫu", Tier.PROVINCE, NodeId("tinh"), old_code=old)
    nodes = (NodeEntry(NodeId("tinh"), Tier.PROVINCE),)
    desk = _desk(book, Directory(nodes, (listed,)))
    for agency in (H01, old):
        await desk.report(OPERATOR, replace(QUESTION, agency=agency))
    assert book.asked == [{H01, old}, {H01, old}]
    assert [book.told_as(code) for code in (H01, old, H02)] == [
        (H01, "province"),
        (H01, "province"),
        (H02, "unknown"),
    ]


async def test_a_misspelt_agency_is_told_from_one_of_which_there_is_nothing(book: Book) -> None:
    """Known are those of the directory, those that were met, and those with figures, which outlive both."""
    listed = Agency(H01, "UBND tỉnh Mẫu", Tier.PROVINCE, NodeId("tinh"))
    nodes = (NodeEntry(NodeId("tinh"), Tier.PROVINCE),)
    desk = _desk(book, Directory(nodes, (listed,)), H02)
    asked = [replace(QUESTION, agency=AgencyCode(one)) for one in ("H01", "H02", "H03")]
    assert all([(await desk.report(OPERATOR, one)).lines for one in asked])
    book.lines = 0
    assert [(await desk.report(OPERATOR, one)).lines for one in asked[:2]] == [(), ()]
    with pytest.raises(NotFoundError, match="no agency H03"):
        await desk.report(OPERATOR, asked[2])


async def test_anothers_figures_are_refused(desk: StatisticsDesk, book: Book) -> None:
    """Nothing is counted for it."""
    with pytest.raises(AccessError, match="H02 is not an agency of dms"):
        await desk.report(OWN, Question(QUESTION.since, QUESTION.until, agency=H02))
    assert book.asked == []


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        (date(2026, 11, 2), date(2026, 11, 1), "since is after until"),
        (date(2000, 1, 1), date(2026, 11, 1), f"limit {MOST_DAYS}"),
    ],
)
async def test_a_span_that_cannot_be_is_refused(
    desk: StatisticsDesk, book: Book, since: date, until: date, why: str
) -> None:
    """Before anything is counted."""
    with pytest.raises(QuestionError, match=why):
        await desk.report(OPERATOR, Question(since, until))
    assert book.asked == []


async def test_more_lines_than_an_answer_may_have_are_refused(
    desk: StatisticsDesk, book: Book
) -> None:
    """With what to do about it; never cut short in silence."""
    book.lines = MOST_LINES + 1
    with pytest.raises(QuestionError, match="longer periods, fewer days or one agency"):
        await desk.report(OPERATOR, QUESTION)


async def test_one_counts_at_a_time_and_too_many_are_sent_away(
    desk: StatisticsDesk, book: Book
) -> None:
    """Who waits is answered in turn; one more is told to come again."""
    book.go.clear()
    callers = [replace(OPERATOR, holder=f"reader {number}") for number in range(MOST_WAITING)]
    waiting = [asyncio.create_task(desk.report(caller, QUESTION)) for caller in callers]
    await asyncio.to_thread(book.begun.wait)
    with pytest.raises(OverloadError):
        await desk.report(OPERATOR, QUESTION)
    assert len(book.asked) == 1
    book.go.set()
    assert len(await asyncio.gather(*waiting)) == MOST_WAITING


async def test_one_caller_does_not_keep_all_others_waiting(
    desk: StatisticsDesk, book: Book
) -> None:
    """A system that asks again and again takes its own places only, and gets them back."""
    book.go.clear()
    waiting = [asyncio.create_task(desk.report(OWN, QUESTION)) for _ in range(MOST_OF_ONE)]
    await asyncio.to_thread(book.begun.wait)
    with pytest.raises(OverloadError, match="of this caller"):
        await desk.report(OWN, QUESTION)
    waiting.append(asyncio.create_task(desk.report(OPERATOR, QUESTION)))
    await asyncio.sleep(0)
    book.go.set()
    assert len(await asyncio.gather(*waiting)) == MOST_OF_ONE + 1
    assert (await desk.report(OWN, QUESTION)).lines


async def test_who_gives_up_stops_the_count(desk: StatisticsDesk, book: Book) -> None:
    """And the next one begins only then."""
    book.go.clear()
    task = asyncio.create_task(desk.report(OPERATOR, QUESTION))
    await asyncio.to_thread(book.begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert book.stopped == 1
    book.go.set()
    assert (await desk.report(OPERATOR, QUESTION)).lines == (LINE,)
