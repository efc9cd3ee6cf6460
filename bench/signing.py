"""What signing and proving cost by themselves, in one thread: seals, with keys in files and on a token,
paths, revocation.

Touches: one folder, for a PKI and a token; no node and no network take part.
Raises:  RuntimeError when something that was measured did not hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from bench.softhsm import missing, softhsm
from relay.model import SealKind, digest_of
from relay.signing import pki, pki_files
from relay.signing.certificates import Purpose, read_chain
from relay.signing.keys import Signer
from relay.signing.pki_profiles import IssuerKey
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.checking import RevocationCheck
from relay.signing.revocation.crl import prove_crl
from relay.signing.revocation.held import HeldStatements, way_of
from relay.signing.revocation.verdicts import Freshness, RevocationState
from relay.signing.seal import make_seal, verify_seal
from relay.signing.trust import TrustStore, certificates_of

ENTRIES = 10_000
_DOCUMENT = digest_of(b"a document")


@dataclass(frozen=True, slots=True)
class Cost:
    """One kind of work: microseconds each, the median of `turns` of them."""

    what: str
    microseconds: float
    turns: int

    @property
    def per_second(self) -> float:
        return 1e6 / self.microseconds


def signing(folder: Path, seconds: float, say: Callable[[str], None]) -> list[Cost]:
    """Each kind for about so long."""
    now = datetime.now(UTC)
    authority = folder / "pki-signing"
    pki.init(authority, name="bench", key=pki.KeyType.P256, now=now, days=2)
    pki.issue_branch(authority, "b", key=pki.KeyType.P256, now=now, days=2)
    found: list[Cost] = []
    paths: dict[str, Path] = {}
    for kind in (pki.KeyType.P256, pki.KeyType.RSA2048):
        path = paths[kind.value] = pki.issue_agency(
            authority, [f"H01.{len(found) + 1}"], "b", key=kind, now=now, days=2
        )
        found += _seals(authority, path, kind.value, now, seconds)
    if (lacking := missing()) is None:
        found += _seals_on_token(folder / "softhsm", paths, now, seconds)
    else:
        say(f"seals on SoftHSM: not measured, needs {lacking}")
    found += _revocation(authority, path, now, seconds)
    for one in found:
        say(f"{one.what}: {one.microseconds:,.1f} µs")
    return found


def _seals(
    authority: Path, certificate: Path, kind: str, now: datetime, seconds: float
) -> list[Cost]:
    signer = Signer.load(certificate, pki_files.key_path(certificate))
    trust = TrustStore([(authority / "root" / "root.pem").read_bytes()])
    chain = read_chain(signer.chain)
    seal = make_seal(_DOCUMENT, SealKind.AGENCY, signer, now)

    def cold() -> None:
        TrustStore(trust.anchors).path(chain, now, Purpose.AGENCY)

    return [
        _cost(
            f"seal, {kind}",
            lambda: make_seal(_DOCUMENT, SealKind.AGENCY, signer, now),
            seconds,
        ),
        _cost(
            f"verify a seal, {kind}, path remembered",
            lambda: verify_seal(seal.signature, _DOCUMENT, trust, now),
            seconds,
        ),
        _cost(f"path, {kind}, remembered", lambda: trust.path(chain, now, Purpose.AGENCY), seconds),
        _cost(f"path, {kind}, anew", cold, seconds),
    ]


def _seals_on_token(
    folder: Path, certificates: dict[str, Path], now: datetime, seconds: float
) -> list[Cost]:
    """Through the module's own process and its hand, as a node has them."""
    with softhsm(folder) as token:
        return [
            _seal_on_token(token.signer(path, f"{number:02}"), kind, now, seconds)
            for number, (kind, path) in enumerate(certificates.items(), start=1)
        ]


def _seal_on_token(signer: Signer, kind: str, now: datetime, seconds: float) -> Cost:
    def seal() -> None:
        make_seal(_DOCUMENT, SealKind.AGENCY, signer, now)

    return _cost(f"seal, {kind}, key on SoftHSM", seal, seconds)


def _revocation(authority: Path, certificate: Path, now: datetime, seconds: float) -> list[Cost]:
    issuer = pki_files.load_issuer(authority / "branches" / "b" / "ca.pem")
    root = pki_files.load_issuer(authority / "root" / "root.pem")
    trust = TrustStore([(authority / "root" / "root.pem").read_bytes()])
    path = trust.path(read_chain(certificates_of(certificate.read_bytes())), now, Purpose.AGENCY)
    long = _crl(issuer.certificate, issuer.key, now, ENTRIES)
    held = HeldStatements(Plan(lambda _: False, Freshness(), timedelta(hours=1), lambda: 0.5))
    for content in (long, _crl(root.certificate, root.key, now, 0)):
        held.take_about(way_of(path), content, now)
    check = RevocationCheck(held, {}, lambda: now)
    if check.look(path).state is not RevocationState.VALID:
        raise RuntimeError("what was measured is not VALID")
    crl = prove_crl(long, issuer.certificate, now)
    leaf = path.leaf.certificate
    return [
        _cost(
            f"a CRL of {ENTRIES:,} entries: prove and read",
            lambda: prove_crl(long, issuer.certificate, now),
            seconds,
        ),
        _cost(f"a CRL of {ENTRIES:,} entries: look up", lambda: crl.statement(leaf), seconds),
        _cost("revocation of a path, remembered", lambda: check.look(path), seconds),
        _cost("revocation of a path, anew", lambda: held.verdict_at(way_of(path), now), seconds),
    ]


def _crl(issuer: x509.Certificate, key: IssuerKey, now: datetime, entries: int) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now)
        .next_update(now + timedelta(days=1))
    )
    reason = x509.CRLReason(x509.ReasonFlags.superseded)
    for _ in range(entries):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(x509.random_serial_number())
            .revocation_date(now)
            .add_extension(reason, critical=False)
            .build()
        )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def _cost(what: str, work: Callable[[], object], seconds: float) -> Cost:
    """In groups of at least a millisecond: a clock costs as much as what is quick."""
    work()
    group, spent = 1, 0.0
    while (spent := _timed(work, group)) < 1e-3:
        group *= 2
    taken = [spent / group]
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        taken.append(_timed(work, group) / group)
    taken.sort()
    return Cost(what, taken[len(taken) // 2] * 1e6, group * len(taken))


def _timed(work: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return time.perf_counter() - start
