"""Records to write and read back, whole and at random."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    MessageType,
    NodeId,
    Priority,
    Reason,
    Receipt,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)

AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)


@pytest.fixture(scope="session")
def header() -> TransferHeader:
    return TransferHeader(
        transfer_id=TransferId("019ab000-0000-7000-8000-000000000002"),
        message_id=MessageId("019ab000-0000-7000-8000-000000000001"),
        origin=NodeId("tinh-h01"),
        sent_by=NodeId("tinh-h01"),
        sent_to=NodeId("tw"),
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01.151"),
        recipients=(AgencyCode("H36.02"), AgencyCode("000.00.00.G22")),
        priority=Priority.EXPRESS,
        digest=digest_of(b"envelope"),
        size_bytes=8,
        created_at=AT,
        expires_at=AT + timedelta(days=3),
        trace=(TraceStep(NodeId("tinh-h01"), AT, digest_of(b"receipt")),),
    )


@pytest.fixture(scope="session")
def receipt() -> Receipt:
    return Receipt(
        issuer=NodeId("tw"),
        origin=NodeId("tinh-h01"),
        message_id=MessageId("019ab000-0000-7000-8000-000000000001"),
        digest=digest_of(b"envelope"),
        size_bytes=8,
        transfer_id=TransferId("019ab000-0000-7000-8000-000000000002"),
        sent_by=NodeId("tinh-h01"),
        at=AT,
        evidence=(
            Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H36.02"), digest_of(b"previous")),
            Evidence(
                Event.RELAY_REJECTION,
                AgencyCode("H36.99"),
                reason=Reason.UNKNOWN_RECIPIENT,
                detail='không có <H36.99> & "cũ"',
            ),
        ),
    )
