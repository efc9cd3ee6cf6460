"""A timestamp authority of the development PKI (RFC 3161), for tests and the demo only.

Touches: its certificate and key files, once; the system's randomness, for serial numbers.
Trusts:  nothing that is asked; a request it cannot read is answered as rejected.
Raises:  PkiError for files that are none.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from relay.errors import SettingsError, SignatureError
from relay.signing.certificates import Purpose, read_leaf, require_purpose
from relay.signing.keys import read_key_file
from relay.signing.pki_files import refused
from relay.signing.pki_words import PkiError, Trouble
from relay.signing.trust import certificates_of

REQUEST_LIMIT_BYTES = 16 * 1024
POLICY = "1.3.6.1.4.1.99999.1"
"""Of nobody: this authority promises nothing."""


@dataclass(frozen=True, slots=True)
class TimestampResponder:
    """Answers every readable request with a timestamp of `now`."""

    chain: tuple[asn1_x509.Certificate, ...]
    """Its own first."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    now: Callable[[], datetime]
    exact_to_seconds: int = field(default=1, kw_only=True)
    policy: str = field(default=POLICY, kw_only=True)

    @staticmethod
    def load(certificate: Path, now: Callable[[], datetime]) -> TimestampResponder:
        """From `NAME.pem` with its issuer behind it, and `NAME.key.pem` beside it."""
        try:
            ders = certificates_of(certificate.read_bytes())
            require_purpose(read_leaf(ders[0]), Purpose.TIMESTAMP)
            key = load_pem_private_key(
                read_key_file(certificate.with_name(f"{certificate.stem}.key.pem")), None
            )
        except OSError as error:
            raise refused(certificate, error) from None
        except (SignatureError, SettingsError, ValueError) as error:
            raise PkiError(Trouble.DATA, f"{certificate}: {error}") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise PkiError(Trouble.DATA, f"{certificate}: its key is neither RSA nor P-256")
        chain = tuple(asn1_x509.Certificate.load(der) for der in ders)
        return TimestampResponder(chain, key, now)

    def answer(self, request: bytes) -> bytes:
        """The DER TimeStampResp to a DER TimeStampReq."""
        try:
            asked = tsp.TimeStampReq.load(request, strict=True)
            imprint = asked["message_imprint"]
            if imprint["hash_algorithm"]["algorithm"].native != "sha256":
                return _rejected("bad_alg")
            nonce = asked["nonce"].native
        except (ValueError, TypeError):
            return _rejected("bad_data_format")
        token = self.token(imprint, nonce)
        return response_of(token)

    def token(self, imprint: Any, nonce: int | None) -> cms.ContentInfo:
        at = self.now().replace(microsecond=0)
        info: dict[str, Any] = {
            "version": "v1",
            "policy": self.policy,
            "message_imprint": imprint,
            "serial_number": secrets.randbits(63),
            "gen_time": at,
            "accuracy": {"seconds": self.exact_to_seconds},
        }
        if nonce is not None:
            info["nonce"] = nonce
        content = tsp.TSTInfo(info).dump()
        return self._signed(content, at)

    def _signed(self, content: bytes, at: datetime) -> cms.ContentInfo:
        digest = algos.DigestAlgorithm({"algorithm": "sha256"})
        attributes = cms.CMSAttributes([
            _attribute("content_type", "tst_info"),
            _attribute("signing_time", cms.Time({"utc_time": core.UTCTime(at)})),
            _attribute("message_digest", hashlib.sha256(content).digest()),
            _attribute("signing_certificate_v2", {"certs": [self._certificate_id()]}),
        ])  # fmt: skip
        leaf = self.chain[0]
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier({
                "issuer_and_serial_number": {
                    "issuer": leaf.issuer, "serial_number": leaf.serial_number
                }
            }),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": self._method},
            "signature": self._sign(attributes.dump()),
        }  # fmt: skip
        signed = {
            "version": "v3",
            "digest_algorithms": [digest],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(content),
            },
            "certificates": list(self.chain),
            "signer_infos": [signer],
        }
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})

    def _certificate_id(self) -> dict[str, Any]:
        return {
            "hash_algorithm": {"algorithm": "sha256"},
            "cert_hash": hashlib.sha256(self.chain[0].dump()).digest(),
        }

    @property
    def _method(self) -> str:
        return "sha256_rsa" if isinstance(self.key, rsa.RSAPrivateKey) else "sha256_ecdsa"

    def _sign(self, content: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(content, padding.PKCS1v15(), SHA256())
        return self.key.sign(content, ec.ECDSA(SHA256()))


def _attribute(kind: str, value: object) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": kind, "values": [value]})


class _Rejection(core.Sequence):  # type: ignore[misc]  # the library has no types
    """TimeStampResp without a token, which the library's own class insists on."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012  its way to describe a structure


def response_of(token: cms.ContentInfo, status: str = "granted") -> bytes:
    """The DER TimeStampResp that brings this token."""
    said = {"status": {"status": status}, "time_stamp_token": token}
    return bytes(tsp.TimeStampResp(said).dump())


def _rejected(why: str) -> bytes:
    status = {"status": "rejection", "fail_info": {why}}
    return bytes(_Rejection({"status": status}).dump())
