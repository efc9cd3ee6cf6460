"""Keys and certificates as the operator hands them over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from relay.errors import SettingsError, SignatureError
from relay.model import SealKind, digest_of
from relay.signing.keys import LogSigner, Signer, verify_log_signature
from relay.signing.seal import make_seal, verify_seal


def _write(folder: Path, entity: Any, mode: int = 0o600) -> tuple[Path, Path]:
    certificate, key = folder / "sign.pem", folder / "sign.key.pem"
    certificate.write_bytes(entity.chain_pem)
    key.write_bytes(entity.key_pem)
    key.chmod(mode)
    return certificate, key


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_signer_comes_from_pem_files(make_pki: Any, tmp_path: Path, now: Any, kind: str) -> None:
    """The certificate's file holds its issuers too, and they go along with each signature."""
    signer = Signer.load(*_write(tmp_path, make_pki(kind).node("tw")))

    assert signer.identity.node == "tw"
    assert len(signer.chain) == 2
    seal = make_seal(digest_of(b"x"), SealKind.NODE, signer, now)
    assert verify_seal(seal.signature, digest_of(b"x"), make_pki(kind).trust, now).node == "tw"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_key_that_others_may_read_is_refused(pki: Any, tmp_path: Path, mode: int) -> None:
    """Group and others have no business with a key; the message says mode and limit."""
    files = _write(tmp_path, pki.node("tw"), mode)

    with pytest.raises(SettingsError, match=f"mode {mode:04o}, limit 0600"):
        Signer.load(*files)


def test_an_encrypted_key_needs_its_password(pki: Any) -> None:
    """Right, wrong and missing password."""
    entity = pki.node("tw")
    locked = entity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"mat-khau"),
    )

    assert Signer.from_pem(entity.chain_pem, locked, b"mat-khau").identity.node == "tw"
    for wrong in (b"other", None):
        with pytest.raises(SettingsError, match="password is missing or wrong"):
            Signer.from_pem(entity.chain_pem, locked, wrong)
    with pytest.raises(SettingsError, match="cannot be read"):
        Signer.from_pem(entity.chain_pem, entity.key_pem, b"needless")


def test_a_signer_comes_from_pkcs12(pki: Any, tmp_path: Path, now: Any) -> None:
    """The form in which agencies get their certificates; the root inside is left out."""
    entity = pki.agency("H01")
    path = tmp_path / "h01.p12"
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"h01",
            entity.key,
            entity.certificate,
            [*entity.issuers, pki.root.certificate],
            serialization.BestAvailableEncryption(b"mat-khau"),
        )
    )
    path.chmod(0o600)

    signer = Signer.load_pkcs12(path, b"mat-khau")

    assert len(signer.chain) == 2
    seal = make_seal(digest_of(b"x"), SealKind.AGENCY, signer, now)
    assert verify_seal(seal.signature, digest_of(b"x"), pki.trust, now).agencies == {"H01"}
    with pytest.raises(SettingsError, match="password is wrong"):
        Signer.load_pkcs12(path, b"other")
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="mode 0644"):
        Signer.load_pkcs12(path, b"mat-khau")


def test_pkcs12_without_a_key_is_refused(pki: Any) -> None:
    """A bag of certificates signs nothing."""
    bag = pkcs12.serialize_key_and_certificates(
        None, None, None, [pki.root.certificate], serialization.BestAvailableEncryption(b"x")
    )

    with pytest.raises(SettingsError, match="does not hold a key"):
        Signer.from_pkcs12(bag, b"x")
    with pytest.raises(SettingsError, match="cannot be opened"):
        Signer.from_pkcs12(b"garbage", b"x")


def test_key_and_certificate_belong_together(pki: Any) -> None:
    """Another key, or the issuer's certificate first, is refused at the start."""
    node, other = pki.node("tw"), pki.node("tw")

    with pytest.raises(SettingsError, match="does not belong"):
        Signer.from_pem(node.chain_pem, other.key_pem)
    with pytest.raises(SettingsError, match="the signer's certificate"):
        Signer.from_pem(pki.issuing.pem + node.pem, node.key_pem)


@pytest.mark.parametrize("purpose", ["tls", "log"])
def test_other_certificates_do_not_sign_documents(pki: Any, purpose: str) -> None:
    """The three certificates of a node are not interchangeable."""
    entity = pki.node("tw", purpose)

    with pytest.raises(SettingsError, match=f"a certificate for {purpose} may not sign documents"):
        Signer.from_pem(entity.chain_pem, entity.key_pem)


def test_the_logs_signature_verifies(pki: Any, tmp_path: Path) -> None:
    """Ed25519, with the raw public key that a verifier of checkpoints needs."""
    signer = LogSigner.load(*_write(tmp_path, pki.node("tw", "log")))

    signature = signer.sign(b"head")

    assert signer.node == "tw"
    assert (len(signer.public_key), len(signature)) == (32, 64)
    verify_log_signature(signer.public_key, signature, b"head")
    for bad in ((signer.public_key, signature, b"Head"), (b"short", signature, b"head")):
        with pytest.raises(SignatureError):
            verify_log_signature(*bad)


def test_a_signing_key_does_not_sign_the_log(pki: Any) -> None:
    """The log has a key of its own."""
    node = pki.node("tw")

    with pytest.raises(SettingsError, match="a certificate for sign may not sign the log"):
        LogSigner.from_pem(node.chain_pem, node.key_pem)


def test_missing_and_unreadable_files_are_named(pki: Any, tmp_path: Path) -> None:
    """The operator learns which file is at fault."""
    certificate, key = _write(tmp_path, pki.node("tw"))

    with pytest.raises(SettingsError, match=r"none\.pem"):
        Signer.load(tmp_path / "none.pem", key)
    with pytest.raises(SettingsError, match=r"none\.key"):
        Signer.load(certificate, tmp_path / "none.key")
    with pytest.raises(SettingsError, match="cannot be read"):
        Signer.from_pem(certificate.read_bytes(), b"garbage")
    with pytest.raises(SettingsError, match="certificates"):
        Signer.from_pem(b"-----BEGIN CERTIFICATE-----", key.read_bytes())
    key.write_bytes(b"x" * 300_000)
    with pytest.raises(SettingsError, match="over 262144 bytes"):
        Signer.load(certificate, key)


def test_a_signer_does_not_show_its_key(pki: Any) -> None:
    """No key material in a repr that may reach a log line."""
    entity = pki.node("tw")

    assert "PRIVATE" not in repr(entity.signer)
    assert "sign=" not in repr(entity.signer)
