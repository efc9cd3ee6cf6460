"""What delivery writes down and reads back: the records of the journal's door, and the door itself.

Touches: nothing; values and Protocols only. Rows are the journal's own integers, opaque here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Protocol

from relay.delivery.ports import (
    Acknowledgement,
    Caller,
    InboxItem,
    InboxQuery,
    LogEntry,
    LogEntryWhole,
    LogPage,
    MessageView,
    SentItem,
    SentQuery,
    TokenView,
)
from relay.delivery.turns import EVERY, Stretch
from relay.delivery.wanted import Wanted
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    Finding,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    ObligationKind,
    Payload,
    Priority,
    Reason,
    Receipt,
    Seal,
    Signed,
    TraceStep,
    TransferHeader,
    TransferId,
)

MessageRow = NewType("MessageRow", int)
ArrivalRow = NewType("ArrivalRow", int)
DeliveryRow = NewType("DeliveryRow", int)
ReturnRow = NewType("ReturnRow", int)


@dataclass(frozen=True, slots=True)
class Report:
    """What a status message says, with its agencies in directory codes."""

    status_code: str
    organ_id: str
    document_id: str
    notation: str
    promulgation_date: str
    description: str
    reported_at: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a message asks of one agency about a document that was sent to it (requests.py).

    The document is told by `document_id`, else by `notation` and `promulgation_date`, as written.
    """

    kind: ObligationKind
    recipient: AgencyCode
    document_id: str
    notation: str
    promulgation_date: str
    asked_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Stated:
    """What a document's header says that statistics keep of it (docs/statistics.md).

    `document_type` is a word of envelope/document_types.py; the days count from 1970 (local calendar).
    """

    document_type: str
    paper: bool | None
    issued_day: int | None
    due_day: int | None


Kin = Mapping[AgencyCode, frozenset[AgencyCode]]
"""Of a code all that stand for one agency, in either form or by succession, itself included; no row: nobody else."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """An accepted envelope, about to become durable."""

    message_id: MessageId
    origin: NodeId
    message_type: MessageType
    sender: AgencyCode
    sender_as: str
    payload: Payload
    priority: Priority
    accepted_at: datetime
    expires_at: datetime
    subject: str
    notation: str
    document_id: str
    promulgation_date: str
    findings: tuple[Finding, ...]
    submitted_by: str | None
    seal: Seal | None
    report: Report | None
    requests: tuple[Request, ...] = ()
    kin: Kin = field(default_factory=dict)
    stated: Stated | None = None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One recipient of it. `next_hop` None: served here, or ended at once (`reason`)."""

    delivery_id: DeliveryId
    recipient: AgencyCode
    addressed_as: str
    state: DeliveryState
    lane: Lane
    next_hop: NodeId | None
    reason: Reason | None = None
    detail: str = ""
    succession: tuple[AgencyCode, AgencyCode] | None = None
    """The closed code it was for, and the successor's to whom it goes."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A submission ready to be admitted, with the receipt that says so."""

    message: NewMessage
    deliveries: tuple[NewDelivery, ...]
    receipt: Signed
    trace: tuple[TraceStep, ...]
    submission_key: str
    idempotency_key: str | None
    follows: MessageRow | None
    """The newest message of the family this one renews after a negative receipt."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Durable. `rows` are the new deliveries in the order given; empty for a repeat."""

    message_row: MessageRow
    arrival_row: ArrivalRow
    message_id: MessageId
    accepted_at: datetime
    receipt: Digest
    repeated: bool
    rows: tuple[DeliveryRow, ...]


@dataclass(frozen=True, slots=True)
class Renew:
    """Nothing was stored: these recipients of the first message ended badly and may start anew."""

    answer: Admitted
    """The newest message of the family: what a plain repeat gets."""
    recipients: frozenset[AgencyCode]


