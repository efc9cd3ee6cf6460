"""The allow-list of keys and methods: RSA 2048 to 4096 (PKCS#1 v1.5) and P-256, always with SHA-256.

Touches: nothing.
Trusts:  nothing; a public key may come from a hostile certificate.
Raises:  SignatureError (weak-key, algorithm, bad-signature).

Ed25519 signs the heads of the log and nothing else. Issuers may use P-384 and longer hashes too.
"""

from __future__ import annotations

from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import SignatureAlgorithmOID as Oid

from relay.errors import SignatureError
from relay.signing.faults import Fault

SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
VerifyingKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256_DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"

RSA_BITS = range(2048, 4096 + 1)
RSA_EXPONENT = 65537
"""Fixed: a huge exponent would make each verification of a hostile key slow."""
_COORDINATE_BYTES = 32

CERTIFICATE_SIGNATURES = frozenset(
    {
        Oid.RSA_WITH_SHA256,
        Oid.RSA_WITH_SHA384,
        Oid.RSA_WITH_SHA512,
        Oid.ECDSA_WITH_SHA256,
        Oid.ECDSA_WITH_SHA384,
        Oid.ECDSA_WITH_SHA512,
    }
)

_PKCS1 = padding.PKCS1v15()
_SHA256 = SHA256()
# RFC 6979: no signature depends on the quality of this machine's randomness.
_ECDSA_SIGN = ec.ECDSA(SHA256(), deterministic_signing=True)
_ECDSA_VERIFY = ec.ECDSA(SHA256())


def verifying_key(key: object) -> VerifyingKey:
    """`key` if a document may be signed with it."""
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key)
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise SignatureError(Fault.WEAK_KEY, f"a {_kind(key)} key may not sign documents")


def log_key(key: object) -> ed25519.Ed25519PublicKey:
    """`key` if heads of the log may be signed with it."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise SignatureError(Fault.WEAK_KEY, f"a {_kind(key)} key may not sign the log")


def check_issuer_key(key: object) -> None:
    """Raise unless certificates may be issued with this key."""
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key)
    elif not (
        isinstance(key, ec.EllipticCurvePublicKey)
        and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    ):
        raise SignatureError(Fault.WEAK_KEY, f"a {_kind(key)} key may not be in this certificate")


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    if key.key_size not in RSA_BITS:
        raise SignatureError(
            Fault.WEAK_KEY, f"RSA key of {key.key_size} bits, limit {RSA_BITS[0]} to {RSA_BITS[-1]}"
        )
    if key.public_numbers().e != RSA_EXPONENT:
        raise SignatureError(Fault.WEAK_KEY, f"RSA key with an exponent other than {RSA_EXPONENT}")


def _kind(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    return type(key).__name__.removesuffix("PublicKey")


def method_for(key: VerifyingKey) -> str:
    """The SignatureMethod that belongs to this key."""
    return RSA_SHA256 if isinstance(key, rsa.RSAPublicKey) else ECDSA_SHA256


def sign(key: SigningKey, content: bytes) -> bytes:
    """The signature value as XML-DSig wants it: PKCS#1 v1.5, or r and s of 32 bytes each."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, _PKCS1, _SHA256)
    r, s = decode_dss_signature(key.sign(content, _ECDSA_SIGN))
    return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


def verify(key: VerifyingKey, method: str, value: bytes, content: bytes) -> None:
    """Raise unless `value` is this key's signature of `content` by `method`."""
    if method != method_for(key):
        raise SignatureError(Fault.ALGORITHM, "the signature method is not that of the key")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, content, _PKCS1, _SHA256)
        else:
            key.verify(_dss(value), content, _ECDSA_VERIFY)
    except (InvalidSignature, ValueError):
        raise SignatureError(Fault.BAD_SIGNATURE, "the signature value does not hold") from None


def _dss(value: bytes) -> bytes:
    if len(value) != 2 * _COORDINATE_BYTES:
        raise SignatureError(Fault.BAD_SIGNATURE, f"ECDSA value of {len(value)} bytes, must be 64")
    r, s = value[:_COORDINATE_BYTES], value[_COORDINATE_BYTES:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
