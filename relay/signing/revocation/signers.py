"""Who signed, and on what statements the verdict on them rests: for what goes to neighbours, and comes.

Touches: nothing.
Trusts:  the trust store; chains and statements of neighbours prove themselves or are refused.
Raises:  SignatureError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.serialization import Encoding

from relay.delivery.revocation.beside import SignedBy
from relay.delivery.revocation.ports import Kind, Proven
from relay.delivery.revocation.stapling import Resting
from relay.errors import SignatureError
from relay.model import Digest, digest_of
from relay.signing.certificates import read_chain
from relay.signing.revocation.aims import issuer_id
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.held import way_of
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import certificates_in, claimed_time, signer_of
from relay.wire.statements import Stapled


@dataclass(slots=True)
class KnownSigners:
    """delivery.revocation.stapling.Signers."""

    trust: TrustStore
    check: RevocationCheck
    _chains: dict[Digest, tuple[bytes, ...]] = field(default_factory=dict)

    def resting(self, signature: bytes, *, looking: bool = False) -> Resting | None:
        try:
            leaf = signer_of(signature)
            if looking and self.check.path_of(leaf) is None:
                self._look(signature)
            return self._resting(leaf)
        except SignatureError:
            return None

    def _look(self, signature: bytes) -> None:
        """What was judged before the start is not in memory, though the statements are."""
        chain = read_chain(certificates_in(signature))
        self.check.look(self.trust.path(chain, self.check.now(), chain.leaf.used_for))

    def own(self) -> Sequence[Resting]:
        found = (self._resting(one) for one in self.check.ours)
        return [one for one in found if one is not None]

    def _resting(self, leaf: Digest) -> Resting | None:
        path, verdict = self.check.path_of(leaf), self.check.told(leaf)
        if path is None or verdict is None or not verdict.statements:
            return None
        return Resting(self._chain(leaf, path), verdict.statements)

    def _chain(self, leaf: Digest, path: Path) -> tuple[bytes, ...]:
        """Without the anchor: a verifier believes its own copy."""
        found = self._chains.get(leaf)
        if found is None:
            found = tuple(one.public_bytes(Encoding.DER) for one in way_of(path)[:-1])
            if len(self._chains) >= 4096:
                self._chains.clear()
            self._chains[leaf] = found
        return found

    def take(self, stapled: Stapled) -> Proven:
        now = self.check.now()
        chain = read_chain(stapled.chain)
        path = self.trust.path(chain, now, chain.leaf.used_for)
        return self.check.held.take_about(way_of(path), stapled.content, now)


def signed_by(signature: bytes, trust: TrustStore) -> SignedBy | None:
    """Whose statements belong beside a stored signature; None where no path is found as of its time."""
    try:
        at = claimed_time(signature)
        chain = read_chain(certificates_in(signature))
        path = trust.path(chain, at, chain.leaf.used_for)
    except SignatureError:
        return None
    about: list[tuple[Kind, str]] = []
    for certificate, issuer in path.steps():
        about.append((Kind.OCSP, digest_of(certificate.public_bytes(Encoding.DER))))
        about.append((Kind.CRL, issuer_id(issuer)))
    certificates = tuple(one.public_bytes(Encoding.DER) for one in way_of(path)[:-1])
    return SignedBy(certificates, tuple(about), at)
