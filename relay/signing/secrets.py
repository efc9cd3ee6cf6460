"""Secrets of document-management systems at rest: sealed under a key that only this node can derive.

The key is HKDF-SHA256 of the private key of the node's log, so a copied journal or backup opens
nothing without the node's own key files (adr/0012). What was sealed under an earlier log key opens as
long as that key's file is named in the configuration.

Touches: the key files, read once. Trusts: nothing that is stored.
Raises:  SettingsError for key files that do not serve; SignatureError for what does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from relay.errors import SettingsError, SignatureError
from relay.model import NodeId
from relay.signing.faults import Fault
from relay.signing.keys import read_key_file

_NONCE_BYTES = 12
_SALT_BYTES = 16
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}


@dataclass(frozen=True, slots=True)
class SecretBox:
    """Seals under the present key; opens what any of its keys has sealed."""

    key_id: str
    """Of the present key; says nothing about it."""
    _keys: Mapping[str, bytes] = field(repr=False)

    @staticmethod
    def load(node: NodeId, log_key: Path, before: Sequence[Path] = ()) -> SecretBox:
        derived = [_derive(node, path) for path in (log_key, *before)]
        return SecretBox(derived[0][0], dict(reversed(derived)))

    def seal(self, secret: bytes, about: str) -> bytes:
        """`about` must be the same when it is opened: a sealed secret cannot be moved elsewhere."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._keys[self.key_id]).encrypt(nonce, secret, about.encode())

    def open(self, key_id: str, sealed: bytes, about: str) -> bytes:
        key = self._keys.get(key_id)
        try:
            if key is not None:
                nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
                return AESGCM(key).decrypt(nonce, rest, about.encode())
        except (InvalidTag, ValueError):
            pass
        raise SignatureError(
            Fault.BAD_SIGNATURE, f"the secret of {about} was sealed by another key"
        )


def mark_of(secret: bytes, salt: bytes | None = None) -> bytes:
    """By which a secret of the configuration is known again. Slow on purpose; needs no key, so that
    what was revoked stays revoked when the node's keys change."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    return salt + hashlib.scrypt(secret, salt=salt, **_SCRYPT)


def is_marked(secret: bytes, mark: bytes) -> bool:
    return hmac.compare_digest(mark_of(secret, mark[:_SALT_BYTES]), mark)


def _derive(node: NodeId, path: Path) -> tuple[str, bytes]:
    try:
        private = load_pem_private_key(read_key_file(path), None)
    except (ValueError, TypeError):
        raise SettingsError([f"key file {path} cannot be read"]) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise SettingsError([f"key file {path}: the key of the log is not Ed25519"])
    raw = private.private_bytes_raw()
    name = _hkdf(raw, node, b"truc-relay name of the key of systems' secrets, 1")
    return name.hex()[:16], _hkdf(raw, node, b"truc-relay key of systems' secrets, 1")


def _hkdf(raw: bytes, node: NodeId, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=node.encode(), info=use).derive(raw)
