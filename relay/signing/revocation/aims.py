"""What statements are wanted about, from where, and when next.

A target is aimed at from the moment a certificate is met: first its CRL or its responder, as the plan
prefers, the other while that fails. News is looked for ahead of each next update, each node at another
time; a target that fails waits longer and longer.

Touches: nothing; called from several threads, under its own lock.
Trusts:  that whoever's certificates are aimed at were proven.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay.delivery.revocation.ports import Kind, Proven, Target
from relay.model import Digest, digest_of
from relay.signing.revocation.crl import distribution_points
from relay.signing.revocation.ocsp import request, responders
from relay.signing.revocation.verdicts import Freshness

MOST_AIMS = 20_000
MOST_DUE = 64
"""Targets of one round: between rounds what was learned is acted on."""
MOST_CRL_URLS = 8
MOST_RESPONDERS = 4
FIRST_WAIT = timedelta(seconds=5)
"""After a first failure; it doubles up to the refresh interval."""
LONGEST = 1.25
"""Of the refresh interval: what a target may be put off by at the most, jitter included."""
IDLE = timedelta(days=7)
"""Nothing is fetched of certificates that were not met for so long."""
Key = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """How statements are got: `allowed` says of a URL whether it may be called."""

    allowed: Callable[[str], bool]
    fresh: Freshness
    refresh: timedelta
    """The longest between two looks at a target."""
    random: Callable[[], float]
    crls: tuple[str, ...] = ()
    """CRLs that the configuration names, for issuers whose certificates do not."""
    prefer: Kind = Kind.CRL


@dataclass(slots=True)
class Aim:
    """A target as it stands. `backups` are asked only while it fails; asleep, nobody asks for it."""

    target: Target
    certificate: x509.Certificate
    issuer: x509.Certificate
    due_at: datetime
    backups: set[tuple[Kind, str]] = field(default_factory=set)
    asleep: bool = False
    failures: int = 0
    error: str = ""


@dataclass(slots=True)
class Aims:
    """All targets of a node."""

    plan: Plan
    met_at: Callable[[Digest], datetime | None]
    """When a certificate was last met; None: it is forgotten."""
    _aims: dict[Key, Aim] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, target: Target) -> Aim | None:
        with self._lock:
            return self._aims.get((target.kind, target.about))

    def aim_at(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> None:
        with self._lock:
            self._aim_at(certificate, issuer, now)

    def _aim_at(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> None:
        found = {one.kind: one for one in self._targets(certificate, issuer)}
        order = sorted(found.values(), key=lambda one: one.kind is not self.plan.prefer)
        keys = [(one.kind, one.about) for one in order]
        for number, (key, target) in enumerate(zip(keys, order, strict=True)):
            there = self._aims.get(key)
            if there is None:
                there = Aim(target, certificate, issuer, now, asleep=number > 0)
                self._aims[key] = there
            there.asleep = there.asleep and number > 0
            if number == 0:
                there.backups.update(keys[1:])
        while len(self._aims) > MOST_AIMS:
            del self._aims[next(iter(self._aims))]

    def _targets(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Iterable[Target]:
        allowed = self.plan.allowed
        crls = [url for url in sorted(distribution_points(certificate)) if allowed(url)]
        urls = tuple([*crls, *(url for url in self.plan.crls if url not in crls)][:MOST_CRL_URLS])
        if urls:
            yield Target(Kind.CRL, digest_of(f"{issuer_id(issuer)} {urls}".encode()), urls, None)
        urls = tuple(url for url in responders(certificate) if allowed(url))[:MOST_RESPONDERS]
        if urls:
            question = request(certificate, issuer)
            yield Target(
                Kind.OCSP, digest_of(certificate.public_bytes(Encoding.DER)), urls, question
            )

    def forget(self, certificate: Digest) -> None:
        """Nobody is asked about it any more; lists are about others as well."""
        with self._lock:
            self._aims.pop((Kind.OCSP, certificate), None)

    def due(self, now: datetime) -> list[Target]:
        with self._lock:
            self._bring_near(now)
            found = [aim for aim in self._wanted(now) if aim.due_at <= now]
        return [aim.target for aim in sorted(found, key=lambda aim: aim.due_at)[:MOST_DUE]]

    def _bring_near(self, now: datetime) -> None:
        """A clock that was ahead and was set right has put them off by as much as it was wrong."""
        latest = now + self.plan.refresh * LONGEST
        for aim in self._aims.values():
            aim.due_at = min(aim.due_at, latest)

    def next_due(self, now: datetime) -> float:
        with self._lock:
            found = [aim.due_at for aim in self._wanted(now)]
        return max(0.0, (min(found) - now).total_seconds()) if found else float("inf")

    def _wanted(self, now: datetime) -> Iterable[Aim]:
        return (aim for aim in self._aims.values() if not aim.asleep and not self._idle(aim, now))

    def _idle(self, aim: Aim, now: datetime) -> bool:
        """A CRL serves many."""
        if aim.target.kind is Kind.CRL:
            return False
        met = self.met_at(Digest(aim.target.about))
        return met is None or now - met > IDLE

    def failed(self, target: Target, error: str, now: datetime) -> None:
        with self._lock:
            aim = self._aims.get((target.kind, target.about))
            if aim is None:
                return
            aim.failures, aim.error = aim.failures + 1, error
            wait = min(self.plan.refresh, FIRST_WAIT * 2 ** min(aim.failures - 1, 16))
            aim.due_at = now + wait * (0.75 + self.plan.random() / 2)
            for backup in self._backups(aim):
                backup.asleep = False

    def _backups(self, aim: Aim) -> list[Aim]:
        return [self._aims[key] for key in aim.backups if key in self._aims]

    def had(self, target: Target, proven: Proven, now: datetime) -> None:
        """It was fetched."""
        with self._lock:
            aim = self._aims.get((target.kind, target.about))
            if aim is None:
                return
            aim.failures, aim.error = 0, ""
            aim.due_at = self._again(proven, now)
            for backup in self._backups(aim):
                # A CRL that was woken serves others, too, whose responder may still be silent.
                backup.asleep = backup.asleep or backup.target.kind is Kind.OCSP

    def put_off(
        self,
        kind: Kind,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        proven: Proven,
        now: datetime,
    ) -> None:
        """What was had another way need not be fetched so soon."""
        with self._lock:
            for target in self._targets(certificate, issuer):
                aim = self._aims.get((target.kind, target.about))
                if aim is not None and target.kind is kind:
                    aim.due_at, aim.failures = self._again(proven, now), 0

    def _again(self, proven: Proven, now: datetime) -> datetime:
        """Ahead of the next update, each node at another time."""
        part = 0.5 + 0.3 * self.plan.random()
        wait = self.plan.refresh * (0.8 + 0.2 * self.plan.random())
        if proven.next_update is not None:
            ahead = proven.this_update + (proven.next_update - proven.this_update) * part
            wait = min(wait, max(ahead - now, FIRST_WAIT))
        return now + wait


@lru_cache(maxsize=4096)
def issuer_id(issuer: x509.Certificate) -> str:
    """The same for all certificates of one name and key: a renewed authority's CRL serves both."""
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return digest_of(issuer.subject.public_bytes() + key)
