"""Whether a certificate leads to an anchor, was in force, was revoked: judged by pyhanko-certvalidator.

Nothing is fetched: the revocation data is what the node has and what the signature carries. Without any
the answer is never VALID (domain: offline revocation means UNKNOWN).

Touches: nothing.
Trusts:  the anchors it was made with. Raises: nothing; what is wrong is a flaw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from asn1crypto import crl, ocsp, pem, x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    DisallowedAlgorithmError,
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathBuildingError,
    PathError,
    RevokedError,
    ValidationError,
)

from relay.judgement import Flaw

Certificate: TypeAlias = x509.Certificate
T = TypeVar("T")
LEAST_RSA_BITS = 2048
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_WEAK = frozenset({"md2", "md4", "md5"})
MOST_CERTIFICATES = 30
"""That a signature brings along: each may be a step of a path."""
MOST_REVOCATION_DATA = 20
SIGNING = frozenset({"digital_signature", "non_repudiation"})
_FOR_OTHER_THINGS = frozenset({"server_auth", "time_stamping", "ocsp_signing"})


@dataclass(frozen=True, slots=True)
class RevocationData:
    """DER or PEM, from the node or the file."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    def __add__(self, other: RevocationData) -> RevocationData:
        """Of what a file carries; it may carry much."""
        return RevocationData(
            (*self.crls, *other.crls)[:MOST_REVOCATION_DATA],
            (*self.ocsps, *other.ocsps)[:MOST_REVOCATION_DATA],
        )


@dataclass(frozen=True, slots=True)
class Known:
    """The same, read."""

    crls: tuple[crl.CertificateList, ...]
    ocsps: tuple[ocsp.OCSPResponse, ...]

    def __add__(self, other: Known) -> Known:
        return Known((*self.crls, *other.crls), (*self.ocsps, *other.ocsps))

    def __bool__(self) -> bool:
        return bool(self.crls or self.ocsps)


class Court:
    """Anchors for those who sign and for timestamps, with what helps; one event loop for the libraries."""

    def __init__(
        self,
        anchors: Sequence[bytes],
        stampers: Sequence[bytes],
        helpers: Sequence[bytes] = (),
        data: RevocationData = RevocationData(),
    ) -> None:
        """Each DER or PEM."""
        self._anchors = _certificates(anchors)
        self._stampers = _certificates(stampers)
        self._helpers = _certificates(helpers)
        self._known = _parsed(data)
        self._runner = asyncio.Runner()
        self._runner.get_loop()

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the libraries only offer to await; nothing of it waits for anything."""

        async def wrapped() -> T:
            return await work()

        return self._runner.run(wrapped())

    def close(self) -> None:
        self._runner.close()

    def stamping(self, at: datetime) -> ValidationContext:
        """For the libraries' own look at a timestamp; the path is judged by `of_stamper`."""
        return ValidationContext(trust_roots=list(self._stampers), moment=at, allow_fetching=False)

    def of_signer(
        self,
        certificate: Certificate,
        others: Iterable[Certificate],
        at: datetime,
        data: RevocationData,
    ) -> list[Flaw]:
        flaws = [] if is_for_documents(certificate) else [Flaw.WRONG_USAGE]
        return flaws + self._judge(certificate, others, at, data, self._anchors)

    def of_stamper(
        self,
        certificate: Certificate,
        others: Iterable[Certificate],
        at: datetime,
        data: RevocationData,
    ) -> list[Flaw]:
        usage = certificate.extended_key_usage_value
        flaws = (
            [] if usage is not None and usage.native == ["time_stamping"] else [Flaw.WRONG_USAGE]
        )
        return flaws + self._judge(certificate, others, at, data, self._stampers)

    def _judge(
        self,
        certificate: Certificate,
        others: Iterable[Certificate],
        at: datetime,
        data: RevocationData,
        anchors: Sequence[Certificate],
    ) -> list[Flaw]:
        weak = [Flaw.WEAK_ALGORITHM] if is_weak(certificate) else []
        above = [*list(others)[:MOST_CERTIFICATES], *self._helpers]
        known = self._known + _parsed(data)
        way = (certificate, above, at, known, anchors)
        strictly = self._path(*way, "require") if known else Flaw.REVOCATION_UNKNOWN
        if strictly in {None, Flaw.REVOKED}:
            return weak if strictly is None else [*weak, strictly]
        # What else is wrong, or only that nothing is known of its revocation.
        return [*weak, self._path(*way, "soft-fail") or Flaw.REVOCATION_UNKNOWN]

    def _path(
        self,
        certificate: Certificate,
        above: Sequence[Certificate],
        at: datetime,
        known: Known,
        anchors: Sequence[Certificate],
        mode: str,
    ) -> Flaw | None:
        context = ValidationContext(
            trust_roots=list(anchors),
            moment=at,
            crls=list(known.crls),
            ocsps=list(known.ocsps),
            revocation_mode=mode,
            allow_fetching=False,
            weak_hash_algos=_WEAK | {"sha1"},
            retroactive_revinfo=True,
        )
        validator = CertificateValidator(
            certificate, intermediate_certs=list(above), validation_context=context
        )
        try:
            self.run(validator.async_validate_path)
        except (PathError, ValidationError) as error:
            return Flaw.SELF_SIGNED if certificate.self_issued else _flaw_of(error)
        except (ValueError, TypeError, KeyError, NotImplementedError):
            return Flaw.BAD_PATH
        return None


