"""`relay judge`, and what `relay track` shows of the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import Result

from relay import offline
from relay.cli.judged import lines_of, show_signatures
from relay.settings.settings import Settings
from relay.settings.signatures import SignaturesSection
from tests.signing.others.papers import AT, attached, envelope, hierarchy, pdf, sign_pdf


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, hall = tmp_path_factory.mktemp("judge"), hierarchy()
    signed = sign_pdf(sign_pdf(pdf(), hall.person), hall.organisation, field="Sig2")
    (place / "cong-van.pdf").write_bytes(signed)
    (place / "changed.edxml").write_bytes(envelope(attached(signed.replace(b"595", b"596", 1))))
    (place / "root.pem").write_bytes(hall.root.certificate.public_bytes(Encoding.PEM))
    (place / "issuing.pem").write_bytes(hall.issuing.certificate.public_bytes(Encoding.PEM))
    for number, crl in enumerate(hall.crls()):
        (place / f"{number}.crl").write_bytes(crl)
    return place


def options(folder: Path) -> list[Any]:
    return [
        *("--root", folder / "root.pem", "--intermediate", folder / "issuing.pem"),
        *("--crl", folder / "0.crl", "--crl", folder / "1.crl"),
        *("--at", AT.strftime("%Y-%m-%dT%H:%M:%S")),
    ]


def test_judge_says_who_signed_over_what_and_what_is_wrong(
    relay: Callable[..., Result], folder: Path
) -> None:
    found = relay("judge", folder / "cong-van.pdf", *options(folder))
    assert found.exit_code == 0, found.stderr
    for word in ("VALID", "Nguyễn Văn Mẫu", "Ủy ban nhân dân xã Mẫu", "whole-file", "by its own"):
        assert word in found.stdout

    both = relay(
        "judge", folder / "cong-van.pdf", folder / "changed.edxml", *options(folder), "--json"
    )
    assert both.exit_code == 65
    assert [one["verdict"] for one in json.loads(both.stdout)] == ["VALID", "INVALID"]
    assert "1 of 2 are not VALID" in both.stderr


def test_nothing_in_a_certificate_steers_the_terminal() -> None:
    signer = {
        "kind": "person",
        "person": "\x1b[2J",
        "organisation": "\u202eX",
        "subject": "",
        "issuer": "",
        "certificate": "",
    }
    signature: dict[str, Any] = {
        "form": "pades",
        "verdict": "VALID",
        "flaws": [],
        "signer": signer,
        "algorithm": "\x07",
        "claimed_at": None,
        "signed_at": None,
        "stamped": False,
        "covers": None,
        "field": "",
    }
    part = {
        "position": 0,
        "name": "a\rb.pdf",
        "verdict": "VALID",
        "flaws": [],
        "signatures": [signature],
    }
    shown = "\n".join(lines_of({"verdict": "VALID", "flaws": [], "parts": [part]}))
    assert not any(char in shown for char in "\x1b\x07\r\u202e")


def test_the_word_stands_apart_from_the_name() -> None:
    """Also the longest: an attachment that nobody signed."""
    part = {"position": 0, "name": "a.pdf", "verdict": None, "flaws": [], "signatures": []}
    lines = list(lines_of({"verdict": None, "flaws": [], "parts": [part]}))
    assert lines[1].split() == ["unsigned", "a.pdf"]


def test_a_node_of_an_older_version_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_signatures({})
    assert capsys.readouterr().out == ""
    show_signatures({"state": "waiting"})
    assert "not judged yet" in capsys.readouterr().out


def test_a_node_without_the_libraries_is_told_so_by_config_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings.model_construct(signatures=SignaturesSection())
    assert list(offline._judging_remarks(settings)) == []
    monkeypatch.setattr(offline, "find_spec", lambda _: None)
    (said,) = offline._judging_remarks(settings)
    assert "truc-relay[pades]" in said
    off = Settings.model_construct(signatures=SignaturesSection(policy="off"))
    assert list(offline._judging_remarks(off)) == []


def test_a_rule_is_for_a_sender_or_a_recipient() -> None:
    for wrong in ({}, {"sender": "H01", "recipient": "H02"}):
        with pytest.raises(ValueError, match="either sender or recipient"):
            SignaturesSection.model_validate({"rules": [{"policy": "warn", **wrong}]})
