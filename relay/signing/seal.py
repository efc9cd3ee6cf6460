"""Seal an envelope's bytes, and prove who sealed them and in which capacity.

Touches: nothing.
Trusts:  the digest, which the caller computed from the exact bytes.
Raises:  SignatureError.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from relay.errors import SignatureError
from relay.model import AgencyCode, Digest, NodeId, Seal, SealKind
from relay.signing.certificates import Identity, Purpose
from relay.signing.faults import Fault
from relay.signing.keys import Signer
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import prove
from relay.signing.xades import DocumentName, build

_ROLES = {
    SealKind.AGENCY.value: Purpose.AGENCY,
    SealKind.AGENCY_SUPPLIED.value: Purpose.AGENCY,
    SealKind.NODE.value: Purpose.SIGN,
    SealKind.GATEWAY.value: Purpose.GATEWAY,
}


@dataclass(frozen=True, slots=True)
class ProvenSeal:
    """Made only by verify_seal: the bytes of that digest were sealed by this certificate's holder.

    `agencies` are those that the certificate names: none for the seals of nodes and gateways, nor
    where it names nobody and only a directory can say whose it is. `node` is None for the agency kinds.
    `signed_at` is the signer's own claim.
    """

    kind: SealKind
    agencies: frozenset[AgencyCode]
    node: NodeId | None
    signed_at: datetime
    path: Path = field(repr=False)

    @property
    def certificate_sha256(self) -> Digest:
        return self.path.leaf.sha256

    @property
    def subject(self) -> str:
        return self.path.leaf.subject


def make_seal(digest: Digest, kind: SealKind, signer: Signer, at: datetime) -> Seal:
    """The seal over the bytes with this digest; the bytes themselves are not needed."""
    wanted, found = _ROLES[kind.value], signer.identity.purpose
    if found is not wanted and (found, wanted) != (Purpose.OFFICIAL, Purpose.AGENCY):
        raise SignatureError(
            Fault.WRONG_PURPOSE,
            f"a certificate for {found.value} cannot make a seal of kind {kind.value}",
        )
    return Seal(kind, build(DocumentName.ENVELOPE, digest, kind.value, signer, at))


def verify_seal(
    signature: bytes,
    digest: Digest,
    trust: TrustStore,
    at: datetime | None,
    latest: datetime | None = None,
) -> ProvenSeal:
    """Who sealed the bytes of this digest (W3.8). `at` None judges certificates at the claimed time, and at
    `latest` where that is later.

    Whether that agency is the sender is another question: require_sealed_by.
    """
    proof = prove(
        signature, DocumentName.ENVELOPE, digest, trust, at=at, roles=_ROLES, latest=latest
    )
    identity: Identity = proof.leaf.identity
    return ProvenSeal(
        kind=SealKind(proof.role),
        agencies=identity.agencies,
        node=identity.node,
        signed_at=proof.signed_at,
        path=proof.path,
    )


def require_sealed_by(
    proven: ProvenSeal,
    sender: AgencyCode,
    aliases: Collection[str],
    bound: Collection[Digest] = (),
) -> None:
    """Raise if an agency's seal names neither the sender nor one of its other codes, and is not by one of
    the certificates (`bound`) that the directory binds to the sender (W3.4).

    The seals of nodes and gateways vouch for no agency, so there is nothing to compare.
    """
    if proven.kind not in (SealKind.AGENCY, SealKind.AGENCY_SUPPLIED):
        return
    if sender in proven.agencies or not proven.agencies.isdisjoint(aliases):
        return
    if proven.certificate_sha256 not in bound:
        named = ", ".join(sorted(proven.agencies))[:120] or "no agency that it names"
        raise SignatureError(Fault.WRONG_AGENCY, f"sealed for {named}, sent by {sender}")
