"""Keys of the configuration in PEM with a password and in PKCS#12, and how mistakes with them are told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.errors import SettingsError
from relay.model import Tier
from relay.offline import examine
from relay.pairs import pairs_of
from relay.settings.reading import load

PASSWORD = b"trial only"
PLAN = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE, "000.00.00.H01", own_key=True),),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Its sign key is in a PKCS#12 file, its agency's in PEM, each with a password."""
    network = Network.build(tmp_path / "n", (PLAN,), now=datetime.now(UTC))
    path = network.nodes["tinh"].config
    folder = network.folder / "pki"
    sign, agency = folder / "nodes/tinh/sign", folder / "agencies/H01"
    chain = x509.load_pem_x509_certificates(sign.with_suffix(".pem").read_bytes())
    _write(
        folder / "sign.p12",
        pkcs12.serialize_key_and_certificates(
            b"sign", _key(sign), chain[0], chain[1:], BestAvailableEncryption(PASSWORD)
        ),
    )
    locked = _key(agency).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD)
    )
    _write(folder / "agencies/H01.key.pem", locked)
    _write(folder / "password", PASSWORD + b"\n")
    text = path.read_text()
    pair = 'certificate = "../pki/nodes/tinh/sign.pem"\nkey = "../pki/nodes/tinh/sign.key.pem"'
    assert pair in text
    text = text.replace(pair, 'pkcs12 = "../pki/sign.p12"\npassword_file = "../pki/password"')
    key = 'key = "../pki/agencies/H01.key.pem"'
    text = text.replace(key, f'{key}\npassword_env = "AGENCY_PASSWORD"')
    path.write_text(text)
    return path


def test_a_node_can_start_with_them_and_lists_them(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENCY_PASSWORD", PASSWORD.decode())
    settings, _ = examine(config)
    found = {one.name: one.place.certificate.name for one in pairs_of(settings.keys)}
    assert found["sign"] == "sign.p12"
    assert found["000.00.00.H01"] == "H01.pem"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (None, "password_env AGENCY_PASSWORD: the environment has no such variable"),
        ("another", "the password is missing or wrong"),
    ],
)
def test_a_password_that_is_missing_or_wrong_is_told_without_it(
    config: Path, monkeypatch: pytest.MonkeyPatch, password: str | None, said: str
) -> None:
    monkeypatch.delenv("AGENCY_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("AGENCY_PASSWORD", password)
    with pytest.raises(SettingsError) as refused:
        examine(config)
    assert any(said in one for one in refused.value.problems)
    assert "another" not in str(refused.value)


def test_a_password_file_that_others_may_read_is_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENCY_PASSWORD", PASSWORD.decode())
    (config.parent / "../pki/password").chmod(0o640)
    with pytest.raises(SettingsError, match="has mode 0640, limit 0600"):
        examine(config)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('pkcs12 = "../pki/sign.p12"\nkey = "../pki/nodes/tinh/sign.key.pem"', "give one of key"),
        ('certificate = "../pki/nodes/tinh/sign.pem"', "give one of key"),
        (
            'pkcs12 = "../pki/sign.p12"\ncertificate = "../pki/nodes/tinh/sign.pem"',
            "in a pkcs12 file itself",
        ),
        (
            'pkcs12 = "../pki/sign.p12"\npassword_file = "../pki/password"\npassword_env = "P"',
            "either password_file or password_env",
        ),
    ],
)
def test_one_place_for_a_key_and_one_for_its_password(config: Path, lines: str, said: str) -> None:
    whole = 'pkcs12 = "../pki/sign.p12"\npassword_file = "../pki/password"'
    config.write_text(config.read_text().replace(whole, lines))
    with pytest.raises(SettingsError) as refused:
        load(config)
    assert any(said in one for one in refused.value.problems)


def _key(stem: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(stem.with_name(f"{stem.name}.key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
