"""Ask a responder about certificates, and prove what it answers (RFC 6960, RFC 5019).

Touches: nothing.
Trusts:  the issuer's certificate, which the caller proved; every byte of a response is hostile.
Raises:  SignatureError (bad-revocation).

The responder is the issuer itself, or whoever the issuer's own key certified for it
(id-kp-OCSPSigning): nobody who is merely known. SHA-1 may name a certificate in a response, which is no
signature; nothing is ever signed with it. A response may be older than the question, for nothing is
asked with a nonce: what is not fresh is told by its times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from relay.errors import SignatureError
from relay.model import UTC_NOW_TOLERANCE, Digest, digest_of
from relay.signing.algorithms import CERTIFICATE_SIGNATURES, check_issuer_key
from relay.signing.certificates import Purpose, read_certificate, read_leaf, require_purpose
from relay.signing.faults import Fault
from relay.signing.profiles import uses
from relay.signing.revocation.crl import Crl
from relay.signing.revocation.verdicts import UNSPECIFIED, Revocation, Statement

RESPONSE_LIMIT_BYTES = 64 << 10
SINGLES_LIMIT = 100
CERTIFICATES_LIMIT = 4
_NAMING: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - a name, no signature
    "sha256": hashes.SHA256(),
}
_GOOD, _REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED


@dataclass(frozen=True, slots=True)
class OcspResponse:
    """Made only by prove_response: a responder of this issuer signed it."""

    digest: Digest
    produced_at: datetime
    _issuer: x509.Certificate
    _singles: tuple[ocsp.OCSPSingleResponse, ...]
    _ends: datetime | None = None
    """Of the certificate of a delegated responder: with an old one's key anybody may write into the future."""

    def statement(self, certificate: x509.Certificate) -> Statement | None:
        """What it says of this certificate of its issuer's; None where it says nothing, or "unknown"."""
        found = [
            _statement(single, self.digest, self._ends)
            for single in self._singles
            if _names(single, certificate, self._issuer)
        ]
        said = [one for one in found if one is not None]
        # Where it contradicts itself the worse counts.
        return min(said, key=lambda one: one.revocation is None, default=None)


def request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The question about one certificate. Named by SHA-1, which every responder knows (RFC 5019 §2.1.1)."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _NAMING["sha1"])
    return builder.build().public_bytes(Encoding.DER)


def responders(certificate: x509.Certificate) -> tuple[str, ...]:
    """The URIs at which a certificate says its responder is."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(
        one.access_location.value
        for one in access.value
        if one.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(one.access_location, x509.UniformResourceIdentifier)
    )


def prove_response(
    der: bytes, issuer: x509.Certificate, at: datetime, crl: Crl | None = None
) -> OcspResponse:
    """The response, proven to be of a responder of this issuer and made by now (R1).

    `crl`, of the same issuer, judges a delegated responder whose certificate does not say nocheck.
    """
    response, singles = _read(der)
    if response.signature_algorithm_oid not in CERTIFICATE_SIGNATURES:
        raise _bad("the OCSP response is signed with an algorithm that is not accepted")
    _check_extensions(response.extensions)
    if len(singles) == 1:  # of several the library shows none
        _check_extensions(response.single_extensions)
    signer = _signer(response, issuer)
    ends = None
    if signer is not issuer:
        ends = signer.not_valid_after_utc
        _check_delegate(signer, issuer, response.produced_at_utc)
        if not _says_nocheck(signer):
            _check_standing(signer, crl, at)
    _check_signature(response, signer)
    produced = response.produced_at_utc
    for instant in (produced, *(one.this_update_utc for one in singles)):
        if instant > at + UTC_NOW_TOLERANCE:
            raise _bad(f"the OCSP response is of {instant:%Y-%m-%dT%H:%M:%SZ}, in the future")
        if instant > produced + UTC_NOW_TOLERANCE:
            raise _bad("the OCSP response says what was known after it was produced")
    return OcspResponse(digest_of(der), produced, issuer, singles, ends)


def is_response(der: bytes) -> bool:
    """Whether it is one at all, whoever's; nothing is proven."""
    try:
        ocsp.load_der_ocsp_response(der)
    except Exception:  # noqa: BLE001 - anyone's bytes; what their parser raises is not documented
        return False
    return True


def _read(der: bytes) -> tuple[ocsp.OCSPResponse, tuple[ocsp.OCSPSingleResponse, ...]]:
    if len(der) > RESPONSE_LIMIT_BYTES:
        raise _bad(f"OCSP response of {len(der)} bytes, limit {RESPONSE_LIMIT_BYTES} bytes")
    try:
        response = ocsp.load_der_ocsp_response(der)
        status = response.response_status
    except Exception as error:  # noqa: BLE001 - hostile DER; what its parser raises is not documented
        raise _bad(f"the OCSP response cannot be read ({type(error).__name__})") from None
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise _bad(f"the OCSP responder says {status.name.lower().replace('_', ' ')}")
    try:
        singles = tuple(_bounded(response.responses))
        _touch(response, singles)
    except SignatureError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise _bad(f"the OCSP response cannot be read ({type(error).__name__})") from None
    return response, singles


