"""Statistics counted from documents and their deliveries: slice by slice, on a connection of their own.

Each slice is one short read of documents with a bounded number of deliveries (or one document that has
more), so that no snapshot holds the journal's WAL and whoever gives up stops it soon; SQLite counts,
outside Python's lock, into tables of the connection's own.

Touches: the journal's file, reading only; a temporary file of SQLite's.
Raises:  JournalError; CountStopped when told to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from relay.delivery.statistics.figures import (
    MOST_LINES,
    RECEIVED,
    SENT,
    UNKNOWN,
    Answering,
    By,
    Line,
    Question,
)
from relay.delivery.statistics.periods import WorkingDays, date_of, day_of, first_of, today
from relay.errors import JournalError
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.model import AgencyCode

SQL = load("count")
ROWS_AT_ONCE = 20_000
_CACHE_KIB = 32_768
_TO_THE_END = (1 << 63) - 1
_STEPS = ("sent", "received", "add_whose", "times", "asked_of_sender", "asked_of_recipient")
_TAKING = ("forget", "forget_asked", "take_here", "take_left", "take_asked", "one_head")
_TABLES = (
    "figures",
    "figures_asked",
    "counted",
    "whose",
    "answered",
    "told",
    "ranked",
    "halves",
    "tiers",
)
_RANKING = ("tell_apart", "find_lines", "rank")


class CountStopped(Exception):  # noqa: N818  nothing failed
    """Nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class FigureTable:
    """delivery.statistics.figures.FigureBook."""

    path: Path
    rows_at_once: int = ROWS_AT_ONCE

    def count(
        self,
        question: Question,
        agencies: frozenset[AgencyCode] | None,
        days: WorkingDays,
        now: datetime,
        told_as: Callable[[str], tuple[str, str]],
        stopped: Callable[[], bool],
    ) -> list[Line]:
        try:
            with closing(_open(self.path)) as connection:
                counting = _Counting(connection, question, days, stopped, self.rows_at_once)
                counting.run(agencies, now)
                return counting.lines(told_as)
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be counted: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute(f"PRAGMA temp.cache_size = -{_CACHE_KIB}")
    for table in _TABLES:
        connection.execute(SQL[table])
    return connection


@dataclass(frozen=True, slots=True)
class _Counting:
    connection: sqlite3.Connection
    question: Question
    days: WorkingDays
    stopped: Callable[[], bool]
    rows_at_once: int

    def run(self, agencies: frozenset[AgencyCode] | None, now: datetime) -> None:
        by = self.question.by
        values: dict[str, object] = {
            "by_whom": by.agency or by.tier,
            "by_type": by.document_type,
            "agencies": None if agencies is None else json.dumps(sorted(agencies)),
            "as_of": day_of(today(now)),
            "now": ms(now),
        }
        last = day_of(self.question.until)
        day: int | None = day_of(self.question.since) - 1
        while (day := self._one("next_day", day, last)) is not None:
            period = day_of(first_of(date_of(day), self.question.per))
            self._day(day, {**values, "day": day, "period": period})

    def _day(self, day: int, values: dict[str, object]) -> None:
        after: int | None = -1
        while after is not None:
            last = self._slice_end(day, after)
            end = _TO_THE_END if last is None else last
            self._slice({**values, "after": after, "last": end})
            after = last

    def _slice_end(self, day: int, after: int) -> int | None:
        """The last document of a slice; None for the last slice of a day."""
        rows = 0
        with closing(self.connection.execute(SQL["sizes"], (day, after))) as documents:
            for document, size in documents:
                rows += size
                if rows >= self.rows_at_once:
                    return int(document)
        return None

    def _slice(self, values: dict[str, object]) -> None:
        self._look()
        self.connection.execute("BEGIN")  # one view of what is here and what has left
        for step in _TAKING:
            self.connection.execute(SQL[step], values)
        self.connection.execute("COMMIT")
        for (half,) in self.connection.execute(SQL["new_halves"]).fetchall():
            earliest = self.days.earliest_in_time(half)
            self.connection.execute(SQL["add_half"], (half, earliest))
        for step in _STEPS:
            self.connection.execute(SQL[step], values)

    def lines(self, told_as: Callable[[str], tuple[str, str]]) -> list[Line]:
        """Put together as it was asked for."""
        for (code,) in self.connection.execute(SQL["agencies"]).fetchall():
            self.connection.execute(SQL["add_tier"], (code, *told_as(code)))
        self._look()
        by = self.question.by
        values = {
            "by_agency": by.agency,
            "by_tier": by.tier,
            "by_type": by.document_type,
            "limit": MOST_LINES + 1,
        }
        found = self.connection.execute(SQL["lines"], values).fetchall()
        if len(found) > MOST_LINES:
            return [_line(row, by, {}) for row in found]
        for step in _RANKING:
            self._look()
            self.connection.execute(SQL[step], values)
        times = {
            tuple(row[:5]): Answering(*row[5:])
            for row in self.connection.execute(SQL["percentiles"], values)
        }
        return [_line(row, by, times) for row in found]

    def _one(self, name: str, *values: int | None) -> int | None:
        row = self.connection.execute(SQL[name], values).fetchone()
        return None if row is None else row[0]

    def _look(self) -> None:
        if self.stopped():
            raise CountStopped


def _line(row: tuple[Any, ...], by: By, times: dict[tuple[Any, ...], Answering]) -> Line:
    key, counts = row[:4], [int(n or 0) for n in row[4:]]
    period, agency, tier, document_type = key
    return Line(
        first=date_of(period),
        agency=None if agency is None else AgencyCode(agency),
        tier=tier,
        document_type=(document_type or UNKNOWN) if by.document_type else None,
        sent=dict(zip(SENT, counts, strict=False)),
        received=dict(zip(RECEIVED, counts[len(SENT) :], strict=True)),
        arrived=times.get((*key, 1), Answering()),
        accepted=times.get((*key, 3), Answering()),
    )
