"""What is stamped, and the doors that getting it stamped needs.

Touches: nothing; values and Protocols only. stamping.py does the asking.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

StampRow = NewType("StampRow", int)


class Stamped(StrEnum):
    """What gets a timestamp. Whatever is added needs a name of its own and the bytes that are stamped."""

    SEAL = "seal"
    """The SignatureValue of a seal made here, canonical (XAdES-T)."""
    HEAD = "head"
    """The signed checkpoint note of the log: all that is in the log by then."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that waits for its timestamp."""

    row: StampRow
    kind: Stamped
    content: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Token:
    """A timestamp that was proven to be by a pinned authority and of the bytes asked for."""

    authority: str
    content: bytes
    """DER."""
    gen_time: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """A timestamp authority to be asked."""

    name: str
    ask: AskAuthority


class AskAuthority(Protocol):
    async def __call__(self, content: bytes, /) -> Token:
        """One attempt. Raises TransportError, SignatureError when what comes is no proof."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is to be stamped."""

    heads_every: timedelta
    seals_an_hour: int
    seals_within: timedelta
    """A seal that waited longer is passed over: a head of the log covers its entry by then."""
    at_once: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one kind of thing to be stamped."""

    kind: Stamped
    waiting: int
    stamped: int
    newest: datetime | None
    """genTime of the newest timestamp."""
    oldest_waiting: datetime | None
    last_error: str
    """Of what waits longest; empty where nothing waits, or it was never tried."""


@dataclass(frozen=True, slots=True)
class StampedHead:
    """A signed head of the log, and the timestamp of its very bytes."""

    note: bytes
    token: Token


class StampReader(Protocol):
    async def heads(self, limit: int) -> list[StampedHead]:
        """Those with a timestamp, the newest first."""
        ...

    async def standing(self) -> list[Standing]:
        """Nothing of a kind of which nothing was ever to be stamped."""
        ...


class StampBook(Protocol):
    """The journal's side. Every write is durable when it returns."""

    async def want_seals(self, limit: int, since: datetime, at: datetime) -> int:
        """Up to so many seals made since the last look, those of messages accepted before `since` left
        out; how many are wanted now."""
        ...

    async def want_head(self, every: timedelta, at: datetime) -> bool:
        """The newest head of the log, if the one before it is older than that and the log grew."""
        ...

    async def due(self, now: datetime, limit: int) -> list[Due]: ...
    async def stamped(self, row: StampRow, token: Token) -> None: ...
    async def failed(self, row: StampRow, error: str, not_before: datetime) -> None: ...
