"""What the faces ask of delivery, and what delivery asks of the rooms it must not import.

Touches: nothing; values and Protocols only. relay/node joins the real parts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from relay.delivery.wanted import Wanted
from relay.judgement import Judgement
from relay.model import (
    AgencyCode,
    BusinessState,
    DeliveryId,
    DeliveryState,
    Digest,
    Envelope,
    Event,
    Finding,
    MessageId,
    MessageType,
    NodeId,
    ObligationKind,
    ObligationState,
    Payload,
    Priority,
    Reason,
    Seal,
    SealKind,
    Signed,
    TransferId,
)

# ---------------------------------------------------------------- who asks


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated system, token or local operator. `holder` names it in the audit log.

    `agencies` are directory codes it speaks for. An operator may see everything, an auditor read
    the log and every trace.
    """

    holder: str
    agencies: frozenset[AgencyCode]
    operator: bool = False
    auditor: bool = False
    local: bool = False
    """At the node's own control socket: may do with a reason what else only the agency may."""


# ---------------------------------------------------------------- intake


@dataclass(frozen=True, slots=True)
class Submission:
    """An envelope handed in by a DMS.

    `declared_from` is the code the caller signed for (axis header `from`), None on the native face;
    `declared_to` the recipients it listed outside the document, None to take the document's own.
    """

    caller: Caller
    envelope: Envelope
    payload: Payload
    declared_from: str | None = None
    declared_to: tuple[str, ...] | None = None
    seal: bytes | None = None
    """An agency-supplied XAdES seal over the envelope's bytes, unverified."""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission: durable, and the same for every repeat."""

    message_id: MessageId
    accepted_at: datetime
    receipt: Digest
    """Digest of the SubmissionAcceptance receipt."""
    repeated: bool


class Intake(Protocol):
    async def submit(self, submission: Submission) -> Accepted:
        """Return only once the message is durable. Safe to repeat.

        Raises AccessError (From is not the caller's), RouteError (no recipient has a route),
        EnvelopeError, SignatureError (supplied seal), ConflictError (idempotency key),
        OverloadError, JournalError.
        """
        ...


# ---------------------------------------------------------------- the recipient's side


class Acknowledgement(StrEnum):
    """updateStatus: a transport acknowledgement, not a business status."""

    INITIAL = "initial"
    PROCESSING = "processing"
    DONE = "done"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Answering:
    """What a status message says, and of which document, as it writes it."""

    status_code: str
    document_id: str
    notation: str
    promulgation_date: str


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One delivery served here, as its recipient's system sees it."""

    delivery_id: DeliveryId
    cursor: int
    """Ascending; `after=` the last one seen gives what came later."""
    message_id: MessageId
    message_type: MessageType
    sender: str
    """The code as the document wrote it."""
    recipient: str
    """The code as the document (or the sender's header) wrote it."""
    subject: str
    notation: str
    priority: Priority
    digest: Digest
    size_bytes: int
    state: DeliveryState
    acknowledgement: Acknowledgement
    available_at: datetime
    updated_at: datetime
    seal_kind: SealKind
    answering: Answering | None = None
    """Of a status; None for a document."""
    put_back_because: str = ""
    """The recipient's own words, where it is acknowledged `fail`."""
    business: BusinessState = BusinessState.NONE
    obligation: ObligationState | None = None
    """Where the newest request to take it back or change it stands."""


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """A list request. `acknowledgement` None lists what is not yet acknowledged `done`; INITIAL what
    was put back (`fail`), too, for it waits to be taken again."""

    message_type: MessageType | None = None
    acknowledgement: Acknowledgement | None = None
    every_state: bool = False
    since: datetime | None = None
    until: datetime | None = None
    after: int = 0
    skip: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Fetched:
    item: InboxItem
    payload: Payload
    seal: Seal


class Inbox(Protocol):
    """Every call touches only deliveries of the caller's agencies, else NotFoundError."""

    async def list(self, caller: Caller, query: InboxQuery) -> list[InboxItem]: ...
    async def count(self, caller: Caller, message_type: MessageType) -> int: ...
    async def find(self, caller: Caller, delivery_id: DeliveryId) -> InboxItem: ...

    async def fetch(self, caller: Caller, delivery_id: DeliveryId) -> Fetched:
        """The state `fetched` is durable before this returns."""
        ...

    async def acknowledge(
        self,
        caller: Caller,
        delivery_id: DeliveryId,
        acknowledgement: Acknowledgement,
        reason: str = "",
        why: str = "",
    ) -> InboxItem:
        """Idempotent; `done` leaves a ContentHandover receipt on its way back to the origin.

        Only the recipient's own caller may; a local operator with `why`, which is recorded. Else
        AccessError.
        """
        ...


# ---------------------------------------------------------------- the sender's side


@dataclass(frozen=True, slots=True)
class SentItem:
    """One delivery of a message that entered here, as its sender's system sees it."""

    message_id: MessageId
    """The sender's DocId."""
    delivery_id: DeliveryId
    message_type: MessageType
    sender: str
    recipient: str
    subject: str
    notation: str
    accepted_at: datetime
    state: DeliveryState
    acknowledgement: Acknowledgement
    """What the recipient's system acknowledged, as far as receipts tell."""
    settled_at: datetime | None
    reason: Reason | None
    detail: str
    failed_at_node: NodeId | None
    """Who refused or gave up, when it ended negatively."""
    business: BusinessState = BusinessState.NONE
    obligation: ObligationState | None = None


@dataclass(frozen=True, slots=True)
class SentQuery:
    message_type: MessageType | None = None
    message_id: MessageId | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: Mapping[MessageType, frozenset[DeliveryState]] | None = None
    """Only deliveries in these, by the kind of their message; None: in any."""
    skip: int = 0
    limit: int = 100


class Outbox(Protocol):
    """Newest first, so that a list cut short loses the oldest."""

    async def list(self, caller: Caller, query: SentQuery) -> list[SentItem]: ...


# ---------------------------------------------------------------- tracking


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A stored, verified receipt's evidence for one recipient."""

    digest: Digest
    event: Event
    issuer: NodeId
    recipient: AgencyCode
    at: datetime
    previous: Digest | None
    transfer_id: TransferId | None
    sent_by: NodeId | None
    reason: Reason | None
    detail: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """A business status that came (or went) for a document: domain §3's codes."""

    message_id: MessageId
    status_code: str
    sender: str
    description: str
    timestamp: str
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class ObligationView:
    """What one agency is asked to do with a document it was sent (requests.py)."""

    cursor: int
    kind: ObligationKind
    state: ObligationState
    answer: str | None
    """15, 16, or none yet."""
    cause: MessageId
    """The message that asks: a status 13, or the document that revokes, updates or replaces."""
    document: MessageId | None
    """None until the document is known here."""
    delivery_id: DeliveryId | None
    sender: AgencyCode
    recipient: AgencyCode
    document_id: str
    notation: str
    promulgation_date: str
    asked_at: datetime
    due_at: datetime
    settled_at: datetime | None
    reason: Reason | None = None
    """Why the document never reached the recipient, where it did not."""

    def overdue(self, now: datetime) -> bool:
        return self.state in OPEN and self.due_at <= now


OPEN = frozenset({ObligationState.REQUESTED, ObligationState.DESTRUCTION_ASKED})
"""Without an answer, and not known to need none."""


@dataclass(frozen=True, slots=True)
class ObligationQuery:
    agency: AgencyCode | None = None
    state: ObligationState | None = None
    overdue: bool = False
    after: int = 0
    limit: int = 100


class Obligations(Protocol):
    async def list(self, caller: Caller, query: ObligationQuery) -> list[ObligationView]:
        """In the order they were asked; an agency sees those it asked and those asked of it.

        Raises NotFoundError where all are seen and nobody is known by the code asked for.
        """
        ...


@dataclass(frozen=True, slots=True)
class DeliveryView:
    delivery_id: DeliveryId
    recipient: AgencyCode
    addressed_as: str
    state: DeliveryState
    next_hop: NodeId | None
    attempts: int
    next_attempt_at: datetime | None
    last_error: str
    reason: Reason | None
    detail: str
    receipts: tuple[ReceiptView, ...]
    """In the order of the way: submission, each hop, consignment, handover."""
    statuses: tuple[StatusView, ...]
    business: BusinessState = BusinessState.NONE
    """What the recipient's statuses say; the transport's `state` says nothing of it, nor it of that."""
    obligations: tuple[ObligationView, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageView:
    message_id: MessageId
    origin: NodeId
    message_type: MessageType
    sender: AgencyCode
    subject: str
    notation: str
    document_id: str
    priority: Priority
    digest: Digest
    size_bytes: int
    accepted_at: datetime
    expires_at: datetime
    seal_kind: SealKind | None
    linked_to: MessageId | None
    """The first message, where a repeat after a negative receipt started this one."""
    findings: tuple[Finding, ...]
    deliveries: tuple[DeliveryView, ...]
    judgement: Judgement | None = None
    """Of the signatures others made in it; None where none was judged here, or not yet."""
    judging: bool = False
    """It waits to be judged."""


class StatementKind(StrEnum):
    """What an authority said of revocation."""

    CRL = "crl"
    OCSP = "ocsp"


@dataclass(frozen=True, slots=True)
class Kept:
    """A CRL or OCSP response as it was taken, DER."""

    kind: StatementKind
    digest: Digest
    content: bytes
    this_update: datetime
    next_update: datetime | None


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a message's seal and receipts, each once. Certificates are DER: signers' and their
    issuers', without the anchors."""

    certificates: tuple[bytes, ...] = ()
    statements: tuple[Kept, ...] = ()


class Tracking(Protocol):
    """An agency sees its own messages (sent or received), operators and auditors all of them."""

    async def message(self, caller: Caller, message_id: MessageId) -> MessageView: ...
    async def receipt(self, caller: Caller, digest: Digest) -> Signed: ...
    async def seal(self, caller: Caller, message_id: MessageId) -> Seal: ...
    async def beside(self, caller: Caller, message_id: MessageId) -> Beside: ...


# ---------------------------------------------------------------- the log, for its readers


@dataclass(frozen=True, slots=True)
class LogEntry:
    index: int
    leaf: bytes
    """The exact leaf bytes: canonical JSON (audit/entries.py)."""
    salt: bytes = b""
    words: Mapping[str, str] = field(default_factory=dict)
    """What stands beside it, place in the leaf → text (audit/words.py), checked against the leaf; empty
    where nothing does, or no longer."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, ascending, and where to go on: past all that was looked at, wanted or not."""

    entries: tuple[LogEntry, ...]
    next: int
    more: bool
    """Whether there were entries from `next` on already."""


@dataclass(frozen=True, slots=True)
class LogEntryWhole:
    """One entry, and what the node knows of it."""

    entry: LogEntry
    leaf_hash: str
    """As stored with it, in hex."""
    log: str
    """The name of the log in its epoch."""
    before: LogEntry | None
    after: LogEntry | None


class LogReader(Protocol):
    async def page(self, wanted: Wanted, after: int, limit: int) -> LogPage:
        """At most `limit` wanted entries with index >= `after`."""
        ...

    async def last(self, wanted: Wanted, limit: int) -> LogPage:
        """The last `limit` wanted entries there are; `next` is where the next one will stand."""
        ...

    async def since(self, at: datetime, after: int) -> int:
        """From where on, at or after the index `after`, entries are of this instant or later."""
        ...

    def follow(self, wanted: Wanted, after: int, limit: int) -> AsyncIterator[LogPage]:
        """Wanted entries from `after` on, then those that are committed, as pages of at most `limit`; a
        page may hold none and only move on. Never ends by itself."""
        ...

    async def whole(self, index: int) -> LogEntryWhole:
        """Raises NotFoundError."""
        ...

    async def head(self) -> bytes:
        """The latest signed head, a C2SP checkpoint note."""
        ...


# ---------------------------------------------------------------- refusals


class Refusals(Protocol):
    """Where the faces tell whom they refused. Reasons are short stable words, never a caller's text."""

    def stranger(self, face: str, reason: str) -> None:
        """A caller that never authenticated: counted, and summed up once a minute."""
        ...

    async def known(self, face: str, caller: str, reason: str, *, entry: bool = True) -> bool:
        """An authenticated caller; True where a log line of its own is due. `entry` False leaves no
        audit entry: what was asked for is only not there."""
        ...


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True, slots=True)
class TokenView:
    token_id: str
    holder: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


class Tokens(Protocol):
    async def issue(
        self, by: Caller, holder: str, scopes: tuple[str, ...]
    ) -> tuple[TokenView, str]:
        """The view and the secret, which is shown once; only its hash is stored."""
        ...

    async def list(self) -> list[TokenView]: ...
    async def revoke(self, by: Caller, token_id: str) -> TokenView: ...

    async def authenticate(self, secret: str) -> Caller:
        """Raises AccessError for an unknown or revoked token."""
        ...


# ---------------------------------------------------------------- payloads


class Upload(Protocol):
    """A payload on its way in. Small ones stay in memory, larger ones go to a file as they come."""

    def write(self, chunk: bytes) -> None:
        """Bounded work; raises JournalError when the disk refuses, EnvelopeError over the limit."""
        ...

    async def finish(self) -> Payload:
        """Fsynced when it is a file."""
        ...

    def abort(self) -> None:
        """Forget it; safe after finish and to repeat."""
        ...


class PayloadStore(Protocol):
    def begin(self, limit_bytes: int) -> Upload: ...

    def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        """The exact bytes, in chunks, from there on."""
        ...

    async def release(self, payload: Payload) -> None:
        """Whoever finished an upload says once that it is done with it, admitted or refused.

        A file that no message refers to is removed then.
        """
        ...
