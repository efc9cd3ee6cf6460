"""Whether the signers of an evidence file were revoked when they signed, as far as the file says.

Touches: nothing; the caller reads the members.
Trusts:  statements prove themselves, or say nothing.
Raises:  WireError, SignatureError.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import lru_cache

from relay.errors import SignatureError, WireError
from relay.signing.bundle_file import BundleFile
from relay.signing.bundle_words import Found, Outcome
from relay.signing.bundles import certificates_of_signature
from relay.signing.certificates import Chain, read_chain
from relay.signing.faults import Fault
from relay.signing.revocation.asof import judge_path
from relay.signing.revocation.verdicts import RevocationState
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import claimed_time
from relay.wire import bundle

_STATEMENTS_BYTES = 256 << 20


class BundleStatements:
    """The CRLs and OCSP responses in it, and a count of what they said; `found` sums up."""

    def __init__(self, trust: TrustStore) -> None:
        self._trust = trust
        self._statements: list[bytes] = []
        self._states: Counter[RevocationState] = Counter()

    def read(self, file: BundleFile) -> None:
        names = [name for name in file.entries if name.startswith(bundle.REVOCATION)]
        if len(names) > bundle.MOST_STATEMENTS:
            said = f"{len(names)} files of revocation data, limit {bundle.MOST_STATEMENTS}"
            raise WireError(said)
        if (total := sum(file.entries[name].size_bytes for name in names)) > _STATEMENTS_BYTES:
            raise WireError(f"revocation data of {total} bytes, limit {_STATEMENTS_BYTES} bytes")
        self._statements = [file.small(name) for name in names]

    def require_signer(self, signature: bytes) -> None:
        """That who made this proven signature was not revoked when it was made, as it says. When what it signs
        happened is another time."""
        at, chain = claimed_time(signature), _chain_of(certificates_of_signature(signature))
        self.require_counted(self._trust.path(chain, at, chain.leaf.identity.purpose), at)

    def require(self, path: Path, at: datetime) -> RevocationState:
        """As of then, by what the file holds; what it does not say is unknown, and no refusal (W14.8)."""
        verdict = judge_path(path, self._statements, at)
        if verdict.state is RevocationState.REVOKED:
            raise SignatureError(
                Fault.REVOKED_CERTIFICATE,
                f"the certificate of {path.leaf.subject} is {verdict.why}",
            )
        return verdict.state

    def require_counted(self, path: Path, at: datetime) -> None:
        """The same, counted for the step that sums up."""
        self._states[self.require(path, at)] += 1

    def found(self) -> Found:
        if not self._statements:
            said = "not in the file: whether a certificate was revoked is unknown"
            return Found(said, outcome=Outcome.UNKNOWN)
        valid, judged = self._states[RevocationState.VALID], self._states.total()
        facts = {"signatures": str(judged), "not_revoked": str(valid)}
        said = f"of {judged} signatures {valid} by certificates that were not revoked then"
        unknown = self._states[RevocationState.UNKNOWN] > 0
        return Found(said, facts, outcome=Outcome.UNKNOWN if unknown else Outcome.HOLDS)


@lru_cache(maxsize=256)
def _chain_of(certificates: tuple[bytes, ...]) -> Chain:
    """Once for all receipts of one node."""
    return read_chain(certificates)
