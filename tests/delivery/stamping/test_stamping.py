"""Asking for timestamps: how many, of whom, how often again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from relay.delivery.clock import Clock
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.stamping.ports import Authority, Due, Stamped, StampRow, Token, Wanted
from relay.delivery.stamping.stamping import StampDesk
from relay.errors import SignatureError, TransportError

AT = datetime(2026, 11, 23, tzinfo=UTC)
WANTED = Wanted(timedelta(hours=1), 60, timedelta(days=1), 2)
RETRY = RetryPolicy(timedelta(seconds=30), timedelta(hours=1))


@dataclass
class Book:
    """A stamp book in memory."""

    waiting: list[Due] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    tokens: dict[int, str] = field(default_factory=dict)
    waits: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    new: int = 0

    async def want_seals(self, limit: int, since: datetime, at: datetime) -> int:
        self.asked.append(limit)
        taken = min(limit, self.new)
        self.new -= taken
        return taken

    async def want_head(self, every: timedelta, at: datetime) -> bool:
        return False

    async def due(self, now: datetime, limit: int) -> list[Due]:
        return self.waiting[:limit]

    async def stamped(self, row: StampRow, token: Token) -> None:
        self.tokens[row] = token.authority
        self.waiting = [one for one in self.waiting if one.row != row]

    async def failed(self, row: StampRow, error: str, not_before: datetime) -> None:
        self.waits[row] = (error, not_before)


@dataclass
class Asked:
    """An authority that answers, or fails with `error`."""

    name: str
    error: Exception | None = None
    contents: list[bytes] = field(default_factory=list)

    async def __call__(self, content: bytes, /) -> Token:
        self.contents.append(content)
        if self.error is not None:
            raise self.error
        return Token(self.name, b"token", AT)


def _desk(book: Book, *authorities: Asked, at: list[datetime] | None = None) -> StampDesk:
    now = at or [AT]
    several = [Authority(one.name, one) for one in authorities]
    clock = Clock(wall=lambda: now[0])
    return StampDesk(book, several, WANTED, clock, lambda: 0.0, timedelta(seconds=20), RETRY)


def _due(row: int, attempts: int = 0) -> Due:
    return Due(StampRow(row), Stamped.SEAL, b"%d" % row, attempts)


async def test_authorities_take_turns_and_so_do_attempts() -> None:
    """What one of them failed at goes to the next one."""
    book = Book([_due(2), _due(3), _due(4, attempts=1)])
    one, other = Asked("one"), Asked("other")
    desk = _desk(book, one, other)

    assert [await desk.look(), await desk.look(), await desk.look()] == [2, 1, 0]

    assert book.tokens == {2: "one", 3: "other", 4: "other"}
    assert one.contents == [b"2"]


@pytest.mark.parametrize(
    "error", [TransportError("HTTP 503"), SignatureError("wrong-nonce", "of another request")]
)
async def test_no_answer_and_no_proof_are_waits_that_grow(error: Exception) -> None:
    """Stored, not slept; half a minute at first, an hour at the most."""
    book = Book([_due(0), _due(1, attempts=40)])
    await _desk(book, Asked("one", error)).look()

    assert book.waits == {
        0: (str(error), AT + timedelta(seconds=15)),
        1: (str(error), AT + timedelta(minutes=30)),
    }
    assert book.tokens == {}


async def test_seals_are_wanted_at_their_rate() -> None:
    """An hour's worth at a start, then as time passes; what was not used is not saved up beyond."""
    book, now = Book(new=1000), [AT]
    desk = _desk(book, Asked("one"), at=now)
    for minutes in (0, 1, 10, 600):
        now[0] += timedelta(minutes=minutes)
        await desk.look()

    assert book.asked == [60, 1, 10, 60]


async def test_a_clock_that_goes_back_wants_nothing() -> None:
    """No negative rate, no burst."""
    book, now = Book(new=1000), [AT]
    desk = _desk(book, Asked("one"), at=now)
    await desk.look()
    now[0] -= timedelta(hours=5)
    await desk.look()

    assert book.asked == [60]
