"""Renew a certificate: a request for a new one with a key of its own, and the pair put in place.

The new key lies beside the old one as `NAME.next.key.pem` until its certificate comes; then the old pair
is set aside as `NAME.before-<day>.pem` and the new one takes its place, key first. If the process dies
in between, the same command again finishes it: it finds its key in place already.

Touches: the folder of the pair.
Trusts:  the operator's files; the certificate that came back is held to the old one's identity.
Raises:  SettingsError.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from relay.errors import SettingsError, SignatureError
from relay.model import utc
from relay.signing.certificates import Identity, Leaf, read_leaf
from relay.signing.keys import read_key_file
from relay.signing.pin import PinPlace
from relay.signing.trust import certificates_of

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pair lies, and its parts in waiting."""

    certificate: Path
    key: Path | None
    """None: on a token, where it stays, or in a PKCS#12 file with its certificate."""
    password: PinPlace | None = None
    """Where that of an encrypted key is; its successor gets the same."""
    whole: bool = False
    """Whether `certificate` is a PKCS#12 file, which the operator replaces as a whole."""

    @property
    def next_key(self) -> Path:
        return self._beside("next.key.pem")

    @property
    def request(self) -> Path:
        return self._beside("request.pem")

    def before(self, day: datetime, number: int) -> tuple[Path, Path]:
        """Where the pair goes that is replaced on that day: its certificate, its key."""
        name = f"before-{day:%Y%m%d}" + (f"-{number}" if number else "")
        return self._beside(f"{name}.pem"), self._beside(f"{name}.key.pem")

    def _beside(self, suffix: str) -> Path:
        return self.certificate.with_name(f"{self.certificate.name.removesuffix('.pem')}.{suffix}")


@dataclass(frozen=True, slots=True)
class Installed:
    """What stands there now; `before` is where the old certificate went, None if it stood already."""

    leaf: Leaf
    before: Path | None


def request(place: Place, *, same_key: bool = False) -> Path:
    """Write a PKCS#10 request with the subject and the names of the certificate in place.

    It is for a new key of the old one's kind, or for the same key: that of the log, whose verifiers
    know it. A request that waits already is refused: its key may be certified by now.
    """
    if place.key is None:
        _refuse(
            "its key is not in a PEM file: ask with the tools it was made with, for the same names"
        )
    certificate = _in_place(place).certificate
    for path in (place.request, place.next_key):
        if path.exists():
            said = "is there already: install what was asked for, or take it away first"
            raise FileExistsError(errno.EEXIST, said, str(path))
    key = _private(place, place.key) if same_key else _like(certificate)
    asked = _request(certificate, key)
    if not same_key:
        _write_new(place.next_key, _pem(key, place.password), 0o600)
    _write_new(place.request, asked, 0o644)
    return place.request


def install(place: Place, content: bytes, now: datetime) -> Installed:
    """Put a renewed certificate (PEM, its issuers after it) and its key where the old pair is.

    It must be of the old one's identity, for the key that waits or that is there, and not over.
    Whether it leads to a root is for whoever knows the roots.
    """
    if place.whole:
        _refuse(
            f"{place.certificate} is a PKCS#12 file: move the new one into its place, relay cert reload"
        )
    old, new = _in_place(place), _read(content, "the new certificate")
    _check(old.identity, new, now)
    exchanged = _key_is_exchanged(place, old, new)
    if certificates_of(place.certificate.read_bytes()) == certificates_of(content):
        return Installed(new, None)
    return Installed(new, _exchange(place, content, now, key_too=exchanged))


def _key_is_exchanged(place: Place, old: Leaf, new: Leaf) -> bool:
    """Whether the key that waits is the new certificate's; False: the one in place is."""
    public = new.certificate.public_key()
    if place.key is None:
        if old.certificate.public_key() != public:
            _refuse("the new certificate is for another key than the one on the token")
        return False
    if _public(place, place.key) == public:
        return False
    if not place.next_key.exists() or _public(place, place.next_key) != public:
        _refuse(f"the new certificate is for no key of {place.key.parent}")
    return True


