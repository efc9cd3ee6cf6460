"""The keys of this node, or of an agency whose key is here: what signs, and as whom.

Touches: key and certificate files, read once.
Trusts:  the operator's files, but not their care: a key that others may read is refused, and so is
         one that does not belong to its certificate.
Raises:  SettingsError; verify_log_signature raises SignatureError.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn

import pybase64
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from relay.errors import NoFileError, SettingsError, SignatureError
from relay.model import NodeId
from relay.signing import algorithms, shape
from relay.signing.certificates import Identity, Leaf, Purpose, read_certificate, read_leaf
from relay.signing.faults import Fault
from relay.signing.hand import Hand
from relay.signing.token import TokenKey, TokenModule
from relay.signing.token_process import ECDSA, RSA
from relay.signing.trust import certificates_of

KEY_FILE_LIMIT_BYTES = 256 * 1024
SIGNING_PURPOSES = frozenset({Purpose.SIGN, Purpose.AGENCY, Purpose.GATEWAY, Purpose.OFFICIAL})


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate chain and what signs for it; `sign` may be a file's key or a token's."""

    identity: Identity
    method: str
    chain: tuple[bytes, ...]
    """DER, the signer's own certificate first, without the root."""
    certificates_xml: str
    certificate_digest: str
    """SHA-256 of the signer's certificate, in base64."""
    sign: Callable[[bytes], bytes] = field(repr=False)
    """The signature value of these bytes, as XML-DSig wants it."""
    hand: Hand | None = field(default=None, repr=False, compare=False)
    """Where it signs when that takes long; None: wherever it is asked."""
    trouble: Callable[[], str | None] = field(default=lambda: None, repr=False, compare=False)
    """Why it cannot sign now, as far as is known; None where nothing is in the way."""

    @staticmethod
    def load(certificate: Path, key: Path, password: bytes | None = None) -> Signer:
        """From PEM files: the certificate with its issuers after it, and the key."""
        return Signer.from_pem(_read(certificate), read_key_file(key), password)

    @staticmethod
    def from_pem(certificates: bytes, key: bytes, password: bytes | None = None) -> Signer:
        return _signer(_certificates(certificates), _private_key(key, password))

    @staticmethod
    def on_token(certificate: Path, module: TokenModule, key: TokenKey) -> Signer:
        """A key that never leaves its token; a signature made at once proves that it is the
        certificate's. Raises KeyUnavailableError too."""
        return _token_signer(_certificates(_read(certificate)), module, key)

    @staticmethod
    def load_pkcs12(path: Path, password: bytes | None) -> Signer:
        """From a PKCS#12 file that holds the key and its certificate."""
        return Signer.from_pkcs12(read_key_file(path), password)

    @staticmethod
    def from_pkcs12(content: bytes, password: bytes | None) -> Signer:
        try:
            bag = pkcs12.load_pkcs12(content, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            _refuse("the PKCS#12 file cannot be opened: damaged, or the password is wrong")
        if bag.cert is None or bag.key is None:
            _refuse("the PKCS#12 file does not hold a key and its certificate")
        found = [bag.cert.certificate, *(extra.certificate for extra in bag.additional_certs)]
        return _signer([one.public_bytes(Encoding.DER) for one in found], bag.key)


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The Ed25519 key of a node's log, and the certificate that binds it to the node."""

    node: NodeId
    public_key: bytes
    """32 raw bytes."""
    chain: tuple[bytes, ...]
    sign: Callable[[bytes], bytes] = field(repr=False)
    """The 64-byte signature of these bytes."""

    @staticmethod
    def load(certificate: Path, key: Path) -> LogSigner:
        return LogSigner.from_pem(_read(certificate), read_key_file(key))

    @staticmethod
    def from_pem(certificates: bytes, key: bytes) -> LogSigner:
        chain = _certificates(certificates)
        private = _private_key(key, None)
        leaf = _leaf(chain[0], private)
        node = leaf.identity.node
        if leaf.identity.purpose is not Purpose.LOG or node is None:
            _refuse(f"a certificate for {leaf.identity.purpose.value} may not sign the log")
        if not isinstance(private, ed25519.Ed25519PrivateKey):
            _refuse("the key of the log is not Ed25519")
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return LogSigner(node, public, _without_root(chain), private.sign)


def verify_log_signature(public_key: bytes, signature: bytes, content: bytes) -> None:
    """Raise unless this is the Ed25519 signature of `content`; `public_key` is 32 raw bytes."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise SignatureError(Fault.BAD_SIGNATURE, "the log's signature does not hold") from None


def read_key_file(path: Path) -> bytes:
    """The content of a key file that only its owner may read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                _refuse(f"key file {path} has mode {mode:04o}, limit 0600 (owner only)")
            content = file.read(KEY_FILE_LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise NoFileError([f"key file {path}: {error.strerror}"]) from None
    except OSError as error:
        _refuse(f"key file {path}: {error.strerror}")
    if len(content) > KEY_FILE_LIMIT_BYTES:
        _refuse(f"key file {path} is over {KEY_FILE_LIMIT_BYTES} bytes")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NoFileError([f"certificate file {path}: {error.strerror}"]) from None
    except OSError as error:
        _refuse(f"certificate file {path}: {error.strerror}")


def _signer(chain: list[bytes], private: object) -> Signer:
    leaf = _leaf(chain[0], private)
    _require_signing(leaf)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        _refuse("the key is neither RSA nor P-256")
    method = algorithms.method_for(algorithms.verifying_key(private.public_key()))
    return _made(leaf, chain, method, lambda content: algorithms.sign(private, content))


_PROBE = b"relay: is this the key of the certificate?"


def _token_signer(chain: list[bytes], module: TokenModule, key: TokenKey) -> Signer:
    leaf = _read_leaf(chain[0])
    _require_signing(leaf)
    public = algorithms.verifying_key(leaf.certificate.public_key())
    method = algorithms.method_for(public)
    kind = RSA if method == algorithms.RSA_SHA256 else ECDSA

    def sign(content: bytes) -> bytes:
        return module.sign(key, kind, content)

    try:
        algorithms.verify(public, method, sign(_PROBE), _PROBE)
    except SignatureError:
        _refuse(f"the {key} does not belong to the first certificate")
    return _made(leaf, chain, method, sign, module.hand, partial(module.trouble, key))


def _require_signing(leaf: Leaf) -> None:
    if leaf.identity.purpose not in SIGNING_PURPOSES:
        _refuse(f"a certificate for {leaf.identity.purpose.value} may not sign documents")


def _made(
    leaf: Leaf,
    chain: list[bytes],
    method: str,
    sign: Callable[[bytes], bytes],
    hand: Hand | None = None,
    trouble: Callable[[], str | None] = lambda: None,
) -> Signer:
    return Signer(
        identity=leaf.identity,
        method=method,
        chain=_without_root(chain),
        certificates_xml=_certificates_xml(_without_root(chain)),
        certificate_digest=pybase64.b64encode(bytes.fromhex(leaf.sha256)).decode(),
        sign=sign,
        hand=hand,
        trouble=trouble,
    )


def _certificates_xml(chain: Sequence[bytes]) -> str:
    if len(chain) > shape.CERTIFICATE_LIMIT:
        _refuse(f"{len(chain)} certificates in the chain, limit {shape.CERTIFICATE_LIMIT}")
    return "".join(shape.CERTIFICATE.format(pybase64.b64encode(der).decode()) for der in chain)


def _read_leaf(der: bytes) -> Leaf:
    try:
        return read_leaf(der)
    except SignatureError as error:
        _refuse(f"the signer's certificate: {error}")


def _leaf(der: bytes, private: object) -> Leaf:
    leaf = _read_leaf(der)
    if not hasattr(private, "public_key") or private.public_key() != leaf.certificate.public_key():
        _refuse("the key does not belong to the first certificate")
    return leaf


def _certificates(pem: bytes) -> list[bytes]:
    try:
        return certificates_of(pem)
    except SignatureError as error:
        _refuse(f"the signer's certificates: {error}")


def _private_key(pem: bytes, password: bytes | None) -> object:
    try:
        return load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _refuse("the key cannot be read: not PEM, or the password is missing or wrong")


def _without_root(chain: Sequence[bytes]) -> tuple[bytes, ...]:
    """A verifier believes its own copy of the root, never one that is handed to it."""
    return (chain[0], *(der for der in chain[1:] if not _self_issued(der)))


def _self_issued(der: bytes) -> bool:
    try:
        certificate: x509.Certificate = read_certificate(der)
    except SignatureError as error:
        _refuse(f"an issuer's certificate: {error}")
    return certificate.issuer == certificate.subject


def _refuse(problem: str) -> NoReturn:
    raise SettingsError([problem]) from None
