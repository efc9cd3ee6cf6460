"""`relay pki revoke`, `crl`; `relay verify` with what was said of revocation beside the signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli import pki, verify
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Receipt,
    SealKind,
    digest_of,
)
from relay.signing.evidence import sign_receipt
from relay.signing.keys import Signer
from relay.signing.pki_revoking import authorities, crl
from relay.signing.seal import make_seal

LETTER = b"<edXML/>"
Run = Callable[..., Result]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(pki.app, [str(argument) for argument in arguments])


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "pki"
    place = "http://127.0.0.1:8480"
    for command in (
        ("init", folder, "--name", "x", "--publish", place),
        ("issue", "branch", folder, "b"),
        ("issue", "agency", folder, "H01.1", "--branch", "b", "--key", "p256"),
    ):
        assert run(*command).exit_code == 0
    return folder


def test_revoke_writes_the_crl_anew_and_says_where(authority: Path) -> None:
    """Once; a second time is an error, and so is a certificate of another PKI."""
    certificate = authority / "agencies" / "H01.1.pem"
    done = run("revoke", authority, certificate, "--reason", "keyCompromise")
    assert done.exit_code == 0
    assert done.stdout.strip() == str(authority / "branches" / "b" / "ca.crl")

    assert run("revoke", authority, certificate).exit_code == 73
    assert run("revoke", authority, authority / "root" / "root.pem").exit_code == 65
    assert run("revoke", authority, certificate, "--reason", "removeFromCRL").exit_code == 64
    listed = run("crl", authority)
    assert listed.stdout.splitlines() == [
        str(authority / "root" / "root.crl"),
        str(authority / "branches" / "b" / "ca.crl"),
    ]


def test_a_pki_without_a_place_is_not_served(tmp_path: Path) -> None:
    """With what would have made one."""
    run("init", tmp_path / "p", "--name", "x")
    result = run("serve", tmp_path / "p")
    assert result.exit_code == 66
    assert "--publish" in result.stderr


@pytest.mark.parametrize(
    ("given", "revoked_after", "revocation", "code"),
    [
        (False, None, "UNKNOWN", 0),
        (True, None, "VALID", 0),
        (True, timedelta(hours=1), "VALID", 0),
        (True, timedelta(hours=-1), "REVOKED", 65),
    ],
)
def test_verify_judges_revocation_as_of_the_time_of_the_signature(
    authority: Path,
    tmp_path: Path,
    given: bool,
    revoked_after: timedelta | None,
    revocation: str,
    code: int,
) -> None:
    """By the statements that lie beside it; revoked later it still holds, revoked before it does not."""
    import typer

    signed_at = datetime.now(UTC)
    agency = authority / "agencies" / "H01.1.pem"
    signer = Signer.load(agency, authority / "agencies" / "H01.1.key.pem")
    seal = make_seal(digest_of(LETTER), SealKind.AGENCY, signer, signed_at)
    folder = tmp_path / "kept"
    (folder / "statements").mkdir(parents=True)
    (folder / "envelope.edxml").write_bytes(LETTER)
    (folder / "seal.xml").write_bytes(seal.signature)
    if revoked_after is not None:
        when = signed_at + revoked_after
        from relay.signing.pki_revoking import revoke
        from relay.signing.pki_words import Reason

        revoke(authority, agency, reason=Reason.KEY_COMPROMISE, now=when)
    if given:
        for number, one in enumerate(authorities(authority)):
            made = crl(one, now=signed_at + timedelta(hours=2), valid=timedelta(days=1))
            (folder / "statements" / f"{number}-crl.der").write_bytes(made)
    app = typer.Typer()
    app.command()(verify.verify)

    root = str(authority / "root" / "root.pem")
    result = CliRunner().invoke(app, [str(folder), "--root", root, "--json"])

    assert result.exit_code == code, result.stderr
    (judged,) = json.loads(result.stdout)
    assert judged["revocation"] == revocation
    assert judged["verdict"] == ("INVALID" if revocation == "REVOKED" else "VALID")


def test_a_receipt_of_an_odd_time_hides_no_verdict_on_the_others(
    authority: Path, tmp_path: Path
) -> None:
    """Whatever time it tells of, its signer is judged as of when it was signed; one that fails is one line."""
    import typer

    now = datetime.now(UTC).replace(microsecond=0)
    assert run("issue", "node", authority, "n1", "--branch", "b", "--key", "p256").exit_code == 0
    files = authority / "nodes" / "n1"
    signer = Signer.load(files / "sign.pem", files / "sign.key.pem")
    folder = tmp_path / "kept"
    for name, at in (("01", now - timedelta(days=9000)), ("02", now)):
        receipt = Receipt(
            issuer=NodeId("n1"),
            origin=NodeId("n1"),
            message_id=MessageId("019ab000-0000-7000-8000-000000000001"),
            digest=digest_of(LETTER),
            size_bytes=len(LETTER),
            transfer_id=None,
            sent_by=None,
            at=at,
            evidence=(Evidence(Event.SUBMISSION_ACCEPTANCE, AgencyCode("H01.1")),),
        )
        signed = sign_receipt(receipt, signer, now)
        (folder / name).mkdir(parents=True)
        (folder / name / "receipt.xml").write_bytes(signed.document)
        (folder / name / "signature.xml").write_bytes(signed.signature)
    (folder / "statements").mkdir()
    for number, one in enumerate(authorities(authority)):
        made = crl(one, now=now + timedelta(hours=1), valid=timedelta(days=1))
        (folder / "statements" / f"{number}-crl.der").write_bytes(made)
    app = typer.Typer()
    app.command()(verify.verify)

    root = str(authority / "root" / "root.pem")
    result = CliRunner().invoke(app, [str(folder), "--root", root, "--json"])

    assert result.exit_code == 0, result.stderr
    judged = json.loads(result.stdout)
    assert [(one["verdict"], one["revocation"]) for one in judged] == [("VALID", "VALID")] * 2
