"""The statements a node holds: proven, in memory, and asked on every document's way.

A verdict holds until a newer statement comes (`generation`) or it runs out. What is asked of a
certificate nobody has a statement of is UNKNOWN at once: it becomes a target, and is fetched beside.

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
from itertools import pairwise

from cryptography import x509

from relay.delivery.revocation.ports import Kind, Met, Proven, RevokedCertificate, Target
from relay.errors import SignatureError
from relay.model import Digest
from relay.signing.faults import Fault
from relay.signing.revocation.aims import Aims, Plan, issuer_id
from relay.signing.revocation.crl import Crl, prove_crl
from relay.signing.revocation.identified import content_of, der_of, loaded, sha256_of, told_of
from relay.signing.revocation.ocsp import OcspResponse, prove_response
from relay.signing.revocation.verdicts import (
    Revocation,
    RevocationState,
    Statement,
    Verdict,
    age,
    judge,
    revoked_verdict,
)
from relay.signing.trust.path import Path

MOST_CERTIFICATES = 10_000
MOST_SCOPES = 64
"""CRLs of one issuer, each about another part of its certificates."""
LASTS = timedelta(minutes=1)
"""What is not VALID is judged anew so often, though only a newer statement changes it."""


@dataclass(slots=True)
class _Known:
    certificate: x509.Certificate
    issuer: x509.Certificate
    met_at: datetime


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
    _gone: dict[Digest, Revocation] = field(default_factory=dict)
    """Revocations that cannot end, as `_responses` by `content_of` of the certificate; of those restored and
    not met since, by its digest."""
    _before_its_end: dict[Digest, tuple[Statement, ...]] = field(default_factory=dict)
    """The last one of each certificate that was made before it expired."""
    _met: list[Met] = field(default_factory=list)
    _used: set[Digest] = field(default_factory=set)
    _listed: frozenset[Digest] = frozenset()
    """Who was revoked when that was last asked."""
    _revoked: tuple[tuple[int, int, str], list[RevokedCertificate]] | None = None
    _newest: str = ""
    """Of the certificates met; with their number it tells when there are others."""
    _ders: tuple[int, tuple[bytes, ...]] = (-1, ())
    """By what generation, and the CRLs then."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    aims: Aims = field(init=False)

    def __post_init__(self) -> None:
        self.aims = Aims(self.plan, self._met_at)

    def due(self, now: datetime) -> list[Target]:
        return self.aims.due(now)

    def next_due(self, now: datetime) -> float:
        return self.aims.next_due(now)

    def failed(self, target: Target, error: str, now: datetime) -> None:
        self.aims.failed(target, error, now)

    def _met_at(self, certificate: Digest) -> datetime | None:
        known = self._known.get(certificate)
        return None if known is None else known.met_at

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
        said = self._said_of(certificate, issuer)
        if known is not None and known.since <= at:  # whatever a newer CRL has forgotten of it
            telling = (one.digest for one in said if one.revocation is not None)
            return revoked_verdict(known, *telling)
        if at > ends:
            said += self._before_its_end.get(content_of(certificate), ())
        else:
            self._note(certificate, said)
        return judge(said, min(at, ends), ends, self.plan.fresh)

    def _gone_of(self, certificate: x509.Certificate) -> Revocation | None:
        return self._gone.get(content_of(certificate)) or self._gone.get(sha256_of(certificate))

    def _note(self, certificate: x509.Certificate, said: Iterable[Statement]) -> None:
        """Newer ones take its place, and those that are made after a certificate expired say nothing of it:
        what it signed may still be on its way."""
        before = self._before_its_end.get(content_of(certificate), ())
        timely = [one for one in said if one.this_update <= certificate.not_valid_after_utc]
        if timely:
            newest = max((*before, *timely), key=lambda one: one.this_update)
            self._before_its_end[content_of(certificate)] = (newest,)

    def _said_of(self, certificate: x509.Certificate, issuer: x509.Certificate) -> list[Statement]:
        crls = self._crls.get(issuer_id(issuer), {})
        found = [crl.statement(certificate) for crl in list(crls.values())]
        if (response := self._responses.get(content_of(certificate))) is not None:
            found.append(response.statement(certificate))
        return [one for one in found if one is not None]

    def crls(self) -> tuple[bytes, ...]:
        """DER, in one order; equal, and the same object, as long as none of them is another."""
        generation, before = self.generation, self._ders[1]
        if generation != self._ders[0]:
            scopes = [(issuer, list(crls.items())) for issuer, crls in list(self._crls.items())]
            found = sorted((issuer, *one) for issuer, several in scopes for one in several)
            ders = tuple(crl.der for _, _, crl in found)
            self._ders = generation, before if ders == before else ders
        return self._ders[1]

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
        digest = sha256_of(certificate)
        known = self._known.get(digest)
        if known is not None:
            known.met_at = now
            self._known.move_to_end(digest)
            return False
        self._known[digest] = _Known(certificate, issuer, now)
        self._newest = digest
        self._met.append(Met(der_of(certificate), der_of(issuer)))
        if len(self._known) > MOST_CERTIFICATES:
            self._forget_one()
        self.aims.aim_at(certificate, issuer, now)
        return True

    def _forget_one(self) -> None:
        """Whom nobody met for the longest time; of the revoked, whom nobody shows any more, none as long as there
        are others: what is not known here any more would count as restored."""
        for _ in range(len(self._known)):
            if (digest := next(iter(self._known))) not in self._listed:
                break
            self._known.move_to_end(digest)
        digest, gone = self._known.popitem(last=False)
        self._responses.pop(content_of(gone.certificate), None)
        self._before_its_end.pop(content_of(gone.certificate), None)
        self.aims.forget(digest)

    # ------------------------------------------------------------ statements

    def take(self, target: Target, content: bytes, now: datetime) -> Proven:
        aim = self.aims.of(target)
        if aim is None:
            raise SignatureError(Fault.BAD_REVOCATION, "nothing is known of this target any more")
        proven = self._prove(target.kind, content, aim.certificate, aim.issuer, now)
        self.aims.had(target, proven, now)
        return proven

    def take_about(self, path: Way, content: bytes, now: datetime) -> Proven:
        """A statement that came along with a signature: about whichever of a proven path it proves to be (W12.2).

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
                    self.aims.put_off(kind, certificate, issuer, proven, now)
                return proven
        raise fault

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
            if (told := crl.statement(certificate)) is None:
                raise SignatureError(Fault.BAD_REVOCATION, "the CRL is not about this certificate")
            about = issuer_id(issuer) + (f":{crl.scope}" if crl.scope else "")
            self._note(certificate, [told])
            for_good = self._keep_gone(crl, issuer_id(issuer))
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
            about = sha256_of(certificate)
            response = prove_response(content, issuer, now, self._whole(issuer))
            said = response.statement(certificate)
            if said is None:
                raise SignatureError(
                    Fault.BAD_REVOCATION, "the OCSP response does not know this certificate"
                )
            self._note(certificate, [said])
            for_good = self._keep(certificate, said.revocation)
            made, ends, digest = said.this_update, said.next_update, response.digest
            held = self._responses.get(content_of(certificate))
            older = None if held is None else held.statement(certificate)
            fresh = older is None or age(older) < age(said)
            if fresh:
                self._responses[content_of(certificate)] = response
        if fresh or for_good:
            with self._lock:
                self.generation += 1
        der = der_of(certificate), der_of(issuer)
        return Proven(digest, kind, about, content, *der, made, ends, fresh)

    def _keep_gone(self, crl: Crl, by: str) -> bool:
        """What the CRL revokes of its issuer's certificates met so far, before a newer one forgets it."""
        with self._lock:
            known = list(self._known.values())
        listed = [one for one in known if one.certificate.serial_number in crl.entries]
        found = [one.certificate for one in listed if issuer_id(one.issuer) == by]
        said = [(one, crl.statement(one)) for one in found]
        news = [self._keep(one, told.revocation) for one, told in said if told is not None]
        return any(news)

    def _keep(self, certificate: x509.Certificate, entry: Revocation | None) -> bool:
        """A revocation that cannot end counts for good. Whether it is news."""
        content = content_of(certificate)
        if entry is None or entry.may_end or content in self._gone:
            return False
        self._gone[content] = entry
        return True

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
            certificate = loaded(one.certificate)
            if (known := self._gone.get(sha256_of(certificate))) is not None:
                self._gone[content_of(certificate)] = known
            self._learn((certificate, loaded(one.issuer)), now)
        self._met.clear()
        count = 0
        for proven in found:
            certificate, issuer = loaded(proven.certificate), loaded(proven.issuer)
            try:
                again = self._prove(proven.kind, proven.content, certificate, issuer, now)
            except SignatureError:
                continue
            count += 1
            self.aims.put_off(proven.kind, certificate, issuer, again, now)
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
            entry = own or entries.get(sha256_of(one.issuer))
            if entry is not None:
                found.append(told_of(digest, one.certificate, entry))
            if own is not None and not own.may_end:
                self._gone[content_of(one.certificate)] = own
        self._revoked = (seen, found)
        self._listed = frozenset(one.certificate for one in found)
        return found

    def _revocation_of(self, one: _Known) -> Revocation | None:
        if (gone := self._gone_of(one.certificate)) is not None:
            return gone
        said = list(self._said_of(one.certificate, one.issuer))
        if all(statement.revocation is None for statement in said):
            return None
        newest = max(statement.this_update for statement in said)
        return self._verdict_of(one.certificate, one.issuer, newest).revocation


def way_of(path: Path) -> Way:
    return (path.leaf.certificate, *path.issuers, path.anchor)


def worst(found: Sequence[Verdict], at: datetime) -> Verdict:
    """REVOKED before UNKNOWN before VALID (R5); of a path of the anchor alone, VALID."""
    for state in (RevocationState.REVOKED, RevocationState.UNKNOWN):
        for number, one in enumerate(found):
            if one.state is state:
                above = "" if number == 0 else "its issuer: "
                return Verdict(state, above + one.why, one.revocation, one.statements, at + LASTS)
    rests = tuple(dict.fromkeys(digest for one in found for digest in one.statements))
    ends = [one.until for one in found if one.until is not None]
    why = found[0].why if found else "nothing above it can be revoked"
    return Verdict(RevocationState.VALID, why, None, rests, min(ends, default=at))
