"""Judge a certificate chain against the roots: who may be believed, and from when to when.

Touches: nothing; the verdicts are kept in memory.
Trusts:  the roots it was made with. Intermediates only help to build paths.
Raises:  SignatureError (self-signed, untrusted, expired-certificate, not-yet-valid-certificate,
         wrong-purpose, bad-certificate, weak-key); SettingsError for roots that are none.

A path is leaf, zero to two issuing authorities, root. Revocation is not judged here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from relay.errors import SettingsError, SignatureError
from relay.model import Digest, utc
from relay.signing.algorithms import CERTIFICATE_SIGNATURES
from relay.signing.certificates import (
    Chain,
    Leaf,
    Purpose,
    check_issuer,
    read_certificate,
    require_purpose,
)
from relay.signing.faults import Fault

ISSUER_LIMIT = 3
"""Issuers in a path, the root included."""
CACHE_LIMIT = 4096


class PathCheck(Protocol):
    def __call__(self, path: Sequence[x509.Certificate], purpose: Purpose) -> None:
        """Raise SignatureError unless what was signed by the path's leaf may be taken now."""
        ...


@dataclass(frozen=True, slots=True)
class _Window:
    """When every certificate of a path is valid; both ends inclusive (RFC 5280 §4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    def holds(self, at: datetime) -> bool:
        return self.not_before <= at <= self.not_after


def certificates_of(content: bytes) -> list[bytes]:
    """The DER certificates of a PEM bundle, or the one DER certificate given."""
    if b"-----BEGIN" not in content:
        return [content]
    try:
        loaded = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise SignatureError(Fault.BAD_CERTIFICATE, "no readable PEM certificates") from None
    return [certificate.public_bytes(Encoding.DER) for certificate in loaded]


class TrustStore:
    """Roots and helping intermediates, each PEM (one or more) or DER; fixed once made."""

    def __init__(self, roots: Iterable[bytes], intermediates: Iterable[bytes] = ()) -> None:
        self._roots = [_issuer(der) for pem in roots for der in _listed(pem)]
        self._helpers = [_issuer(der) for pem in intermediates for der in _listed(pem)]
        if not self._roots:
            raise SettingsError(["no trusted root certificate"])
        self.check: PathCheck | None = None
        """What else a path must pass: revocation."""
        self._windows: dict[tuple[Digest, bytes], _Window] = {}
        self._lock = threading.Lock()

    def judge(self, chain: Chain, at: datetime, purpose: Purpose) -> Leaf:
        """The chain's leaf, proven to have been valid for `purpose` at that instant."""
        require_purpose(chain.leaf, purpose)
        at = utc(at)
        key = (chain.leaf.sha256, chain.digest)
        window = self._windows.get(key)
        if window is None or not window.holds(at):
            self._remember(key, self._find(chain, at))
        if self.check is not None:
            self.check(self.path(chain, at, purpose), purpose)
        return chain.leaf

    def path(self, chain: Chain, at: datetime, purpose: Purpose) -> tuple[x509.Certificate, ...]:
        require_purpose(chain.leaf, purpose)
        for path in self._paths((chain.leaf.certificate,), (*chain.above, *self._helpers)):
            if _window(path).holds(utc(at)):
                return path
        raise SignatureError(Fault.UNTRUSTED, "no path")

    def _remember(self, key: tuple[Digest, bytes], window: _Window) -> None:
        with self._lock:
            if len(self._windows) >= CACHE_LIMIT:
                del self._windows[next(iter(self._windows))]
            self._windows[key] = window

    def _find(self, chain: Chain, at: datetime) -> _Window:
        """The window of the first path that is valid at that instant."""
        leaf = chain.leaf.certificate
        _check_time(leaf, at)
        if leaf.issuer == leaf.subject:
            raise SignatureError(Fault.SELF_SIGNED, "the certificate is its own issuer")
        late: SignatureError | None = None
        for path in self._paths((leaf,), (*chain.above, *self._helpers)):
            try:
                for certificate in path:
                    _check_time(certificate, at)
            except SignatureError as error:
                late = late or error
            else:
                return _window(path)
        raise late or SignatureError(
            Fault.UNTRUSTED, "no path from the certificate to a trusted root"
        )

    def _paths(
        self, path: tuple[x509.Certificate, ...], helpers: tuple[x509.Certificate, ...]
    ) -> Iterator[tuple[x509.Certificate, ...]]:
        """Every path from the leaf to a root; each step's signature and issuer rules are checked."""
        for root in self._roots:
            if _issued(path, root):
                yield (*path, root)
        if len(path) >= ISSUER_LIMIT:
            return
        for helper in helpers:
            if helper not in path and _issued(path, helper):
                yield from self._paths((*path, helper), helpers)


def _listed(content: bytes) -> list[bytes]:
    try:
        return certificates_of(content)
    except SignatureError as error:
        raise SettingsError([f"trusted certificates: {error}"]) from None


def _issuer(der: bytes) -> x509.Certificate:
    try:
        certificate = read_certificate(der)
        check_issuer(certificate, 0)
    except SignatureError as error:
        raise SettingsError([f"trusted certificate: {error}"]) from None
    return certificate


def _issued(path: tuple[x509.Certificate, ...], issuer: x509.Certificate) -> bool:
    certificate = path[-1]
    if certificate.issuer != issuer.subject:
        return False
    if certificate.signature_algorithm_oid not in CERTIFICATE_SIGNATURES:
        return False
    try:
        check_issuer(issuer, len(path) - 1)
        certificate.verify_directly_issued_by(issuer)
    except (SignatureError, InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _check_time(certificate: x509.Certificate, at: datetime) -> None:
    if at < certificate.not_valid_before_utc:
        raise SignatureError(
            Fault.NOT_YET_VALID_CERTIFICATE,
            f"certificate valid from {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}, "
            f"judged at {at:%Y-%m-%dT%H:%M:%SZ}",
        )
    if at > certificate.not_valid_after_utc:
        raise SignatureError(
            Fault.EXPIRED_CERTIFICATE,
            f"certificate valid until {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}, "
            f"judged at {at:%Y-%m-%dT%H:%M:%SZ}",
        )


def _window(path: tuple[x509.Certificate, ...]) -> _Window:
    return _Window(
        max(certificate.not_valid_before_utc for certificate in path),
        min(certificate.not_valid_after_utc for certificate in path),
    )
