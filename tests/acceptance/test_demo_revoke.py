"""`relay demo --revoke`: four real nodes, a live CRL and OCSP responder, a certificate that is revoked."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relay.cli.main import app
from relay.demo import run

pytestmark = pytest.mark.slow


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """The name of a unix socket has its bound."""
    with tempfile.TemporaryDirectory(prefix="rv-", dir="/tmp") as folder:
        yield Path(folder)


def test_what_waits_is_held_when_its_agencys_certificate_is_revoked(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held, told, not lost; cancelled or refused by the next node; and what was receipted still verifies."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    out, err = io.StringIO(), io.StringIO()

    assert run(revoke=True, as_json=True, out=out, err=err) == 0, err.getvalue()

    told = json.loads(out.getvalue())
    assert told["ok"]
    assert len(told["checks"]) == 8
    assert all(check["holds"] for check in told["checks"])
    assert [(one["state"], one["reason"]) for one in told["documents"]] == [
        ("cancelled", "cancelled"),
        ("refused", "revoked-certificate"),
    ]
    assert any("revoked since" in sentence for sentence in told["why"])
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("option", ["--keep", "--bridge"])
def test_it_is_a_story_of_its_own(option: str) -> None:
    """Options that belong to the other story are a mistake of usage."""
    assert CliRunner().invoke(app, ["demo", "--revoke", option]).exit_code == 64