def _flaw_of(error: Exception) -> Flaw:
    match error:
        case PathBuildingError():
            return Flaw.UNTRUSTED
        case RevokedError():
            return Flaw.REVOKED
        case InsufficientRevinfoError():
            return Flaw.REVOCATION_UNKNOWN
        case ExpiredError():
            return Flaw.EXPIRED
        case NotYetValidError():
            return Flaw.NOT_YET_VALID
        case DisallowedAlgorithmError():
            return Flaw.SHA1 if "sha1" in str(error).lower() else Flaw.WEAK_ALGORITHM
    return Flaw.BAD_PATH


def is_for_documents(certificate: Certificate) -> bool:
    """Whether it may sign documents: its usage says signature or non-repudiation, and it is not for a
    server, a timestamp authority or a responder alone."""
    usage = certificate.key_usage_value
    if usage is not None and SIGNING.isdisjoint(usage.native):
        return False
    extended = certificate.extended_key_usage_value
    if extended is None:
        return True
    found = set(extended.native)
    return not found or not found <= _FOR_OTHER_THINGS


def is_weak(certificate: Certificate) -> bool:
    key = certificate.public_key
    if key.algorithm in {"rsa", "rsassa_pss"}:
        return bool(key.bit_size < LEAST_RSA_BITS)
    if key.algorithm == "ec":
        kind, name = key.curve
        return kind != "named" or name not in CURVES
    return key.algorithm not in {"ed25519", "ed448"}


def digest_flaws(algorithm: str) -> list[Flaw]:
    """What a digest's name says against it."""
    plain = algorithm.lower().replace("-", "")
    if plain == "sha1":
        return [Flaw.SHA1]
    return [Flaw.WEAK_ALGORITHM] if plain in _WEAK else []


def _certificates(contents: Iterable[bytes]) -> list[Certificate]:
    return [Certificate.load(der) for content in contents for der in _ders(content)]


def _ders(content: bytes) -> list[bytes]:
    """Of PEM with one or more, or the one that is given."""
    if not pem.detect(content):
        return [content]
    return [der for _, _, der in pem.unarmor(content, multiple=True)]


def _parsed(data: RevocationData) -> Known:
    """What can be read; what cannot proves nothing."""
    return Known(_loaded(_crl, data.crls), _loaded(_ocsp, data.ocsps))


def _crl(der: bytes) -> crl.CertificateList:
    """Its frame is looked at, not its entries, which may be ten thousand."""
    found = crl.CertificateList.load(der)
    _ = found["tbs_cert_list"]["issuer"].native, found["tbs_cert_list"]["this_update"].native
    return found


def _ocsp(der: bytes) -> ocsp.OCSPResponse:
    found = ocsp.OCSPResponse.load(der)
    _ = found["response_status"].native
    return found


def _loaded(load: Callable[[bytes], T], contents: Iterable[bytes]) -> tuple[T, ...]:
    found = []
    for content in contents:
        try:
            found += [load(der) for der in _ders(content)]
        except (ValueError, TypeError, KeyError):
            continue
    return tuple(found)
