"""Ask for RFC 3161 timestamps and prove them: who says which bytes were there, and since when.

The signature is checked by rfc3161-client; what it leaves open is checked here: one digest and that
SHA-256, of the bytes at hand; a certificate for timestamps and nothing else, the one the token commits
to; a path to an anchor of that role, valid when it stamped; what was asked for, where we asked.

Touches: nothing.
Trusts:  the trust store; every byte of a token or an answer is hostile.
Raises:  SignatureError (bad-timestamp, algorithm, wrong-imprint, wrong-nonce, wrong-certificate,
         wrong-time, bad-signature, and what the trust store says of the authority's path;
         revoked-certificate of an answer, where the node checks).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import tsp
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from relay.errors import SignatureError
from relay.model import UTC_NOW_TOLERANCE, Digest, digest_of
from relay.signing.certificates import Chain, Purpose, read_chain
from relay.signing.faults import Fault
from relay.signing.trust import Path, TrustStore

TOKEN_LIMIT_BYTES = 64 * 1024
MOST_CERTIFICATES = 8
"""The signer's own among them."""
MOST_ACCURACY = timedelta(minutes=1)
"""A token that claims to be less exact proves too little to be kept."""
_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_OUT_OF_TIME = frozenset({Fault.EXPIRED_CERTIFICATE, Fault.NOT_YET_VALID_CERTIFICATE})
_SHA256 = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """A request as it is sent, and what its answer must repeat."""

    content: bytes
    imprint: Digest
    nonce: int


@dataclass(frozen=True, slots=True)
class ProvenTimestamp:
    """Made only by TimestampTrust: a pinned authority says that bytes of this digest were there."""

    imprint: Digest
    gen_time: datetime
    accuracy: timedelta
    serial: int
    policy: str
    path: Path

    @property
    def subject(self) -> str:
        return self.path.leaf.subject

    @property
    def latest(self) -> datetime:
        """By then, at the latest, the bytes were there."""
        return self.gen_time + self.accuracy

    def require_not_before(self, claimed: datetime) -> None:
        """Raise if it is from before the time that what it stamps claims for itself (W14.11)."""
        if self.latest + UTC_NOW_TOLERANCE < claimed:
            raise SignatureError(
                Fault.WRONG_TIME,
                f"stamped {_shown(self.gen_time)}, before it says that it was signed, {_shown(claimed)}",
            )


def ask(content: bytes) -> TimestampRequest:
    """A request for these bytes: SHA-256, a random nonce, the authority's certificate wanted."""
    builder = TimestampRequestBuilder(hash_algorithm=HashAlgorithm.SHA256)
    request = builder.data(content).nonce(nonce=True).cert_request(cert_request=True).build()
    nonce = request.nonce
    if nonce is None:
        raise ValueError("a request without a nonce")
    return TimestampRequest(request.as_bytes(), digest_of(content), nonce)


@dataclass(frozen=True, slots=True)
class TimestampTrust:
    """What the trust store pins for timestamp authorities; changes as the store does."""

    trust: TrustStore

    def answered(self, response: bytes, request: TimestampRequest) -> tuple[bytes, ProvenTimestamp]:
        """The token of an authority's answer, and what it proves (W14.9)."""
        with _readable():
            decoded = _decoded(response)
            if decoded.tst_info.nonce != request.nonce:
                raise SignatureError(Fault.WRONG_NONCE, "the answer is to another request")
            proven = self._prove(decoded, request.imprint)
        # As of now: kept, it would make every evidence file refuse that has it beside what it knows (R14).
        self.trust.require_unrevoked(proven.path, Purpose.TIMESTAMP)
        return decoded.time_stamp_token(), proven

    def verify(self, token: bytes, imprint: Digest) -> ProvenTimestamp:
        """What a token proves of the bytes of this digest (W14.10)."""
        with _readable():
            return self._prove(_decoded(_as_response(token)), imprint)

    def _prove(self, response: TimeStampResponse, imprint: Digest) -> ProvenTimestamp:
        info = response.tst_info
        # 1. It is of these bytes, by the one digest taken here.
        if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise SignatureError(Fault.ALGORITHM, "the timestamp is not of a SHA-256")
        if info.message_imprint.message != bytes.fromhex(imprint):
            raise SignatureError(Fault.WRONG_IMPRINT, "the timestamp is of other bytes")
        # 2. One authority signed it, with the certificate that it commits to.
        chain = _chain(response)
        # 3. The certificate is for timestamps alone, and its path was valid then.
        at = info.gen_time.astimezone(UTC)
        path = self._path(chain, at)
        # 4. The signature holds.
        _check_signature(response, path, imprint)
        # 5. It is as exact as it must be.
        accuracy = _accuracy(info.accuracy)
        if accuracy > MOST_ACCURACY:
            raise SignatureError(
                Fault.WRONG_TIME, f"exact to {accuracy} only, limit {MOST_ACCURACY}"
            )
        return ProvenTimestamp(
            imprint,
            at,
            accuracy,
            info.serial_number,
            info.policy.dotted_string,
            path,
        )

    def _path(self, chain: Chain, at: datetime) -> Path:
        try:
            return self.trust.path(chain, at, Purpose.TIMESTAMP)
        except SignatureError as error:
            if error.reason in _OUT_OF_TIME:
                raise SignatureError(Fault.WRONG_TIME, f"stamped {_shown(at)}: {error}") from None
            raise


