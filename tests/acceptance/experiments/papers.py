"""Documents to send, each different from all others.

Touches: nothing.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from relay.envelope.documents import AttachmentContent, Document, Stamp, StatusMessage
from relay.envelope.writer import write_document, write_status
from relay.model import Party, Priority, ResponseFor

LETTER_BYTES = 2_000
SCAN_BYTES = 300_000
"""Stands in a file of its own at each node (over 256 KiB)."""
BOOK_BYTES = 1_300_000
"""Goes ahead of its transfer (over 1 MiB as an envelope)."""


@dataclass(slots=True)
class Papers:
    """`name` tells the documents of one source from those of another."""

    name: str
    random: random.Random
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def write(
        self,
        sender: str,
        recipients: Sequence[str],
        attached_bytes: int = LETTER_BYTES,
        priority: Priority = Priority.NORMAL,
    ) -> bytes:
        number = next(self._numbers)
        attached = self.random.randbytes(attached_bytes)
        return write_document(
            Document(
                sender=Party(sender, "Cơ quan gửi"),
                recipients=tuple(Party(code, "Cơ quan nhận") for code in recipients),
                document_id=f"{sender},2026/11/23,{self.name}-{number}",
                code_number=str(number),
                code_notation=self.name,
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject=f"V/v thử nghiệm {self.name} số {number}",
                traces=(Stamp(sender, datetime.now(UTC)),),
                priority=priority,
                attachments=(AttachmentContent("phu-luc.pdf", "application/pdf", attached),),
            )
        )

    def status(self, sender: str, recipient: str) -> bytes:
        """A status message on some document of the recipient's."""
        number = next(self._numbers)
        answered = ResponseFor(
            organ_id=recipient,
            code=f"{number}/{self.name}",
            document_id=f"{recipient},2026/11/23,{self.name}-{number}",
            promulgation_date="23/11/2026",
        )
        sender_party = Party(sender, "Cơ quan nhận")
        at = datetime.now(UTC)
        return write_status(StatusMessage(sender_party, answered, "03", "Đã tiếp nhận", at))
