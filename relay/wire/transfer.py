"""The transfer header as XML: what one node tells the next of the envelope that follows.

Touches: nothing.
Trusts:  nothing; a header that was read is well formed, not yet proven (signing.evidence does that).
Raises:  WireError.

    <Transfer xmlns="urn:truc-relay:wire:1">
      <TransferId/> <MessageId/> <Origin/> <SentBy/> <SentTo/> <MessageType/> <From/>
      <Recipients> <To/>+ </Recipients>
      <Priority/> <PayloadDigest/> <PayloadSize/> <Created/> <Expires/>
      <Trace> ( <Step> <Node/> <At/> <Receipt/> </Step> )* </Trace>
    </Transfer>

Written without white space between elements, as exclusive canonical XML; any other bytes of the same
meaning are refused. What is read must match patterns that are the whole grammar; an XML parser only names what is wrong with
bytes that do not, and accepts nothing.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NoReturn

from relay.errors import WireError
from relay.model import (
    AgencyCode,
    Digest,
    MessageId,
    NodeId,
    TraceStep,
    TransferHeader,
    TransferId,
)
from relay.wire import values
from relay.wire.tree import Children, open_document
from relay.wire.values import element

LIMIT_BYTES = 1024 * 1024
RECIPIENT_LIMIT = 5_000
TRACE_LIMIT = 17
"""One step more than a transfer may have, so that one which came too far can be refused by evidence."""

_TO = f"<To>{values.AGENCY_CODE.pattern}</To>"
_HEAD = re.compile(
    f'<Transfer xmlns="{values.NAMESPACE}">'
    + element("TransferId", values.UUID7)
    + element("MessageId", values.UUID7)
    + element("Origin", values.NODE_ID)
    + element("SentBy", values.NODE_ID)
    + element("SentTo", values.NODE_ID)
    + element("MessageType", values.MESSAGE_TYPE)
    + element("From", values.AGENCY_CODE)
    + f"<Recipients>((?:{_TO}){{1,{RECIPIENT_LIMIT}}})</Recipients>"
    + element("Priority", values.PRIORITY)
    + element("PayloadDigest", values.DIGEST)
    + element("PayloadSize", values.COUNT)
    + element("Created", values.INSTANT)
    + element("Expires", values.INSTANT)
    + "<Trace>"
)
_STEP = re.compile(
    "<Step>"
    + element("Node", values.NODE_ID)
    + element("At", values.INSTANT)
    + element("Receipt", values.DIGEST)
    + "</Step>"
)
_END = "</Trace></Transfer>"


def write_transfer(header: TransferHeader) -> bytes:
    """The one canonical form of `header`."""
    _check_counts(header.recipients, header.trace)
    _check_values(header)
    return _text(header)


def _check_values(header: TransferHeader) -> None:
    values.uuid7(header.transfer_id, "TransferId")
    values.uuid7(header.message_id, "MessageId")
    values.node(header.origin, "Origin")
    values.node(header.sent_by, "SentBy")
    values.node(header.sent_to, "SentTo")
    values.agency(header.sender, "From")
    for code in header.recipients:
        values.agency(code, "To")
    values.digest(header.digest, "PayloadDigest")
    values.check_count(header.size_bytes, "PayloadSize")
    values.check_instant(header.created_at, "Created")
    values.check_instant(header.expires_at, "Expires")
    for step in header.trace:
        values.node(step.node, "Node")
        values.check_instant(step.at, "At")
        values.digest(step.receipt, "Receipt")


def _text(header: TransferHeader) -> bytes:
    """As XML; no value needs escaping once it was checked."""
    return (
        f'<Transfer xmlns="{values.NAMESPACE}">'
        f"<TransferId>{header.transfer_id}</TransferId>"
        f"<MessageId>{header.message_id}</MessageId>"
        f"<Origin>{header.origin}</Origin>"
        f"<SentBy>{header.sent_by}</SentBy>"
        f"<SentTo>{header.sent_to}</SentTo>"
        f"<MessageType>{header.message_type.value}</MessageType>"
        f"<From>{header.sender}</From>"
        f"<Recipients><To>{'</To><To>'.join(header.recipients)}</To></Recipients>"
        f"<Priority>{header.priority.value}</Priority>"
        f"<PayloadDigest>{header.digest}</PayloadDigest>"
        f"<PayloadSize>{header.size_bytes}</PayloadSize>"
        f"<Created>{values.instant_text(header.created_at)}</Created>"
        f"<Expires>{values.instant_text(header.expires_at)}</Expires>"
        f"<Trace>{''.join(map(_step, header.trace))}</Trace>"
        "</Transfer>"
    ).encode()


def _step(step: TraceStep) -> str:
    return (
        f"<Step><Node>{step.node}</Node><At>{values.instant_text(step.at)}</At>"
        f"<Receipt>{step.receipt}</Receipt></Step>"
    )


def read_transfer(content: bytes) -> TransferHeader:
    """The header these bytes say, if they are exactly what write_transfer would write for it (W2.1)."""
    try:
        header = _matched(content)
    except ValueError:
        _refuse(content)
    _check_counts(header.recipients, header.trace)
    return header


def _matched(content: bytes) -> TransferHeader:
    """ValueError if the bytes are not of the grammar or an instant is no date."""
    if len(content) > LIMIT_BYTES:
        raise ValueError
    text = content.decode("ascii")
    head = _HEAD.match(text)
    if head is None:
        raise ValueError
    return TransferHeader(
        transfer_id=TransferId(head[1]),
        message_id=MessageId(head[2]),
        origin=NodeId(head[3]),
        sent_by=NodeId(head[4]),
        sent_to=NodeId(head[5]),
        message_type=values.message_type(head[6]),
        sender=AgencyCode(head[7]),
        recipients=tuple(map(AgencyCode, head[8][4:-5].split("</To><To>"))),
        priority=values.priority(head[9]),
        digest=Digest(head[10]),
        size_bytes=int(head[11]),
        created_at=datetime.fromisoformat(head[12]),
        expires_at=datetime.fromisoformat(head[13]),
        trace=_matched_trace(text, head.end()),
    )


def _matched_trace(text: str, position: int) -> tuple[TraceStep, ...]:
    """The steps from there to the end of the text."""
    found: list[TraceStep] = []
    while len(found) < TRACE_LIMIT and (step := _STEP.match(text, position)):
        at = datetime.fromisoformat(step[2])
        found.append(TraceStep(NodeId(step[1]), at, Digest(step[3])))
        position = step.end()
    if text[position:] != _END:
        raise ValueError
    return tuple(found)


def _refuse(content: bytes) -> NoReturn:
    """Name the first thing that is wrong with bytes that did not match."""
    root = open_document(content, "Transfer", LIMIT_BYTES)
    values.uuid7(root.text("TransferId"), "TransferId")
    values.uuid7(root.text("MessageId"), "MessageId")
    for name in ("Origin", "SentBy", "SentTo"):
        values.node(root.text(name), name)
    values.message_type(root.text("MessageType"))
    values.agency(root.text("From"), "From")
    recipients = _read_recipients(root.inside("Recipients"))
    values.priority(root.text("Priority"))
    values.digest(root.text("PayloadDigest"), "PayloadDigest")
    values.count(root.text("PayloadSize"), "PayloadSize")
    values.instant(root.text("Created"), "Created")
    values.instant(root.text("Expires"), "Expires")
    trace = _read_trace(root.inside("Trace"))
    root.end("Transfer")
    _check_counts(recipients, trace)
    raise WireError("Transfer document is not in its canonical form")


def _read_recipients(children: Children) -> tuple[AgencyCode, ...]:
    found: list[AgencyCode] = []
    while children.more and len(found) <= RECIPIENT_LIMIT:
        found.append(values.agency(children.text("To"), "To"))
    return tuple(found)


def _read_trace(children: Children) -> tuple[TraceStep, ...]:
    found: list[TraceStep] = []
    while children.more and len(found) <= TRACE_LIMIT:
        step = children.inside("Step")
        found.append(
            TraceStep(
                node=values.node(step.text("Node"), "Node"),
                at=values.instant(step.text("At"), "At"),
                receipt=values.digest(step.text("Receipt"), "Receipt"),
            )
        )
    return tuple(found)


def _check_counts(recipients: tuple[AgencyCode, ...], trace: tuple[TraceStep, ...]) -> None:
    if not 1 <= len(recipients) <= RECIPIENT_LIMIT:
        raise WireError(f"{len(recipients)} or more recipients, limit 1 to {RECIPIENT_LIMIT}")
    if len(set(recipients)) != len(recipients):
        raise WireError("a recipient is named twice")
    if len(trace) > TRACE_LIMIT:
        raise WireError(f"{len(trace)} or more steps in the trace, limit {TRACE_LIMIT}")
