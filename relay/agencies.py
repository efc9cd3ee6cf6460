"""What the directory knows of an agency and of a node, and how an agency stands on a day.

Touches: nothing. Trusts: whoever made the record. Raises: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from relay.model import AgencyCode, Digest, NodeId, Tier

VIETNAM = timezone(timedelta(hours=7))
"""Codes open and close with the calendar day of Vietnam."""


def day_of(instant: datetime) -> date:
    """The calendar day on which codes are judged at this instant."""
    return instant.astimezone(VIETNAM).date()


class Standing(StrEnum):
    OPEN = "open"
    NOT_YET = "not-yet"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency: `code` is its name inside the relay, `node` serves it."""

    code: AgencyCode
    name: str
    tier: Tier
    node: NodeId
    old_code: AgencyCode | None = None
    parent: AgencyCode | None = None
    mail: str = ""
    centre: str = ""
    """The connection centre (systemid) through which its documents go."""
    valid_from: date | None = None
    valid_to: date | None = None
    """The first day on which it is closed."""
    successors: tuple[AgencyCode, ...] = ()
    """Who took over: one after a merger or a new code, several after a split."""
    deleted: bool = False
    """A tombstone: the record stays, so that the code is never taken for an unknown one."""
    certificates: tuple[Digest, ...] = ()
    """Certificates (by SHA-256) that may seal for it although they do not name it."""

    @property
    def forms(self) -> tuple[AgencyCode, ...]:
        """Every code that names it."""
        return (self.code,) if self.old_code is None else (self.code, self.old_code)

    @property
    def dated(self) -> bool:
        return self.deleted or self.valid_from is not None or self.valid_to is not None

    def standing(self, on: date) -> Standing:
        if self.deleted or (self.valid_to is not None and on >= self.valid_to):
            return Standing.CLOSED
        if self.valid_from is not None and on < self.valid_from:
            return Standing.NOT_YET
        return Standing.OPEN


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node and its place: `parent` None at the top."""

    node_id: NodeId
    tier: Tier
    parent: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """When this node's view of an agency last changed. `number` is its own for good."""

    number: int
    version: int
    modified_at: datetime
