"""The nouns of the relay: ids, stored words and frozen records.

Touches: nothing. Everything here is a value; no XML, SQL, HTTP or clock.
Instants are aware UTC, sizes are bytes, digests are lower-case hex SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import NewType, Protocol

MessageId = NewType("MessageId", str)
"""A UUIDv7 in canonical text, minted at the origin node."""
DeliveryId = NewType("DeliveryId", str)
"""A UUIDv8 made of (origin, message, recipient), the same at every node: the receiver's DocId."""
TransferId = NewType("TransferId", str)
"""A UUIDv7, minted by the node that sends the transfer."""
NodeId = NewType("NodeId", str)
AgencyCode = NewType("AgencyCode", str)
"""A code in the form the directory keeps (see envelope/codes.py)."""
Digest = NewType("Digest", str)
"""SHA-256 as 64 lower-case hex digits."""


_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def digest_of(content: bytes) -> Digest:
    """The SHA-256 of `content`."""
    return Digest(hashlib.sha256(content).hexdigest())


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def mint_uuid7(now: datetime, entropy: bytes) -> str:
    """A UUIDv7 (RFC 9562 §5.7) of this millisecond; `entropy` is ten random bytes."""
    milliseconds = (now - _EPOCH) // _MILLISECOND & 0xFFFF_FFFF_FFFF  # in whole numbers, exactly
    value = milliseconds << 80 | int.from_bytes(entropy[:10], "big")
    return _uuid_text(value, 7)


def minted_at(uuid: str) -> datetime | None:
    """When whoever minted a UUIDv7 thought it was; None for what is no UUIDv7."""
    if not _UUID7.fullmatch(uuid):
        return None
    try:
        return datetime.fromtimestamp(minted_ms(uuid) / 1000, UTC)
    except (ValueError, OverflowError):
        return None


def minted_ms(uuid: str) -> int:
    """The same of what is known to be one: milliseconds since 1970."""
    return int(uuid[:8] + uuid[9:13], 16)


def delivery_id_of(origin: NodeId, message_id: MessageId, recipient: AgencyCode) -> DeliveryId:
    """The name of a delivery (RFC 9562 §5.8): every node on its way arrives at the same one."""
    hashed = hashlib.sha256(f"{origin}\n{message_id}\n{recipient}".encode()).digest()
    value = int.from_bytes(hashed[:16], "big")
    return DeliveryId(_uuid_text(value, 8))


def _uuid_text(value: int, version: int) -> str:
    """128 bits as a UUID's text, with its version and the RFC's variant set."""
    value = value & ~(0xF << 76) | version << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Tier(StrEnum):
    CENTRAL = "central"
    PROVINCE = "province"
    DISTRICT = "district"
    COMMUNE = "commune"


class MessageType(StrEnum):
    """The dialect's own words for what an envelope is."""

    DOCUMENT = "edoc"
    STATUS = "status"


