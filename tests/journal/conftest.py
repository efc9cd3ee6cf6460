"""A real journal in a temporary folder, and records to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.audit.epochs import Epoch
from relay.delivery.records import Admission, NewDelivery, NewMessage
from relay.journal.store import SqliteJournal
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Event,
    Evidence,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Priority,
    Receipt,
    Seal,
    SealKind,
    Signed,
    TraceStep,
    digest_of,
    mint_uuid7,
)
from relay.wire.receipt import write_receipt

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    return f"{size} {root.hex()}".encode()


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
async def journal(tmp_path: Path, failures: list[BaseException]) -> AsyncIterator[SqliteJournal]:
    opened = await SqliteJournal.open(tmp_path, NODE, _sign_head, on_fatal=failures.append)
    yield opened
    await opened.close()


@pytest.fixture
def reopen(tmp_path: Path, failures: list[BaseException]) -> Callable[[], object]:
    async def again() -> SqliteJournal:
        return await SqliteJournal.open(tmp_path, NODE, _sign_head, on_fatal=failures.append)

    return again


class Make:
    """Admissions and receipts, numbered."""

    def __init__(self) -> None:
        self._count = 0
        self.at = AT
        self.node = NODE

    def uuid(self) -> str:
        self._count += 1
        return mint_uuid7(AT, self._count.to_bytes(10, "big"))

    def receipt(
        self,
        message: MessageId,
        content: bytes,
        *evidence: Evidence,
        issuer: NodeId = NODE,
        origin: NodeId = NODE,
        at: datetime = AT,
    ) -> tuple[Signed, Receipt]:
        receipt = Receipt(
            issuer, origin, message, digest_of(content), len(content), None, None, at, evidence
        )
        return Signed(write_receipt(receipt), b"<signature/>"), receipt

    def admission(
        self,
        content: bytes = b"<edXML/>",
        recipients: tuple[str, ...] = ("G01",),
        *,
        next_hop: str | None = "tinh",
        state: DeliveryState = DeliveryState.QUEUED,
        key: str = "k1",
        sealed: bool = True,
        lane: Lane = Lane.NORMAL,
        **changes: object,
    ) -> Admission:
        message_id = MessageId(self.uuid())
        codes = [AgencyCode(code) for code in recipients]
        signed, _ = self.receipt(
            message_id, content, *(Evidence(Event.SUBMISSION_ACCEPTANCE, c) for c in codes)
        )
        message = NewMessage(
            message_id=message_id,
            origin=NODE,
            message_type=MessageType.DOCUMENT,
            sender=AgencyCode("H01.1"),
            sender_as="H01.1",
            payload=Payload(digest_of(content), len(content), content, None),
            priority=Priority.NORMAL,
            accepted_at=AT,
            expires_at=AT + timedelta(days=14),
            subject="V/v thử nghiệm",
            notation="1/CV",
            document_id="D1",
            promulgation_date="2026/11/23",
            findings=(),
            submitted_by="system:vxp.a",
            seal=Seal(SealKind.NODE, b"<seal/>") if sealed else None,
            report=None,
        )
        deliveries = tuple(
            NewDelivery(
                DeliveryId(self.uuid()),
                code,
                code,
                state,
                lane,
                None if next_hop is None else NodeId(next_hop),
            )
            for code in codes
        )
        admission = Admission(
            message, deliveries, signed, (TraceStep(NODE, AT, signed.digest),), key, None, None
        )
        return _changed(admission, changes)


def _changed(admission: Admission, changes: dict[str, object]) -> Admission:
    from dataclasses import replace

    return replace(admission, **changes)  # type: ignore[arg-type]


@pytest.fixture
def make() -> Make:
    return Make()
