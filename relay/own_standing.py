"""What a node's journal knows of the revocation of its own certificates, whether the node runs or not.

Each certificate is judged by itself and by those above it, as of now, with what the node would judge by: the
newest statements it keeps, each proven again, and the revocations it noted. Nothing is fetched.

Touches: the journal, reading; the files of [trust].
Trusts:  its own anchors; nothing of what is stored but that a revocation was noted.
Raises:  SettingsError, JournalError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from relay.delivery.revocation.ports import Kind, Noted, Proven
from relay.errors import SignatureError
from relay.journal.stated import About, stated
from relay.model import Digest, digest_of, utc
from relay.pairs import Pair
from relay.settings.settings import Settings
from relay.signing.certificates import read_chain
from relay.signing.revocation.aims import Plan, issuer_id
from relay.signing.revocation.held import HeldStatements, Way, way_of
from relay.signing.revocation.verdicts import Freshness, RevocationState, Verdict
from relay.signing.trust import Anchors, TrustStore
from relay.signing.trust.anchors import der_of

NOTHING_CHECKED = "nothing is fetched ([revocation] check = false)"


@dataclass(frozen=True, slots=True)
class Source:
    """A statement that a standing rests on, or that would have to be newer."""

    kind: Kind
    sha256: Digest
    issuer: str
    this_update: datetime
    next_update: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one certificate: the worst of it and of the authorities above it (R5)."""

    state: RevocationState
    why: str
    subject: str = ""
    """Whose certificate decides: its own, or that of an authority above it."""
    own: bool = True
    """Whether it is its own."""
    since: datetime | None = None
    reason: str = ""
    sources: tuple[Source, ...] = ()
    """Empty for a revocation that was noted and of which no statement is kept any more."""
    noted_at: datetime | None = None
    """Of REVOKED: since when the node knows."""


def standings(
    settings: Settings, pairs: Iterable[Pair], anchors: Anchors, now: datetime
) -> dict[Digest, Standing]:
    """By certificate: the node's own and every authority above one but the anchors, which nothing can revoke."""
    trust, pathless, ways = TrustStore(anchors), dict[Digest, SignatureError](), list[Way]()
    for pair in pairs:
        try:
            ways.append(_way(pair, trust, now))
        except SignatureError as error:
            pathless[pair.leaf.sha256] = error
    judge = _Judge.made(settings, ways, now)
    tails = {_digest(way[n]): way[n:] for way in ways for n in range(len(way) - 1)}
    found = {digest: judge.standing(way, now) for digest, way in tails.items()}
    return found | {digest: judge.noted_only(digest, error) for digest, error in pathless.items()}


def _way(pair: Pair, trust: TrustStore, now: datetime) -> Way:
    """As of its own days: that it has ended is told beside."""
    certificate = pair.leaf.certificate
    at = min(max(utc(now), certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    return way_of(trust.path(read_chain(pair.chain), at, pair.leaf.used_for))


@dataclass(frozen=True, slots=True)
class _Judge:
    held: HeldStatements
    kept: Sequence[Proven]
    noted: dict[Digest, Noted]
    check: bool

    @staticmethod
    def made(settings: Settings, ways: Sequence[Way], now: datetime) -> _Judge:
        steps = {step for way in ways for step in pairwise(way)}
        there = stated(settings.node.data_dir, [one for step in steps for one in _abouts(*step)])
        section = settings.revocation
        fresh = Freshness(section.endless_for, section.grace, settings.delivery.clock_tolerance)
        held = HeldStatements(Plan(lambda _: False, fresh, section.refresh, lambda: 0.0))
        held.restore((), there.statements, [one.revoked for one in there.noted], now)
        noted = {one.revoked.certificate: one for one in there.noted}
        return _Judge(held, there.statements, noted, section.check)

    def standing(self, way: Way, now: datetime) -> Standing:
        verdicts = [self.held.verdict_at(step, now) for step in pairwise(way)]
        order = (RevocationState.REVOKED, RevocationState.UNKNOWN, RevocationState.VALID)
        place = min(range(len(verdicts)), key=lambda n: (order.index(verdicts[n].state), n))
        verdict, certificate, issuer = verdicts[place], way[place], way[place + 1]
        entry, noted = verdict.revocation, self.noted.get(_digest(certificate))
        return Standing(
            verdict.state,
            self._why(verdict),
            certificate.subject.rfc4514_string(),
            place == 0,
            None if entry is None else entry.since,
            "" if entry is None else entry.reason,
            tuple(self._sources(verdict, certificate, issuer)),
            None if entry is None or noted is None else noted.at,
        )

    def noted_only(self, certificate: Digest, error: SignatureError) -> Standing:
        """Of one that leads to no anchor any more."""
        noted = self.noted.get(certificate)
        if noted is None:
            return Standing(RevocationState.UNKNOWN, f"no path: {error}")
        gone, why = noted.revoked, str(noted.revoked)
        return Standing(
            RevocationState.REVOKED, why, since=gone.since, reason=gone.reason, noted_at=noted.at
        )

    def _why(self, verdict: Verdict) -> str:
        if verdict.state is RevocationState.UNKNOWN and not self.check:
            return f"{verdict.why}; {NOTHING_CHECKED}"
        return verdict.why

    def _sources(
        self, verdict: Verdict, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> Iterable[Source]:
        """What it rests on; of UNKNOWN the newest there is."""
        abouts = _abouts(certificate, issuer)
        kept = [one for one in self.kept if (one.kind, one.about.partition(":")[0]) in abouts]
        found = [one for one in kept if one.digest in verdict.statements]
        if verdict.state is RevocationState.UNKNOWN and kept:
            found = [max(kept, key=lambda one: one.this_update)]
        by = issuer.subject.rfc4514_string()
        for one in found:
            yield Source(one.kind, one.digest, by, one.this_update, one.next_update)


def _abouts(certificate: x509.Certificate, issuer: x509.Certificate) -> tuple[About, About]:
    return (Kind.OCSP, _digest(certificate)), (Kind.CRL, issuer_id(issuer))


def _digest(certificate: x509.Certificate) -> Digest:
    return digest_of(der_of(certificate))
