"""Elements to an Envelope: sender, recipients, what it is, what it answers, what it carries.

Refused is only what no node could route or what two readers would route differently; everything
else that is odd becomes a finding.

Touches: nothing. Raises: EnvelopeError.
"""

from __future__ import annotations

from relay.envelope.dates import remark_date
from relay.envelope.earlier import read_business, read_paper
from relay.envelope.elements import Element
from relay.envelope.findings import Findings, quoted
from relay.envelope.limits import Limits
from relay.envelope.manifest import join, references_of
from relay.envelope.parties import read_recipients, read_sender
from relay.envelope.responses import read_responses, read_status
from relay.errors import EnvelopeError
from relay.model import Digest, Envelope, MessageType, Party, Priority

_PRIORITIES = {str(priority.value): priority for priority in Priority}
_OPERATIONS = {"0": 0, "1": 1, "2": 2, "3": 3}
_REQUIRED = ("DocumentId", "Code", "PromulgationInfo", "DocumentType", "Subject")


def read_envelope(
    root: Element,
    attachments: list[Element],
    *,
    digest: Digest,
    size_bytes: int,
    limits: Limits,
    findings: Findings,
) -> Envelope:
    """`attachments` are the Attachment elements, wherever they stood; findings come in `findings`
    and, all of them, in the envelope."""
    edxml_header = _edxml_header(root)
    message = _message_header(edxml_header)
    references = references_of(root)
    where = message.name
    texts = message.texts(where, findings)
    recipients = read_recipients(message, limits, findings)
    has_body = bool(references or attachments)
    is_shaped = has_body or bool(recipients) or "edXMLBody" in root.first("edXMLEnvelope").children
    kind = _kind(message, texts, has_body=has_body, is_shaped=is_shaped, findings=findings)
    is_status = kind is MessageType.STATUS
    if not is_status:
        _remark_missing(message, texts, recipients, findings)
    _remark_repeated(message, findings)
    code = message.first("Code").texts(f"{where}/Code", findings)
    info = message.first("PromulgationInfo").texts(f"{where}/PromulgationInfo", findings)
    if "PromulgationDate" in info:
        remark_date(info["PromulgationDate"], f"{where}/PromulgationInfo", findings)
    if "DueDate" in texts:
        remark_date(texts["DueDate"], f"{where}/DueDate", findings)
    _remark_trace(edxml_header, findings)
    operation = _operation(edxml_header, findings)
    return Envelope(
        message_type=kind,
        digest=digest,
        size_bytes=size_bytes,
        sender=read_sender(message, findings),
        recipients=recipients,
        document_id=texts.get("DocumentId", ""),
        code_number=code.get("CodeNumber", ""),
        code_notation=code.get("CodeNotation", ""),
        promulgation_place=info.get("Place", ""),
        promulgation_date=info.get("PromulgationDate", ""),
        document_type=message.first("DocumentType")
        .texts(f"{where}/DocumentType", findings)
        .get("TypeName", ""),
        subject=texts.get("Subject", ""),
        priority=_priority(message, findings),
        operation=operation,
        response_for=read_responses(message, required=is_status, findings=findings),
        status=read_status(message, texts, findings) if is_status else None,
        attachments=join(references, attachments, findings),
        business=None if is_status else read_business(edxml_header, operation, limits, findings),
        paper=read_paper(edxml_header),
        due_date=texts.get("DueDate", ""),
        findings=findings.result(),
    )


# ---------------------------------------------------------------- where the header is


def _edxml_header(root: Element) -> Element:
    envelope = root.only("edXMLEnvelope")
    header = envelope.only("edXMLHeader") if envelope else None
    if header is None:
        raise EnvelopeError("no edXMLHeader", where="edXML/edXMLEnvelope")
    return header


def _message_header(header: Element) -> Element:
    """MessageHeader, or Status as some systems name it in a status message."""
    message, status = header.only("MessageHeader"), header.only("Status")
    if message and status:
        raise EnvelopeError("MessageHeader beside Status", where="edXMLHeader")
    found = message or status
    if found is None:
        raise EnvelopeError("no MessageHeader", where="edXMLHeader")
    return found


# ---------------------------------------------------------------- what


def _kind(
    message: Element, texts: dict[str, str], *, has_body: bool, is_shaped: bool, findings: Findings
) -> MessageType:
    """`is_shaped`: something in it is a document's alone."""
    code = texts.get("StatusCode", "")
    if code and not has_body:
        return MessageType.STATUS
    if message.name == "Status" or not is_shaped:
        raise EnvelopeError("neither a document nor a status", where=message.name)
    if code:
        findings.add("status-code-in-document", "ignored", f"{message.name}/StatusCode")
    return MessageType.DOCUMENT


def _remark_missing(
    message: Element,
    texts: dict[str, str],
    recipients: tuple[Party, ...],
    findings: Findings,
) -> None:
    for name in _REQUIRED:
        if name not in texts and name not in message.children:
            findings.add("missing-element", f"no {name}", message.name)
    if not recipients:
        findings.add("missing-to", "no To with an OrganId", message.name)


def _remark_repeated(message: Element, findings: Findings) -> None:
    for child in message.repeated:
        if child.name not in {"To", "ResponseFor"}:
            where = f"{message.name}/{child.name}"
            findings.add("duplicate-element", "the first one counts", where)


def _priority(message: Element, findings: Findings) -> Priority:
    texts = message.first("OtherInfo").texts(f"{message.name}/OtherInfo", findings)
    text = texts.get("Priority", "")
    if text and text not in _PRIORITIES:
        where = f"{message.name}/OtherInfo/Priority"
        findings.add("unknown-priority", f"{quoted(text)}, taken as normal", where)
    return _PRIORITIES.get(text, Priority.NORMAL)


def _operation(header: Element, findings: Findings) -> int:
    traces = header.first("TraceHeaderList")
    found = [*traces.all("Bussiness"), *header.all("Bussiness")]
    if not found:
        return -1
    if len(found) > 1:
        findings.add("duplicate-element", "the first one counts", "TraceHeaderList/Bussiness")
    text = found[0].texts("Bussiness", findings).get("BussinessDocType", "")
    if text and text not in _OPERATIONS:
        findings.add("unknown-operation", quoted(text), "Bussiness/BussinessDocType")
    return _OPERATIONS.get(text, -1)


# ---------------------------------------------------------------- when


def _remark_trace(header: Element, findings: Findings) -> None:
    traces = header.first("TraceHeaderList").all("TraceHeader")
    for number, element in enumerate(traces, 1):
        where = f"TraceHeader[{number}]"
        texts = element.texts(where, findings)
        remark_date(texts.get("Timestamp", ""), f"{where}/Timestamp", findings)
