"""A certificate is renewed without a moment in which the pair on disk does not fit, or cannot be mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from relay.errors import SettingsError
from relay.signing import pki, pki_files, pki_profiles, renewal
from relay.signing.keys import LogSigner, Signer
from relay.signing.pin import PinPlace
from relay.signing.pki_profiles import Profile, Span
from relay.signing.renewal import Place

NOW = datetime.now(UTC).replace(microsecond=0)
SIGN = Profile("Node sign", "h01", ("urn:truc-relay:node:h01:sign",), vouches=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.init(tmp_path, name="Trục thử nghiệm", key=pki.KeyType.P256, now=NOW, days=30)
    pki.issue_branch(tmp_path, "h01", key=pki.KeyType.P256, now=NOW, days=30)
    pki.issue_node(tmp_path, "h01", "h01", key=pki.KeyType.P256, now=NOW, days=10)
    return tmp_path


def place(folder: Path, use: str = "sign") -> Place:
    home = folder / "nodes" / "h01"
    return Place(home / f"{use}.pem", home / f"{use}.key.pem")


def key_of(place: Place) -> Path:
    assert place.key is not None
    return place.key


def issued(
    folder: Path, key_file: Path, profile: Profile = SIGN, span: Span | None = None
) -> bytes:
    issuer = pki_files.load_issuer(folder / "branches" / "h01" / "ca.pem")
    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(
        key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    )
    span = span or Span(NOW - timedelta(minutes=5), NOW + timedelta(days=20))
    made = pki_profiles.end_entity(profile, key, issuer, span)
    return made.public_bytes(Encoding.PEM) + issuer.certificate.public_bytes(Encoding.PEM)


def test_the_development_pki_answers_a_request_with_the_same_profile(folder: Path) -> None:
    for use in ("tls", "sign"):
        here = place(folder, use)
        asked = renewal.request(here).read_bytes()
        new = pki.sign_request(folder, asked, "h01", now=NOW, days=20)
        before = x509.load_pem_x509_certificate(here.certificate.read_bytes())
        after = x509.load_pem_x509_certificate(new)
        renewal.install(here, new, NOW)
        assert after.subject == before.subject
        own = (x509.SubjectKeyIdentifier.oid,)
        assert [one for one in after.extensions if one.oid not in own] == [
            one for one in before.extensions if one.oid not in own
        ]
        assert after.not_valid_after_utc > before.not_valid_after_utc


def test_the_development_pki_answers_nobody_who_names_something_else_or_did_not_sign(
    folder: Path,
) -> None:
    asked = renewal.request(place(folder)).read_bytes()
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:example:other")])
    other = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(names, critical=False)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    der = bytearray(x509.load_pem_x509_csr(asked).public_bytes(Encoding.DER))
    der[-3] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    for bad in (other, broken, b"", asked[:200]):
        with pytest.raises(pki.PkiError):
            pki.sign_request(folder, bad, "h01", now=NOW, days=20)


def test_a_request_asks_for_the_same_subject_and_names_with_a_new_key_of_the_same_kind(
    folder: Path,
) -> None:
    here = place(folder, "tls")
    old = x509.load_pem_x509_certificate(here.certificate.read_bytes())
    asked = x509.load_pem_x509_csr(renewal.request(here).read_bytes())
    assert asked.is_signature_valid
    assert asked.subject == old.subject
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == names
    assert isinstance(asked.public_key(), ec.EllipticCurvePublicKey)
    assert asked.public_key() != old.public_key()
    assert here.next_key.stat().st_mode & 0o777 == 0o600


def test_a_second_request_is_refused_while_the_first_waits(folder: Path) -> None:
    renewal.request(place(folder))
    with pytest.raises(FileExistsError, match="is there already"):
        renewal.request(place(folder))


def test_the_log_is_certified_anew_with_the_key_its_verifiers_know(folder: Path) -> None:
    here = place(folder, "log")
    before = LogSigner.load(here.certificate, key_of(here))
    asked = x509.load_pem_x509_csr(renewal.request(here, same_key=True).read_bytes())
    assert isinstance(asked.public_key(), ed25519.Ed25519PublicKey)
    assert not here.next_key.exists()
    profile = Profile("Node log", "h01", ("urn:truc-relay:node:h01:log",))
    made = renewal.install(here, issued(folder, key_of(here), profile), NOW)
    after = LogSigner.load(here.certificate, key_of(here))
    assert made.before is not None
    assert after.public_key == before.public_key
    assert after.chain != before.chain


def test_what_was_asked_for_takes_the_old_ones_place_and_the_old_pair_is_kept(folder: Path) -> None:
    here = place(folder)
    old_certificate, old_key = here.certificate.read_bytes(), key_of(here).read_bytes()
    renewal.request(here)
    new = issued(folder, here.next_key)
    made = renewal.install(here, new, NOW)
    assert here.certificate.read_bytes() == new
    assert Signer.load(here.certificate, key_of(here)).identity.node == "h01"
    assert made.before is not None
    assert made.before.read_bytes() == old_certificate
    kept = made.before.with_name(made.before.name.replace(".pem", ".key.pem"))
    assert kept.read_bytes() == old_key
    assert not here.next_key.exists()
    assert not here.request.exists()
    assert renewal.install(here, new, NOW).before is None  # again: nothing to do


def test_an_installation_that_broke_off_between_key_and_certificate_is_finished_by_the_same_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(folder)
    renewal.request(here)
    new = issued(folder, here.next_key)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(renewal, "_write_new", dies)
        with pytest.raises(KeyboardInterrupt):
            renewal.install(here, new, NOW)
    with pytest.raises(SettingsError, match="does not belong"):
        Signer.load(here.certificate, key_of(here))
    renewal.install(here, new, NOW)
    Signer.load(here.certificate, key_of(here))
    kept = sorted(path.name for path in here.certificate.parent.glob("sign.before-*"))
    assert [name.count("-") for name in kept] == [1, 1], kept


@pytest.mark.parametrize(
    ("profile", "span", "said"),
    [
        (replace(SIGN, uris=("urn:truc-relay:node:h02:sign",)), None, "is for sign of h02"),
        (
            replace(SIGN, uris=("urn:truc-relay:gateway:h01",)),
            None,
            "is for gateway of h01, the one in place for sign of h01",
        ),
        (SIGN, Span(NOW - timedelta(days=9), NOW - timedelta(days=1)), "ended on"),
        (SIGN, Span(NOW + timedelta(days=1), NOW + timedelta(days=9)), "install it then"),
    ],
)
def test_a_certificate_for_someone_else_or_another_time_changes_nothing(
    folder: Path, profile: Profile, span: Span | None, said: str
) -> None:
    here = place(folder)
    renewal.request(here)
    before = here.certificate.read_bytes(), key_of(here).read_bytes(), here.next_key.read_bytes()
    with pytest.raises(SettingsError, match=said):
        renewal.install(here, issued(folder, here.next_key, profile, span), NOW)
    assert before == (
        here.certificate.read_bytes(),
        key_of(here).read_bytes(),
        here.next_key.read_bytes(),
    )


def test_a_certificate_for_a_key_that_is_not_here_is_refused(folder: Path) -> None:
    here = place(folder)
    renewal.request(here)
    pki.issue_node(folder, "h09", "h01", key=pki.KeyType.P256, now=NOW, days=10)
    stranger = folder / "nodes" / "h09" / "sign.key.pem"
    with pytest.raises(SettingsError, match="for no key of"):
        renewal.install(here, issued(folder, stranger), NOW)


def test_an_agencys_new_certificate_may_not_lose_a_code(folder: Path) -> None:
    path = pki.issue_agency(
        folder, ["H01.2", "H01.3"], "h01", key=pki.KeyType.P256, now=NOW, days=10
    )
    here = Place(path, pki_files.key_path(path))
    renewal.request(here)
    fewer = Profile("Agency", "H01.2", ("urn:truc-relay:agency:H01.2",), vouches=True)
    with pytest.raises(SettingsError, match=r"does not speak for H01\.3"):
        renewal.install(here, issued(folder, here.next_key, fewer), NOW)


def test_an_encrypted_key_has_an_encrypted_successor_of_the_same_password(
    folder: Path, tmp_path: Path
) -> None:
    """No key of it ever lies there without: neither the one that waits nor the one that is set aside."""
    secret = tmp_path / "password"
    secret.write_text("một mật khẩu\n")
    secret.chmod(0o600)
    here = replace(place(folder), password=PinPlace(secret, None, "password"))
    plain = load_pem_private_key(key_of(here).read_bytes(), None)
    assert isinstance(plain, ec.EllipticCurvePrivateKey)
    locked = BestAvailableEncryption("một mật khẩu".encode())
    key_of(here).write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))

    asked = renewal.request(here).read_bytes()
    waiting = here.next_key.read_bytes()
    renewal.install(here, pki.sign_request(folder, asked, "h01", now=NOW, days=20), NOW)

    assert b"ENCRYPTED" in waiting
    assert key_of(here).read_bytes() == waiting
    assert Signer.load(here.certificate, key_of(here), "một mật khẩu".encode())


def test_a_certificate_that_names_nobody_is_asked_for_by_its_subject(folder: Path) -> None:
    """An official's, which the directory binds to an agency (clause 10.2)."""
    pki.issue_official(folder, "ong-a", "h01", name="Ông A", key=pki.KeyType.P256, now=NOW, days=9)
    here = Place(folder / "officials" / "ong-a.pem", folder / "officials" / "ong-a.key.pem")

    request = x509.load_pem_x509_csr(renewal.request(here).read_bytes())

    assert request.subject == x509.load_pem_x509_certificate(here.certificate.read_bytes()).subject
    assert list(request.extensions) == []


