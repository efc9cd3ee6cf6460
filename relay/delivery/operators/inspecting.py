"""What operators are shown of the queue and its neighbours, and what that asks of the journal: values.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from relay.delivery.operators.orders import Action
from relay.delivery.ports import DeliveryView, MessageView
from relay.delivery.records import DeliveryRow
from relay.model import DeliveryId, MessageId, NodeId, TransferId


class Condition(StrEnum):
    """A neighbour, as delivery sees it. `woken`: it failed, and spoke since, but nothing has gone to it yet;
    `unlinked`: work waits for it, but it is not configured."""

    UP = "up"
    FAILING = "failing"
    DEAD = "dead"
    WOKEN = "woken"
    UNLINKED = "unlinked"


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A neighbour's TLS certificate, as the last connection to it showed it."""

    subject: str
    not_after: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class NeighbourView:
    neighbour: NodeId
    condition: Condition
    failures: int
    """In a row."""
    next_probe_at: datetime | None
    """None when it is not being left alone."""
    window: int
    under_way: int
    last_error: str
    certificate: PeerCertificate | None
    bridge: bool = False
    """A remote that only speaks the axis dialect and gives no evidence."""


AGES: tuple[timedelta, ...] = tuple(timedelta(minutes=5 << doubling) for doubling in range(9))
"""5, 10, 20, … 1280 minutes: the columns of `relay queue shape`, as those of Postfix's qshape."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How many deliveries, and of those how many are younger than each of AGES; the last: older."""

    total: int
    counts: tuple[int, ...]


class Kind(StrEnum):
    """What waits is counted apart by what can be done about it."""

    WAITING = "waiting"
    IN_DOUBT = "in-doubt"
    HELD = "held"
    OUTCOME_UNKNOWN = "outcome-unknown"


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """`neighbour` None: deliveries served here that wait for their seal."""

    neighbour: NodeId | None
    view: NeighbourView | None
    kinds: Mapping[Kind, Ages]
    receipts: int
    receipts_parked: int


@dataclass(frozen=True, slots=True)
class Shape:
    at: datetime
    rows: tuple[ShapeRow, ...]
    put_back: int = 0
    """Deliveries served here that their recipients' systems put back (`fail`)."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """The last thing an operator did to a delivery."""

    action: Action
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WayFacts:
    """What tracking does not tell of a delivery."""

    delivery_id: DeliveryId
    came_from: NodeId | None
    failed_at_node: NodeId | None
    arrived_at: datetime
    since: datetime
    """When it came into its state."""
    frozen: TransferId | None
    ahead: int
    """Deliveries of its lane that wait before it for the same neighbour; 0 unless it is queued."""
    intervention: Intervention | None
    put_back: bool = False
    """Its recipient's system said `fail`: it waits to be taken again."""
    rests: bool = False
    """Its frozen transfer is not repeated, for another delivery that it carries is held."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One delivery, and in sentences why it is where it is."""

    delivery: DeliveryView
    facts: WayFacts
    neighbour: NeighbourView | None
    sentences: tuple[str, ...]
    revocation: str = ""
    """VALID, REVOKED or UNKNOWN of its seal's certificate, with why; empty where nothing is checked."""


@dataclass(frozen=True, slots=True)
class Why:
    message: MessageView
    at: datetime
    deliveries: tuple[Explanation, ...]
    others: int
    """Deliveries of the message that were left out: those that wait come first."""


class QueueReader(Protocol):
    async def shape(self) -> Shape: ...

    async def why(self, name: str) -> Why:
        """By a delivery's or a message's id; NotFoundError for an unknown one."""
        ...


# ---------------------------------------------------------------- what that asks of the journal


@dataclass(frozen=True, slots=True)
class Named:
    """What an operator's word names: a message, and of its deliveries those that are meant."""

    message_id: MessageId
    rows: tuple[DeliveryRow, ...]


@dataclass(frozen=True, slots=True)
class Returns:
    waiting: int
    parked: int


class InspectingJournal(Protocol):
    """Read without holding up anybody: counts come from indexes, one short statement after the other."""

    async def bounds(self, instants: Sequence[datetime]) -> list[int]:
        """For each (descending) instant the first delivery row that came at or after it.

        Rows are in the order in which deliveries came, as far as the clock did not jump.
        """
        ...

    async def counts(self, bounds: Sequence[int]) -> dict[tuple[NodeId | None, Kind], list[int]]:
        """By next hop and kind: one count for each span between the bounds, the youngest first."""
        ...

    async def returns(self) -> dict[NodeId, Returns]: ...
    async def put_back(self) -> int: ...
    async def last_errors(self) -> dict[NodeId, str]: ...
    async def named(self, name: str, limit: int) -> Named | None:
        """At most `limit` rows, those that wait first."""
        ...

    async def facts(self, rows: Sequence[DeliveryRow]) -> dict[DeliveryId, WayFacts]: ...


CertificateOf = Callable[[NodeId], PeerCertificate | None]
