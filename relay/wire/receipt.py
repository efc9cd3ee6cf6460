"""The receipt as XML: what happened to one message at one node, for each recipient concerned.

Touches: nothing.
Trusts:  nothing; a receipt that was read is well formed, not yet proven (signing.evidence does that).
Raises:  WireError.

    <Receipt xmlns="urn:truc-relay:wire:1">
      <Issuer/> <Origin/> <MessageId/> <PayloadDigest/> <PayloadSize/> <TransferId/>? <SentBy/>? <At/>
      <EvidenceList>
        ( <Evidence> <Event/> <Recipient/> <Previous/>? <Reason/>? <Detail/>? </Evidence> )+
      </EvidenceList>
    </Receipt>

Event is the ETSI EN 319 522 URI. An event that ends a delivery must say why (Reason), one that is no
failure or rejection must not. Canonical bytes only, as for transfers.
"""

from __future__ import annotations

from relay.errors import WireError
from relay.model import Evidence, MessageId, NodeId, Receipt, TransferId
from relay.wire import values
from relay.wire.tree import Children, open_document

LIMIT_BYTES = 16 * 1024 * 1024
"""Room for the most evidence with the longest detail, all of it escaped."""
EVIDENCE_LIMIT = 10_000
"""Two for each of the most recipients: accepted, and at once put at their disposal."""


def write_receipt(receipt: Receipt) -> bytes:
    """The one canonical form of `receipt`."""
    _check_evidence(receipt.evidence)
    _check_values(receipt)
    return _text(receipt)


def _check_values(receipt: Receipt) -> None:
    values.node(receipt.issuer, "Issuer")
    values.node(receipt.origin, "Origin")
    values.uuid7(receipt.message_id, "MessageId")
    values.digest(receipt.digest, "PayloadDigest")
    values.check_count(receipt.size_bytes, "PayloadSize")
    if receipt.transfer_id is not None:
        values.uuid7(receipt.transfer_id, "TransferId")
    if receipt.sent_by is not None:
        values.node(receipt.sent_by, "SentBy")
    values.check_instant(receipt.at, "At")
    for evidence in receipt.evidence:
        values.agency(evidence.recipient, "Recipient")
        if evidence.previous is not None:
            values.digest(evidence.previous, "Previous")
        if evidence.detail:
            values.detail(evidence.detail)


def _text(receipt: Receipt) -> bytes:
    """As XML; once checked, only Detail needs escaping."""
    return (
        f'<Receipt xmlns="{values.NAMESPACE}">'
        f"<Issuer>{receipt.issuer}</Issuer>"
        f"<Origin>{receipt.origin}</Origin>"
        f"<MessageId>{receipt.message_id}</MessageId>"
        f"<PayloadDigest>{receipt.digest}</PayloadDigest>"
        f"<PayloadSize>{receipt.size_bytes}</PayloadSize>"
        f"{_optional('TransferId', receipt.transfer_id)}"
        f"{_optional('SentBy', receipt.sent_by)}"
        f"<At>{values.instant_text(receipt.at)}</At>"
        f"<EvidenceList>{''.join(map(_evidence, receipt.evidence))}</EvidenceList>"
        "</Receipt>"
    ).encode()


def _evidence(evidence: Evidence) -> str:
    return (
        f"<Evidence><Event>{values.EVENT_URIS[evidence.event]}</Event>"
        f"<Recipient>{evidence.recipient}</Recipient>"
        f"{_optional('Previous', evidence.previous)}"
        f"{_optional('Reason', evidence.reason)}"
        f"{_optional('Detail', values.escaped(evidence.detail))}"
        "</Evidence>"
    )


def _optional(name: str, text: str | None) -> str:
    return f"<{name}>{text}</{name}>" if text else ""


def read_receipt(content: bytes) -> Receipt:
    """The receipt these bytes say, if they are exactly what write_receipt would write for it."""
    root = open_document(content, "Receipt", LIMIT_BYTES)
    receipt = Receipt(
        issuer=values.node(root.text("Issuer"), "Issuer"),
        origin=values.node(root.text("Origin"), "Origin"),
        message_id=MessageId(values.uuid7(root.text("MessageId"), "MessageId")),
        digest=values.digest(root.text("PayloadDigest"), "PayloadDigest"),
        size_bytes=values.count(root.text("PayloadSize"), "PayloadSize"),
        transfer_id=_read_transfer_id(root.text_if("TransferId")),
        sent_by=_read_sent_by(root.text_if("SentBy")),
        at=values.instant(root.text("At"), "At"),
        evidence=_read_evidence_list(root.inside("EvidenceList")),
    )
    root.end("Receipt")
    _check_evidence(receipt.evidence)
    if _text(receipt) != content:
        raise WireError("Receipt document is not in its canonical form")
    return receipt


def _read_transfer_id(text: str | None) -> TransferId | None:
    return None if text is None else TransferId(values.uuid7(text, "TransferId"))


def _read_sent_by(text: str | None) -> NodeId | None:
    return None if text is None else values.node(text, "SentBy")


def _read_evidence_list(children: Children) -> tuple[Evidence, ...]:
    found: list[Evidence] = []
    while children.more and len(found) <= EVIDENCE_LIMIT:
        found.append(_read_evidence(children.inside("Evidence")))
    return tuple(found)


def _read_evidence(children: Children) -> Evidence:
    event = values.event(children.text("Event"))
    recipient = values.agency(children.text("Recipient"), "Recipient")
    previous = children.text_if("Previous")
    reason = children.text_if("Reason")
    return Evidence(
        event=event,
        recipient=recipient,
        previous=None if previous is None else values.digest(previous, "Previous"),
        reason=None if reason is None else values.reason(reason),
        detail=values.detail(children.text_if("Detail") or ""),
    )


def _check_evidence(evidence: tuple[Evidence, ...]) -> None:
    if not 1 <= len(evidence) <= EVIDENCE_LIMIT:
        raise WireError(f"{len(evidence)} or more evidences, limit 1 to {EVIDENCE_LIMIT}")
    if len({(item.event, item.recipient) for item in evidence}) != len(evidence):
        raise WireError("one event is given twice for one recipient")
    for item in evidence:
        if item.event.negative and item.reason is None:
            raise WireError(f"{item.event.value} gives no reason")
        if not _failing(item) and (item.reason is not None or item.detail):
            raise WireError(f"{item.event.value} is no failure and gives a reason")


def _failing(evidence: Evidence) -> bool:
    """ContentHandoverFailure is no end of the delivery (negative), but has a reason to give."""
    return evidence.event.value.endswith(("Failure", "Rejection"))