def test_a_certificate_for_the_key_in_place_leaves_the_one_that_waits(folder: Path) -> None:
    """Whoever has asked for a next one may still be sent one for the old key first."""
    here = place(folder)
    renewal.request(here)
    key, waiting = key_of(here).read_bytes(), here.next_key.read_bytes()

    renewal.install(here, issued(folder, key_of(here)), NOW)

    assert (key_of(here).read_bytes(), here.next_key.read_bytes()) == (key, waiting)
    assert here.request.exists()
    assert Signer.load(here.certificate, key_of(here))


def test_the_same_certificate_with_other_issuers_after_it_is_put_in_place(folder: Path) -> None:
    """As when the authority's own certificate was forgotten the first time."""
    here = place(folder, "tls")
    whole = here.certificate.read_bytes()
    end = b"-----END CERTIFICATE-----\n"
    here.certificate.write_bytes(whole[: whole.index(end) + len(end)])

    done = renewal.install(here, whole, NOW)

    assert done.before is not None
    assert here.certificate.read_bytes() == whole
    assert renewal.install(here, whole, NOW).before is None


def test_a_pkcs12_file_is_left_to_whoever_made_it(tmp_path: Path) -> None:
    here = Place(tmp_path / "agency.p12", None, whole=True)
    with pytest.raises(SettingsError, match="not in a PEM file"):
        renewal.request(here)
    with pytest.raises(SettingsError, match="move the new one into its place"):
        renewal.install(here, b"", NOW)