@dataclass(frozen=True, slots=True)
class TakeIn:
    """A transfer ready to be taken in, with its signed answer.

    `message` None: all of it is refused, only the answer is kept. `known` are recipients the caller
    believes to be here already, under the same bytes; `refused` are those the answer refuses.
    """

    neighbour: NodeId
    header: TransferHeader
    signed_header: Signed
    message: NewMessage | None
    deliveries: tuple[NewDelivery, ...]
    known: frozenset[AgencyCode]
    trace: tuple[TraceStep, ...]
    answer: Signed
    at: datetime
    refused: Mapping[AgencyCode, Reason] = field(default_factory=dict)
    batched: bool = False
    """Whether receipts signed in batches are understood all the way back (W13.6)."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    answer: Signed
    message_row: MessageRow | None
    arrival_row: ArrivalRow | None
    rows: tuple[DeliveryRow, ...]
    repeated: bool


@dataclass(frozen=True, slots=True)
class AlreadyHere:
    """Nothing was stored: the journal knows more than the caller believed. Look again."""

    recipients: frozenset[AgencyCode]
    same_bytes: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """Deliveries of one message that wait for the same neighbour: what a transfer needs.

    `payload.content` may be dropped to bound memory (`payload` None); it is then read again.
    """

    message_row: MessageRow
    arrival_row: ArrivalRow
    message_id: MessageId
    origin: NodeId
    message_type: MessageType
    sender: AgencyCode
    rows: tuple[DeliveryRow, ...]
    recipients: tuple[AgencyCode, ...]
    lane: Lane
    priority: Priority
    digest: Digest
    size_bytes: int
    expires_at: datetime
    trace: tuple[TraceStep, ...]
    seal: Seal
    payload: Payload | None
    batched: bool = False
    """Whether receipts about it may be signed in batches: as of the way it came."""


@dataclass(frozen=True, slots=True)
class OpenTransfer:
    """A frozen transfer that has no answer yet: sent again to the letter."""

    transfer_id: TransferId
    neighbour: NodeId
    message_row: MessageRow
    lane: Lane
    header: Signed
    seal: Seal
    digest: Digest
    attempts: int
    in_doubt: bool
    expires_at: datetime
    batched: bool = False
    """Whether its answer may be signed in a batch."""


@dataclass(frozen=True, slots=True)
class Freeze:
    transfer_id: TransferId
    neighbour: NodeId
    ready: Ready
    header: Signed
    at: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A frozen transfer on its way out: what an attempt needs of it."""

    header: TransferHeader
    signed: Signed
    seal: Seal
    payload: Payload | None
    """None: to be read from the journal."""
    attempts: int = 0
    batched: bool = False
    """Whether its answer may be signed in a batch."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A transfer with the neighbour's proven answer."""

    transfer_id: TransferId
    signed: Signed
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery past its expiry, still waiting here."""

    delivery_row: DeliveryRow
    message_row: MessageRow
    message_id: MessageId
    origin: NodeId
    digest: Digest
    size_bytes: int
    recipient: AgencyCode
    state: DeliveryState
    transfer: OpenTransfer | None
    previous: Digest
    """This node's own receipt for it."""


@dataclass(frozen=True, slots=True)
class Unsealed:
    message_row: MessageRow
    message_id: MessageId
    origin: NodeId
    sender: AgencyCode
    digest: Digest
    size_bytes: int
    previous: Digest
    """This node's own receipt for it."""
    served_here: tuple[AgencyCode, ...]
    """Recipients to whom it becomes available once sealed."""


@dataclass(frozen=True, slots=True)
class WaitingReturn:
    return_row: ReturnRow
    receipt: Signed


@dataclass(frozen=True, slots=True)
class NeighbourState:
    failures: int
    retry_at: datetime
    last_error: str


@dataclass(frozen=True, slots=True)
class HandoverFacts:
    """What a receipt about a delivery served here needs."""

    item: InboxItem
    origin: NodeId
    recipient: AgencyCode
    previous: Digest
    transfer_id: TransferId | None
    sent_by: NodeId | None
    batched: bool = False
    """Whether the receipt may be signed in a batch."""
    also: tuple[AgencyCode, ...] = ()
    """Other codes by which the document names the recipient: the receipt speaks of them, too."""


@dataclass(frozen=True, slots=True)
class OtherParty:
    """The two sides of a document a status may speak of, and the document's priority."""

    sender: AgencyCode
    recipients: tuple[AgencyCode, ...]
    priority: Priority


