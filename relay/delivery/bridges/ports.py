"""What bridges ask of the remote and of the journal, and the records between them.

Touches: nothing; values and Protocols only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from relay.delivery.ports import Acknowledgement
from relay.delivery.records import (
    Admission,
    Admitted,
    DeliveryRow,
    MessageRow,
    NeighbourState,
)
from relay.errors import PeerError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Digest,
    Event,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Reason,
    Receipt,
    Signed,
    TransferId,
)

BROUGHT_BY = "bridge:"
"""Begins the name under which what a bridge brings in is counted and logged."""
WHOLE = ""
"""The part that is a whole transfer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A raw answer: its digest goes into evidence, its bytes are kept while they are few."""

    digest: Digest
    content: bytes | None


class RemoteRefusalError(PeerError):
    """The remote answered FAIL: nothing was taken over. `passing`: the same call may yet succeed."""

    def __init__(self, code: str, text: str, answer: Answer, *, passing: bool) -> None:
        self.code, self.text, self.answer, self.passing = code, text, answer, passing
        super().__init__(f"the remote answered FAIL {code}: {text}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A package the remote has for us."""

    doc_id: str
    sender: str
    recipients: tuple[str, ...]
    """As its row names them; empty where it names nobody that could be a code."""
    row: Digest
    """Of the facts that do not change while it waits there."""


@dataclass(frozen=True, slots=True)
class SentListed:
    """A row of the remote's sent list: one recipient of a package."""

    doc_id: str
    message_type: str
    sender: str
    recipient: str
    title: str
    notation: str
    sent_at: datetime | None
    """None for a time that cannot be read."""
    sending: str
    sending_said: str
    receiving: str
    receiving_said: str


@dataclass(frozen=True, slots=True)
class Fetching:
    """A document on its way here; `answer` once its bytes are over."""

    call: str
    chunks: AsyncIterator[bytes]
    answer: Answer | None
    """None where the bytes themselves are the answer."""


class Twice(StrEnum):
    """Why a remote may get a package that it has already."""

    NOT_LISTED = "not-listed"
    """An earlier attempt had no answer, and its sent list does not show it."""
    NOT_ASKED = "not-asked"
    """Likewise, or a restore may have forgotten one, and the remote does not show what it was sent."""
    RESTORED = "restored"
    """A restore may have forgotten that it was sent; the remote's sent list does not show it."""


class Remote(Protocol):
    """One remote, by the dialect. Every call raises RemoteRefusalError for FAIL, UnansweredError for
    whatever is no usable answer, TransportError when the request never went out."""

    async def send(
        self, payload: Payload, sender: str, kind: MessageType, recipients: Sequence[str]
    ) -> tuple[str, Answer]:
        """The DocId. Not idempotent."""
        ...

    async def sent(
        self, kind: MessageType, doc_id: str | None = None
    ) -> tuple[Sequence[SentListed], Answer]: ...
    async def received(self, kind: MessageType, page: int, size: int) -> Sequence[Listed]:
        """`page` counts from 1; a remote may ignore both."""
        ...

    def fetch(self, doc_id: str) -> AbstractAsyncContextManager[Fetching]: ...
    async def acknowledge(self, doc_id: str, word: Acknowledgement) -> None: ...


@dataclass(frozen=True, slots=True)
class Package:
    """What is known of one package: of a whole transfer, or of one recipient of it."""

    part: str
    asked: int
    asked_at: datetime
    doc_id: str | None
    facts: Mapping[str, str]
    answer: Digest | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a frozen transfer says to a remote, beyond its header."""

    message_row: MessageRow
    sender_as: str
    subject: str
    notation: str
    attempts: int
    addressed: Mapping[AgencyCode, str]
    packages: Mapping[str, Package]
    accepted_at: datetime
    unsure: bool
    """This node was restored from a backup since: the remote may have it although nothing here says so."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A delivery that a remote has; what it says of it may change."""

    doc_id: str
    message_row: MessageRow
    message_id: MessageId
    origin: NodeId
    digest: Digest
    size_bytes: int
    message_type: MessageType
    recipient: AgencyCode
    addressed_as: str
    state: DeliveryState
    acknowledgement: Acknowledgement
    delivery_row: DeliveryRow
    transfer_id: TransferId
    previous: Digest | None
    """This node's RelayToNonERDS."""


@dataclass(frozen=True, slots=True)
class Before:
    """What became of a docId earlier."""

    row: Digest
    refused: bool
    told: str
    to_tell: bool
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class ToTell:
    doc_id: str
    refused: bool
    told: str


@dataclass(frozen=True, slots=True)
class Entering:
    """A fetched document, judged and ready to become a message."""

    bridge: NodeId
    listed: Listed
    business: Digest
    admission: Admission


@dataclass(frozen=True, slots=True)
class Entered:
    """Durable. `admitted` None: all of it was here already."""

    admitted: Admitted | None
    message_row: MessageRow


@dataclass(frozen=True, slots=True)
class HereAlready:
    """Nothing was stored: these recipients have it. Prepare the others."""

    recipients: frozenset[AgencyCode]


@dataclass(frozen=True, slots=True)
class Turned:
    """A package refused here."""

    bridge: NodeId
    listed: Listed
    reason: Reason
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """The remote's word on one delivery, as evidence of ours."""

    followed: Followed
    event: Event
    signed: Signed
    receipt: Receipt
    answer: Answer = field(repr=False)


class BridgeJournal(Protocol):
    """Every write is durable when it returns."""

    async def header(self, transfer_id: TransferId) -> Signed: ...
    async def outgoing(self, transfer_id: TransferId) -> Outgoing: ...
    async def asking(
        self,
        bridge: NodeId,
        transfer_id: TransferId,
        part: str,
        row: MessageRow,
        at: datetime,
        twice: Twice | None,
    ) -> None:
        """Before an attempt: from now on the remote may have it; `twice`: it may have had it before."""
        ...

    async def not_taken(self, transfer_id: TransferId, part: str) -> None: ...
    async def has_it(
        self,
        transfer_id: TransferId,
        part: str,
        doc_id: str,
        facts: Mapping[str, str],
        answer: Answer,
        at: datetime,
    ) -> None: ...
    async def bound(self, bridge: NodeId, doc_id: str) -> bool:
        """Whether this docId is another package of ours."""
        ...

    async def followed(
        self, bridge: NodeId, since: datetime, behind: Followed | None, limit: int
    ) -> list[Followed]:
        """What was sent there since and has not ended, the newest first; those behind that one."""
        ...

    async def hear(self, heard: Heard, at: datetime) -> set[NodeId]: ...
    async def received(self, bridge: NodeId, doc_id: str) -> Before | None: ...
    async def to_tell(self, bridge: NodeId, limit: int) -> list[ToTell]: ...
    async def tell_again(self, bridge: NodeId, doc_id: str, at: datetime) -> None: ...
    async def told(
        self, bridge: NodeId, doc_id: str, word: Acknowledgement, *, last: bool, at: datetime
    ) -> None: ...
    async def enter(self, entering: Entering, at: datetime) -> Entered | HereAlready: ...
    async def turn_away(self, turned: Turned) -> None: ...
    async def poll_state(self, bridge: NodeId) -> NeighbourState | None: ...
    async def store_poll_state(self, bridge: NodeId, state: NeighbourState) -> None: ...
