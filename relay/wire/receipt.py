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
failure or rejection must not, but for one (`_why_consigned`); a remote's word (remote_word.py) is its
only detail. Canonical bytes only, read by patterns alone, as for transfers.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NoReturn

from relay.errors import WireError
from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    TransferId,
)
from relay.wire import values
from relay.wire.remote_word import SPOKEN, read_word
from relay.wire.tree import Children, open_document
from relay.wire.values import element, optional

LIMIT_BYTES = 16 * 1024 * 1024
"""Room for the most evidence with the longest detail, all of it escaped."""
EVIDENCE_LIMIT = 10_000
"""Two for each of the most recipients: accepted, and at once put at their disposal."""

_HEAD = re.compile(
    f'<Receipt xmlns="{values.NAMESPACE}">'
    + element("Issuer", values.NODE_ID)
    + element("Origin", values.NODE_ID)
    + element("MessageId", values.UUID7)
    + element("PayloadDigest", values.DIGEST)
    + element("PayloadSize", values.COUNT)
    + optional("TransferId", values.UUID7)
    + optional("SentBy", values.NODE_ID)
    + element("At", values.INSTANT)
    + "<EvidenceList>"
)
_EVIDENCE = re.compile(
    "<Evidence>"
    + element("Event", values.EVENT)
    + element("Recipient", values.AGENCY_CODE)
    + optional("Previous", values.DIGEST)
    + optional("Reason", values.REASON)
    + optional("Detail", values.DETAIL)
    + "</Evidence>"
)
_END = "</EvidenceList></Receipt>"


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
    try:
        receipt = _matched(content)
    except ValueError:
        _refuse(content)
    _check_evidence(receipt.evidence)
    return receipt


def _matched(content: bytes) -> Receipt:
    """ValueError if the bytes are not of the grammar or an instant is no date."""
    if len(content) > LIMIT_BYTES:
        raise ValueError
    text = content.decode()
    head = _HEAD.match(text)
    if head is None:
        raise ValueError
    return Receipt(
        issuer=NodeId(head[1]),
        origin=NodeId(head[2]),
        message_id=MessageId(head[3]),
        digest=Digest(head[4]),
        size_bytes=int(head[5]),
        transfer_id=TransferId(head[6]) if head[6] else None,
        sent_by=NodeId(head[7]) if head[7] else None,
        at=datetime.fromisoformat(head[8]),
        evidence=_matched_evidence(text, head.end()),
    )


def _matched_evidence(text: str, position: int) -> tuple[Evidence, ...]:
    """All evidence from there to the end of the text."""
    found: list[Evidence] = []
    while len(found) < EVIDENCE_LIMIT and (item := _EVIDENCE.match(text, position)):
        event, recipient, previous, reason, detail = item.groups()
        found.append(
            Evidence(
                event=values.event(event),
                recipient=AgencyCode(recipient),
                previous=Digest(previous) if previous else None,
                reason=values.reason(reason) if reason else None,
                detail=values.unescaped(detail) if detail else "",
            )
        )
        position = item.end()
    if text[position:] != _END:
        raise ValueError
    return tuple(found)


def _refuse(content: bytes) -> NoReturn:
    """Name the first thing that is wrong with bytes that did not match."""
    root = open_document(content, "Receipt", LIMIT_BYTES)
    values.node(root.text("Issuer"), "Issuer")
    values.node(root.text("Origin"), "Origin")
    values.uuid7(root.text("MessageId"), "MessageId")
    values.digest(root.text("PayloadDigest"), "PayloadDigest")
    values.count(root.text("PayloadSize"), "PayloadSize")
    if (transfer := root.text_if("TransferId")) is not None:
        values.uuid7(transfer, "TransferId")
    if (sender := root.text_if("SentBy")) is not None:
        values.node(sender, "SentBy")
    values.instant(root.text("At"), "At")
    evidence = _read_evidence_list(root.inside("EvidenceList"))
    root.end("Receipt")
    _check_evidence(evidence)
    raise WireError("Receipt document is not in its canonical form")


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
        if item.event.endswith(("Failure", "Rejection")):
            # ContentHandoverFailure is no end of the delivery, but may have a reason to give.
            if item.reason is None and item.event.negative:
                raise WireError(f"{item.event.value} gives no reason")
        elif (item.reason is not None or item.detail) and not (
            _why_consigned(item) or _is_remote_word(item)
        ):
            raise WireError(f"{item.event.value} is no failure and gives a reason")


def _why_consigned(item: Evidence) -> bool:
    """A take-back is consigned, and not carried out, because the document had been fetched (W10.4)."""
    return item.event is Event.CONTENT_CONSIGNMENT and item.reason is Reason.DESTRUCTION_ASKED


def _is_remote_word(item: Evidence) -> bool:
    """W5.11: what a remote without evidence said stands as the detail, and gives no reason."""
    spoken = item.reason is None and item.event in SPOKEN
    return spoken and read_word(item.detail) is not None
