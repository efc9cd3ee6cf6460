"""A journal, an archive folder, and the desks over both, as the tests of the archive have them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.entries import parse
from relay.audit.epochs import Epoch, log_name
from relay.audit.words import replaced
from relay.delivery.clock import Clock
from relay.delivery.evidence.archive_ports import ArchivePolicy
from relay.delivery.evidence.archived import ArchiveDesk, EverywhereDesk, LeftDocuments
from relay.delivery.evidence.archiving import Archiver
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.evidence.ports import Gathered
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller
from relay.delivery.records import Admission, Admitted, NewDelivery, NewMessage, Report
from relay.delivery.tracking import TrackingDesk
from relay.envelope.writer import Document, Stamp, StatusMessage, write_document, write_status
from relay.errors import (
    GoneError,
)
from relay.journal import archive_files
from relay.journal.ahead import AheadFiles
from relay.journal.archive_files import ArchiveFolder
from relay.journal.archiving import ArchiveTable
from relay.journal.met import MetAgencies
from relay.journal.retention import RetentionPolicy
from relay.journal.rows import ms
from relay.journal.store import SqliteJournal
from relay.journal.sweeping import Sweeper
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Event,
    Evidence,
    Lane,
    MessageId,
    MessageType,
    Party,
    Payload,
    Priority,
    Receipt,
    ResponseFor,
    SealKind,
    Signed,
    TraceStep,
    digest_of,
)
from relay.signing.archives import archive_files as files_of
from relay.signing.archives import evidence_in
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Outcome
from relay.signing.evidence import sign_receipt
from relay.signing.notary import NodeNotary
from relay.signing.seal import make_seal
from tests.evidence.conftest import AT, RECIPIENT, SENDER, TINH, XA

DAYS = timedelta(days=1)
POLICY = RetentionPolicy(90 * DAYS, 30 * DAYS, None, None, 730 * DAYS, archiving=True)
OPERATOR = Caller("operator", frozenset(), operator=True)
OTHER = AgencyCode("H02")


LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_PUBLIC = LOG_KEY.public_key().public_bytes_raw()


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(XA, epoch)
    return sign_note(note_body(name, size, root), name, LOG_PUBLIC, LOG_KEY.sign)


class Node:
    """A journal, an archive folder, and the desks over both; `again` is the next start."""

    def __init__(self, authority: Any, folder: Path) -> None:
        self.authority, self.data, self.at = authority, folder, AT
        self.folder = folder / "archive"
        self.room: Callable[[int], None] = lambda _: None
        self.size, self.count = 1 << 30, 1000
        self.policy = POLICY
        self._number = 0

    async def start(self) -> Node:
        self.journal = await SqliteJournal.open(self.data, XA, _sign_head, on_fatal=lambda _: None)
        clock = Clock(wall=lambda: self.at)
        signer = self.authority.signer("nodes/xa/sign")
        notary = NodeNotary(XA, signer, {}, self.authority.trust, lambda code: frozenset({code}))

        async def nothing(*_: object) -> Gathered:
            return Gathered()

        live = EvidenceDesk(
            XA, self.journal, TrackingDesk(self.journal), self.journal, notary, nothing, clock
        )
        self.table = ArchiveTable(self.journal, XA, self.folder, self.policy)
        self.disk = ArchiveFolder(self.folder, XA, lambda size: self.room(size))  # noqa: PLW0108  it changes
        left = LeftDocuments(self.table, archive_files.is_whole)
        self.archiver = Archiver(
            replace(live, left=left),
            self.table,
            self.disk,
            ArchivePolicy(self.size, self.count, DAYS),
            clock,
            archive_files.is_whole,
            self.tidy,
        )
        self.evidence = EverywhereDesk(
            replace(live, left=left.if_whole),
            self.table,
            archive_files.is_whole,
            archive_files.read,
            self.journal.note,
            clock,
        )
        self.older: dict[str, str] = {}
        met = MetAgencies(self.journal)
        known = KnownAgencies(self._forms, lambda code: code in self.older, met)
        self.desk = ArchiveDesk(self.table, clock, known)
        ahead = AheadFiles(self.data / "ahead", 1 << 20, lambda: 0.0)
        hour = timedelta(hours=1)
        self.sweeper = Sweeper(
            XA, self.journal, ahead, self.policy, clock, DAYS, DAYS, hour, timedelta()
        )
        return self

    def _forms(self, codes: Collection[str]) -> frozenset[AgencyCode]:
        """Each code, and what it was written as before."""
        return frozenset(
            AgencyCode(form) for one in codes for form in (one, self.older.get(one, one))
        )

    async def tidy(self) -> None:
        newest = await self.table.newest()
        number = newest.number if newest else 0
        await self.disk.tidy(number, await self.table.announced(), self.table.is_whole)

    async def again(self) -> Node:
        await self.journal.close()
        return await self.start()

    async def admit(
        self, state: DeliveryState = DeliveryState.HANDED_OVER, sender: AgencyCode = SENDER
    ) -> MessageId:
        self._number += 1
        content = _envelope(self._number)
        return await self._admit(content, MessageType.DOCUMENT, sender, RECIPIENT, None, state)

    async def tell(self, number: int) -> MessageId:
        """The recipient's status 01 about the document of this number, which its sender has."""
        self._number += 1
        report = Report("01", SENDER, f"D{number}", "", "", "", "")
        return await self._admit(
            _status(number),
            MessageType.STATUS,
            RECIPIENT,
            SENDER,
            report,
            DeliveryState.HANDED_OVER,
        )

    async def _admit(
        self,
        content: bytes,
        kind: MessageType,
        sender: AgencyCode,
        recipient: AgencyCode,
        report: Report | None,
        state: DeliveryState,
    ) -> MessageId:
        message_id = MessageId(f"019ab000-0000-7000-8000-{self._number:012}")
        digest, size = digest_of(content), len(content)
        signer = self.authority.signer("nodes/xa/sign")
        evidence = (Evidence(Event.SUBMISSION_ACCEPTANCE, recipient),)
        receipt = Receipt(XA, XA, message_id, digest, size, None, None, AT, evidence)
        signed = sign_receipt(receipt, signer, AT)
        seal = make_seal(digest, SealKind.NODE, signer, AT)
        message = NewMessage(
            message_id=message_id,
            origin=XA,
            message_type=kind,
            sender=sender,
            sender_as=sender,
            payload=Payload(digest, size, content, None),
            priority=Priority.NORMAL,
            accepted_at=AT,
            expires_at=AT + timedelta(days=14),
            subject="V/v thử nghiệm",
            notation="1/CV",
            document_id="" if report else f"D{self._number}",
            promulgation_date="2026/11/23",
            findings=(),
            submitted_by="system:vxp.a",
            seal=seal,
            report=report,
        )
        delivery = NewDelivery(
            DeliveryId(f"00000000-0000-8000-8000-{self._number:012}"),
            recipient,
            recipient,
            DeliveryState.QUEUED,
            Lane.NORMAL,
            TINH,
        )
        trace = (TraceStep(XA, AT, signed.digest),)
        admitted = await self.journal.admit(
            Admission(message, (delivery,), signed, trace, f"k{self._number}", None, None)
        )
        assert isinstance(admitted, Admitted)
        await self.journal.perform(
            lambda tx: tx.run(
                "UPDATE deliveries SET state = ?, updated_at = ? WHERE message_row = ?",
                state,
                ms(AT),
                admitted.message_row,
            )
        )
        return message_id

    async def receive(self, message_id: MessageId, event: Event = Event.CONTENT_HANDOVER) -> Signed:
        """A receipt of the next node's about it, now."""
        view = await self.journal.message(message_id)
        assert view is not None
        receipt = Receipt(
            TINH,
            XA,
            message_id,
            view.digest,
            view.size_bytes,
            None,
            None,
            self.at,
            (Evidence(event, RECIPIENT),),
        )
        signed = sign_receipt(receipt, self.authority.signer("nodes/tinh/sign"), self.at)
        await self.journal.record_receipts(TINH, [(signed, receipt)], self.at)
        return signed

    async def in_journal(self, number: int) -> bool:
        with contextlib.suppress(GoneError):
            await self.journal.payload(digest_of(_envelope(number)))
            return True
        return False

    def in_archive(self, message_id: MessageId) -> int:
        """In how many archive files."""
        return sum(evidence_in(path, message_id) is not None for path in files_of(self.folder))

    async def export(self, message_id: MessageId, caller: Caller = OPERATOR) -> bytes:
        file = await self.evidence.export(caller, message_id, "")
        content = b"".join([chunk async for chunk in self.evidence.write(file)])
        assert len(content) == file.size_bytes
        return content

    def refused(self, content: bytes) -> list[str]:
        steps = BundleJudge(BytesIO(content), self.authority.trust).steps()
        return [step.reason for step in steps if step.outcome is Outcome.REFUSED]

    async def events(self, word: str) -> list[dict[str, Any]]:
        stored = await self.journal.entries(0, 10_000)
        entries = [replaced(parse(one.leaf), one.words) for one in stored]
        return [one for one in entries if one["event"] == word]


def _envelope(number: int) -> bytes:
    return write_document(
        Document(
            sender=Party(SENDER, "UBND xã Mẫu"),
            recipients=(Party(RECIPIENT, "UBND tỉnh Mẫu"),),
            document_id=f"D{number}",
            code_number=str(number),
            code_notation="UBND-VP",
            promulgation_place="Mẫu",
            promulgation_date=AT.date(),
            document_type="Công văn",
            subject="V/v thử nghiệm",
            traces=(Stamp(SENDER, AT),),
        )
    )


def _status(number: int) -> bytes:
    return write_status(
        StatusMessage(
            sender=Party(RECIPIENT, "UBND tỉnh Mẫu"),
            response_for=ResponseFor(SENDER, f"{number}/UBND-VP", f"D{number}", "23/11/2026"),
            status_code="01",
            description="Đã đến",
            at=AT,
        )
    )
