"""A transfer as another key signed it.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import replace

from relay.conformance.instants import now
from relay.conformance.peer import Prepared
from relay.model import SealKind, Signed, digest_of
from relay.signing.keys import Signer
from relay.signing.xades import DocumentName, build
from relay.wire.transfer import write_transfer


def headed(prepared: Prepared, signer: Signer) -> Prepared:
    """The same, its header signed by another key."""
    document = write_transfer(prepared.header)
    signature = build(DocumentName.TRANSFER, digest_of(document), "node", signer, now())
    return replace(prepared, signed=Signed(document, signature))


def sealed(prepared: Prepared, kind: SealKind, signer: Signer) -> Prepared:
    seal = build(DocumentName.ENVELOPE, prepared.header.digest, kind.value, signer, now())
    return replace(prepared, seal=seal)
