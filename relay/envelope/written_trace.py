"""TraceHeaderList as lines of XML: who passed the document on, and what is to be done with it.

Touches: nothing. Raises: EnvelopeError.
"""

from __future__ import annotations

from relay.envelope.documents import Business, Document, ReceiverChange, Replacement, Stamp
from relay.envelope.written_header import agency, instant, staff_lines
from relay.envelope.xmltext import block, field, optional, optional_block
from relay.errors import EnvelopeError


def trace_list(document: Document) -> list[str]:
    stamps = [line for stamp in document.traces for line in _stamp(stamp)]
    return block("TraceHeaderList", [*stamps, *_business(document.business)])


def _stamp(stamp: Stamp) -> list[str]:
    lines = [field("OrganId", stamp.organ_id), field("Timestamp", instant(stamp.at))]
    return block("TraceHeader", lines)


def _business(business: Business | None) -> list[str]:
    if business is None:
        return []
    if business.operation not in range(4):
        raise EnvelopeError(f"operation {business.operation}", limit="0 to 3")
    paper = None if business.paper is None else int(business.paper)
    lines = [
        *optional("DocumentId", business.document_id),
        field("BussinessDocType", business.operation),
        *optional("BussinessDocReason", business.reason),
        *optional("Paper", paper),
        *_update(business),
        *optional_block(
            "ReplacementInfoList",
            [line for replaced in business.replacements for line in _replacement(replaced)],
        ),
        *staff_lines(business.staff),
    ]
    return block("Bussiness", lines)


def _update(business: Business) -> list[str]:
    if not (business.updates_document or business.updates_receivers or business.receivers):
        return []
    receivers = [line for receiver in business.receivers for line in _receiver(receiver)]
    lines = [
        field("DocumentInfo", int(business.updates_document)),
        field("DocumentReceiver", int(business.updates_receivers)),
        *optional_block("ReceiverList", receivers),
    ]
    return block("BussinessDocumentInfo", lines)


def _receiver(receiver: ReceiverChange) -> list[str]:
    lines = [
        field("OrganId", agency(receiver.organ_id)),
        field("ReceiverType", int(receiver.added)),
    ]
    return block("Receiver", lines)


def _replacement(replaced: Replacement) -> list[str]:
    if not replaced.organ_ids:
        raise EnvelopeError("replacement without agencies")
    organs = [field("OrganId", agency(code)) for code in replaced.organ_ids]
    lines = [field("DocumentId", replaced.document_id), *block("OrganIdList", organs)]
    return block("ReplacementInfo", lines)
