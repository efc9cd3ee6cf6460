"""Sign an evidence file as its exporter, and prove who exported it and that it is whole.

Touches: nothing.
Trusts:  the trust store, and the digests of the files, which the caller computed.
Raises:  SignatureError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pybase64

from relay.errors import SignatureError
from relay.model import Digest, NodeId
from relay.signing import bundle_shape
from relay.signing.bundle_shape import BundleParts, CoveredFile, read_bundle_parts
from relay.signing.certificates import Purpose
from relay.signing.faults import Fault
from relay.signing.keys import Signer
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import certificates_among, prove_parts
from relay.signing.xades import signing_time

_ROLE = "exporter"
_ROLES = {_ROLE: Purpose.SIGN}
WHAT = "the evidence file"


@dataclass(frozen=True, slots=True)
class ProvenBundle:
    """Made only by verify_bundle: this node put exactly these files together, as it claims then."""

    node: NodeId
    signed_at: datetime
    subject: str
    certificate_sha256: Digest
    path: Path


def sign_bundle(files: Sequence[CoveredFile], signer: Signer, at: datetime) -> bytes:
    """The exporter's signature over these files, in their order; the signer is a node."""
    if signer.identity.purpose is not Purpose.SIGN:
        raise SignatureError(Fault.WRONG_PURPOSE, f"{WHAT} is signed by a node's sign key")
    parts = BundleParts(
        files=tuple(files),
        method=signer.method,
        properties_digest="",
        value="",
        certificates=signer.certificates_xml,
        signed_at=signing_time(at),
        certificate_digest=signer.certificate_digest,
        role=_ROLE,
    )
    parts = replace(parts, properties_digest=parts.signed_properties_digest())
    value = pybase64.b64encode(signer.sign(parts.signed_info())).decode()
    return bundle_shape.whole(replace(parts, value=value))


def verify_bundle(
    signature: bytes, files: Sequence[CoveredFile], trust: TrustStore, at: datetime | None = None
) -> ProvenBundle:
    """Who exported these files, all of them and nothing else. `at` None: judged at the claimed time."""
    parts = read_bundle_parts(signature, files)
    proof = prove_parts(parts, WHAT, trust, at=at, roles=_ROLES)
    node = proof.leaf.identity.node
    if node is None:
        raise SignatureError(Fault.WRONG_PURPOSE, f"{WHAT} is signed by no node")
    return ProvenBundle(node, proof.signed_at, proof.leaf.subject, proof.leaf.sha256, proof.path)


def certificates_of_signature(signature: bytes) -> tuple[bytes, ...]:
    """The DER certificates that a proven signature brings along, whatever it stands in."""
    return tuple(certificates_among(signature.decode("ascii")))
