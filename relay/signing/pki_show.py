"""Say what a certificate file holds, for people and programs.

Touches: the certificate files it is asked about; keys are never opened.
Trusts:  nothing; a file may be anyone's. What is shown is read, not verified.
Raises:  PkiError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from relay.audit.checkpoint import origin_of, vkey
from relay.errors import SignatureError
from relay.model import Digest, NodeId, digest_of
from relay.signing import pki_files
from relay.signing.certificates import (
    Identity,
    Purpose,
    check_issuer,
    public_key,
    read_certificate,
    read_leaf,
)
from relay.signing.pki_files import KEY_SUFFIX
from relay.signing.pki_words import PkiError, Trouble
from relay.signing.profiles import branches_of
from relay.signing.trust import certificates_of


@dataclass(frozen=True, slots=True)
class CertificateView:
    """One certificate as it says of itself.

    `profile` is root, issuing, tls, sign, log, agency, gateway, official, timestamp, ocsp, or other where
    it keeps none of them. `speaks_for` is the node id, the agency codes, or an issuing CA's branches. `vkey` is the C2SP verifier key of a log
    certificate, empty for the others.
    """

    file: Path
    profile: str
    speaks_for: tuple[str, ...]
    subject: str
    issuer: str
    serial: str
    key: str
    not_before: datetime
    not_after: datetime
    sha256: Digest
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    vkey: str


def describe(path: Path) -> tuple[CertificateView, ...]:
    """Every certificate in the PEM file, in its order: the leaf first, then its issuers."""
    try:
        ders = certificates_of(pki_files.read(path))
        views = tuple(_view(path, read_certificate(der), der) for der in ders)
    except SignatureError as error:
        raise PkiError(Trouble.DATA, f"{path}: {error}") from error
    if not views:
        raise PkiError(Trouble.DATA, f"{path} holds no certificate")
    return views


def certificate_files(path: Path) -> list[Path]:
    """The file itself, or every certificate file below a folder, sorted; keys left out."""
    try:
        if not path.is_dir():
            return [path]
        found = sorted(each for each in path.rglob("*.pem") if not each.name.endswith(KEY_SUFFIX))
    except OSError as error:
        raise pki_files.refused(path, error) from error
    if not found:
        raise PkiError(Trouble.MISSING, f"no certificate in {path}")
    return found


def _view(path: Path, certificate: x509.Certificate, der: bytes) -> CertificateView:
    identity = _identity(der)
    names = _names(certificate)
    return CertificateView(
        file=path,
        profile=_profile(certificate, identity),
        speaks_for=_speaks_for(certificate, identity),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        key=_key(public_key(certificate)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=digest_of(der),
        dns=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
        ips=tuple(map(str, names.get_values_for_type(x509.IPAddress))) if names else (),
        vkey=_vkey(certificate, identity),
    )


def _identity(der: bytes) -> Identity | None:
    """Whom the certificate speaks for, if it keeps a profile."""
    try:
        return read_leaf(der).identity
    except SignatureError:
        return None


def _profile(certificate: x509.Certificate, identity: Identity | None) -> str:
    if identity is not None:
        return identity.purpose.value
    try:
        check_issuer(certificate, 0)
    except SignatureError:
        return "other"
    return "root" if certificate.subject == certificate.issuer else "issuing"


def _speaks_for(certificate: x509.Certificate, identity: Identity | None) -> tuple[str, ...]:
    if identity is None:
        try:
            return tuple(sorted(branches_of(certificate)))
        except SignatureError:
            return ()
    return (identity.node,) if identity.node else tuple(sorted(identity.agencies))


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _key(key: object) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "P-256", "secp384r1": "P-384"}.get(key.curve.name, key.curve.name)
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else type(key).__name__


def _vkey(certificate: x509.Certificate, identity: Identity | None) -> str:
    key = certificate.public_key() if identity and identity.purpose is Purpose.LOG else None
    if not isinstance(key, ed25519.Ed25519PublicKey) or identity is None:
        return ""
    return vkey(origin_of(NodeId(str(identity.node))), key.public_bytes_raw())
