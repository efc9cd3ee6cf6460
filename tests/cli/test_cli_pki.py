"""`relay pki`: data on stdout, refusals on stderr with their exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from relay.cli.pki import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What the three commands of certs/README.md leave behind."""
    for command in (
        ("init", tmp_path, "--name", "Trục thử nghiệm"),
        ("issue", "branch", tmp_path, "tinh-h01"),
        ("issue", "node", tmp_path, "h01", "--branch", "tinh-h01"),
    ):
        assert run(*command).exit_code == 0
    return tmp_path


def test_each_command_prints_the_certificates_it_made(tmp_path: Path) -> None:
    """One path a line on stdout, nothing on stderr."""
    steps = {
        ("init", tmp_path, "--name", "x", "--key", "rsa2048", "--days", 20): ["root/root.pem"],
        ("issue", "branch", tmp_path, "b", "--days", 10): ["branches/b/ca.pem"],
        (
            *("issue", "node", tmp_path, "n", "--branch", "b", "--key", "rsa2048"),
            *("--dns", "a.example", "--dns", "b.example", "--ip", "10.0.0.1"),
        ): ["nodes/n/tls.pem", "nodes/n/sign.pem", "nodes/n/log.pem"],
        (
            *("issue", "agency", tmp_path, "H01.2", "28.22.H17", "--branch", "b"),
            *("--key", "p256", "--name", "Sở Mẫu"),
        ): ["agencies/H01.2.pem"],
        ("issue", "gateway", tmp_path, "n", "--branch", "b"): ["gateways/n.pem"],
    }
    for command, expected in steps.items():
        result = run(*command)

        assert result.exit_code == 0, result.stderr
        assert result.stdout.splitlines() == [str(tmp_path / name) for name in expected]
        assert result.stderr == ""


def test_show_is_a_table_with_the_logs_verifier_key(made: Path) -> None:
    """A folder lists every certificate file once, keys left out."""
    lines = run("show", made).stdout.splitlines()

    assert lines[0].split() == ["PROFILE", "FOR", "KEY", "UNTIL", "FILE"]
    rows = [line.split()[0] for line in lines[1:]]
    assert rows == ["issuing", "log", "vkey", "sign", "tls", "root"]
    assert lines[3].startswith("  vkey truc-relay.example/log/h01+")
    assert len({line.index(str(made)) for line in lines[1:] if str(made) in line}) == 1


def test_show_json_has_every_field_of_every_certificate(made: Path) -> None:
    """The issuer after the leaf; Vietnamese as written; times in UTC."""
    log, issuer = json.loads(run("show", made / "nodes/h01/log.pem", "--json").stdout)

    assert log["profile"] == "log"
    assert log["speaks_for"] == ["h01"]
    assert log["subject"] == "CN=h01,OU=Node log,O=Trục thử nghiệm,C=VN"
    assert log["vkey"].startswith("truc-relay.example/log/h01+")
    assert log["not_after"].endswith("Z")
    assert issuer["profile"] == "issuing"
    assert issuer["vkey"] == ""


