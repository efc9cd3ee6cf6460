"""Build the certificates of each profile; certs/README.md has the clauses by number.

Touches: nothing but the system's randomness, for keys and serial numbers.
Trusts:  pki.py to have checked names, codes and addresses.
Raises:  ValueError where a name cannot stand in a certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from relay.signing.pki_words import KeyType

IssuerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PrivateKey = IssuerKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

ROOT_PATH_LENGTH: Final = 1
ISSUING_PATH_LENGTH: Final = 0


_RSA_BITS: Final = {KeyType.RSA2048: 2048, KeyType.RSA3072: 3072}


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that issues, with its key."""

    certificate: x509.Certificate
    key: IssuerKey


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when a certificate is valid; whole seconds."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """Where an issuer says which of its certificates are revoked (clause 1.12)."""

    crl: str
    ocsp: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What tells one end entity from another.

    `vouches`: it signs documents people rely on later (contentCommitment). `tls`: it is a TLS end.
    """

    role: str
    """For people, in the subject; what counts is in `uris`."""
    common_name: str
    uris: tuple[str, ...]
    vouches: bool = False
    tls: bool = False
    stamps: bool = False
    """It is a timestamp authority, and nothing else."""
    dns: tuple[str, ...] = ()
    ips: tuple[IPv4Address | IPv6Address, ...] = ()


def generate(key: KeyType) -> IssuerKey:
    """A fresh key."""
    if key is KeyType.P256:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, _RSA_BITS[key])


def root(organisation: str, key: IssuerKey, span: Span) -> x509.Certificate:
    """Clause 2: issues issuing CAs, and itself."""
    subject = _name(organisation, "Development root CA", organisation)
    return _authority(subject, key, subject, key, ROOT_PATH_LENGTH, span)


def issuing(
    name: str,
    key: IssuerKey,
    issuer: Issuer,
    span: Span,
    uris: tuple[str, ...] = (),
    published: Published | None = None,
) -> x509.Certificate:
    """Clause 3: issues the end entities of a branch; `uris` say of which nodes' branches."""
    subject = _name(_organisation(issuer), "Development issuing CA", name)
    above = issuer.certificate.subject
    return _authority(subject, key, above, issuer.key, ISSUING_PATH_LENGTH, span, uris, published)


def responder(name: str, key: IssuerKey, issuer: Issuer, span: Span) -> x509.Certificate:
    """Answers for the issuer's certificates, and is not asked about itself (certs/README.md, Revocation)."""
    subject = _name(_organisation(issuer), "Development OCSP responder", name)
    builder = _builder(subject, issuer.certificate.subject, key, issuer.key, span)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .sign(issuer.key, SHA256())
    )


def end_entity(
    profile: Profile,
    key: PrivateKey | PublicKey,
    issuer: Issuer,
    span: Span,
    published: Published | None = None,
) -> x509.Certificate:
    """Clauses 4 to 8: everything below an issuing CA."""
    subject = _name(_organisation(issuer), profile.role, profile.common_name)
    builder = _builder(subject, issuer.certificate.subject, key, issuer.key, span)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=False
    ).add_extension(_usage(signs=True, vouches=profile.vouches), critical=True)
    if names := _names(profile):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if profile.stamps:  # RFC 3161 §2.3: alone, and critical
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    if profile.tls:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return _told(builder, published).sign(issuer.key, SHA256())


def _authority(
    subject: x509.Name,
    key: IssuerKey,
    above: x509.Name,
    signing_key: IssuerKey,
    path_length: int,
    span: Span,
    uris: tuple[str, ...] = (),
    published: Published | None = None,
) -> x509.Certificate:
    builder = (
        _builder(subject, above, key, signing_key, span)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(issues=True), critical=True)
    )
    if uris:
        names = x509.SubjectAlternativeName(map(x509.UniformResourceIdentifier, uris))
        builder = builder.add_extension(names, critical=False)
    return _told(builder, published).sign(signing_key, SHA256())


def _told(builder: x509.CertificateBuilder, published: Published | None) -> x509.CertificateBuilder:
    """Where to ask about it (clause 1.12)."""
    if published is None:
        return builder
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(published.crl)], None, None, None
    )
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(published.ocsp)
    )
    return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False).add_extension(
        x509.AuthorityInformationAccess([access]), critical=False
    )


def _builder(
    subject: x509.Name,
    above: x509.Name,
    key: PrivateKey | PublicKey,
    signing_key: IssuerKey,
    span: Span,
) -> x509.CertificateBuilder:
    """Clause 1: what every certificate has."""
    public = key if isinstance(key, PublicKey) else key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(span.start)
        .not_valid_after(span.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )


def _usage(*, issues: bool = False, signs: bool = False, vouches: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=vouches,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def _names(profile: Profile) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in profile.uris]
    names += [x509.DNSName(host) for host in profile.dns]
    names += [x509.IPAddress(address) for address in profile.ips]
    return names


def _name(organisation: str, role: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _organisation(issuer: Issuer) -> str:
    """All of one PKI carry the name it was made with."""
    found = issuer.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else "Development PKI"
