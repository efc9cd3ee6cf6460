"""An evidence file as delivery sees it, and the doors that making one needs.

Touches: nothing; values and Protocols only. exporting.py plans and writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.delivery.evidence.archive_ports import Found
from relay.delivery.ports import Caller, MessageView
from relay.model import Digest, Envelope, MessageId, NodeId, Payload, Receipt, Signed
from relay.wire.bundle_list import ContentsList, ListedStatus


@dataclass(frozen=True, slots=True)
class ReceiptPart:
    """A stored receipt's document, or its signature: read again when it is written."""

    receipt: Digest
    signature: bool


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the container, decided on but not read into memory where it may be large."""

    name: str
    digest: Digest
    size_bytes: int
    crc: int
    source: bytes | Payload | ReceiptPart


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """About to be written: its signature covers every file of it."""

    message_id: MessageId
    exported_at: datetime
    files: tuple[PlannedFile, ...]
    size_bytes: int
    signature: Digest
    """Of the exporter's signature; of the whole file where an archive has it."""
    left: Found | None = None
    """It is in an archive file, whole; then `files` is empty."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What an exporter tells people of in the summary; `seal` as it stands in the file."""

    digest: Digest
    size_bytes: int
    envelope: Envelope | None
    """None where it cannot be read."""
    seal: bytes
    receipts: Sequence[tuple[Digest, Receipt]]
    proofs: Sequence[tuple[Digest, bytes]]
    """With the receipt that each proves."""
    proofs_of_issuers: Sequence[tuple[Digest, bytes]]
    """Likewise, of the logs of the nodes that signed them."""
    statuses: Sequence[tuple[ListedStatus, bytes, bytes]]
    listed: ContentsList


class EvidenceNotary(Protocol):
    """This node's hand, and what it can read of others' signatures."""

    def sign_bundle(self, files: Sequence[tuple[str, Digest]], at: datetime) -> bytes:
        """The exporter's signature over these files, by name and digest, in this order."""
        ...

    def certificates_of(self, signature: bytes) -> tuple[bytes, ...]:
        """DER; those that a seal or a receipt's signature brings along."""
        ...

    def summary(self, telling: Telling) -> bytes:
        """The summary for people, in HTML. SignatureError, WireError, AuditError where something of it
        does not hold: then there is none."""
        ...

    def batch_of(self, signature: bytes) -> Signed | None:
        """The batch with its own signature that a receipt's proof holds; None where a receipt was signed
        by itself."""
        ...

    def own_certificates(self) -> tuple[bytes, ...]:
        """DER; those the exporter's signature brings along."""
        ...

    def seal_for_export(self, seal: bytes, kept: Gathered) -> bytes:
        """With its timestamps, where there are any, and then the certificates and revocation data."""
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was obtained after the fact and is stored beside: tokens and revocation data, DER.

    `seal_tokens` go into the seal's own file; the others become files named by their digests.
    """

    seal_tokens: tuple[bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


Gather = Callable[[MessageView, datetime], Awaitable[Gathered]]
"""What is there by that instant; raises JournalError."""

Left = Callable[[MessageId, Digest], Awaitable[Payload | None]]
"""The bytes of a message that left for the archive, by their digest; None where it has none of it.
Raises JournalError."""


class EvidenceLog(Protocol):
    """This node's audit log, as proofs of it go into the file."""

    async def proof(self, signed: Signed) -> bytes:
        """A proof file of the entry that names this receipt. NotFoundError, AuditError, JournalError."""
        ...

    async def returned(self, signed: Signed) -> bytes | None:
        """The proof file of another node's log that followed its receipt here; None where none did."""
        ...

    async def witnesses(self, proofs: Sequence[bytes]) -> Mapping[NodeId, tuple[bytes, ...]]:
        """DER; the certificates of the nodes that cosigned the heads of these, as far as they are kept."""
        ...


class EvidenceDoor(Protocol):
    """What the native face asks."""

    async def export(self, caller: Caller, message_id: MessageId, why: str) -> EvidenceFile:
        """Decide on a file and sign it. It holds the document, so it is for who has it already: its
        sender, a recipient that fetched it here, an operator.

        Raises NotFoundError, AccessError, GoneError, TakenBackError.
        """
        ...

    def write(self, file: EvidenceFile) -> AsyncIterator[bytes]:
        """The file's bytes, `size_bytes` of them; memory holds one chunk or receipt."""
        ...