def _exchange(place: Place, content: bytes, now: datetime, *, key_too: bool) -> Path:
    """Each step leaves what the same command can go on from."""
    certificate, key = _aside(place, now)
    fresh = place.certificate.with_name(place.certificate.name + ".new")
    try:
        if not certificate.exists():
            os.link(place.certificate, certificate)
        if place.key is not None and key_too:
            os.link(place.key, key)
            place.next_key.replace(place.key)
        fresh.unlink(missing_ok=True)
        _write_new(fresh, content, 0o644)
        fresh.replace(place.certificate)
        if not place.next_key.exists():
            place.request.unlink(missing_ok=True)
        _sync(place.certificate.parent)
    except OSError as error:
        _refuse(f"{place.certificate.parent}: {error.strerror}")
    return certificate


def _aside(place: Place, now: datetime) -> tuple[Path, Path]:
    """The first names that are free, or where the certificate in place was set aside already."""
    number = 0
    while True:
        certificate, key = place.before(utc(now), number)
        if certificate.exists() and certificate.samefile(place.certificate):
            return certificate, key
        if not certificate.exists() and not key.exists():
            return certificate, key
        number += 1


def _check(old: Identity, new: Leaf, now: datetime) -> None:
    found = new.identity
    if (found.purpose, found.node) != (old.purpose, old.node):
        _refuse(f"the new certificate is for {_shown(found)}, the one in place for {_shown(old)}")
    if missing := sorted(old.agencies - found.agencies):
        _refuse(f"the new certificate does not speak for {', '.join(missing[:3])}")
    if utc(now) > new.certificate.not_valid_after_utc:
        _refuse(f"the new certificate ended on {new.certificate.not_valid_after_utc:%Y-%m-%d}")
    if utc(now) < new.certificate.not_valid_before_utc:
        start = new.certificate.not_valid_before_utc
        _refuse(f"the new certificate begins at {start:%Y-%m-%dT%H:%M:%SZ}: install it then")


def _shown(identity: Identity) -> str:
    return f"{identity.purpose.value} of {identity.node or ', '.join(sorted(identity.agencies))}"


def _request(certificate: x509.Certificate, key: PrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(certificate.subject)
    with suppress(x509.ExtensionNotFound):  # an official's names nobody (clause 10)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, critical=names.critical)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.PEM)


def _like(certificate: x509.Certificate) -> PrivateKey:
    """A fresh key of the same kind and size."""
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return rsa.generate_private_key(65537, public.key_size)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return ec.generate_private_key(public.curve)
    return ed25519.Ed25519PrivateKey.generate()


def _in_place(place: Place) -> Leaf:
    try:
        return _read(place.certificate.read_bytes(), f"certificate file {place.certificate}")
    except OSError as error:
        _refuse(f"certificate file {place.certificate}: {error.strerror}")


def _read(content: bytes, what: str) -> Leaf:
    try:
        return read_leaf(certificates_of(content)[0])
    except SignatureError as error:
        _refuse(f"{what}: {error}")


def _private(place: Place, path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(read_key_file(path), _secret(place.password))
    except (ValueError, TypeError):
        _refuse(f"key file {path} cannot be read: not PEM, or its password is missing or wrong")
    if not isinstance(key, PrivateKey):
        _refuse(f"key file {path} holds a key of no kind that is used here")
    return key


def _public(place: Place, path: Path) -> object:
    return _private(place, path).public_key()


def _secret(password: PinPlace | None) -> bytes | None:
    return None if password is None else password.read().encode()


def _pem(key: PrivateKey, password: PinPlace | None) -> bytes:
    secret = _secret(password)
    sealing = NoEncryption() if secret is None else BestAvailableEncryption(secret)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Whole and on the disk, or not there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        if not isinstance(error, FileExistsError):
            with suppress(OSError):
                path.unlink()
        _refuse(f"{path}: {error.strerror}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(problem: str) -> NoReturn:
    raise SettingsError([problem]) from None
