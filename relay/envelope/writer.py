"""The strict writer: a document or status as edXML, in the one form every reader knows.

The root has the default namespace, the prefix edXML is declared again on the envelope and on each
encoded content, attachments are unprefixed, base64 is one line. The same value always gives the
same bytes. What was written is read again before it is returned, so nothing leaves that our own
reader would refuse.

Touches: nothing. Raises: EnvelopeError.
"""

from __future__ import annotations

from relay.envelope import statuses
from relay.envelope.documents import (
    AttachmentContent,
    Business,
    Document,
    ReceiverChange,
    Replacement,
    Signer,
    Staff,
    Stamp,
    StatusMessage,
)
from relay.envelope.elements import QCVN
from relay.envelope.limits import DEFAULT, Limits
from relay.envelope.reader import read
from relay.envelope.written_attachments import attachment_parts, content_ids, manifest_lines
from relay.envelope.written_header import (
    agency,
    instant,
    message_header,
    party_lines,
    response_lines,
    staff_lines,
)
from relay.envelope.written_trace import trace_list
from relay.envelope.xmltext import INDENT, block, field
from relay.errors import EnvelopeError

__all__ = [
    "AttachmentContent",
    "Business",
    "Document",
    "ReceiverChange",
    "Replacement",
    "Signer",
    "Staff",
    "Stamp",
    "StatusMessage",
    "write_document",
    "write_status",
]

_PREFIX = f' xmlns:edXML="{QCVN}"'


def write_document(document: Document, limits: Limits = DEFAULT) -> bytes:
    """The envelope of a document."""
    if not document.recipients:
        raise EnvelopeError("document without recipients")
    if not document.traces:
        raise EnvelopeError("document without a trace")
    names = content_ids(document.attachments)
    header = block("edXMLHeader", [*message_header(document), *trace_list(document)])
    body = block("edXMLBody", manifest_lines(document.attachments, names))
    envelope = block("edXMLEnvelope", [*header, *body], attributes=_PREFIX)
    before = _opening(envelope)
    parts = [before]
    if document.attachments:
        parts.append(f"{INDENT}<AttachmentEncoded>\n".encode())
        for name, attachment in zip(names, document.attachments, strict=True):
            parts.extend(attachment_parts(name, attachment))
        parts.append(f"{INDENT}</AttachmentEncoded>\n".encode())
    return _checked(b"".join([*parts, b"</edXML>\n"]), limits)


def write_status(status: StatusMessage, limits: Limits = DEFAULT) -> bytes:
    """The envelope of a status message, which has no body."""
    row = statuses.lookup(status.status_code)
    if row.reason_required and not status.description:
        raise EnvelopeError(f"status {row.code} without a reason")
    agency(status.response_for.organ_id)
    message = block(
        "MessageHeader",
        [
            *party_lines("From", status.sender),
            *response_lines(status.response_for),
            *staff_lines(status.staff),
            field("StatusCode", row.code),
            field("Description", status.description),
            field("Timestamp", instant(status.at)),
        ],
    )
    envelope = block("edXMLEnvelope", block("edXMLHeader", message), attributes=_PREFIX)
    return _checked(_opening(envelope) + b"</edXML>\n", limits)


def _opening(envelope: list[str]) -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<edXML xmlns="{QCVN}">',
        *(INDENT + line for line in envelope),
    ]
    return ("\n".join(lines) + "\n").encode()


def _checked(content: bytes, limits: Limits) -> bytes:
    read(content, limits)
    return content
