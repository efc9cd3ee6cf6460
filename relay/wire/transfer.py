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
meaning are refused.
"""

from __future__ import annotations

from relay.errors import WireError
from relay.model import AgencyCode, MessageId, TraceStep, TransferHeader, TransferId
from relay.wire import values
from relay.wire.tree import Children, open_document

LIMIT_BYTES = 1024 * 1024
RECIPIENT_LIMIT = 5_000
TRACE_LIMIT = 17
"""One step more than a transfer may have, so that one which came too far can be refused by evidence."""


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
    """The header these bytes say, if they are exactly what write_transfer would write for it."""
    root = open_document(content, "Transfer", LIMIT_BYTES)
    header = TransferHeader(
        transfer_id=TransferId(values.uuid7(root.text("TransferId"), "TransferId")),
        message_id=MessageId(values.uuid7(root.text("MessageId"), "MessageId")),
        origin=values.node(root.text("Origin"), "Origin"),
        sent_by=values.node(root.text("SentBy"), "SentBy"),
        sent_to=values.node(root.text("SentTo"), "SentTo"),
        message_type=values.message_type(root.text("MessageType")),
        sender=values.agency(root.text("From"), "From"),
        recipients=_read_recipients(root.inside("Recipients")),
        priority=values.priority(root.text("Priority")),
        digest=values.digest(root.text("PayloadDigest"), "PayloadDigest"),
        size_bytes=values.count(root.text("PayloadSize"), "PayloadSize"),
        created_at=values.instant(root.text("Created"), "Created"),
        expires_at=values.instant(root.text("Expires"), "Expires"),
        trace=_read_trace(root.inside("Trace")),
    )
    root.end("Transfer")
    _check_counts(header.recipients, header.trace)
    if _text(header) != content:
        raise WireError("Transfer document is not in its canonical form")
    return header


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
