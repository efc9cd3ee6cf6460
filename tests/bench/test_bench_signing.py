"""What signing and proving cost is measured of what really holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import signing


def test_each_kind_of_work_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seals and paths of two kinds of key, and revocation by a long CRL."""
    monkeypatch.setattr(signing, "ENTRIES", 20)
    told: list[str] = []

    found = signing.signing(tmp_path, 0.002, told.append)

    assert len(found) == len(told) == 12
    assert all(one.microseconds > 0 and one.turns > 0 for one in found)
    assert any("a CRL of 20 entries" in one.what for one in found)
