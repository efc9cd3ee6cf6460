"""Documents to send: each another message, all of one size, and cheap to make.

One document is written by the relay's own writer with a number of fixed width in its DocumentId,
CodeNumber and subject; each next one is the same bytes around the next number. The generator thus
takes a few microseconds a document and leaves the machine to the nodes.

Touches: nothing.
Raises:  ValueError for a size that no document can have.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime

from relay.envelope.documents import AttachmentContent, Document, Signer, Stamp
from relay.envelope.writer import write_document
from relay.model import Party, Priority

_WIDTH = 9
_MARK = "731946250"
"""Stands where the number comes."""
_PDF = b"%PDF-1.7\n"
_WRITTEN = datetime(2026, 1, 5, 1, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Template:
    """A document cut where its number stands."""

    pieces: tuple[bytes, ...]

    def numbered(self, number: int) -> bytes:
        """The document with this number, 0 to 999 999 999."""
        return f"{number:0{_WIDTH}d}".encode().join(self.pieces)


def template(
    size_bytes: int, sender: str, recipient: str, priority: Priority = Priority.NORMAL
) -> Template:
    """Documents of `size_bytes`, at most three bytes short of it."""
    empty = len(_document(sender, recipient, b"", priority))
    room = (size_bytes - empty) // 4 * 3
    if room < 1:
        raise ValueError(f"{size_bytes} bytes, a document has at least {empty + 4}")
    filling = random.Random(_MARK).randbytes(room)
    content = _document(sender, recipient, (_PDF + filling)[:room], priority)
    return Template(tuple(content.split(_MARK.encode())))


def _document(sender: str, recipient: str, attachment: bytes, priority: Priority) -> bytes:
    return write_document(
        Document(
            sender=Party(sender, "Ủy ban nhân dân tỉnh Mẫu", organ_add="Số 1 đường Mẫu"),
            recipients=(Party(recipient, "Bộ Mẫu"),),
            document_id=f"{sender},2026/01/05,{_MARK}",
            code_number=_MARK,
            code_notation="UBND-VP",
            promulgation_place="Tỉnh Mẫu",
            promulgation_date=date(2026, 1, 5),
            document_type="Công văn",
            priority=priority,
            subject=f"Về việc đo thông lượng trục liên thông, văn bản số {_MARK}",
            traces=(Stamp(sender, _WRITTEN),),
            signer=Signer("TM. ỦY BAN NHÂN DÂN", "Chủ tịch", "Nguyễn Văn Mẫu"),
            attachments=(AttachmentContent("cong-van.pdf", "application/pdf", attachment),),
        )
    )
