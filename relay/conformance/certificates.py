"""Certificates for one occasion, under the kit's root: of other times, branches and purposes than the kit's own.

Nothing is kept: an issuing CA is made anew for each, so that what is said of its certificates is said of no other.

Touches: the key of the kit's root; a folder, for those that connect.
Trusts:  that folder's owner.
Raises:  PkiError for an authority that cannot issue.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pybase64
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp

from relay.conformance.credentials import Authority, Credentials
from relay.conformance.instants import now
from relay.signing import algorithms, pki_files, pki_profiles, shape
from relay.signing.certificates import Identity, Purpose
from relay.signing.keys import Signer
from relay.signing.pki_profiles import Issuer, Profile, Span
from relay.signing.pki_words import KeyType

EARLY = timedelta(minutes=5)
DAY = timedelta(days=1)
Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


def as_it_is(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    return builder


def present() -> Span:
    at = now().replace(microsecond=0)
    return Span(at - EARLY, at + DAY)


def past(seconds: int = 1) -> Span:
    """Ended so long ago; it began with its issuer."""
    at = now().replace(microsecond=0)
    return Span(at - EARLY, at - timedelta(seconds=seconds))


def to_come() -> Span:
    at = now().replace(microsecond=0)
    return Span(at + DAY / 2, at + DAY)


def middle_of(span: Span) -> datetime:
    return span.start + (span.end - span.start) / 2


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate with its key, and its issuers without the root."""

    chain: tuple[x509.Certificate, ...]
    key: pki_profiles.IssuerKey = field(repr=False)

    def signer(self) -> Signer:
        """What signs with it, whatever it is for: to be refused is the purpose of some."""
        public, ders = algorithms.verifying_key(self.key.public_key()), self.ders
        shown = (shape.CERTIFICATE.format(pybase64.b64encode(der).decode()) for der in ders)
        return Signer(
            identity=Identity(Purpose.SIGN, None, frozenset()),
            method=algorithms.method_for(public),
            chain=ders,
            certificates_xml="".join(shown),
            certificate_digest=pybase64.b64encode(hashlib.sha256(ders[0]).digest()).decode(),
            sign=lambda content: algorithms.sign(self.key, content),
        )

    @property
    def ders(self) -> tuple[bytes, ...]:
        return tuple(one.public_bytes(Encoding.DER) for one in self.chain)

    @property
    def pem(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in self.chain)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def to_connect(self, folder: Path, node: str, root: Path) -> Credentials:
        """As the files that a TLS library reads, in that folder."""
        found = Credentials(node, folder, root)
        found.file("tls").write_bytes(self.pem)
        found.key("tls").touch(mode=0o600)
        found.key("tls").write_bytes(self.key_pem)
        return found


@dataclass(frozen=True, slots=True)
class Issuing:
    """An issuing CA, and those above it without the root."""

    issuer: Issuer
    above: tuple[x509.Certificate, ...] = ()

    def make(
        self,
        profile: Profile,
        span: Span | None = None,
        *,
        change: Change = as_it_is,
        algorithm: hashes.SHA224 | None = None,
    ) -> Made:
        key = pki_profiles.generate(KeyType.P256)
        made = pki_profiles.end_entity(profile, key, self.issuer, span or present())
        if change is not as_it_is or algorithm is not None:
            made = _again(made, self.issuer, change, algorithm or hashes.SHA256())
        return Made((made, self.issuer.certificate, *self.above), key)

    def below(
        self, nodes: Sequence[str] = (), span: Span | None = None, *, change: Change = as_it_is
    ) -> Issuing:
        """Another issuing CA that this one issued, which certifies for these nodes' branches."""
        key = pki_profiles.generate(KeyType.P256)
        uris = tuple(f"urn:truc-relay:branch:{node}" for node in nodes)
        name = f"Conformance kit {secrets.token_hex(8)}"
        made = pki_profiles.issuing(name, key, self.issuer, span or present(), uris)
        if change is not as_it_is:
            made = _again(made, self.issuer, change, hashes.SHA256())
        return Issuing(Issuer(made, key), (self.issuer.certificate, *self.above))


def issuing(
    authority: Authority, nodes: Sequence[str] = (), *, change: Change = as_it_is
) -> Issuing:
    """A new issuing CA of these nodes' branches, under the kit's root."""
    made = root(authority).below(nodes, change=change)
    return replace(made, above=())


def root(authority: Authority) -> Issuing:
    return Issuing(pki_files.load_issuer(authority.root))


_PADDING = x509.ObjectIdentifier("2.25.311")
"""Of nobody's, and not critical: whoever does not know it reads on."""


def crl(
    issuer: Issuer, *revoked: Made, at: datetime | None = None, padding_bytes: int = 0
) -> bytes:
    """The issuer's CRL as of now, DER; with padding it is as long as one of many entries."""
    at = (at or now()).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at)
        .next_update(at + timedelta(hours=1))
        .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )
    if padding_bytes:
        padding = x509.UnrecognizedExtension(_PADDING, bytes(padding_bytes))
        builder = builder.add_extension(padding, critical=False)
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(one.chain[0].serial_number)
            .revocation_date(at)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def ocsp_response(issuer: Issuer, about: Made, at: datetime, *, revoked: bool) -> bytes:
    """What the issuer itself says of one certificate as of then, DER."""
    at = at.replace(microsecond=0)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about.chain[0],
        issuer=issuer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        this_update=at,
        next_update=at + timedelta(hours=1),
        revocation_time=at if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


# ------------------------------------------------------------ who is named


def sign_of(node: str) -> Profile:
    return Profile("Node sign", node, (f"urn:truc-relay:node:{node}:sign",), vouches=True)


def tls_of(node: str, host: str = "") -> Profile:
    """Of a server that is reached there, where one is named."""
    made = Profile("Node tls", node, (f"urn:truc-relay:node:{node}:tls",), tls=True)
    try:
        return replace(made, ips=(ip_address(host),) if host else ())
    except ValueError:
        return replace(made, dns=(host,))


def agency_of(*codes: str) -> Profile:
    uris = tuple(f"urn:truc-relay:agency:{code}" for code in codes)
    return Profile("Agency", codes[0], uris, vouches=True)


def gateway_of(node: str) -> Profile:
    return Profile("Gateway", node, (f"urn:truc-relay:gateway:{node}",), vouches=True)


def stamping(*, stamps: bool = True) -> Profile:
    """A timestamp authority; or a certificate that is named so, and is for no timestamps."""
    return Profile("Timestamp authority", "Nơi Mẫu", (), stamps=stamps)


def log_of(node: str) -> Profile:
    return Profile("Node log", node, (f"urn:truc-relay:node:{node}:log",))


def official() -> Profile:
    return Profile("Official", "Nguyễn Văn Mẫu", (), vouches=True)


def _again(
    made: x509.Certificate, issuer: Issuer, change: Change, algorithm: hashes.SHA224 | hashes.SHA256
) -> x509.Certificate:
    """The same certificate but for what is changed."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(made.subject)
        .issuer_name(made.issuer)
        .public_key(made.public_key())
        .serial_number(made.serial_number)
        .not_valid_before(made.not_valid_before_utc)
        .not_valid_after(made.not_valid_after_utc)
    )
    for extension in made.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return change(builder).sign(issuer.key, algorithm)
