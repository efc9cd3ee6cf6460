"""What telling of passages needs of the journal.

Touches: nothing; values and a Protocol only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from relay.model import AgencyCode, DeliveryState, Digest, NodeId
from relay.wire.passage import Passage, Wait

DeliveryRow = NewType("DeliveryRow", int)
After = tuple[int, int]
"""How far the queue was gone through."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of a delivery that waits; `told` times in the log, next not before `next_at`."""

    waits: tuple[Wait, ...]
    told: int
    next_at: datetime
    untold: bool
    """Something changed since."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery that came from a neighbour, as it stands."""

    row: DeliveryRow
    state: DeliveryState
    changed: datetime
    """When it came into its state."""
    came_from: NodeId
    receipt: Digest
    """This node's answer to the transfer it came with."""
    arrived: datetime
    message: str
    origin: NodeId
    recipient: AgencyCode
    seal: str
    findings: tuple[str, ...]
    """Their codes."""
    attempts: int
    tried: bool
    """An attempt failed for what the next node said: this one waits by itself, and not for the neighbour."""
    neighbour_failing: bool
    watch: Watch | None


@dataclass(frozen=True, slots=True)
class Kept:
    standing: Standing
    watch: Watch | None
    """None: it is watched no more."""
    tell: bool


class PassBook(Protocol):
    """Raises JournalError."""

    async def waiting(
        self, after: After | None, before: datetime
    ) -> tuple[list[Standing], After | None]:
        """Of the next slice of the queue those that came before that instant; where to go on, None at the end."""
        ...

    async def held(self) -> list[Standing]: ...

    async def ended(self) -> list[Standing]:
        """Some that are watched and wait no more."""
        ...

    async def keep(self, changed: Sequence[Kept], told: Sequence[Passage], at: datetime) -> None:
        """In one transaction, with an entry for each passage."""
        ...
