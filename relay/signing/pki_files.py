"""Put keys and certificates of the development PKI on disk, and take an issuer's back.

Touches: the PKI's folder. Folders are made 0700, keys written 0600, certificates 0644.
Trusts:  nothing that is there already: it is never written over, and read within a limit.
Raises:  PkiError.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from relay.signing.pki_profiles import Issuer, PrivateKey
from relay.signing.pki_words import PkiError, Trouble

FILE_LIMIT_BYTES: Final = 256 * 1024
KEY_SUFFIX: Final = ".key.pem"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its issuers after it (the root left out), its key, and where they go."""

    path: Path
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey


def key_path(certificate: Path) -> Path:
    """Where the key of a certificate lies: beside it, `tls.pem` and `tls.key.pem`."""
    return certificate.with_name(certificate.name.removesuffix(".pem") + KEY_SUFFIX)


def responder_path(authority: Path) -> Path:
    """Where the certificate of an authority's OCSP responder lies: beside it, `ca.pem` and `ca-ocsp.pem`."""
    return authority.with_name(f"{authority.stem}-ocsp.pem")


def published_name(directory: Path, authority: Path) -> str:
    """How an authority is called where it is published: its place in the folder."""
    return authority.relative_to(directory).with_suffix("").as_posix()


def check_free(certificates: Sequence[Path]) -> None:
    """Raise if any of these certificates, or its key, is there already."""
    for path in certificates:
        for taken in (key_path(path), path):
            if os.path.lexists(taken):
                raise _taken(taken)


def make_folder(directory: Path, folder: Path) -> None:
    """`folder` inside `directory`, each new one open to its owner only."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in reversed([folder, *folder.parents]):
            if part.is_relative_to(directory):
                part.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise refused(folder, error) from error


def write(issued: Sequence[Issued]) -> None:
    """All of them or none: what was written before a failure is taken away again."""
    written: list[Path] = []
    try:
        for each in issued:
            _write_new(key_path(each.path), _key_pem(each.key), 0o600, written)
            _write_new(each.path, _chain_pem(each.chain), 0o644, written)
    except BaseException:
        for path in written:
            with suppress(OSError):
                path.unlink()
        raise


def _write_new(path: Path, content: bytes, mode: int, written: list[Path]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        written.append(path)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
    except OSError as error:
        raise refused(path, error) from error


def replace(path: Path, content: bytes) -> None:
    """A list that changes, whole or not at all; the one kind of file that is ever written over."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise refused(path, error) from error


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _chain_pem(chain: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


# ---------------------------------------------------------------- reading


def read(path: Path, *, private: bool = False) -> bytes:
    """The file's bytes. A private file that others may read is refused."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise refused(path, error) from error
    if private and mode & 0o077:
        raise PkiError(
            Trouble.FORBIDDEN, f"{path} has mode {mode:04o}, limit 0600", f"chmod 600 {path}"
        )
    if len(content) > FILE_LIMIT_BYTES:
        raise PkiError(Trouble.DATA, f"{path} is larger than {FILE_LIMIT_BYTES} bytes")
    return content


def load_issuer(path: Path) -> Issuer:
    """The issuing certificate at `path` and the key beside it."""
    certificate_pem, key_pem = read(path), read(key_path(path), private=True)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, password=None)
        same = certificate.public_key() == key.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(Trouble.DATA, f"{path} or its key is not readable PEM") from error
    if not same or not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise PkiError(Trouble.DATA, f"{key_path(path)} is not the key of {path}")
    return Issuer(certificate, key)


def _taken(path: Path) -> PkiError:
    return PkiError(
        Trouble.EXISTS,
        f"{path} is there already",
        "nothing is ever written over; move it away first, or use another name or folder",
    )


def refused(path: Path, error: OSError) -> PkiError:
    """What the system said of `path`, as trouble of a kind."""
    where = f"{path}: {(error.strerror or type(error).__name__).lower()}"
    if isinstance(error, FileExistsError):
        return _taken(path)
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return PkiError(Trouble.MISSING, where)
    if isinstance(error, PermissionError):
        return PkiError(Trouble.FORBIDDEN, where)
    return PkiError(Trouble.FAILED, where)
