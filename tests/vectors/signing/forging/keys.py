"""Keys, certificates and signers for the vectors, all derived from labels, so that each run makes the same.

They exist only while the script runs and protect nothing. A signer made here checks nothing: it makes
what our own would never make.

Touches: nothing. Trusts: nothing. Raises: nothing of its own.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from relay.model import NodeId
from relay.signing import algorithms
from relay.signing.certificates import Identity, Purpose
from relay.signing.keys import Signer
from relay.signing.shape import CERTIFICATE

AT = datetime(2026, 11, 23, 4, 5, 6, 123000, tzinfo=UTC)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256."""
DER = serialization.Encoding.DER


def derived(label: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(hashlib.sha512(label.encode()).digest(), "big") % (ORDER - 1) + 1
    return ec.derive_private_key(secret, curve or ec.SECP256R1())


@functools.cache
def derived_rsa(label: str, bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """The first two primes of the label's stream that make such a key."""
    stream = _primes(f"{label} {bits} {exponent}", bits // 2, exponent)
    p, q = next(stream), next(stream)
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key()


def _primes(label: str, bits: int, exponent: int) -> Iterator[int]:
    """Its two highest bits are set, so that two of them make a product of twice the length."""
    small = [n for n in range(3, 2000) if all(n % m for m in range(2, int(n**0.5) + 1))]
    seed = hashlib.shake_256(label.encode()).digest(bits // 8)
    number = int.from_bytes(seed, "big") | 3 << (bits - 2) | 1
    while True:
        number += 2
        if number % exponent == 1 or any(number % prime == 0 for prime in small):
            continue
        if all(_passes(number, base) for base in (2, 3, 5, 7, 11, 13, 17, 19)):
            yield number
            number += 1 << (bits // 2)


def _passes(number: int, base: int) -> bool:
    """The test of Miller and Rabin."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


def certificate(
    label: str,
    issuer: str,
    uris: Sequence[str] = (),
    *,
    key: Any = None,
    issuer_key: Any = None,
    ca: bool = False,
    pathlen: int | None = None,
    vouching: bool = True,
    usage: x509.KeyUsage | None = None,
    usage_critical: bool = True,
    without_usage: bool = False,
    basic_critical: bool = True,
    uses: Sequence[x509.ObjectIdentifier] = (),
    days: tuple[int, int] = (-3650, 3650),
    serial: int = 0,
    extra: x509.ExtensionType | None = None,
    names: Sequence[x509.GeneralName] = (),
    by_key: bool = False,
    beside: x509.ExtensionType | None = None,
) -> bytes:
    """DER; the keys of subject and issuer are those derived from their labels. `names` stand beside the
    URIs; `by_key` says in extensions which keys they are; `extra` is critical, `beside` is not."""
    key = key or derived(label)
    issuer_key = issuer_key or derived(issuer)
    usage = usage or key_usage(issuing=ca, vouching=vouching and not ca)
    number = int.from_bytes(hashlib.sha256(repr((label, uris)).encode()).digest()[:8])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(serial or number)
        .not_valid_before(AT.replace(microsecond=0) + timedelta(days=days[0]))
        .not_valid_after(AT.replace(microsecond=0) + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, pathlen), critical=basic_critical)
    )
    if not without_usage:
        builder = builder.add_extension(usage, critical=usage_critical)
    alternatives = [*map(x509.UniformResourceIdentifier, uris), *names]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=True)
    if beside is not None:
        builder = builder.add_extension(beside, critical=False)
    if by_key:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(own, critical=False).add_extension(above, critical=False)
    deterministic = True if isinstance(issuer_key, ec.EllipticCurvePrivateKey) else None
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signed = builder.sign(issuer_key, algorithm, ecdsa_deterministic=deterministic)
    return signed.public_bytes(DER)


def key_usage(
    *, issuing: bool = False, vouching: bool = False, signing: bool | None = None
) -> x509.KeyUsage:
    """Certificate and CRL signing; nonRepudiation; digitalSignature, unless said an end entity's."""
    signing = not issuing if signing is None else signing
    return x509.KeyUsage(
        signing, vouching, False, False, False, issuing, issuing, False, False
    )  # fmt: skip


# ---------------------------------------------------------------- DER, where the library refuses


def sequence(*parts: bytes) -> bytes:
    """A DER SEQUENCE of these encodings."""
    return _tagged(0x30, b"".join(parts))


def bit_string(content: bytes) -> bytes:
    return _tagged(0x03, b"\0" + content)


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def certificate_of(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """The certificate that these three make."""
    return sequence(tbs, algorithm, bit_string(signature))


RSA_SHA256_ID = bytes.fromhex("300d06092a864886f70d01010b0500")
ECDSA_SHA256_ID = bytes.fromhex("300a06082a8648ce3d040302")


def weakly_signed(der: bytes, issuer_key: rsa.RSAPrivateKey, last: int, digest: Any) -> bytes:
    """The same certificate, signed anew by the RSA method whose identifier ends in `last`."""
    identifier = RSA_SHA256_ID[:-3] + bytes((last, 5, 0))
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    tbs = tbs.replace(RSA_SHA256_ID, identifier, 1)
    return certificate_of(tbs, identifier, issuer_key.sign(tbs, padding.PKCS1v15(), digest))


def edited(der: bytes, old: bytes, new: bytes, issuer_key: ec.EllipticCurvePrivateKey) -> bytes:
    """The same certificate with other bytes of the same length inside, signed anew by its issuer."""
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    if tbs.count(old) != 1 or len(old) != len(new):
        raise AssertionError(f"{old.hex()} is there {tbs.count(old)} times")
    tbs = tbs.replace(old, new)
    ecdsa = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    return certificate_of(tbs, ECDSA_SHA256_ID, issuer_key.sign(tbs, ecdsa))


# ---------------------------------------------------------------- signers


def signer(*chain: bytes, key: Any, purpose: Purpose = Purpose.SIGN) -> Signer:
    """A signer that checks nothing."""
    rsa_key = isinstance(key, rsa.RSAPrivateKey)
    return Signer(
        identity=Identity(purpose, NodeId("tinh-h01"), frozenset()),
        method=algorithms.RSA_SHA256 if rsa_key else algorithms.ECDSA_SHA256,
        chain=chain,
        certificates_xml=certificates_xml(*chain),
        certificate_digest=base64.b64encode(hashlib.sha256(chain[0]).digest()).decode(),
        sign=lambda content: _sign(key, content),
    )


def _sign(key: Any, content: bytes) -> bytes:
    """As XML-DSig wants it, for curves of any size too."""
    if not isinstance(key, ec.EllipticCurvePrivateKey) or isinstance(key.curve, ec.SECP256R1):
        return algorithms.sign(key, content)
    size = (key.curve.key_size + 7) // 8
    value = key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(value))


def certificates_xml(*chain: bytes) -> str:
    return "".join(CERTIFICATE.format(base64.b64encode(der).decode()) for der in chain)
