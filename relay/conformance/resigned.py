"""A transfer, or a receipt, as another key signed it.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from relay.conformance.instants import now
from relay.conformance.peer import Prepared
from relay.conformance.stand import Stand
from relay.model import Event, Evidence, Receipt, SealKind, Signed, TransferHeader, digest_of
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build
from relay.wire.receipt import write_receipt
from relay.wire.transfer import write_transfer


def headed(prepared: Prepared, signer: Signer, at: datetime | None = None) -> Prepared:
    """The same, its header signed by another key."""
    document = write_transfer(prepared.header)
    signature = build(DocumentName.TRANSFER, digest_of(document), "node", signer, at or now())
    return replace(prepared, signed=Signed(document, signature))


def sealed(
    prepared: Prepared, kind: SealKind, signer: Signer, at: datetime | None = None
) -> Prepared:
    digest = prepared.header.digest
    seal = build(DocumentName.ENVELOPE, digest, kind.value, signer, at or now())
    return replace(prepared, seal=seal)


def handover(
    stand: Stand,
    signer: Signer | None = None,
    about: TransferHeader | None = None,
    at: datetime | None = None,
) -> Signed:
    """A receipt of the kit's node that says that its recipient has what that transfer brought; about a message
    that nobody knows, where none is named."""
    header = about or stand.peer.header(b"", [stand.peer.agency])
    previous = header.trace[-1].receipt
    receipt = Receipt.about(
        header,
        issuer=stand.peer.node,
        at=now(),
        evidence=(Evidence(Event.CONTENT_HANDOVER, stand.peer.agency, previous),),
    )
    document, by = write_receipt(receipt), signer or stand.peer.signer
    signature = build(DocumentName.RECEIPT, digest_of(document), "node", by, at or now())
    return Signed(document, signature)
