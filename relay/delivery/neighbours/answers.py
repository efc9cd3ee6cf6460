"""Whether a proven receipt is the answer to a transfer: the right issuer, transfer, bytes, recipients.

A receipt that leaves a recipient out would close the transfer and leave that delivery without an
end, and one about other bytes would prove nothing; so such an answer is no answer.

Touches: nothing. Trusts: the receipt's signature was verified.
Raises:  SignatureError.
"""

from __future__ import annotations

from relay.delivery.neighbours.standing import require_issuer
from relay.errors import SignatureError
from relay.model import Event, Receipt, TransferHeader
from relay.routing.directory import Directory

_VERDICTS = frozenset({Event.RELAY_ACCEPTANCE, Event.RELAY_REJECTION})
_SAYABLE = _VERDICTS | {Event.CONTENT_CONSIGNMENT}
_OUR_OWN = frozenset({Event.RELAY_TO_NON_ERDS, Event.RELAY_TO_NON_ERDS_FAILURE})


def require_answer(directory: Directory, receipt: Receipt, header: TransferHeader) -> None:
    """Refuse what is not the neighbour's word on all of `header`'s recipients (W5.3)."""
    named = (receipt.issuer, receipt.sent_by, receipt.transfer_id, receipt.message_id)
    if named != (header.sent_to, header.sent_by, header.transfer_id, header.message_id):
        raise SignatureError("wrong-receipt", "the answer is a receipt for something else")
    content = (receipt.origin, receipt.digest, receipt.size_bytes)
    if content != (header.origin, header.digest, header.size_bytes):
        raise SignatureError("wrong-receipt", "the answer is a receipt for other bytes")
    if any(
        e.event not in _SAYABLE or e.recipient not in header.recipients for e in receipt.evidence
    ):
        raise SignatureError("wrong-receipt", "the answer speaks of more than the transfer")
    judged = {e.recipient for e in receipt.evidence if e.event in _VERDICTS}
    left_out = len(set(header.recipients) - judged)
    if left_out:
        raise SignatureError("wrong-receipt", f"the answer says nothing of {left_out} recipients")
    require_issuer(directory, header.sent_by, header.sent_to, receipt)


def require_own_evidence(receipt: Receipt, header: TransferHeader) -> None:
    """Refuse what is not this node's evidence on all that it handed to a remote that gives none."""
    named = (receipt.issuer, receipt.transfer_id, receipt.message_id, receipt.digest)
    if named != (header.sent_by, header.transfer_id, header.message_id, header.digest):
        raise SignatureError("wrong-receipt", "the evidence is of something else")
    if {e.recipient for e in receipt.evidence if e.event in _OUR_OWN} != set(header.recipients):
        raise SignatureError("wrong-receipt", "the evidence is not of all recipients")
