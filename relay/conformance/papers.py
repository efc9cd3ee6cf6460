"""The documents the kit sends: each another one, so that no two are taken for a repeat.

Touches: nothing. Raises: EnvelopeError, if the strict writer refused what is written here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from relay.envelope.writer import (
    AttachmentContent,
    Business,
    Document,
    Replacement,
    Signer,
    Staff,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.model import Party, Priority, ResponseFor

UPDATE, REPLACE = 2, 3
CLERK = Staff("Văn phòng", "Lê Thị Mẫu")
NEW = Business(operation=0, staff=CLERK)


def earlier(operation: int, document_id: str, recipient: str) -> Business:
    """That of a document which revokes (1), updates (2) or replaces (3) an earlier one."""
    replaced = (Replacement(document_id, (recipient,)),) if operation == REPLACE else ()
    return Business(
        operation,
        document_id=document_id,
        reason="Kiểm tra tương thích",
        updates_document=operation == UPDATE,
        replacements=replaced,
        staff=CLERK,
    )


def letter(
    sender: str,
    recipients: Sequence[str],
    now: datetime,
    *,
    size_bytes: int = 2_000,
    priority: Priority = Priority.NORMAL,
    business: Business = NEW,
) -> bytes:
    """An official letter with one attachment of about that size."""
    number = str(secrets.randbelow(10**9))
    attachment = AttachmentContent(
        "Phụ lục.pdf", "application/pdf", b"%PDF-1.4\n" + secrets.token_bytes(size_bytes), "Phụ lục"
    )
    return write_document(
        Document(
            sender=party(sender),
            recipients=tuple(map(party, recipients)),
            document_id=f"{sender},{now:%Y/%m/%d},{number}/KT",
            code_number=number,
            code_notation="KT",
            promulgation_place="Nơi Mẫu",
            promulgation_date=now.date(),
            document_type="Công văn",
            subject=f"V/v kiểm tra tương thích số {number}",
            traces=(Stamp(sender, now),),
            content="Công văn kiểm tra tương thích",
            signer=Signer("", "Chánh Văn phòng", "Nguyễn Văn Mẫu"),
            priority=priority,
            page_amount=1,
            to_places=("Lưu: VT",),
            business=business,
            attachments=(attachment,),
        )
    )


def status(sender: str, about: ResponseFor, code: str, now: datetime) -> bytes:
    return write_status(
        StatusMessage(
            sender=party(sender),
            response_for=about,
            status_code=code,
            description=f"Trạng thái kiểm tra số {secrets.randbelow(10**9)}",
            at=now,
            staff=Staff("Văn phòng", "Trần Thị Mẫu"),
        )
    )


def party(code: str) -> Party:
    return Party(
        organ_id=code,
        organ_name=f"Cơ quan Mẫu {code}",
        organization_in_charge="Cơ quan Mẫu",
        organ_add="Địa chỉ mẫu",
        email="vanthu@example.invalid",
    )