def _check_signature(response: TimeStampResponse, path: Path, imprint: Digest) -> None:
    """The library's OpenSSL ends no path but at a root; without these words it would say that the signature is bad."""
    if path.anchor.issuer != path.anchor.subject:
        name = path.anchor.subject.rfc4514_string()
        said = f"{name} is an issuing CA: for timestamps the root above it must be pinned"
        raise SignatureError(Fault.UNTRUSTED, said)
    builder = VerifierBuilder(roots=[path.anchor], intermediates=list(path.issuers))
    try:
        builder.build().verify(response, bytes.fromhex(imprint))
    except VerificationError as error:
        said = f"the timestamp does not verify: {str(error)[:200]}"
        raise SignatureError(Fault.BAD_SIGNATURE, said) from None


@contextmanager
def _readable() -> Iterator[None]:
    """What the parsers of hostile DER raise, wherever they first look at a part, is one refusal."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        raise SignatureError(Fault.BAD_TIMESTAMP, "no readable timestamp") from None


def _decoded(response: bytes) -> TimeStampResponse:
    if len(response) > TOKEN_LIMIT_BYTES:
        raise SignatureError(
            Fault.TOO_LARGE, f"timestamp of {len(response)} bytes, limit {TOKEN_LIMIT_BYTES} bytes"
        )
    decoded = decode_timestamp_response(response)
    status = PKIStatus(decoded.status)
    if status is not PKIStatus.GRANTED:
        said = "; ".join(decoded.status_string)[:100]
        raise SignatureError(
            Fault.BAD_TIMESTAMP, f"the authority refuses: {status.name.lower()} {said!a}"
        )
    return decoded


def _as_response(token: bytes) -> bytes:
    """A bare token as the answer that once brought it: the library reads nothing else."""
    content = tsp.ContentInfo.load(token, strict=True)
    status = {"status": "granted"}
    return bytes(tsp.TimeStampResp({"status": status, "time_stamp_token": content}).dump())


def _chain(response: TimeStampResponse) -> Chain:
    """The certificate of the one signer, and the others that came with it."""
    signers = _signed_data(response.time_stamp_token())["signer_infos"]
    if len(signers) != 1:
        raise SignatureError(Fault.BAD_TIMESTAMP, f"{len(signers)} signers, there must be 1")
    if signers[0]["digest_algorithm"]["algorithm"].native not in _DIGESTS:
        raise SignatureError(Fault.ALGORITHM, "the timestamp is not signed with SHA-2")
    held = sorted(bytes(one) for one in response.signed_data.certificates)
    if len(held) > MOST_CERTIFICATES:
        raise SignatureError(
            Fault.BAD_TIMESTAMP, f"{len(held)} certificates, limit {MOST_CERTIFICATES}"
        )
    for der in held:
        if _commits_to(signers[0], der):
            return read_chain([der, *(one for one in held if one != der)])
    raise SignatureError(
        Fault.WRONG_CERTIFICATE, "the timestamp holds no certificate that it commits to"
    )


def _signed_data(token: bytes) -> Any:
    return tsp.ContentInfo.load(token)["content"]


def _commits_to(signer: Any, der: bytes) -> bool:
    """ESSCertID or ESSCertIDv2: without it another certificate of the same key could be put in."""
    for attribute in signer["signed_attrs"]:
        kind = attribute["type"].native
        if kind not in ("signing_certificate", "signing_certificate_v2"):
            continue
        first = attribute["values"][0]["certs"][0]
        name = (
            "sha1" if kind == "signing_certificate" else first["hash_algorithm"]["algorithm"].native
        )
        if (
            name in {"sha1", *_DIGESTS}
            and hashlib.new(name, der).digest() == first["cert_hash"].native
        ):
            return True
    return False


def _accuracy(given: Any) -> timedelta:
    if given is None:
        return timedelta()
    return timedelta(
        seconds=given.seconds or 0,
        milliseconds=given.millis or 0,
        microseconds=given.micros or 0,
    )


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