def _bounded(found: Iterator[ocsp.OCSPSingleResponse]) -> Iterator[ocsp.OCSPSingleResponse]:
    empty = True
    for number, one in enumerate(found):
        if number >= SINGLES_LIMIT:
            raise _bad(f"OCSP response about more than {SINGLES_LIMIT} certificates")
        empty = False
        yield one
    if empty:
        raise _bad("the OCSP response says nothing")


def _touch(response: ocsp.OCSPResponse, singles: tuple[ocsp.OCSPSingleResponse, ...]) -> None:
    """Decoded when first asked for: ask here, where a failure is a refusal."""
    _ = response.produced_at_utc, response.signature_algorithm_oid, list(response.extensions)
    _ = response.responder_name, response.responder_key_hash
    if len(response.certificates) > CERTIFICATES_LIMIT:
        raise _bad(f"OCSP response with more than {CERTIFICATES_LIMIT} certificates")
    for one in singles:
        _ = one.this_update_utc, one.next_update_utc, one.certificate_status, one.serial_number
        _ = one.hash_algorithm
        if len(singles) == 1:
            _ = list(response.single_extensions)
        if one.certificate_status is _REVOKED:
            _ = one.revocation_time_utc, one.revocation_reason


def _check_extensions(extensions: x509.Extensions) -> None:
    for extension in extensions:
        if extension.critical and not isinstance(extension.value, x509.OCSPNonce):
            oid = extension.oid.dotted_string
            raise _bad(f"critical OCSP extension {oid} is not understood")


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate:
    """The certificate that the response names as its responder's. Those that came along are anybody's:
    no signature covers them."""
    for one in (issuer, *_readable(response.certificates)):
        if response.responder_key_hash is not None:
            named = _key_hash(one) == response.responder_key_hash
        else:
            named = one.subject == response.responder_name
        if named:
            return one
    raise _bad("the OCSP response has no certificate of its responder")


def _readable(found: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    for one in found:
        with suppress(SignatureError):
            yield read_certificate(one.public_bytes(Encoding.DER))


def _key_hash(certificate: x509.Certificate) -> bytes:
    try:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return b""


def _check_delegate(delegate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> None:
    """RFC 6960 §4.2.2.2: certified for it by the very issuer; certs/README.md, clause 12."""
    if ExtendedKeyUsageOID.OCSP_SIGNING not in (uses(delegate) or ()):
        raise _bad("the OCSP responder's certificate is not for OCSP")
    try:
        require_purpose(read_leaf(delegate.public_bytes(Encoding.DER)), Purpose.OCSP)
    except SignatureError as error:
        raise _bad(f"the OCSP responder's certificate: {error}") from None
    if delegate.signature_algorithm_oid not in CERTIFICATE_SIGNATURES:
        raise _bad("the OCSP responder's certificate is signed with an algorithm not accepted")
    try:
        delegate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        raise _bad("the OCSP responder is not certified by the issuer it answers for") from None
    if not delegate.not_valid_before_utc <= at <= delegate.not_valid_after_utc:
        raise _bad("the OCSP responder's certificate was not valid when it answered")


def _says_nocheck(delegate: x509.Certificate) -> bool:
    try:
        delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound:
        return False
    return True


def _check_standing(delegate: x509.Certificate, crl: Crl | None, at: datetime) -> None:
    """By a CRL in force, without grace: whoever has a lost responder's key, and keeps newer CRLs away, would
    clear everybody with what this one says."""
    said = None if crl is None else crl.statement(delegate)
    if crl is None or said is None:
        raise _bad("nothing says whether the OCSP responder's certificate is revoked (no nocheck)")
    if said.revocation is not None:
        raise _bad("the OCSP responder's certificate is revoked")
    if at > crl.next_update:
        raise _bad(
            "the CRL that would clear the OCSP responder (no nocheck) is stale since "
            f"{crl.next_update:%Y-%m-%dT%H:%M:%SZ}"
        )


def _check_signature(response: ocsp.OCSPResponse, signer: x509.Certificate) -> None:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    check_issuer_key(key)
    try:
        if algorithm is None:
            raise InvalidSignature
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(
                response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm
            )
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            raise InvalidSignature
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        raise _bad("the OCSP response's signature does not hold") from None


def _names(
    single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """Whether its CertID is this certificate's: serial, issuer's name and issuer's key."""
    if single.serial_number != certificate.serial_number:
        return False
    naming = _NAMING.get(single.hash_algorithm.name)
    if naming is None:
        return False
    named = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, naming).build()
    return (single.issuer_name_hash, single.issuer_key_hash) == (
        named.issuer_name_hash,
        named.issuer_key_hash,
    )


def _statement(
    single: ocsp.OCSPSingleResponse, digest: Digest, ends: datetime | None
) -> Statement | None:
    """It says nothing beyond the certificate by which it was signed."""
    this_update, next_update = single.this_update_utc, single.next_update_utc
    if next_update is not None and ends is not None:
        next_update = min(next_update, ends)
    if single.certificate_status is _GOOD:
        return Statement(digest, this_update, next_update, None)
    if single.certificate_status is not _REVOKED or single.revocation_time_utc is None:
        return None
    reason = single.revocation_reason
    word = UNSPECIFIED if reason is None else reason.value
    return Statement(digest, this_update, next_update, Revocation(single.revocation_time_utc, word))


def _bad(message: str) -> SignatureError:
    return SignatureError(Fault.BAD_REVOCATION, message)