class Priority(IntEnum):
    """edXML OtherInfo/Priority."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_AT_HOUR = 4


class Lane(IntEnum):
    """A priority class of delivery; the higher goes first."""

    NORMAL = 0
    URGENT = 1
    EXPRESS = 2

    @staticmethod
    def of(priority: Priority) -> Lane:
        if priority >= Priority.EXPRESS:
            return Lane.EXPRESS
        return Lane.URGENT if priority >= Priority.URGENT else Lane.NORMAL


class SealKind(StrEnum):
    """What a seal vouches for.

    AGENCY: the agency's key is at this node. AGENCY_SUPPLIED: sealed at the agency and handed in
    beside the envelope. NODE: the node vouches only for who authenticated. GATEWAY: the document
    entered from an axis route.
    """

    AGENCY = "agency"
    AGENCY_SUPPLIED = "agency-supplied"
    NODE = "node"
    GATEWAY = "gateway"


class Event(StrEnum):
    """Evidence events by their ETSI EN 319 522 names."""

    SUBMISSION_ACCEPTANCE = "SubmissionAcceptance"
    SUBMISSION_REJECTION = "SubmissionRejection"
    RELAY_ACCEPTANCE = "RelayAcceptance"
    RELAY_REJECTION = "RelayRejection"
    RELAY_FAILURE = "RelayFailure"
    CONTENT_CONSIGNMENT = "ContentConsignment"
    CONTENT_CONSIGNMENT_FAILURE = "ContentConsignmentFailure"
    CONTENT_HANDOVER = "ContentHandover"
    CONTENT_HANDOVER_FAILURE = "ContentHandoverFailure"
    RELAY_TO_NON_ERDS = "RelayToNonERDS"
    RELAY_TO_NON_ERDS_FAILURE = "RelayToNonERDSFailure"
    RECEIVED_FROM_NON_ERDS = "ReceivedFromNonERDS"

    @property
    def uri(self) -> str:
        return f"http://uri.etsi.org/19522/Event/{self.value}"

    @property
    def negative(self) -> bool:
        """True for the events that end a delivery without the recipient having it."""
        return self in _NEGATIVE


_NEGATIVE = frozenset(
    {
        Event.SUBMISSION_REJECTION,
        Event.RELAY_REJECTION,
        Event.RELAY_FAILURE,
        Event.CONTENT_CONSIGNMENT_FAILURE,
        Event.RELAY_TO_NON_ERDS_FAILURE,
    }
)


class Reason(StrEnum):
    """Why a delivery was refused or failed: the `reason` of a negative evidence."""

    UNKNOWN_RECIPIENT = "unknown-recipient"
    CLOSED_RECIPIENT = "closed-recipient"
    UNREACHABLE = "unreachable"
    TOO_LARGE = "too-large"
    BAD_ENVELOPE = "bad-envelope"
    BAD_SEAL = "bad-seal"
    BAD_TRANSFER = "bad-transfer"
    REVOKED_CERTIFICATE = "revoked-certificate"
    POLICY = "policy"
    LOOP = "loop"
    TOO_MANY_HOPS = "too-many-hops"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    OUTCOME_UNKNOWN = "outcome-unknown"
    CANCELLED = "cancelled"
    REJECTED_BY_RECIPIENT = "rejected-by-recipient"
    TAKEN_BACK = "taken-back"
    """By its sender, before its recipient had it."""
    DESTRUCTION_ASKED = "destruction-asked"
    """No failure: a take-back is at its recipient's disposal because the document had been fetched."""


class DeliveryState(StrEnum):
    """Where one delivery stands, as this node knows it; transitions are in lifecycle.py."""

    SEALING = "sealing"
    QUEUED = "queued"
    IN_FLIGHT = "in-flight"
    IN_DOUBT = "in-doubt"
    RELAYED = "relayed"
    AVAILABLE = "available"
    FETCHED = "fetched"
    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    EXPIRED = "expired"
    HELD = "held"
    CANCELLED = "cancelled"
    TAKEN_BACK = "taken-back"


class BusinessState(StrEnum):
    """What a recipient's statuses say of a document; never where its delivery stands."""

    NONE = "none"
    ARRIVED = "arrived"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


class ObligationKind(StrEnum):
    """What a recipient is asked to do with a document it was sent earlier."""

    TAKE_BACK = "take-back"
    """By a status 13."""
    REVOKE = "revoke"
    """By a document, as the following are (BussinessDocType 1, 2, 3)."""
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"
    """The update took this agency off the document's receivers."""


class ObligationState(StrEnum):
    """Where an obligation stands; see lifecycle.obliged."""

    REQUESTED = "requested"
    DESTRUCTION_ASKED = "destruction-asked"
    DECLINED = "declined"
    AGREED = "agreed"
    TAKEN_BACK = "taken-back"
    NOT_DELIVERED = "not-delivered"
    """There is nothing to do: the document ended before it reached the recipient."""


