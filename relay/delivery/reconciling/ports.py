"""The words of a reconciliation, what each side lists, and the doors to the journal and to neighbours.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from relay.delivery.ports import Caller
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    MessageId,
    MessageType,
    NodeId,
    Reason,
    TransferId,
    delivery_id_of,
)

CAPABILITY: Final = "reconcile"
"""In a node's capabilities: it lists what was exchanged (docs/wire-format.md W21)."""
MOST_NAMED: Final = 10_000
"""Differences that are told one by one; all are counted."""


class Side(StrEnum):
    """Which way documents went, as seen by whose list it is."""

    SENT = "sent"
    RECEIVED = "received"

    @property
    def other(self) -> Side:
        return Side.RECEIVED if self is Side.SENT else Side.SENT


class Standing(StrEnum):
    """How far a node believes a delivery is that was exchanged with a neighbour (W21.5)."""

    UNDER_WAY = "under-way"
    """Sent, and not answered yet."""
    TAKEN = "taken"
    AVAILABLE = "available"
    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    TAKEN_BACK = "taken-back"
    UNKNOWN = "unknown"
    """Given up without an answer."""
    LOST = "lost"
    """Accepted by this node's own receipt, and nothing stands here."""


ENDED_UNSENT: Final = frozenset({Standing.EXPIRED, Standing.CANCELLED, Standing.UNKNOWN})
"""Of a sender whose neighbour lists nothing: nothing was lost."""
DEAD: Final = ENDED_UNSENT | {Standing.REFUSED, Standing.TAKEN_BACK, Standing.LOST}
"""The recipient did not have it by this delivery: another one of the same bytes is no second."""


@dataclass(frozen=True, slots=True)
class Believed:
    """One recipient of a transfer."""

    recipient: AgencyCode
    standing: Standing
    changed: datetime


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One transfer between two neighbours, as one of them believes it to be."""

    transfer_id: TransferId
    message_id: MessageId
    origin: NodeId
    message_type: MessageType
    sender: AgencyCode
    digest: Digest
    answer: Digest | None
    """The receipt that answered it."""
    at: datetime
    recipients: tuple[Believed, ...]

    def delivery_id(self, one: Believed) -> DeliveryId:
        return delivery_id_of(self.origin, self.message_id, one.recipient)


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of one side, by transfer id, ascending."""

    transfers: tuple[Exchanged, ...]
    cursor: TransferId | None
    """Where the next page begins; None on the last."""


@dataclass(frozen=True, slots=True)
class Told:
    """A neighbour's page: its own time, and since when it keeps all of it."""

    listing: Listing
    now: datetime
    kept_since: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Transfers minted in [since, until), those after `after` only, up to `last` where it is given.

    A transfer's id tells when its sender minted it, so both sides mean the same ones whatever their clocks.
    """

    since: datetime
    until: datetime
    after: TransferId | None = None
    last: TransferId | None = None


# ---------------------------------------------------------------- with a document-management system


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a system believes: one document it sent or received. Absent texts are empty."""

    side: Side
    message_id: MessageId | None = None
    delivery_id: DeliveryId | None = None
    document_id: str = ""
    notation: str = ""
    promulgation_date: str = ""
    digest: Digest | None = None
    agency: AgencyCode | None = None
    """The other one: who it was sent to, or who sent it."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """One delivery that this node keeps for an agency it serves."""

    side: Side
    message_id: MessageId
    delivery_id: DeliveryId
    agency: AgencyCode
    """The other one."""
    digest: Digest
    document_id: str
    notation: str
    promulgation_date: str
    at: datetime
    changed: datetime
    state: DeliveryState
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What this node knows of ids that lie outside the period."""

    kept: Mapping[str, Kept]
    """By message id, and by delivery id."""
    archived: frozenset[str]
    """Messages whose rows left for the archive."""


NOWHERE: Final = Elsewhere({}, frozenset())

# ---------------------------------------------------------------- what comes of it


class Kind(StrEnum):
    MISSING = "missing"
    DOUBLED = "doubled"
    DIFFERENT = "different"
    UNDER_WAY = "under-way"
    """So near the edge of the period, or so recent, that word may be on its way: no fault."""
    NOT_COMPARED = "not-compared"
    """Older than what one side keeps, or archived: nothing can be said."""


FAULTS: Final = (Kind.MISSING, Kind.DOUBLED, Kind.DIFFERENT)


