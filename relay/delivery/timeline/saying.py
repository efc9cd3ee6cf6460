"""What receipts and this node's own log say of one stay, in words for whoever asks.

Pure. Who gave an operator's order, and why, is not said: `relay why` tells those who may know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from relay.delivery.ports import ReceiptView
from relay.delivery.timeline.ports import Step
from relay.model import Event, Reason
from relay.wire.remote_word import RemoteWord

_LOG: Final[Mapping[str, tuple[Step, str]]] = {
    "recipient-succeeded": (Step.ARRIVED, "its recipient is closed: it goes to the successor"),
    "message-recovered": (Step.ARRIVED, "fetched back from {neighbour} after a restore"),
    "conflict-alert": (Step.VERIFIED, "other bytes came under its id and were refused"),
    "signatures-judged": (Step.VERIFIED, "the signatures in the document were judged: {verdict}"),
    "transfer-frozen": (Step.LEFT, "made ready for {neighbour}"),
    "transfer-freed": (Step.WAITED, "given to {neighbour} no more: it waits again on its own"),
    "transfer-answered": (Step.LEFT, "{neighbour} answered with a signed receipt"),
    "delivery-held": (Step.WAITED, "held here: not sent until it is released"),
    "delivery-released": (Step.WAITED, "released"),
    "delivery-requeued": (Step.WAITED, "queued anew by an operator"),
    "delivery-redirected": (Step.WAITED, "sent another way by an operator: to {neighbour}"),
    "delivery-cancelled": (Step.ENDED, "cancelled by an operator"),
    "queue-flushed": (Step.WAITED, "tried at once by an operator's order"),
    "bridge-repeated": (Step.LEFT, "sent to the remote once more: {reason}"),
    "delivery-fetched": (Step.DELIVERED, "fetched by the recipient's system"),
    "delivery-acknowledged": (Step.DELIVERED, "acknowledged by the recipient's system: {state}"),
    "delivery-taken-back": (Step.ENDED, "taken back by its sender, before its recipient had it"),
    "delivery-expired": (Step.ENDED, "its time ran out"),
    "delivery-failed": (Step.ENDED, "it ended here ({reason})"),
}
"""Entries of the log that tell of the way and are not said by a receipt that is shown."""
_IN_DOUBT = "sent to {neighbour}, which did not answer: it may have it"
_NOT_TAKEN = "{neighbour} did not take it"

_RECEIPT: Final[Mapping[Event, tuple[Step, str]]] = {
    Event.SUBMISSION_ACCEPTANCE: (Step.ARRIVED, "accepted from the sender's system"),
    Event.RELAY_ACCEPTANCE: (Step.ARRIVED, "taken over from {sent_by}"),
    Event.RECEIVED_FROM_NON_ERDS: (Step.ARRIVED, "taken in from a remote without evidence"),
    Event.CONTENT_CONSIGNMENT: (Step.DELIVERED, "at the recipient's disposal"),
    Event.CONTENT_HANDOVER: (Step.DELIVERED, "acknowledged by the recipient's system: done"),
    Event.CONTENT_HANDOVER_FAILURE: (Step.DELIVERED, "put back by the recipient's system"),
    Event.RELAY_TO_NON_ERDS: (Step.LEFT, "given to a remote without evidence"),
    Event.SUBMISSION_REJECTION: (Step.ENDED, "refused to the sender's system"),
    Event.RELAY_REJECTION: (Step.ENDED, "refused"),
    Event.RELAY_FAILURE: (Step.ENDED, "given up"),
    Event.CONTENT_CONSIGNMENT_FAILURE: (Step.ENDED, "not given to the recipient"),
    Event.RELAY_TO_NON_ERDS_FAILURE: (Step.ENDED, "the remote without evidence does not take it"),
}
_FOR_A_REASON: Final[Mapping[Reason, tuple[Step, str]]] = {
    Reason.TAKEN_BACK: (Step.ENDED, "taken back by its sender, before its recipient had it"),
    Reason.DESTRUCTION_ASKED: (
        Step.ANSWERED,
        "a take-back came after it was fetched: the recipient is asked to destroy it",
    ),
    Reason.OUTCOME_UNKNOWN: (
        Step.ENDED,
        "given up without knowing whether the next node has it",
    ),
}
_WORD: Final[Mapping[Event, tuple[Step, str]]] = {
    Event.RECEIVED_FROM_NON_ERDS: (Step.ARRIVED, "listed by it"),
    Event.RELAY_TO_NON_ERDS: (Step.ARRIVED, "it says it has it"),
    Event.CONTENT_CONSIGNMENT: (Step.DELIVERED, "it says its recipient has it at its disposal"),
    Event.CONTENT_HANDOVER: (Step.DELIVERED, "it says its recipient acknowledged it"),
}


def entry_said(fields: Mapping[str, Any]) -> tuple[Step, str] | None:
    """None for an entry that tells nothing of the way."""
    event = str(fields.get("event"))
    if event == "transfer-postponed":
        step, text = Step.WAITED, _IN_DOUBT if fields.get("state") == "in-doubt" else _NOT_TAKEN
    elif event in _LOG:
        step, text = _LOG[event]
    else:
        return None
    words = {
        name: str(fields.get(name, "?")) for name in ("neighbour", "verdict", "reason", "state")
    }
    return step, text.format(**words)


def receipt_said(receipt: ReceiptView) -> tuple[Step, str]:
    reason = receipt.reason
    if reason is not None and reason in _FOR_A_REASON:
        return _FOR_A_REASON[reason]
    step, text = _RECEIPT[receipt.event]
    said = text.format(sent_by=receipt.sent_by or "?")
    because = f" ({reason})" if reason is not None else ""
    detail = f": {receipt.detail}" if receipt.detail and step is not Step.ARRIVED else ""
    return step, f"{said}{because}{detail}"


def word_said(receipt: ReceiptView, word: RemoteWord) -> tuple[Step, str]:
    step, text = _WORD[receipt.event]
    return step, f"{text} ({word.call}): no evidence"
