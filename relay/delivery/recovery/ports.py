"""Recovery after a restore: what is written down of it, and the doors its desks go through.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from relay.delivery.ports import Caller
from relay.delivery.records import Admission
from relay.model import (
    AgencyCode,
    Digest,
    Envelope,
    NodeId,
    Payload,
    Receipt,
    Seal,
    Signed,
    TransferId,
)

CAPABILITY = "recovery"
"""What a node that can help a restored neighbour says of itself."""


class Step(StrEnum):
    """How far a restored node is with one neighbour, in this order."""

    RECEIPTS = "receipts"
    """It is asked for this node's own receipts of what recipients here acknowledged."""
    ASKING = "asking"
    """It is asked to send again what it sent, and which transfers of ours it has."""
    DOCUMENTS = "documents"
    """The documents of those transfers are fetched back."""
    ANSWERED = "answered"
    UNSUPPORTED = "unsupported"
    """It is of an age that cannot help."""
    SKIPPED = "skipped"
    """An operator gave it up."""


DONE = frozenset({Step.ANSWERED, Step.UNSUPPORTED, Step.SKIPPED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far recovery is with one neighbour. Counts are of what was found so far."""

    neighbour: NodeId
    step: Step
    cursor: int | None
    documents: int
    receipts: int
    transfers: int
    missing: int
    done_at: datetime | None
    by: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """The present recovery, or the last one. `since` None: it is over."""

    since: datetime | None
    finished_at: datetime | None
    neighbours: tuple[Progress, ...]


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest documents signed by the asking node that the asked one holds: whoever signed them
    knows them, unless it was rolled back."""

    receipt: Signed | None
    transfer: Signed | None


@dataclass(frozen=True, slots=True)
class Described:
    """What a neighbour says of itself."""

    capabilities: frozenset[str]
    newest: Newest
    time: datetime | None = None
    """What time it was there; None from a node of an age that does not tell."""


@dataclass(frozen=True, slots=True)
class OwnReceipts:
    """A page of the asking node's own receipts; `cursor` None: the last."""

    receipts: tuple[Signed, ...]
    cursor: int | None


@dataclass(frozen=True, slots=True)
class Reminder:
    """A page of what was exchanged. `transfers` and `receipts` come again by themselves; `sent` are
    transfers of the asking node's own messages; `gone` transfers whose envelope is no longer there."""

    transfers: int
    receipts: int
    gone: int
    sent: tuple[TransferId, ...]
    cursor: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer as it once came in: its header with its sender's signature, seal and envelope."""

    header: Signed
    seal: Seal
    digest: Digest


@dataclass(frozen=True, slots=True)
class SentBack:
    """The same, fetched by its sender; nothing of it is proven."""

    header: Signed
    seal: bytes
    envelope: Envelope
    payload: Payload


@dataclass(frozen=True, slots=True)
class Readmission:
    """A message of ours to be admitted again. `carried` are the recipients of the transfer that proves
    it; `wider_key` the submission key of all the document names, where that is another one."""

    admission: Admission
    carried: frozenset[AgencyCode]
    wider_key: str | None


@dataclass(frozen=True, slots=True)
class Loss:
    """A document of ours that this node does not know: what it is of, and when it was signed."""

    neighbour: NodeId
    digest: Digest
    kind: str
    signed_at: datetime


class RecoveryJournal(Protocol):
    """The restored node's own book-keeping. Every write is durable when it returns."""

    async def prepare(self, neighbours: Sequence[NodeId], at: datetime) -> None:
        """Before anything else at a start: who is to be asked. Ends at once where nobody is."""
        ...

    async def standing(self) -> Recovery: ...
    async def lost_until(self) -> datetime | None:
        """What this node signed up to then it may have lost."""
        ...

    async def knows(self, digest: Digest, transfer_id: TransferId | None) -> bool: ...
    async def accept_loss(self, digests: Sequence[Digest]) -> None:
        """These are known to be lost: no news the next time."""
        ...

    async def roll_back(self, loss: Loss, at: datetime) -> bool:
        """Begin a new epoch of the log and a recovery; False when the loss is explained by now."""
        ...

    async def keep_own(self, receipts: Sequence[tuple[Signed, Receipt]]) -> None:
        """For their messages, when those come back; at once for what is here."""
        ...

    async def step(self, neighbour: NodeId, step: Step, at: datetime) -> bool:
        """False when it was given up meanwhile, as in all that follow."""
        ...

    async def reminded(self, neighbour: NodeId, page: Reminder) -> bool: ...
    async def wanted(self, neighbour: NodeId, limit: int) -> list[TransferId]:
        """The oldest first: a renewal finds the message it renews."""
        ...

    async def readmit(
        self, neighbour: NodeId, transfer_id: TransferId, again: Readmission, at: datetime
    ) -> list[NodeId]:
        """The neighbours something now waits for; empty when all of it was here."""
        ...

    async def give_up(
        self, neighbour: NodeId, transfer_id: TransferId, reason: str, at: datetime
    ) -> None:
        """This document does not come back."""
        ...

    async def skip(self, by: Caller, neighbour: NodeId, why: str, at: datetime) -> None:
        """Raises NotFoundError for no neighbour of this recovery, ConflictError when it is done."""
        ...

    async def finish(self, at: datetime) -> bool:
        """Whether every neighbour is done, and with that the recovery."""
        ...

    async def settle_early(self, at: datetime) -> int:
        """Apply kept receipts whose message is here, forget those kept too long; how many remain."""
        ...


class RecoveryWire(Protocol):
    """What a restored node asks of a neighbour. Raises as delivery.records.Wire does."""

    async def describe(self, neighbour: NodeId) -> Described: ...
    async def own_receipts(
        self, neighbour: NodeId, since: datetime, cursor: int | None
    ) -> OwnReceipts: ...
    async def remind(self, neighbour: NodeId, since: datetime, cursor: int | None) -> Reminder: ...
    async def sent(self, neighbour: NodeId, transfer_id: TransferId) -> SentBack:
        """The caller releases the payload."""
        ...


class ReminderJournal(Protocol):
    """What a node remembers for a restored neighbour."""

    async def newest(self, neighbour: NodeId) -> Newest: ...
    async def own_receipts(
        self, neighbour: NodeId, since: datetime, cursor: int | None
    ) -> OwnReceipts: ...
    async def remind(
        self, neighbour: NodeId, since: datetime, cursor: int | None, at: datetime
    ) -> Reminder: ...
    async def sent(self, neighbour: NodeId, transfer_id: TransferId) -> Sent | None: ...


class Recovering(Protocol):
    """For operators."""

    async def standing(self) -> tuple[Recovery, dict[NodeId, str]]:
        """And for neighbours that could not be asked, why."""
        ...

    async def skip(self, caller: Caller, neighbour: NodeId, why: str) -> None: ...
