"""The two documents the demo sends: a letter with a PDF, and a report with a zipped scan.

The report is over a mebibyte, so it goes ahead of its transfer on every hop. Officials and texts
are made up.

Touches: nothing. Raises: EnvelopeError, if the strict writer refused what is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.demo.pdf import make_pdf
from relay.demo.plan import Office
from relay.envelope.writer import (
    AttachmentContent,
    Business,
    Document,
    Signer,
    Staff,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.model import Envelope, Priority, ResponseFor

SCAN_SIDE = 1100
LETTER_SUBJECT = "V/v báo cáo tình hình xây dựng đường giao thông nông thôn quý III"
REPORT_SUBJECT = "Báo cáo kèm bản quét hồ sơ nghiệm thu đường liên thôn"
_SAID = {
    "01": "Đã đến: phần mềm đã nhận, văn thư chưa xử lý",
    "03": "Đã tiếp nhận: văn thư đã vào sổ",
    "06": "Hoàn thành: đã xử lý xong",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A document as its office hands it in; `name` is how the demo speaks of it."""

    name: str
    content: bytes


def letter(sender: Office, receivers: Sequence[Office], now: datetime) -> Written:
    pdf = make_pdf(LETTER_SUBJECT, _lines(sender, "101/UBND-VP", LETTER_SUBJECT), now)
    attachment = AttachmentContent("Công văn 101.pdf", "application/pdf", pdf, "Bản chính")
    document = _document(sender, receivers, now, "101", LETTER_SUBJECT, Priority.NORMAL, attachment)
    return Written("letter", write_document(document))


def report(sender: Office, receivers: Sequence[Office], now: datetime) -> Written:
    lines = _lines(sender, "102/UBND-VP", REPORT_SUBJECT)
    pdf = make_pdf(REPORT_SUBJECT, lines, now, scan_side=SCAN_SIDE)
    attachment = AttachmentContent("Bản quét.pdf", "application/zip", pdf, "Phụ lục", zipped=True)
    document = _document(sender, receivers, now, "102", REPORT_SUBJECT, Priority.URGENT, attachment)
    return Written("report", write_document(document))


def status(receiver: Office, received: Envelope, code: str, now: datetime) -> bytes:
    """What the receiver says of a document it has read; the document itself tells where to."""
    return write_status(
        StatusMessage(
            sender=receiver.party,
            response_for=ResponseFor(
                organ_id=received.sender.organ_id,
                code=received.notation,
                document_id=received.document_id,
                promulgation_date=received.promulgation_date,
            ),
            status_code=code,
            description=_SAID[code],
            at=now,
            staff=Staff("Văn phòng", "Trần Thị Mẫu"),
        )
    )


def _document(
    sender: Office,
    receivers: Sequence[Office],
    now: datetime,
    number: str,
    subject: str,
    priority: Priority,
    attachment: AttachmentContent,
) -> Document:
    return Document(
        sender=sender.party,
        recipients=tuple(receiver.party for receiver in receivers),
        document_id=f"{sender.written},{now:%Y/%m/%d},{number}/UBND-VP",
        code_number=number,
        code_notation="UBND-VP",
        promulgation_place="Xã Bốn Cấp",
        promulgation_date=now.date(),
        document_type="Công văn",
        subject=subject,
        traces=(Stamp(sender.written, now),),
        content=subject,
        signer=Signer("TM. ỦY BAN NHÂN DÂN", "Chủ tịch", "Nguyễn Văn Mẫu"),
        priority=priority,
        page_amount=1,
        to_places=(*(receiver.agency.name for receiver in receivers), "Lưu: VT"),
        business=Business(operation=0, staff=Staff("Văn phòng", "Lê Thị Mẫu")),
        attachments=(attachment,),
    )


def _lines(sender: Office, notation: str, subject: str) -> list[str]:
    return [sender.agency.name, f"Số: {notation}", "", subject, "", "Nguyễn Văn Mẫu (Chủ tịch)"]