class What(StrEnum):
    """What exactly is so; wording.py says each to people."""

    NOT_KNOWN = "not-known"
    """`where` does not list it."""
    ROW_LOST = "row-lost"
    """`where` accepted it by a signed receipt, and has nothing of it now."""
    NOT_FETCHED = "not-fetched"
    """It waits for its recipient's system."""
    NOT_ACKNOWLEDGED = "not-acknowledged"
    SAME_BYTES = "same-bytes"
    """The same bytes went to the same recipient under another message id: `ours`."""
    LISTED_TWICE = "listed-twice"
    DIGEST = "digest"
    ANSWER = "answer"
    STANDING = "standing"
    AGENCY = "agency"
    DOCUMENT = "document"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Difference:
    """One delivery of which the two do not say the same."""

    kind: Kind
    what: What
    side: Side
    """As seen from here."""
    where: str
    """Who lacks it or says otherwise: a node, `relay` or `dms`."""
    agency: AgencyCode
    """It is counted for this one."""
    sender: AgencyCode
    recipient: AgencyCode
    message_id: str
    delivery_id: str
    document: str
    at: datetime | None
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class AgencyLine:
    agency: AgencyCode
    same: int
    counts: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Report:
    """Of one reconciliation. `party` is the neighbour, or the agency whose system asked."""

    party: str
    since: datetime
    until: datetime
    at: datetime
    kept_since: datetime
    """Before that one side or the other may have let rows go."""
    offset_seconds: int
    """How far the other's clock is ahead of ours; 0 where it has none."""
    compared: Mapping[Side, int]
    same: int
    counts: Mapping[Kind, int]
    agencies: tuple[AgencyLine, ...]
    differences: tuple[Difference, ...]
    unnamed: int
    """How many more there are than `differences` names."""

    @property
    def agrees(self) -> bool:
        return not any(self.counts[kind] for kind in FAULTS)


# ---------------------------------------------------------------- doors


@dataclass(frozen=True, slots=True)
class Twice:
    """A delivery whose bytes its recipient had already by an earlier one."""

    side: Side
    recipient: AgencyCode
    sender: AgencyCode
    message_id: MessageId
    delivery_id: DeliveryId
    at: datetime
    first: MessageId


class Doubles(Protocol):
    """Remembers what was met, beside memory. Every call may take some milliseconds: not on the loop."""

    def add(self, side: Side, transfers: Sequence[Exchanged]) -> None: ...
    def found(self) -> Sequence[Twice]: ...
    def close(self) -> None: ...


class ExchangeJournal(Protocol):
    """Each call is bounded: a few thousand rows by an index."""

    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Listing: ...
    async def sent_to(
        self, neighbour: NodeId, deliveries: Sequence[DeliveryId]
    ) -> frozenset[DeliveryId]:
        """Those of them that were sent there by whatever transfer."""
        ...

    async def notations(self, messages: Sequence[str]) -> Mapping[str, str]:
        """The numbers of those documents that are known here, as people write them."""
        ...

    async def noted(
        self, by: Caller, report: Report, why: str, *, neighbour: NodeId | None
    ) -> None:
        """An entry of the log says that it was run, and what came of it."""
        ...

    def doubles(self) -> Doubles: ...


class KeptJournal(Protocol):
    async def kept(
        self,
        forms: Collection[AgencyCode],
        since: datetime,
        until: datetime,
        types: Collection[MessageType],
        most: int,
    ) -> list[Kept]:
        """All of the period, up to some more than `most`. An agency's code changed its form: older rows
        have the older one."""
        ...

    async def elsewhere(self, forms: Collection[AgencyCode], ids: Sequence[str]) -> Elsewhere:
        """Of these messages and deliveries, those that are the agency's."""
        ...


class Ask(Protocol):
    async def capable(self, neighbour: NodeId) -> bool: ...
    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Told:
        """`side` is the neighbour's. Raises TransportError, UnansweredError, PeerError."""
        ...


@dataclass(frozen=True, slots=True)
class Period:
    """`agency` narrows what is told and counted."""

    since: datetime
    until: datetime
    agency: AgencyCode | None = None
    grace_seconds: int = 900
    """What is younger may be on its way."""


class Reconciler(Protocol):
    """For the native face."""

    async def with_neighbour(
        self, caller: Caller, neighbour: NodeId, period: Period, why: str
    ) -> Report:
        """Raises NotFoundError (neighbour, agency), NotPossibleError, OverloadError, TransportError, PeerError."""
        ...

    async def with_system(
        self,
        caller: Caller,
        agency: str,
        period: Period,
        types: Collection[MessageType],
        claims: Sequence[Claimed],
    ) -> Report:
        """Raises AccessError, NotFoundError (an agency), NotPossibleError, OverloadError."""
        ...
