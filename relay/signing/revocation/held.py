"""The statements a node holds: proven, in memory, and asked on every document's way.

A verdict holds until a newer statement comes (`generation`) or it runs out. What is asked of a certificate nobody has a statement of is UNKNOWN at once: it becomes a target, and is fetched beside.

Touches: nothing; called from several threads, under one lock where something changes.
Trusts:  paths that a trust store proved.
Raises:  SignatureError (bad-revocation) for a statement that proves nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay.delivery.revocation.ports import Kind, Met, Proven, RevokedCertificate, Target
from relay.errors import SignatureError
from relay.model import Digest, digest_of
from relay.signing.certificates import read_leaf
from relay.signing.faults import Fault
from relay.signing.revocation.crl import Crl, distribution_points, prove_crl
from relay.signing.revocation.ocsp import OcspResponse, prove_response, request, responders
from relay.signing.revocation.verdicts import (
    Freshness,
    Revocation,
    RevocationState,
    Statement,
    Verdict,
    judge,
    revoked_verdict,
)
from relay.signing.trust.path import Path

MOST_CERTIFICATES = 10_000
MOST_SCOPES = 64
"""CRLs of one issuer, each about another part of its certificates."""
MOST_DUE = 64
"""Targets of one round: between rounds what was learned is acted on."""
FIRST_WAIT = timedelta(seconds=5)
"""After a first failure; it doubles up to the refresh interval."""
LASTS = timedelta(minutes=1)
"""What is not VALID is judged anew so often, though only a newer statement changes it."""
IDLE = timedelta(days=7)
"""Nothing is fetched of certificates that were not met for so long."""


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
class _Aim:
    """A target as it stands. `backup`: asked only while the first choice fails."""

    target: Target
    certificate: x509.Certificate
    issuer: x509.Certificate
    due_at: datetime
    backup: tuple[Kind, str] | None = None
    asleep: bool = False
    failures: int = 0
    error: str = ""


@dataclass(slots=True)
class _Known:
    certificate: x509.Certificate
    issuer: x509.Certificate
    met_at: datetime


Key = tuple[Kind, str]
Way = tuple[x509.Certificate, ...]
"""Leaf, its issuers, the anchor: of which nothing is asked."""


@dataclass(slots=True)
class HeldStatements:
    """delivery.revocation.ports.Statements, and what verifiers ask."""

    plan: Plan
    wake: Callable[[], None] = lambda: None
    """Told when something new is to be fetched."""
    generation: int = 0
    _crls: dict[str, dict[str, Crl]] = field(default_factory=dict)
    """By issuer and scope."""
    _responses: dict[Digest, OcspResponse] = field(default_factory=dict)
    _known: OrderedDict[Digest, _Known] = field(default_factory=OrderedDict)
    _aims: dict[Key, _Aim] = field(default_factory=dict)
    _gone: dict[Digest, Revocation] = field(default_factory=dict)
    """Revocations that cannot end, as `_responses` by `_content` of the certificate; of those restored and
    not met since, by its digest."""
    _met: list[Met] = field(default_factory=list)
    _used: set[Digest] = field(default_factory=set)
    _revoked: tuple[tuple[int, int, str], list[RevokedCertificate]] | None = None
    _newest: str = ""
    """Of the certificates met; with their number it tells when there are others."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # ------------------------------------------------------------ asked by verifiers

    def verdict(self, path: Way, now: datetime) -> Verdict:
        """The worst of the path's certificates, as of now."""
        self._learn(path, now)
        verdict = self.verdict_at(path, now)
        with self._lock:
            self._used.update(verdict.statements)
        return verdict

    def verdict_at(self, path: Way, at: datetime) -> Verdict:
        """The same as of an instant, without remembering anything."""
        found = [self._verdict_of(one, issuer, at) for one, issuer in pairwise(path)]
        return worst(found, at)

    def _verdict_of(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> Verdict:
        ends = certificate.not_valid_after_utc
        known = self._gone_of(certificate)
        if known is not None and known.since <= at:  # whatever a newer CRL has forgotten of it
            return revoked_verdict(known)
        return judge(self._said_of(certificate, issuer), min(at, ends), ends, self.plan.fresh)

    def _gone_of(self, certificate: x509.Certificate) -> Revocation | None:
        return self._gone.get(_content(certificate)) or self._gone.get(_digest(certificate))

    def _said_of(
        self, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> Iterable[Statement]:
        crls = self._crls.get(issuer_id(issuer), {})
        found = [crl.statement(certificate) for crl in list(crls.values())]
        if (response := self._responses.get(_content(certificate))) is not None:
            found.append(response.statement(certificate))
        return [one for one in found if one is not None]

    # ------------------------------------------------------------ targets

    def _learn(self, path: Way, now: datetime) -> None:
        """Nothing unproven gets here, so that nobody else decides what is fetched."""
        new = False
        with self._lock:
            for certificate, issuer in pairwise(path):
                new = self._add(certificate, issuer, now) or new
        if new:
            self.wake()

    def _add(self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
        digest = _digest(certificate)
        known = self._known.get(digest)
        if known is not None:
            known.met_at = now
            self._known.move_to_end(digest)
            return False
        self._known[digest] = _Known(certificate, issuer, now)
        self._newest = digest
        self._met.append(Met(_der(certificate), _der(issuer)))
        if len(self._known) > MOST_CERTIFICATES:
            oldest, gone = self._known.popitem(last=False)
            self._responses.pop(_content(gone.certificate), None)
            self._aims.pop((Kind.OCSP, oldest), None)
        self._aim(certificate, issuer, now)
        return True

    def _aim(self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> None:
        found = {one.kind: one for one in self._targets(certificate, issuer)}
        order = sorted(found.values(), key=lambda one: one.kind is not self.plan.prefer)
        keys = [(one.kind, one.about) for one in order]
        for number, (key, target) in enumerate(zip(keys, order, strict=True)):
            there = self._aims.get(key)
            if there is not None:
                there.asleep = there.asleep and number > 0
                continue
            backup = keys[1] if number == 0 and len(keys) > 1 else None
            self._aims[key] = _Aim(target, certificate, issuer, now, backup, asleep=number > 0)

    def _targets(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Iterable[Target]:
        allowed = self.plan.allowed
        crls = [url for url in sorted(distribution_points(certificate)) if allowed(url)]
        urls = tuple([*crls, *(url for url in self.plan.crls if url not in crls)][:8])
        if urls:
            yield Target(Kind.CRL, digest_of(f"{issuer_id(issuer)} {urls}".encode()), urls, None)
        urls = tuple(url for url in responders(certificate) if allowed(url))[:4]
        if urls:
            question = request(certificate, issuer)
            yield Target(Kind.OCSP, _digest(certificate), urls, question)

    def due(self, now: datetime) -> list[Target]:
        with self._lock:
            found = [aim for aim in self._aims.values() if not aim.asleep and aim.due_at <= now]
            awake = [aim for aim in found if not self._idle(aim, now)]
        return [aim.target for aim in sorted(awake, key=lambda aim: aim.due_at)[:MOST_DUE]]

    def _idle(self, aim: _Aim, now: datetime) -> bool:
        if aim.target.kind is Kind.CRL:
            return False
        known = self._known.get(Digest(aim.target.about))
        return known is None or now - known.met_at > IDLE

    def next_due(self, now: datetime) -> float:
        with self._lock:
            found = [aim.due_at for aim in self._aims.values() if not aim.asleep]
        return max(0.0, (min(found) - now).total_seconds()) if found else float("inf")

    def failed(self, target: Target, error: str, now: datetime) -> None:
        with self._lock:
            aim = self._aims.get((target.kind, target.about))
            if aim is None:
                return
            aim.failures, aim.error = aim.failures + 1, error
            wait = min(self.plan.refresh, FIRST_WAIT * 2 ** min(aim.failures - 1, 16))
            aim.due_at = now + wait * (0.75 + self.plan.random() / 2)
            backup = None if aim.backup is None else self._aims.get(aim.backup)
            if backup is not None:
                backup.asleep = False

    # ------------------------------------------------------------ statements

    def take(self, target: Target, content: bytes, now: datetime) -> Proven:
        with self._lock:
            aim = self._aims.get((target.kind, target.about))
        if aim is None:
            raise SignatureError(Fault.BAD_REVOCATION, "nothing is known of this target any more")
        proven = self._prove(target.kind, content, aim.certificate, aim.issuer, now)
        with self._lock:
            aim.failures, aim.error = 0, ""
            aim.due_at = self._again(proven, now)
            if aim.backup is not None and aim.backup in self._aims:
                self._aims[aim.backup].asleep = True
        return proven

    def take_about(self, path: Way, content: bytes, now: datetime) -> Proven:
        """A statement that came along with a signature: about whichever of a proven path it proves to be.

        It stands for a fetch: its target is looked at again as if it had been fetched now.
        """
        self._learn(path, now)
        fault = SignatureError(Fault.BAD_REVOCATION, "a statement about no certificate of its path")
        for certificate, issuer in pairwise(path):
            for kind in Kind:
                try:
                    proven = self._prove(kind, content, certificate, issuer, now)
                except SignatureError as error:
                    fault = error
                    continue
                if proven.fresh:
                    self._put_off(kind, certificate, issuer, proven, now)
                return proven
        raise fault

    def _put_off(
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

    def _prove(
        self,
        kind: Kind,
        content: bytes,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        now: datetime,
    ) -> Proven:
        """Into memory, unless what is there is newer."""
        made: datetime
        ends: datetime | None
        if kind is Kind.CRL:
            crl = prove_crl(content, issuer, now)
            if crl.statement(certificate) is None:
                raise SignatureError(Fault.BAD_REVOCATION, "the CRL is not about this certificate")
            about = issuer_id(issuer) + (f":{crl.scope}" if crl.scope else "")
            made, ends, digest = crl.this_update, crl.next_update, crl.digest
            crls = self._crls.setdefault(issuer_id(issuer), {})
            before = crls.get(crl.scope)
            # Of one and the same second the worse news counts.
            fresh = before is None or (before.this_update, len(before.entries)) < (
                crl.this_update,
                len(crl.entries),
            )
            if fresh and (before is not None or len(crls) < MOST_SCOPES):
                crls[crl.scope] = crl
        else:
            about = _digest(certificate)
            response = prove_response(content, issuer, now, self._whole(issuer))
            said = response.statement(certificate)
            if said is None:
                raise SignatureError(
                    Fault.BAD_REVOCATION, "the OCSP response does not know this certificate"
                )
            made, ends, digest = said.this_update, said.next_update, response.digest
            held = self._responses.get(_content(certificate))
            older = None if held is None else held.statement(certificate)
            fresh = older is None or _age(older) < _age(said)
            if fresh:
                self._responses[_content(certificate)] = response
        if fresh:
            self.generation += 1
        der = _der(certificate), _der(issuer)
        return Proven(digest, kind, about, content, *der, made, ends, fresh)

    def _whole(self, issuer: x509.Certificate) -> Crl | None:
        """The CRL about all of an issuer's certificates, which may clear its responder's."""
        return self._crls.get(issuer_id(issuer), {}).get("")

    def restore(
        self,
        met: Sequence[Met],
        found: Sequence[Proven],
        noted: Sequence[RevokedCertificate],
        now: datetime,
    ) -> int:
        """From our own journal, but proven again all the same: it is cheap, and a disk can lie."""
        for gone in noted:
            entry = Revocation(gone.since, gone.reason)
            if not entry.may_end:
                self._gone[gone.certificate] = entry
        for one in met:
            certificate = _loaded(one.certificate)
            if (known := self._gone.get(_digest(certificate))) is not None:
                self._gone[_content(certificate)] = known
            self._learn((certificate, _loaded(one.issuer)), now)
        self._met.clear()
        count = 0
        for proven in found:
            certificate, issuer = _loaded(proven.certificate), _loaded(proven.issuer)
            try:
                again = self._prove(proven.kind, proven.content, certificate, issuer, now)
            except SignatureError:
                continue
            count += 1
            self._put_off(proven.kind, certificate, issuer, again, now)
        return count

    def met(self) -> Sequence[Met]:
        with self._lock:
            found, self._met = self._met, []
        return found

    def used(self) -> Sequence[Digest]:
        with self._lock:
            found, self._used = self._used, set()
        return list(found)

    def revoked(self) -> list[RevokedCertificate]:
        """Looked for anew where something changed; whoever a revoked authority issued is revoked."""
        with self._lock:
            known, seen = dict(self._known), (self.generation, len(self._known), self._newest)
        if self._revoked is not None and self._revoked[0] == seen:
            return self._revoked[1]
        entries = {digest: self._revocation_of(one) for digest, one in known.items()}
        found = []
        for digest, one in known.items():
            own = entries[digest]
            entry = own or entries.get(_digest(one.issuer))
            if entry is not None:
                found.append(_revoked(digest, one.certificate, entry))
            if own is not None and not own.may_end:
                self._gone[_content(one.certificate)] = own
        self._revoked = (seen, found)
        return found

    def _revocation_of(self, one: _Known) -> Revocation | None:
        if (gone := self._gone_of(one.certificate)) is not None:
            return gone
        said = list(self._said_of(one.certificate, one.issuer))
        if all(statement.revocation is None for statement in said):
            return None
        newest = max(statement.this_update for statement in said)
        return self._verdict_of(one.certificate, one.issuer, newest).revocation


def _age(statement: Statement) -> tuple[datetime, bool]:
    return statement.this_update, statement.revocation is not None


def way_of(path: Path) -> Way:
    return (path.leaf.certificate, *path.issuers, path.anchor)


def worst(found: Sequence[Verdict], at: datetime) -> Verdict:
    """REVOKED before UNKNOWN before VALID; of a path of the anchor alone, VALID."""
    for state in (RevocationState.REVOKED, RevocationState.UNKNOWN):
        for number, one in enumerate(found):
            if one.state is state:
                above = "" if number == 0 else "its issuer: "
                return Verdict(state, above + one.why, one.revocation, one.statements, at + LASTS)
    rests = tuple(dict.fromkeys(digest for one in found for digest in one.statements))
    ends = [one.until for one in found if one.until is not None]
    why = found[0].why if found else "nothing above it can be revoked"
    return Verdict(RevocationState.VALID, why, None, rests, min(ends, default=at))


@lru_cache(maxsize=4096)
def issuer_id(issuer: x509.Certificate) -> str:
    """The same for all certificates of one name and key: a renewed authority's CRL serves both."""
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return digest_of(issuer.subject.public_bytes() + key)


def _revoked(
    digest: Digest, certificate: x509.Certificate, entry: Revocation
) -> RevokedCertificate:
    serial = f"{certificate.serial_number:x}"
    try:
        identity = read_leaf(_der(certificate)).identity
    except SignatureError:
        return RevokedCertificate(digest, entry.since, entry.reason, (), None, "issuer", serial)
    return RevokedCertificate(
        digest,
        entry.since,
        entry.reason,
        tuple(sorted(identity.agencies)),
        identity.node,
        identity.purpose.value,
        serial,
    )


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _digest(certificate: x509.Certificate) -> Digest:
    return digest_of(_der(certificate))


def _content(certificate: x509.Certificate) -> Digest:
    """Of what its issuer signed. The signature itself has two values that anybody can exchange, and the
    certificate then another digest: whoever is revoked must not escape so."""
    return digest_of(certificate.tbs_certificate_bytes)


def _loaded(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)
