"""What signing and proving cost is measured of what really holds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bench import signing

ON_TOKEN = ["seal, p256, key on SoftHSM", "seal, rsa2048, key on SoftHSM"]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "ENTRIES", 20)


def test_each_kind_of_work_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seals and paths of two kinds of key, and revocation by a long CRL; where there is no SoftHSM that is
    said, and the rest goes on."""
    monkeypatch.setenv("PATH", str(tmp_path))
    told: list[str] = []

    found = signing.signing(tmp_path, 0.002, told.append)

    assert len(found) == 12
    assert all(one.microseconds > 0 and one.turns > 0 for one in found)
    assert any("a CRL of 20 entries" in one.what for one in found)
    assert told[0] == "seals on SoftHSM: not measured, needs softhsm2-util"
    assert len(told) == 13


def test_seals_are_measured_with_keys_on_a_token(
    softhsm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of its own, of which nothing is left in the environment, and whose PIN nobody else reads."""
    monkeypatch.delenv("SOFTHSM2_CONF", raising=False)

    found = signing.signing(tmp_path, 0.002, lambda _: None)

    assert [one.what for one in found if "SoftHSM" in one.what] == ON_TOKEN
    assert len(found) == 14
    assert "SOFTHSM2_CONF" not in os.environ
    assert stat.S_IMODE((tmp_path / "softhsm" / "pin").stat().st_mode) == 0o600
