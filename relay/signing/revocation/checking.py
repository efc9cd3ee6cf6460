"""What a node's own policy makes of a verdict: the last step of judging a path.

A signature is judged as of the time it is first received here, whatever time it claims: nobody but its
signer vouches for that (docs/security.md R6). What was taken before a revocation became known stays
taken. Of a path nothing is known of, the policy of its leaf's role decides.

Touches: nothing; never waits.
Trusts:  that the path was proven.
Raises:  SignatureError (revoked-certificate, revocation-unknown); UncertainError (revocation-unknown).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from relay.errors import SignatureError, UncertainError
from relay.model import Digest
from relay.signing.certificates import Purpose
from relay.signing.faults import Fault
from relay.signing.revocation.held import HeldStatements, way_of
from relay.signing.revocation.verdicts import RevocationState, Verdict
from relay.signing.trust.path import Path

MOST_PATHS = 4096


class OnUnknown(StrEnum):
    """What becomes of a signature while nothing says whether its certificate is revoked (R7)."""

    HOLD = "hold"
    """It is put off: whoever brings it keeps it, and brings it again."""
    ACCEPT = "accept"
    """It is taken, with a finding."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class _Last:
    path: Path
    generation: int
    at: datetime
    verdict: Verdict

    def holds(self, generation: int, now: datetime) -> bool:
        """While no newer statement came, none ran out, and the clock was not set back."""
        until = self.verdict.until
        return generation == self.generation and until is not None and self.at <= now < until


@dataclass(slots=True)
class RevocationCheck:
    """signing.trust.PathCheck."""

    held: HeldStatements
    unknown: Mapping[Purpose, OnUnknown]
    now: Callable[[], datetime]
    _last: OrderedDict[Digest, _Last] = field(default_factory=OrderedDict)
    """Of each leaf."""
    ours: tuple[Digest, ...] = ()
    """The node's own certificates and its agencies'."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, path: Path, purpose: Purpose) -> None:
        """Raise unless a signature by this path's leaf may be taken now."""
        verdict = self.look(path)
        match verdict.state:
            case RevocationState.REVOKED:
                raise SignatureError(
                    Fault.REVOKED_CERTIFICATE, f"the {purpose.value} certificate is {verdict.why}"
                )
            case RevocationState.UNKNOWN:
                self._unknown(verdict, self.unknown.get(purpose, OnUnknown.ACCEPT))

    def look(self, path: Path) -> Verdict:
        """The verdict as of now, from memory while nothing changed; the path is remembered for `told`."""
        leaf, now = path.leaf.sha256, self.now()
        last = self._last.get(leaf)
        if last is not None and last.path is path and last.holds(self.held.generation, now):
            return last.verdict
        generation = self.held.generation
        verdict = self.held.verdict(way_of(path), now)
        if last is None:
            self._make_room()
        self._last[leaf] = _Last(path, generation, now, verdict)
        return verdict

    def _make_room(self) -> None:
        """The longest known goes, but never one of the node's own, which it met before all others."""
        with self._lock:
            while len(self._last) >= MOST_PATHS + len(self.ours):
                first = next(iter(self._last))
                if first not in self.ours:
                    del self._last[first]
                    return
                self._last.move_to_end(first)

    def told(self, leaf: Digest) -> Verdict | None:
        """What is known now of a certificate whose path was proven here; None of any other."""
        last = self._last.get(leaf)
        return None if last is None else self.look(last.path)

    def path_of(self, leaf: Digest) -> Path | None:
        last = self._last.get(leaf)
        return None if last is None else last.path

    def _unknown(self, verdict: Verdict, policy: OnUnknown) -> None:
        why = f"whether the certificate is revoked is not known: {verdict.why}"
        if policy is OnUnknown.REFUSE:
            raise SignatureError(Fault.REVOCATION_UNKNOWN, why)
        if policy is OnUnknown.HOLD:
            raise UncertainError(Fault.REVOCATION_UNKNOWN, f"{why}; come again")
