"""Who may say what: a valid signature of some node of the tree is not yet a word that counts.

A receipt comes in through a neighbour, so its issuer must lie on that side; that a recipient has a
document can be said only by the node that serves it. An agency's document begins at the node that
serves the agency, unless the agency's own key vouches for it.

Touches: nothing. Trusts: the directory; signatures were verified before.
Raises:  SignatureError.
"""

from __future__ import annotations

from relay.errors import EnvelopeError, SignatureError
from relay.model import Envelope, Event, NodeId, Receipt, Seal, SealKind, TransferHeader
from relay.routing.behind import lies_behind
from relay.routing.directory import Directory

_AT_THE_END = frozenset(
    {
        Event.CONTENT_CONSIGNMENT,
        Event.CONTENT_CONSIGNMENT_FAILURE,
        Event.CONTENT_HANDOVER,
        Event.CONTENT_HANDOVER_FAILURE,
    }
)
_AGENCYS_OWN = frozenset({SealKind.AGENCY, SealKind.AGENCY_SUPPLIED})


def require_issuer(directory: Directory, here: NodeId, neighbour: NodeId, receipt: Receipt) -> None:
    """Refuse a receipt whose issuer cannot know what it states (W5.9)."""
    if not lies_behind(directory, here, neighbour, receipt.issuer):
        raise SignatureError(
            "wrong-node", f"a receipt of {receipt.issuer} does not come from {neighbour}"
        )
    for evidence in receipt.evidence:
        agency = directory.find(evidence.recipient)
        if evidence.event not in _AT_THE_END or agency is None:
            continue
        if receipt.issuer not in directory.servers_of(agency):
            raise SignatureError(
                "wrong-node",
                f"{evidence.event} for {evidence.recipient} is by {receipt.issuer},"
                f" not by {agency.node}, which serves it",
            )


def origin_fault(
    directory: Directory, here: NodeId, neighbour: NodeId, header: TransferHeader
) -> str:
    """Why this origin cannot have come this way; empty when it can (W4.11)."""
    if lies_behind(directory, here, neighbour, header.origin):
        return ""
    return f"origin {header.origin} does not lie behind {neighbour}"


def sender_fault(
    directory: Directory,
    here: NodeId,
    neighbour: NodeId,
    header: TransferHeader,
    envelope: Envelope,
) -> str:
    """Where envelope and header name different senders; empty when they agree (W4.11)."""
    try:
        written = directory.resolve(envelope.sender.organ_id)
    except EnvelopeError as error:
        return f"the envelope's From: {error}"
    if written == directory.resolve(header.sender):
        return ""
    if (
        directory.find(header.sender) is None
        and directory.find(written) is None
        and (_is_uplink(directory, here, neighbour))
    ):
        return ""  # two forms of a code that only a fuller directory above can join
    return "the envelope's From is not the header's"


def seal_fault(
    directory: Directory, here: NodeId, neighbour: NodeId, header: TransferHeader, seal: Seal
) -> str:
    """Why a proven seal does not vouch for this sender; empty when it does.

    A node's own seal only says who authenticated there, so it counts for the agencies it serves.
    For an agency that the directory here does not list, the directories above have to be believed.
    """
    if seal.kind in _AGENCYS_OWN:
        return ""
    agency = directory.find(header.sender)
    if agency is None and _is_uplink(directory, here, neighbour):
        return ""
    if agency is not None and agency.node == header.origin:
        return ""
    return f"{header.origin} may not vouch for {header.sender}, which it does not serve"


def _is_uplink(directory: Directory, here: NodeId, neighbour: NodeId) -> bool:
    entry = directory.entry(here)
    return entry is not None and entry.parent == neighbour
