"""The node's own hand and eye: signs with its keys, proves with its trust store.

What was signed earlier is judged as of the time its signature claims, since a document may wait for
weeks; that the time is not in the future is judged where it arrives.

Touches: keys in memory. Trusts: the roots it was given.
Raises:  SignatureError, WireError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from relay.delivery.evidence.ports import Gathered
from relay.errors import SignatureError
from relay.model import (
    AgencyCode,
    Digest,
    NodeId,
    Receipt,
    Seal,
    SealKind,
    Signed,
    TransferHeader,
)
from relay.signing.binding import Binding
from relay.signing.bundle_shape import CoveredFile
from relay.signing.bundles import certificates_of_signature, sign_bundle
from relay.signing.certificates import Chain, read_chain
from relay.signing.evidence import (
    sign_branch,
    sign_carry,
    sign_receipt,
    sign_transfer,
    verify_branch,
    verify_carry,
    verify_receipt,
    verify_transfer,
)
from relay.signing.faults import Fault
from relay.signing.keys import Signer
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.verdicts import RevocationState, Verdict
from relay.signing.seal import ProvenSeal, make_seal, require_sealed_by, verify_seal
from relay.signing.stamped import VALUES_LIMIT, Unsigned, with_unsigned
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import signer_of
from relay.wire.branch import Branch
from relay.wire.carry import Manifest


@dataclass(frozen=True, slots=True)
class NodeNotary:
    """delivery.records.Notary. `agencies` are the agency keys that live at this node."""

    node: NodeId
    signer: Signer
    agencies: Mapping[AgencyCode, Signer]
    trust: TrustStore
    aliases: Callable[[AgencyCode], frozenset[str]]
    seals_at_once: bool = True
    gateway: Signer | None = None
    """Seals what enters over a bridge."""
    binding: Binding | None = None
    """Which branch an issuer may certify, and whose certificate is whose; None: nobody says."""
    revocation: RevocationCheck | None = None
    """None: nothing is checked."""

    def seal(self, digest: Digest, sender: AgencyCode, at: datetime) -> Seal:
        """With the agency's key where it is here, else with the node's own."""
        signer = self.agencies.get(sender)
        if signer is not None:
            return self._sealed(digest, SealKind.AGENCY, signer, at)
        return self._sealed(digest, SealKind.NODE, self.signer, at)

    def _sealed(self, digest: Digest, kind: SealKind, signer: Signer, at: datetime) -> Seal:
        """Not with a certificate that is known to be revoked: nobody would take it."""
        if self.revocation is not None:
            path = self.trust.path(_chain_of(signer.chain), at, signer.identity.purpose)
            verdict = self.revocation.look(path)
            if verdict.state is RevocationState.REVOKED:
                raise SignatureError(
                    Fault.REVOKED_CERTIFICATE,
                    f"the {signer.identity.purpose.value} certificate is {verdict.why}",
                )
        return make_seal(digest, kind, signer, at)

    def seal_entered(self, digest: Digest, at: datetime) -> Seal:
        """Vouches only for these being the bytes that a remote without evidence handed over."""
        if self.gateway is None:
            raise SignatureError(Fault.WRONG_KIND, "this node has no gateway key")
        return self._sealed(digest, SealKind.GATEWAY, self.gateway, at)

    def check_supplied_seal(
        self, signature: bytes, digest: Digest, sender: AgencyCode, at: datetime
    ) -> Seal:
        """A seal handed in beside its envelope must be the sender's own, and valid now."""
        proven = verify_seal(signature, digest, self.trust, at)
        if proven.kind is not SealKind.AGENCY_SUPPLIED:
            raise SignatureError(Fault.WRONG_KIND, f"a supplied seal is not of kind {proven.kind}")
        self._require_agency(proven, sender)
        return Seal(proven.kind, signature, self._remark(proven))

    def check_carried_seal(
        self, seal: bytes, digest: Digest, sender: AgencyCode, origin: NodeId, at: datetime
    ) -> Seal:
        """A seal that came with a transfer: the sender's, or its origin node's."""
        proven = verify_seal(seal, digest, self.trust, None)
        self._require_bound(proven, sender, origin)
        return Seal(proven.kind, seal, self._remark(proven))

    def _remark(self, proven: ProvenSeal) -> str:
        """What the policy let pass."""
        told = self.revocation_of(proven.certificate_sha256)
        if told is None or told.state is not RevocationState.UNKNOWN:
            return ""
        return f"whether the seal's certificate is revoked was not known: {told.why}"

    def revocation_of(self, certificate: Digest) -> Verdict | None:
        """What is known now of a certificate met here; None where nothing is checked."""
        return None if self.revocation is None else self.revocation.told(certificate)

    def standing_of(self, seal: bytes) -> str:
        """For people: whether the certificate of a stored seal is revoked, as of now."""
        if self.revocation is None:
            return ""
        try:
            certificate = signer_of(seal)
        except SignatureError:
            return ""
        told = self.revocation_of(certificate)
        return "" if told is None else f"{told.state}: {told.why}"

    def _require_bound(self, proven: ProvenSeal, sender: AgencyCode, origin: NodeId) -> None:
        if proven.kind in (SealKind.AGENCY, SealKind.AGENCY_SUPPLIED):
            self._require_agency(proven, sender)
            return
        if proven.node != origin:
            raise SignatureError(
                Fault.WRONG_NODE, f"sealed by node {proven.node}, but the origin is {origin}"
            )
        self._require_node(proven.path)

    def _require_agency(self, proven: ProvenSeal, sender: AgencyCode) -> None:
        binding = self.binding
        bound = frozenset() if binding is None else binding.certificates_of(sender)
        require_sealed_by(proven, sender, self.aliases(sender), bound)
        if binding is not None:
            binding.require_agency(proven.path, sender)

    def _require_node(self, path: Path) -> None:
        if self.binding is not None:
            self.binding.require_node(path)

    def sign_transfer(self, header: TransferHeader, at: datetime) -> Signed:
        return sign_transfer(header, self.signer, at)

    def check_transfer(self, signed: Signed, neighbour: NodeId, at: datetime) -> TransferHeader:
        return verify_transfer(signed, self.trust, None, neighbour, self._require_node)

    def sign_receipt(self, receipt: Receipt, at: datetime) -> Signed:
        return sign_receipt(receipt, self.signer, at)

    def check_receipt(self, signed: Signed) -> Receipt:
        return verify_receipt(signed, self.trust, None, self._require_node)

    def sign_carry(self, manifest: Manifest, at: datetime) -> Signed:
        return sign_carry(manifest, self.signer, at)

    def check_carry(self, signed: Signed, at: datetime) -> Manifest:
        return verify_carry(signed, self.trust, at, self._require_node)

    def sign_branch(self, branch: Branch, at: datetime) -> Signed:
        return sign_branch(branch, self.signer, at)

    def check_branch(self, signed: Signed) -> Branch:
        return verify_branch(signed, self.trust, None, self._require_node)

    def sign_bundle(self, files: Sequence[tuple[str, Digest]], at: datetime) -> bytes:
        return sign_bundle([CoveredFile(*one) for one in files], self.signer, at)

    def certificates_of(self, signature: bytes) -> tuple[bytes, ...]:
        return certificates_of_signature(signature)

    def own_certificates(self) -> tuple[bytes, ...]:
        return self.signer.chain

    def seal_for_export(self, seal: bytes, kept: Gathered) -> bytes:
        unsigned = Unsigned(kept.seal_tokens)
        values = (kept.certificates, kept.crls, kept.ocsps)
        if (kept.crls or kept.ocsps) and all(len(one) <= VALUES_LIMIT for one in values):
            unsigned = Unsigned(kept.seal_tokens, *values)
        return with_unsigned(seal, unsigned)


@lru_cache(maxsize=1024)
def _chain_of(certificates: tuple[bytes, ...]) -> Chain:
    """Of the node's own keys: read once."""
    return read_chain(certificates)