class Journal(Protocol):
    """Every write is durable, with its audit entries, when it returns."""

    @property
    def waiting(self) -> int:
        """Operations that wait for the writer."""
        ...

    async def admit(self, admission: Admission) -> Admitted | Renew: ...
    async def take_in(self, arrival: TakeIn) -> TakenIn | AlreadyHere: ...
    async def answered(
        self, neighbour: NodeId, transfer_id: TransferId, header: bytes | None = None
    ) -> Signed | None:
        """Raises ConflictError when it came with another header than this."""
        ...

    async def unsealed(self, limit: int, without: Collection[AgencyCode] = ()) -> list[Unsealed]:
        """Those that wait for their seal, the higher lanes and the oldest first; these senders' left out."""
        ...

    async def store_seal(
        self,
        message_row: MessageRow,
        seal: Seal,
        consigned: tuple[Signed, Receipt] | None,
        at: datetime,
    ) -> list[NodeId]:
        """The neighbours that now wait for it; `consigned` for recipients served here."""
        ...

    async def ready(self, neighbour: NodeId, lane: Lane, limit: int) -> list[Ready]:
        """What waits for the neighbour in this lane, the oldest `limit` deliveries."""
        ...

    async def open_transfers(
        self, neighbour: NodeId, now: datetime, latest: datetime, limit: int
    ) -> list[OpenTransfer]:
        """Those whose time has come, and those put off beyond `latest`: nobody waits so long, so
        there the clock was set back."""
        ...

    async def next_open_transfer(self, neighbour: NodeId) -> datetime | None: ...
    async def freeze(self, freezes: Sequence[Freeze]) -> list[bool]:
        """Of each, whether it is frozen now; False where a delivery of it waits no longer."""
        ...

    async def resend(self, transfer_id: TransferId, at: datetime) -> None: ...
    async def thaw(
        self, transfer_id: TransferId, at: datetime, *, never_seen: bool, reason: str
    ) -> None:
        """Close it without an answer, for a reason that the log keeps; what it carried is queued anew. Raises IllegalStepError when it is
        in doubt and not `never_seen`, or nothing of it waits."""
        ...

    async def settle(
        self, transfer_id: TransferId, signed: Signed, receipt: Receipt, at: datetime
    ) -> set[NodeId]:
        """Like all that store a receipt: the neighbours it now has to travel back to."""
        ...

    async def settle_all(self, answered: Sequence[Answered], at: datetime) -> set[NodeId]:
        """`settle` for each."""
        ...

    async def postpone(
        self,
        transfer_id: TransferId,
        *,
        in_doubt: bool,
        error: str,
        not_before: datetime,
        at: datetime,
    ) -> None: ...
    async def neighbour_state(self, neighbour: NodeId) -> NeighbourState | None: ...
    async def store_neighbour_state(self, neighbour: NodeId, state: NeighbourState) -> None: ...
    async def record_receipts(
        self, neighbour: NodeId, receipts: Sequence[tuple[Signed, Receipt]], at: datetime
    ) -> set[NodeId]: ...
    async def returns(self, neighbour: NodeId, limit: int) -> list[WaitingReturn]:
        """Receipts that wait for the neighbour: the higher lanes first, the oldest always among them."""
        ...

    async def returned(self, rows: Sequence[ReturnRow]) -> None: ...
    async def park_return(self, row: ReturnRow, error: str, at: datetime) -> None: ...
    async def overdue(self, now: datetime, limit: int) -> list[Waiting]: ...
    async def unknown_outcomes(
        self, neighbour: NodeId, limit: int, within: Stretch = EVERY
    ) -> list[Waiting]:
        """Deliveries that ended without anyone knowing whether this neighbour has them, by transfer."""
        ...

    async def neighbours_of_unknown_outcomes(self) -> list[NodeId]: ...
    async def give_up(
        self, waiting: Waiting, signed: Signed, receipt: Receipt, at: datetime
    ) -> set[NodeId]: ...
    async def payload(self, digest: Digest) -> Payload: ...
    async def check_payload(self, payload: Payload, *, thorough: bool) -> None:
        """That its file is there, at its full size or, if `thorough`, to the byte. Raises LostPayloadError."""
        ...

    async def recover(self, at: datetime) -> None: ...

    async def inbox(
        self, agencies: frozenset[AgencyCode] | None, query: InboxQuery
    ) -> list[InboxItem]: ...
    async def inbox_count(self, agencies: frozenset[AgencyCode], kind: MessageType) -> int: ...
    async def inbox_item(self, delivery_id: DeliveryId) -> HandoverFacts | None: ...
    async def mark_fetched(self, delivery_id: DeliveryId, by: Caller, at: datetime) -> None: ...
    async def acknowledge(
        self,
        delivery_id: DeliveryId,
        acknowledgement: Acknowledgement,
        proof: tuple[Signed, Receipt] | None,
        by: Caller,
        at: datetime,
        why: str = "",
    ) -> set[NodeId]: ...
    async def message_seal(self, message_id: MessageId) -> Seal | None: ...
    async def delivery_seal(self, delivery_id: DeliveryId) -> Seal | None: ...
    async def sent(
        self, agencies: frozenset[AgencyCode] | None, query: SentQuery
    ) -> list[SentItem]: ...
    async def message(self, message_id: MessageId) -> MessageView | None: ...
    async def receipt(self, digest: Digest) -> tuple[Signed, frozenset[AgencyCode]] | None:
        """The receipt and the agencies it concerns."""
        ...

    async def parties(
        self, document_id: str, notation: str, date: str, one: Collection[str]
    ) -> OtherParty | None: ...

    async def entries(self, after: int, limit: int) -> list[LogEntry]: ...
    async def log_page(self, wanted: Wanted, after: int, limit: int) -> LogPage: ...
    async def log_last(self, wanted: Wanted, limit: int) -> LogPage: ...
    async def log_since(self, at: datetime, after: int) -> int: ...
    async def log_entry(self, index: int) -> LogEntryWhole: ...
    async def head(self) -> bytes: ...
    async def log_size(self) -> int: ...

    async def store_token(self, by: Caller, view: TokenView, secret_hash: str) -> None: ...
    async def revoke_token(self, by: Caller, token_id: str, at: datetime) -> TokenView: ...
    async def tokens(self) -> list[TokenView]: ...
    async def token(self, secret_hash: str) -> TokenView | None: ...
    async def note(self, event: str, at: datetime, fields: Mapping[str, object]) -> None:
        """An audit entry by itself: start, stop, a refused neighbour, a summary of refusals."""
        ...


