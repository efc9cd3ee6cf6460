"""A small PKI made at run time: a root, an issuing authority and whatever certificate a test needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.signing.keys import Signer
from relay.signing.trust import TrustStore

NOW = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
TLS_USES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@functools.cache
def _rsa(bits: int, label: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def new_key(kind: str, label: str = "") -> Any:
    """RSA keys are slow to make: one a label and a run."""
    if kind.startswith("rsa"):
        return _rsa(int(kind[3:]), label)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


@dataclass(frozen=True)
class Entity:
    """A certificate, its key, and the issuers between it and the root."""

    certificate: x509.Certificate
    key: Any
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        return self.pem + b"".join(
            one.public_bytes(serialization.Encoding.PEM) for one in self.issuers
        )

    @property
    def key_pem(self) -> bytes:
        content: bytes = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return content

    @property
    def signer(self) -> Signer:
        return Signer.from_pem(self.chain_pem, self.key_pem)


def _usage(**flags: bool) -> x509.KeyUsage:
    every = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(**(every | flags))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    subject: str,
    key: Any,
    *,
    issuer: Entity | None = None,
    uris: Sequence[str] = (),
    names: Sequence[x509.GeneralName] = (),
    ca: bool = False,
    pathlen: int | None = None,
    usage: dict[str, bool] | None = None,
    usage_critical: bool = True,
    uses: Sequence[x509.ObjectIdentifier] = (),
    not_before: datetime = NOW - timedelta(days=3650),
    not_after: datetime = NOW + timedelta(days=3650),
    extra: x509.ExtensionType | None = None,
    hash_algorithm: Any = None,
) -> Entity:
    """A certificate with exactly these properties; self-signed without an issuer."""
    if usage is None:
        usage = (
            {"key_cert_sign": True, "crl_sign": True}
            if ca
            else {"digital_signature": True, "content_commitment": True}
        )
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.certificate.subject if issuer else _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca, pathlen), critical=True)
        .add_extension(_usage(**usage), critical=usage_critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    alternatives = [*map(x509.UniformResourceIdentifier, uris), *names]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=True)
    algorithm = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(signing_key, hash_algorithm or algorithm)
    above = () if issuer is None or not issuer.issuers else issuer.issuers
    if issuer is not None and issuer.certificate.issuer != issuer.certificate.subject:
        above = (issuer.certificate, *above)
    return Entity(certificate, key, above)


class Pki:
    """The root, its issuing authority, and the usual certificates under it."""

    def __init__(self, kind: str = "p256") -> None:
        self.kind = kind
        self.root = certify("Root", new_key("p256"), ca=True, pathlen=1)
        self.issuing = certify("Issuing", new_key("p256"), issuer=self.root, ca=True, pathlen=0)
        self.trust = TrustStore([self.root.pem])

    def issue(self, *uris: str, kind: str = "", label: str = "", **options: Any) -> Entity:
        key = new_key(kind or self.kind, label)
        options = {"issuer": self.issuing} | options
        return certify(label or "Leaf", key, uris=uris, **options)

    def node(self, node: str, purpose: str = "sign", **options: Any) -> Entity:
        if purpose == "tls":
            options = {"usage": {"digital_signature": True}, "uses": TLS_USES} | options
        if purpose == "log":
            options = {"usage": {"digital_signature": True}, "kind": "ed25519"} | options
        return self.issue(f"urn:truc-relay:node:{node}:{purpose}", **{"label": node} | options)

    def agency(self, *codes: str, **options: Any) -> Entity:
        return self.issue(*(f"urn:truc-relay:agency:{code}" for code in codes), **options)

    def gateway(self, node: str, **options: Any) -> Entity:
        return self.issue(f"urn:truc-relay:gateway:{node}", **options)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def make_pki() -> Callable[[str], Pki]:
    """PKIs whose end entities have keys of one kind."""
    return functools.cache(Pki)


@pytest.fixture(scope="session", name="certify")
def certify_fixture() -> Callable[..., Entity]:
    """Certificates with any property, right or wrong."""
    return certify


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW
