"""What attaching proofs to receipts needs of journal, log, keys and wire.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NewType, Protocol

from relay.model import Digest, NodeId, Receipt, Signed
from relay.wire.attached import Answered
from relay.wire.passage import Passage

CAPABILITY: Final = "receipt-proofs"
"""In a node's capabilities: it takes proofs of receipts and hands them on."""
PASSAGES_CAPABILITY: Final = "passages"
"""And proofs of what waited on its way (W18)."""

AttachRow = NewType("AttachRow", int)


@dataclass(frozen=True, slots=True)
class Due:
    """A proof that is to go to a neighbour: one that came, or else of an entry of this node's log, which has
    to be looked for where it is not told."""

    row: AttachRow
    receipt: Digest
    entry: int | None
    attempts: int
    proof: bytes | None
    is_passage: bool = False
    """Not of the receipt itself, but of how the message fared that it is about."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long what waits, and how much of it."""

    uncosigned_after: timedelta
    """A receipt whose head nobody cosigned within this goes with a proof that says so."""
    keep_for: timedelta
    most_waiting: int
    """For each neighbour."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of this node's log that is published: indexes from `first` on, below `published`; those
    below `cosigned` under a head that somebody cosigned."""

    first: int
    published: int
    cosigned: int

    @property
    def end(self) -> int:
        return max(self.published, self.cosigned)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A proof that was judged: the head it leads to, and how many others signed that."""

    receipt: Receipt
    digest: Digest
    log: str
    size: int
    cosigned: int
    proof: bytes
    note: bytes = b""
    """The head as it is signed."""
    passage: Passage | None = None
    """What it proves, where that is more than that the receipt was made."""
    leaf: bytes = b""
    """Of a passage, the entry."""


@dataclass(frozen=True, slots=True)
class Dropped:
    neighbour: NodeId
    count: int
    reason: str


class OwnLog(Protocol):
    """This node's log, as far as it is published."""

    async def stretches(self) -> Sequence[Stretch]:
        """Of each epoch, in order, up to the first that is not published whole. AuditError, JournalError."""
        ...

    async def entry_of(self, receipt: Digest) -> int | None:
        """The first entry that names it; None where there is none. AuditError, JournalError."""
        ...

    async def prove(self, entries: Sequence[int], to: NodeId) -> Mapping[int, bytes]:
        """Proofs of these entries, without receipts, by the best head there is; those that cannot be had
        are left out. AuditError where the log is in doubt, JournalError."""
        ...


class Opened(Protocol):
    """A proof that is in its form; nothing of it is proven."""

    @property
    def about(self) -> Digest:
        """Which receipt it says that it is of."""
        ...

    def judge(self, receipt: Signed, issuer: NodeId, now: datetime) -> Arrived:
        """Long work. Raises AuditError, SignatureError (UncertainError: not now), WireError."""
        ...


class AttachJudge(Protocol):
    def open(self, proof: bytes) -> Opened:
        """Long work. Raises AuditError."""
        ...


class Heads(Protocol):
    """What this node cosigned of others' logs, as a witness."""

    async def contradicts(self, note: bytes, by: NodeId) -> bool:
        """Whether another head of that log and size was cosigned here. Then two histories are proven, and the
        witness has been told. `note` is signed by the log's key. OverloadError, JournalError."""
        ...


class AttachBook(Protocol):
    """The journal's side. Every write is durable when it returns."""

    async def gather(
        self, stretch: Stretch, to: Collection[NodeId], at: datetime, before: datetime
    ) -> tuple[int, frozenset[NodeId]]:
        """Queue the proofs of this node's receipts in the next slice of the log: of entries that are
        cosigned, or of before that instant. Which index comes next, and for whom any were queued.
        AuditError where a row of the log was edited."""
        ...

    async def due(self, neighbour: NodeId, now: datetime, limit: int) -> list[Due]:
        """None of them goes ahead of its receipt (W18.4)."""
        ...

    async def whose(self, now: datetime) -> list[NodeId]:
        """The neighbours for which any is due."""
        ...

    async def done(self, rows: Sequence[AttachRow]) -> None: ...

    async def put_off(self, rows: Sequence[tuple[AttachRow, datetime]]) -> None: ...

    async def refused(self, neighbour: NodeId, one: Due, at: datetime) -> None:
        """It is sent no more; an entry says so."""
        ...

    async def known(self, receipts: Collection[Digest]) -> Mapping[Digest, tuple[Signed, NodeId]]:
        """Those that stand here, and who issued them."""
        ...

    async def keep(self, arrived: Sequence[Arrived], at: datetime) -> frozenset[NodeId]:
        """Beside their receipts, and queued for where those went, in one transaction: for whom (W20.6)."""
        ...

    async def drop(self, older_than: datetime, most: int, at: datetime) -> list[Dropped]:
        """What waits for too long, or is too much for one neighbour; an entry for each neighbour."""
        ...

    async def forget(self, neighbour: NodeId) -> None:
        """Nothing waits for it any more: it knows nothing of proofs."""
        ...

    async def forget_passages(self, neighbour: NodeId) -> None: ...


class AttachWire(Protocol):
    """Raises TransportError, PeerError."""

    async def takes_proofs(self, neighbour: NodeId) -> bool: ...

    async def takes_passages(self, neighbour: NodeId) -> bool: ...

    async def attach(self, neighbour: NodeId, proofs: Sequence[bytes]) -> Sequence[Answered]:
        """One answer for each, once what is kept is durable there."""
        ...
