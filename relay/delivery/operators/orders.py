"""What operators ask of delivery and are told, and what that asks of the journal: values and Protocols.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from relay.delivery.ports import Caller
from relay.delivery.records import DeliveryRow, OpenTransfer, Waiting
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Lane,
    NodeId,
    Receipt,
    Signed,
    TransferId,
)

REVOCATION = "revocation"
"""Who held what a revoked certificate sealed: the node itself (delivery/revocation/holding.py)."""


class Action(StrEnum):
    HOLD = "hold"
    RELEASE = "release"
    REQUEUE = "requeue"
    CANCEL = "cancel"
    REDIRECT = "redirect"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants what, and why: the words of the audit entry."""

    action: Action
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an order. `left` deliveries stay as they were, for the `reasons` given.

    `settled` were not acted on either: the neighbour, asked about them, had them already. `more`:
    the bound of one request is reached, the same order again goes on.
    """

    action: Action
    acted: int = 0
    settled: int = 0
    left: int = 0
    reasons: tuple[str, ...] = ()
    receipts: int = 0
    """Receipts that were parked and wait again."""
    more: bool = False


class Control(Protocol):
    """Operators' actions. Each durable, with its audit entry, when it returns.

    By name (a delivery's id, or a message's for all that waits of it): NotFoundError for an unknown
    one, NotPossibleError when nothing of it may be acted on now. By neighbour: NotFoundError for an
    unknown one.
    """

    async def act(
        self,
        caller: Caller,
        action: Action,
        name: str,
        why: str,
        *,
        to: NodeId | None = None,
        unanswered: bool = False,
    ) -> Done:
        """`to` is for redirect, `unanswered` for cancel: end as outcome-unknown what nobody tells."""
        ...

    async def act_on_neighbour(
        self, caller: Caller, action: Action, neighbour: NodeId | None, why: str
    ) -> Done:
        """Hold, release, requeue, flush; only flush knows all neighbours at once (None)."""
        ...


# ---------------------------------------------------------------- what that asks of the journal


@dataclass(frozen=True, slots=True)
class Target:
    """A delivery as an operator's action finds it."""

    waiting: Waiting
    delivery_id: DeliveryId
    next_hop: NodeId | None
    came_from: NodeId | None
    sealed: bool
    rests: bool = False
    """Another delivery that its transfer carries is held."""

    @property
    def row(self) -> DeliveryRow:
        return self.waiting.delivery_row

    @property
    def state(self) -> DeliveryState:
        return self.waiting.state

    @property
    def transfer(self) -> OpenTransfer | None:
        """The frozen one that waits for its answer."""
        return self.waiting.transfer


@dataclass(frozen=True, slots=True)
class Freed:
    """A transfer to be closed without an answer. `never_seen`: its neighbour says so; otherwise every
    attempt of it was refused before anything was taken, which the journal looks at again."""

    transfer_id: TransferId
    never_seen: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """`left` are the deliveries whose state did not allow it any more."""

    rows: int
    left: int
    hops: frozenset[NodeId]
    unsealed: bool = False
    """Some of them wait for their seal."""


@dataclass(frozen=True, slots=True)
class FrozenPage:
    rows: tuple[DeliveryRow, ...]
    cursor: tuple[int, int]
    transfers: int


class OperatingJournal(Protocol):
    """Writes are durable, with their audit entries, when they return.

    IllegalStepError: something is no longer where the caller believed; then nothing was changed.
    """

    async def rows_of(self, name: str) -> Sequence[DeliveryRow]:
        """The delivery of that id, or all of the message's; empty for an unknown one."""
        ...

    async def targets(self, rows: Sequence[DeliveryRow]) -> list[Target]: ...
    async def newest(self) -> DeliveryRow: ...
    async def queued(
        self, neighbour: NodeId, lane: Lane, after: int, until: int, limit: int
    ) -> list[tuple[DeliveryRow, AgencyCode]]:
        """Not frozen, in ascending order of row."""
        ...

    async def frozen(
        self, neighbour: NodeId, after: tuple[int, int], transfers: int
    ) -> FrozenPage: ...
    async def sealing(self, neighbour: NodeId, after: int, limit: int) -> list[DeliveryRow]: ...
    async def held(self, neighbour: NodeId, after: int, limit: int) -> list[DeliveryRow]: ...
    async def hold(
        self, order: Order, rows: Sequence[DeliveryRow], freed: Freed | None = None
    ) -> Moved: ...
    async def let_go(self, order: Order, rows: Sequence[DeliveryRow]) -> Moved:
        """Held ones wait again: in the queue, or for their seal."""
        ...

    async def reroute(
        self, order: Order, hops: Mapping[DeliveryRow, NodeId], freed: Freed | None = None
    ) -> Moved: ...
    async def consign(
        self,
        order: Order,
        targets: Collection[Target],
        proof: tuple[Signed, Receipt],
        freed: Freed | None,
    ) -> set[NodeId]:
        """They are served here by now; the neighbours that the receipt has to travel back to."""
        ...

    async def end(
        self,
        order: Order,
        targets: Collection[Target],
        proof: tuple[Signed, Receipt],
        freed: Freed | None,
    ) -> set[NodeId]:
        """Cancelled, or outcome-unknown where the receipt says so."""
        ...

    async def hasten(
        self, order: Order, neighbours: Sequence[NodeId], transfers: Sequence[TransferId] | None
    ) -> int:
        """No frozen transfer to them waits any longer; only these ones, where they are named."""
        ...

    async def unpark(self, order: Order, neighbour: NodeId) -> int:
        """The receipts it refused once wait for it again; how many."""
        ...

    async def unpark_of(self, order: Order, rows: Sequence[DeliveryRow]) -> dict[NodeId, int]:
        """The same for the messages of these deliveries, by neighbour."""
        ...
