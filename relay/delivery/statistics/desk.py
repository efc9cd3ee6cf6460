"""Statistics for their readers: who may see what, one count at a time, beside the event loop.

Touches: the journal's book of figures, in a thread.
Trusts:  the caller's authentication.
Raises:  AccessError, NotFoundError, QuestionError, OverloadError, JournalError.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from relay.delivery.clock import Clock
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller
from relay.delivery.statistics.figures import (
    MOST_DAYS,
    MOST_LINES,
    UNKNOWN,
    FigureBook,
    Line,
    Question,
    QuestionError,
    Report,
)
from relay.delivery.statistics.periods import Per, WorkingDays, first_of, today
from relay.errors import AccessError, EnvelopeError, OverloadError
from relay.model import AgencyCode
from relay.routing.directory import Directory

MOST_WAITING = 8
"""Questions at once; each further one is told to come back."""
MOST_OF_ONE = 2
"""Of one caller: nobody keeps all others waiting."""


@dataclass(slots=True)
class StatisticsDesk:
    """delivery.statistics.figures.Statistics."""

    book: FigureBook
    directory: Directory
    known: KnownAgencies
    clock: Clock
    days: WorkingDays
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: Counter[str] = field(default_factory=Counter)
    """By the caller's name."""

    def period(self, since: date | None, until: date | None, per: Per) -> tuple[date, date]:
        last = until or today(self.clock.now())
        return since or first_of(last, per), last

    async def report(self, caller: Caller, question: Question) -> Report:
        """See Statistics.report."""
        _check(question)
        question, agencies = self._seen(caller, question)
        now = self.clock.now()
        with self._place(caller.holder):
            async with self._turn:
                lines = await self._counted(question, agencies, now)
        if not lines and question.agency is not None and _sees_all(caller):
            await self.known.require(question.agency)  # figures outlive messages: not asked before
        if len(lines) > MOST_LINES:
            raise QuestionError(
                f"more than {MOST_LINES} lines: ask for longer periods, fewer days or one agency"
            )
        return Report(question, now, tuple(map(self._named, lines)))

    def _seen(
        self, caller: Caller, question: Question
    ) -> tuple[Question, frozenset[AgencyCode] | None]:
        """An operator or auditor sees all, everyone else their own agencies."""
        everything = _sees_all(caller)
        if question.agency is None:
            return question, None if everything else caller.agencies
        try:
            agency = self.directory.resolve(question.agency)
        except EnvelopeError:
            raise QuestionError("agency must be an agency code") from None
        if not everything and agency not in caller.agencies:
            raise AccessError(f"{agency} is not an agency of {caller.holder}")
        return replace(question, agency=agency), self.directory.forms_of([agency])

    @contextmanager
    def _place(self, who: str) -> Iterator[None]:
        waiting, own = self._asked.total(), self._asked[who]
        if waiting >= MOST_WAITING or own >= MOST_OF_ONE:
            raise OverloadError(
                f"{waiting} statistics are asked for at once, limit {MOST_WAITING}; "
                f"{own} of this caller, limit {MOST_OF_ONE}"
            )
        self._asked[who] += 1
        try:
            yield
        finally:
            self._asked[who] -= 1
            self._asked += Counter()  # names nobody who asks for nothing

    async def _counted(
        self, question: Question, agencies: frozenset[AgencyCode] | None, now: datetime
    ) -> list[Line]:
        """Whoever gives up stops the count, and the next one begins when it has stopped."""
        stop = threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(
                self.book.count, question, agencies, self.days, now, self._told_as, stop.is_set
            )
        )
        try:
            return await asyncio.shield(work)
        finally:
            stop.set()
            if not work.done():
                await asyncio.wait([work])

    def _named(self, line: Line) -> Line:
        found = None if line.agency is None else self.directory.find(line.agency)
        return line if found is None else replace(line, agency_name=found.name)

    def _told_as(self, code: str) -> tuple[str, str]:
        """Code and tier as the directory has them now; closed agencies keep theirs."""
        agency = self.directory.find(code)
        return (code, UNKNOWN) if agency is None else (agency.code, agency.tier.value)


def _sees_all(caller: Caller) -> bool:
    return (caller.operator or caller.auditor) and not caller.agencies


def _check(question: Question) -> None:
    days = (question.until - question.since).days + 1
    if days < 1:
        raise QuestionError("since is after until")
    if days > MOST_DAYS:
        raise QuestionError(f"{days} days, limit {MOST_DAYS}")