class Notary(Protocol):
    """Keys and trust of this node, as delivery needs them. Verifiers raise SignatureError."""

    def sealed_at_once(self, sender: AgencyCode) -> bool:
        """False when the agency's key is slow, so that sealing comes after acceptance."""
        ...

    def seal(self, digest: Digest, sender: AgencyCode, at: datetime) -> Seal: ...
    async def issue_seal(self, digest: Digest, sender: AgencyCode, at: datetime) -> Seal:
        """The same beside the event loop, however long it takes. Raises KeyUnavailableError."""
        ...

    def check_supplied_seal(
        self, signature: bytes, digest: Digest, sender: AgencyCode, at: datetime
    ) -> Seal: ...
    def check_carried_seal(
        self, seal: bytes, digest: Digest, sender: AgencyCode, origin: NodeId, at: datetime
    ) -> Seal: ...
    async def issue_transfers(
        self, headers: Sequence[TransferHeader], at: datetime, *, batched: bool = False
    ) -> list[Signed]:
        """Each signed by itself, or where `batched` all with one signature; in no time of the event loop's
        that counts. Waits for a key that is away."""
        ...

    def check_transfer(self, signed: Signed, neighbour: NodeId, at: datetime) -> TransferHeader: ...
    def transfer_checker(self) -> Callable[[Signed, NodeId, datetime], TransferHeader]:
        """check_transfer for headers that came together: a batch that they share is proven once."""
        ...

    async def issue_receipt(
        self, receipt: Receipt, at: datetime, *, batched: bool = False, patient: bool = False
    ) -> Signed:
        """Likewise; `batched` allows one signature for all that wait at the same time. Raises
        KeyUnavailableError unless `patient`, which waits until the key is back."""
        ...

    def signs_as(self, signature: bytes) -> bool:
        """Whether the node still signs with the certificate that this signature of its own names."""
        ...

    def batch_of(self, signature: bytes) -> Signed | None:
        """The batch and its signature, where this is the proof of a document in one."""
        ...

    def check_receipt(self, signed: Signed, at: datetime) -> Receipt:
        """Received at that instant. Raises UncertainError where it may be proven later."""
        ...

    def checker(self, at: datetime) -> Callable[[Signed], Receipt]:
        """check_receipt for receipts that came together: a batch that they share is proven once."""
        ...


class Wire(Protocol):
    """The way to neighbours (transport)."""

    async def carry(
        self,
        neighbour: NodeId,
        header: Signed,
        seal: bytes,
        payload: Payload,
        *,
        batched: bool = False,
    ) -> Signed:
        """One attempt: the neighbour's signed answer, which may be signed in a batch where `batched`.

        Raises TransportError (nothing was taken), UnansweredError (in doubt), PeerError (it refuses
        this transfer without evidence).
        """
        ...

    def together(self, neighbour: NodeId) -> int:
        """How many transfers one request to it may carry, as far as is known; at least 1."""
        ...

    def takes_batches(self, neighbour: NodeId) -> bool:
        """Whether it takes headers of one request that share a signature, as far as is known."""
        ...

    async def carry_several(
        self,
        neighbour: NodeId,
        transfers: Sequence[tuple[Signed, bytes, Payload]],
        *,
        batched: bool = False,
    ) -> Sequence[Signed]:
        """One attempt for all, in one request: header, seal and payload of each. The answers to the
        first of them, in order, at least one. What it says nothing of is in doubt. Raises as `carry` does, of all."""
        ...

    async def ask(self, neighbour: NodeId, transfer_id: TransferId) -> Signed | None:
        """The answer it once gave; None when it knows no such transfer."""
        ...

    async def hand_back(self, neighbour: NodeId, receipts: Sequence[Signed]) -> None:
        """Returns once they are durable there; PeerError when it refuses them."""
        ...
