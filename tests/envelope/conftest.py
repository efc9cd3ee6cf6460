"""Documents to read and values to write, shared by the tests of this folder."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from relay.envelope.writer import AttachmentContent, Document, Stamp, StatusMessage
from relay.model import Party, ResponseFor

AT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


@pytest.fixture
def document() -> Document:
    """A small document with one PDF."""
    return Document(
        sender=Party("000.00.15.H51", "Sở Mẫu"),
        recipients=(Party("H17.28.22", "UBND xã Mẫu"), Party("28.22.H17", "UBND xã Cũ")),
        document_id="000.00.15.H51,2026/03/02,74/STTTT-VP",
        code_number="74",
        code_notation="STTTT-VP",
        promulgation_place="Hà Nội",
        promulgation_date=date(2026, 3, 2),
        document_type="Công văn",
        subject="V/v bảo mật phần mềm",
        traces=(Stamp("000.00.15.H51", AT),),
        attachments=(AttachmentContent("cong-van.pdf", "application/pdf", b"%PDF-1.4 mau"),),
    )


@pytest.fixture
def status() -> StatusMessage:
    return StatusMessage(
        sender=Party("H17.28.22", "UBND xã Mẫu"),
        response_for=ResponseFor("000.00.15.H51", "74/STTTT-VP", "id-1", "2026/03/02"),
        status_code="01",
        description="Đã đến",
        at=AT,
    )