# ---------------------------------------------------------------- what an envelope says


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd that was kept as found. `code` is a short stable word."""

    code: str
    detail: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """From or To: the eight fields of QCVN 102, empty text where absent."""

    organ_id: str
    organ_name: str = ""
    organization_in_charge: str = ""
    organ_add: str = ""
    email: str = ""
    telephone: str = ""
    fax: str = ""
    website: str = ""


@dataclass(frozen=True, slots=True)
class ResponseFor:
    """Which document a reply or a status speaks of."""

    organ_id: str
    code: str = ""
    document_id: str = ""
    promulgation_date: str = ""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The body of a status message: `status_code` "01" to "16" (domain: see envelope/statuses.py)."""

    status_code: str
    description: str
    timestamp: str
    department: str = ""
    staff: str = ""
    mobile: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """In a replacement: a document that is replaced, at these agencies."""

    document_id: str
    organ_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BusinessInfo:
    """What a document that revokes, updates or replaces says of an earlier one; codes as written."""

    document_id: str = ""
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    replaced: tuple[Replaced, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """What the document says of one attachment, joined by ContentId; no content.

    `content_id` is without its "cid:". `encoded_bytes` counts the base64 text without white space.
    """

    content_id: str
    name: str
    content_type: str
    description: str
    encoded_bytes: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """A readable edXML envelope. Made only by envelope.reader; holds no attachment bytes.

    `digest` and `size_bytes` are of the exact bytes that were read. Texts are as found.
    """

    message_type: MessageType
    digest: Digest
    size_bytes: int
    sender: Party
    recipients: tuple[Party, ...]
    document_id: str
    code_number: str
    code_notation: str
    promulgation_place: str
    promulgation_date: str
    document_type: str
    subject: str
    priority: Priority
    operation: int
    """BussinessDocType: 0 new, 1 revoke, 2 update, 3 replace; -1 when not given."""
    response_for: tuple[ResponseFor, ...]
    status: StatusReport | None
    attachments: tuple[Attachment, ...]
    findings: tuple[Finding, ...]
    business: BusinessInfo | None = None
    """Where `operation` is 1, 2 or 3."""
    paper: bool | None = None
    """Whether a paper copy follows; None where Paper is absent or neither 0 nor 1."""
    due_date: str = ""

    @property
    def notation(self) -> str:
        """ "7816/VPCP-TTĐT": number and notation as people write them."""
        if self.code_number and self.code_notation:
            return f"{self.code_number}/{self.code_notation}"
        return self.code_number or self.code_notation


@dataclass(frozen=True, slots=True)
class Payload:
    """The exact bytes of an envelope, held in memory when small, else in a file already fsynced."""

    digest: Digest
    size_bytes: int
    content: bytes | None
    path: Path | None
    start: int = 0
    """Where in that file they begin."""


# ---------------------------------------------------------------- proof


@dataclass(frozen=True, slots=True)
class Signed:
    """A document of ours or a peer's and its detached XAdES signature, both as exact bytes.

    Not a proof: only signing.verify_* turns it into one.
    """

    document: bytes
    signature: bytes

    @property
    def digest(self) -> Digest:
        """SHA-256 of the document: how receipts are named and chained."""
        return digest_of(self.document)


@dataclass(frozen=True, slots=True)
class Seal:
    """A detached XAdES signature over an envelope's bytes, and the kind its signer claims."""

    kind: SealKind
    signature: bytes
    remark: str = ""
    """What its verifier let pass; not stored with it."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """For the message that it seals."""
        return (Finding("revocation-unknown", self.remark, "seal"),) if self.remark else ()


# ---------------------------------------------------------------- on the wire between nodes


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One node the message passed: when it took it, and the digest of the receipt it gave."""

    node: NodeId
    at: datetime
    receipt: Digest


@dataclass(frozen=True, slots=True)
class TransferHeader:
    """What a transfer says of itself; frozen, signed and stored before its first attempt."""

    transfer_id: TransferId
    message_id: MessageId
    origin: NodeId
    sent_by: NodeId
    sent_to: NodeId
    message_type: MessageType
    sender: AgencyCode
    recipients: tuple[AgencyCode, ...]
    priority: Priority
    digest: Digest
    size_bytes: int
    created_at: datetime
    expires_at: datetime
    trace: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event for one recipient. `reason` and `detail` only where the event is negative.

    `previous` is the digest of the prior hop's receipt on that delivery's path, empty at the first.
    """

    event: Event
    recipient: AgencyCode
    previous: Digest | None = None
    reason: Reason | None = None
    detail: str = ""


class Named(Protocol):
    """By what a receipt names its message."""

    @property
    def origin(self) -> NodeId: ...
    @property
    def message_id(self) -> MessageId: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """Signed evidence of what happened to one message at one node, for one or more recipients."""

    issuer: NodeId
    origin: NodeId
    message_id: MessageId
    digest: Digest
    size_bytes: int
    transfer_id: TransferId | None
    """The hop's transfer; None for a submission or a local event at the origin."""
    sent_by: NodeId | None
    """The node that carried it to the issuer; None when the DMS handed it in."""
    at: datetime
    evidence: tuple[Evidence, ...]

    @staticmethod
    def about(
        message: Named,
        *,
        issuer: NodeId,
        at: datetime,
        evidence: tuple[Evidence, ...],
        transfer_id: TransferId | None = None,
        sent_by: NodeId | None = None,
    ) -> Receipt:
        return Receipt(
            issuer,
            message.origin,
            message.message_id,
            message.digest,
            message.size_bytes,
            transfer_id,
            sent_by,
            at,
            evidence,
        )


UTC_NOW_TOLERANCE = timedelta(minutes=5)
"""How far a neighbour's clock may be off before a transfer is put off (clock-skew)."""


def utc(instant: datetime) -> datetime:
    """`instant` in UTC; naive ones are a bug of ours."""
    if instant.tzinfo is None:
        raise ValueError("naive datetime")
    return instant.astimezone(UTC)
