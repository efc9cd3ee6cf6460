"""The node's own hand and eye: signs with its keys, proves with its trust store.

What was signed earlier is judged as of the time its signature claims, since a document may wait for
weeks. What arrives with a claim beyond now and the tolerance between clocks is judged as of that, too.

Touches: keys in memory. Trusts: the roots it was given.
Raises:  SignatureError, WireError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from relay.errors import SignatureError
from relay.model import (
    UTC_NOW_TOLERANCE,
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
from relay.signing.seal import ProvenSeal, make_seal, require_sealed_by, verify_seal
from relay.signing.trust import Path, TrustStore
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

    def seal(self, digest: Digest, sender: AgencyCode, at: datetime) -> Seal:
        """With the agency's key where it is here, else with the node's own."""
        signer = self.agencies.get(sender)
        if signer is not None:
            return make_seal(digest, SealKind.AGENCY, signer, at)
        return make_seal(digest, SealKind.NODE, self.signer, at)

    def seal_entered(self, digest: Digest, at: datetime) -> Seal:
        """Vouches only for these being the bytes that a remote without evidence handed over."""
        if self.gateway is None:
            raise SignatureError(Fault.WRONG_KIND, "this node has no gateway key")
        return make_seal(digest, SealKind.GATEWAY, self.gateway, at)

    def check_supplied_seal(
        self, signature: bytes, digest: Digest, sender: AgencyCode, at: datetime
    ) -> Seal:
        """A seal handed in beside its envelope must be the sender's own, and valid now."""
        proven = verify_seal(signature, digest, self.trust, at)
        if proven.kind is not SealKind.AGENCY_SUPPLIED:
            raise SignatureError(Fault.WRONG_KIND, f"a supplied seal is not of kind {proven.kind}")
        self._require_agency(proven, sender)
        return Seal(proven.kind, signature)

    def check_carried_seal(
        self, seal: bytes, digest: Digest, sender: AgencyCode, origin: NodeId, at: datetime
    ) -> Seal:
        """A seal that came with a transfer: the sender's, or its origin node's."""
        proven = verify_seal(seal, digest, self.trust, None, at + UTC_NOW_TOLERANCE)
        self._require_bound(proven, sender, origin)
        return Seal(proven.kind, seal)

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
        latest = at + UTC_NOW_TOLERANCE
        return verify_transfer(signed, self.trust, None, neighbour, self._require_node, latest)

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