def refused(code: int, *arguments: object) -> list[str]:
    """The lines on stderr of a command that must fail with `code` and print no data."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0].startswith("relay: error: ")
    assert all(line.startswith("relay: hint: ") for line in lines[1:])
    return lines


def test_a_second_time_cannot_create(made: Path) -> None:
    """Exit code 73, and what to do."""
    lines = refused(73, "issue", "node", made, "h01", "--branch", "tinh-h01")

    assert lines[0] == f"relay: error: {made}/nodes/h01/tls.key.pem is there already"
    assert "nothing is ever written over" in lines[1]


def test_a_missing_branch_is_no_input(made: Path) -> None:
    """Exit code 66, and the command that makes it."""
    lines = refused(66, "issue", "gateway", made, "h01", "--branch", "tinh-h02")

    assert lines[1] == f"relay: hint: to make it: relay pki issue branch {made} tinh-h02"


def test_a_wrong_word_is_a_usage_error(made: Path) -> None:
    """Exit code 64 for ids, codes, names, hosts and days."""
    branch = ("--branch", "tinh-h01")
    refused(64, "issue", "node", made, "../h02", *branch)
    refused(64, "issue", "agency", made, "not a code", *branch)
    refused(64, "issue", "node", made, "h02", *branch, "--dns", "*.example")
    refused(64, "issue", "gateway", made, "h02", *branch, "--days", 0)
    refused(64, "init", made / "other", "--name", " ")
    assert not (made / "other").exists()


def test_a_file_that_is_no_certificate_is_wrong_data(made: Path) -> None:
    """Exit code 65; a key handed in by mistake is not echoed."""
    key = made / "nodes/h01/log.key.pem"
    lines = refused(65, "show", key)

    assert key.read_text().splitlines()[1] not in "\n".join(lines)


def test_a_missing_or_empty_place_is_no_input(tmp_path: Path) -> None:
    """Exit code 66."""
    refused(66, "show", tmp_path / "nothing.pem")
    refused(66, "show", tmp_path)


def test_an_open_key_is_a_matter_of_permission(made: Path) -> None:
    """Exit code 77, and the command that closes it."""
    key = made / "branches/tinh-h01/ca.key.pem"
    key.chmod(0o644)
    lines = refused(77, "issue", "gateway", made, "h01", "--branch", "tinh-h01")

    assert lines[1] == f"relay: hint: chmod 600 {key}"


def test_a_file_where_a_folder_should_be_cannot_be_created_in(tmp_path: Path) -> None:
    """Exit code 73 and no traceback."""
    (tmp_path / "file").write_text("x")
    refused(73, "init", tmp_path / "file" / "pki", "--name", "x")


def test_a_folder_where_a_file_should_be_is_no_input(made: Path) -> None:
    """As a file that is not there."""
    for command in (("revoke", made, made), ("sign", made, made, "--branch", "h01"), ("tsa", made)):
        refused(66, *command)


def test_a_name_from_a_hostile_certificate_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """The table writes unprintable characters out."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}b")]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=2))
        .not_valid_after(datetime.now(UTC) - timedelta(days=1))
        .sign(key, SHA256())
    )
    path = tmp_path / "x.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    row = run("show", path).stdout.splitlines()[1]

    assert row.startswith("other ")
    assert r"CN=a\x1b[2J\u202eb" in row
    assert "(expired)" in row


def test_a_branch_is_named_by_its_nodes(made: Path) -> None:
    """By default the branch's own name is its node's; --unlimited names none, --node others."""
    run("issue", "branch", made, "xa", "--generation", "2", "--node", "h01", "--node", "h02")
    run("issue", "branch", made, "all", "--unlimited")

    def issues_for(path: str) -> list[str]:
        (view,) = json.loads(run("show", made / path, "--json").stdout)
        return list(view["speaks_for"])

    assert issues_for("branches/tinh-h01/ca.pem") == ["tinh-h01"]
    assert issues_for("branches/xa/ca-g2.pem") == ["h01", "h02"]
    assert issues_for("branches/all/ca.pem") == []
    refused(64, "issue", "branch", made, "b", "--unlimited", "--node", "h01")


def test_an_official_is_issued_by_a_branch(made: Path) -> None:
    """For signatures inside documents."""
    result = run("issue", "official", made, "nvm", "--branch", "tinh-h01", "--key", "p256")

    assert result.stdout.strip() == str(made / "officials/nvm.pem")


def test_a_certificate_that_is_not_for_timestamps_stamps_nothing(made: Path) -> None:
    """Said at the start: nobody would take a timestamp of it, and every node would only say `wrong-purpose`."""
    result = run("tsa", made / "nodes" / "h01" / "sign.pem", "--port", 0)

    assert result.exit_code == 65
    assert "a certificate for sign is used for timestamp" in result.stderr
