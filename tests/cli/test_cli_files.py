"""Whatever lies in a file's place: it is named in a line, with the exit code of docs/operations.md."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import Result

from relay.cli.files import certificates_in
from relay.cli.outcome import CommandError
from relay.cli.streams import log_to_stderr
from relay.cli.verify import statements_of, trust_of
from relay.signing.pki_revoking import authorities, crl

Relay = Callable[..., Result]
AWAY = ("--url", "http://127.0.0.1:9", "--token", "t")
"""Where nobody is: what is wrong with a file is told before a node is asked."""


@pytest.fixture(params=["empty", "text", "binary", "endless"])
def junk(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """In the place of a small file that holds something else."""
    path = tmp_path / "junk"
    match request.param:
        case "endless":
            path.symlink_to("/dev/zero")
        case "text":
            path.write_text("hello\n")
        case "binary":
            path.write_bytes(bytes(range(256)) * 40)
        case _:
            path.touch()
    return path


def told(result: Result, code: int, *words: object) -> None:
    """Nothing on stdout, and one error."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("relay: error: ")]
    for word in words:
        assert str(word) in error, result.stderr


# ---------------------------------------------------------------- certificates, statements, seals


def test_what_is_no_certificate_binds_nothing(relay: Relay, junk: Path) -> None:
    """A system that is bound to it could call no more, and an agency's seals would be nobody's."""
    told(relay("system", "add", "a.b", "--agency", "H01", "--certificate", junk, *AWAY), 65, junk)
    told(relay("directory", "bind", "H01", junk, "--why", "x", *AWAY), 65, junk)


def test_what_was_bound_before_is_unbound_whatever_it_is(
    as_: Callable[..., Result], live: Any, tmp_path: Path
) -> None:
    """Earlier releases bound any file."""
    path = tmp_path / "text"
    path.write_text("hello\n")
    result = as_("operator", "directory", "bind", "H01", path, "--why", "x", "--remove")
    assert "holds no certificate" not in result.stderr


def test_nothing_is_judged_by_what_is_no_certificate(
    relay: Relay, junk: Path, letter: Callable[..., Path], root: Path
) -> None:
    """Neither by roots nor by what lies between."""
    file = letter()
    for option in ("--root", "--intermediate", "--timestamp-root"):
        more = () if option == "--root" else ("--root", root)
        told(relay("judge", file, option, junk, *more), 65, junk)
    code = 65 if junk.is_symlink() else 64
    told(relay("verify", file, "--root", junk), code, junk)
    told(relay("verify", file, "--root", root, "--intermediate", junk), code, junk)


def test_a_certificate_that_may_issue_nothing_is_named_by_its_file_alone(
    relay: Relay, letter: Callable[..., Path], root: Path, pki_folder: Path
) -> None:
    """Not as a root, where it was given as something else."""
    leaf = pki_folder / "nodes" / "tinh-h01" / "sign.pem"
    result = relay("verify", letter(), "--root", root, "--intermediate", leaf)
    told(result, 64, leaf)
    assert "root" not in result.stderr.partition("\n")[0].replace(str(leaf), "")


def test_what_is_no_statement_is_not_passed_over(
    relay: Relay, junk: Path, letter: Callable[..., Path], root: Path
) -> None:
    """All would hold as if nothing had been said of anybody."""
    file = letter()
    said = "is over" if junk.is_symlink() else "neither a CRL nor an OCSP"
    for command in (("verify",), ("audit", "check-proof"), ("audit", "check-export")):
        told(relay(*command, file, "--root", root, "--statement", junk), 65, junk, said)
    told(relay("judge", file, "--root", root, "--crl", junk), 65, junk)


def test_lists_of_authorities_are_taken_as_der_and_for_papers_as_pem_too(
    relay: Relay, letter: Callable[..., Path], root: Path, pki_folder: Path, tmp_path: Path
) -> None:
    """As the help of each says."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    now = datetime.now(UTC)
    der = crl(authorities(pki_folder)[0], now=now, valid=timedelta(days=1))
    path, pem = tmp_path / "a.crl", tmp_path / "a.pem"
    path.write_bytes(der)
    pem.write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
    assert statements_of([], [path]) == [der]
    with pytest.raises(CommandError, match="DER"):
        statements_of([], [pem])
    for one in (path, pem):
        assert "is no CRL" not in relay("judge", letter(), "--root", root, "--crl", one).stderr


def test_a_seal_without_end_is_none(relay: Relay, letter: Callable[..., Path]) -> None:
    """Its size says nothing: it is a device."""
    told(relay("send", letter(), "--seal", "/dev/zero", *AWAY), 65, "/dev/zero is over 256 KiB")


def test_certificates_come_in_either_form(root: Path, tmp_path: Path) -> None:
    """And each of a bundle is one."""
    (der,) = certificates_in(root)
    path = tmp_path / "root.der"
    path.write_bytes(der)
    assert certificates_in(path) == [der]
    assert trust_of([path], [])


# ---------------------------------------------------------------- which file it was


def test_of_two_files_the_wrong_one_is_named(
    relay: Relay, letter: Callable[..., Path], tmp_path: Path
) -> None:
    good, bad = letter(), tmp_path / "bad.edxml"
    bad.write_text("<a/>")
    for files in ((good, bad), (bad, good)):
        told(relay("compare", *files), 65, f"{bad}: ")


def test_a_file_that_is_no_container_is_named(relay: Relay, root: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.asice"
    bad.write_text("hello")
    told(relay("archive", "package", bad, "--out", tmp_path / "out"), 65, "bad.asice: ")
    told(relay("audit", "diff", bad, bad, "--unverified"), 65, "bad.asice: ")
    told(relay("verify", tmp_path, "--root", root), 66, f"in {tmp_path}")


def test_a_file_in_a_folders_place_is_66(relay: Relay, root: Path, tmp_path: Path) -> None:
    """As a folder in a file's place is."""
    file = tmp_path / "file"
    file.touch()
    told(relay("archive", "verify", file, "--root", root), 66, f"{file}: not a directory")
    told(relay("audit", "fsck", tmp_path), 66, tmp_path, "neither a journal nor a published log")


@pytest.mark.parametrize("command", ["config check", "cert status", "audit verify", "serve"])
def test_a_folder_in_a_configurations_place_is_66(
    relay: Relay, tmp_path: Path, command: str
) -> None:
    """As one that is not there, for programs too."""
    told(relay(*command.split(), tmp_path), 66, f"{tmp_path}: is a directory")
    none = tmp_path / "none.toml"
    checked = relay("config", "check", none, "--json")
    assert checked.exit_code == relay("config", "check", none).exit_code == 66
    assert json.loads(checked.stdout)["problems"] == [f"{none}: no such file or directory"]


# ---------------------------------------------------------------- what is there already


def test_a_backup_is_neither_written_over_nor_brought_back_over_a_journal(
    relay: Relay, config: Path, tmp_path: Path
) -> None:
    """73, as for every file that is there; where there is none to bring back, 66."""
    backup, data = tmp_path / "backup", config.parent / "data"
    told(relay("restore", config, tmp_path / "none"), 66, tmp_path / "none", "holds no backup")
    data.mkdir()
    (data / "journal.sqlite").touch()
    backup.mkdir()
    told(relay("backup", config, backup), 73, backup, "is there already")
    manifest = {"node": "tinh-h01", "made_at": "2026-11-23T04:00:00+00:00", "entries": 1}
    (backup / "backup.json").write_text(json.dumps({**manifest, "payload_files": 0}))
    told(relay("restore", config, backup), 73, data, "move the whole folder away first")


def test_what_is_too_long_to_be_a_certificate_is_wrong_data(relay: Relay, config: Path) -> None:
    told(
        relay("cert", "install", config, "sign", "/dev/zero"), 65, "/dev/zero is over 262144 bytes"
    )


def test_a_request_that_waits_is_not_written_over(
    relay: Relay, config: Path, pki_folder: Path
) -> None:
    """Its key may be certified by now."""
    folder = config.parent / "keys"
    shutil.copytree(pki_folder / "nodes" / "tinh-h01", folder)
    text = config.read_text(encoding="utf-8").replace(f"{pki_folder}/nodes/tinh-h01", str(folder))
    config.write_text(text, encoding="utf-8")
    assert relay("cert", "request", config, "sign").exit_code == 0
    told(relay("cert", "request", config, "sign"), 73, "is there already: install what was asked")


# ---------------------------------------------------------------- what is said beside data


@pytest.fixture
def lines_as_ever() -> Iterator[None]:
    yield
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.mark.usefixtures("lines_as_ever")
def test_lines_of_the_nodes_rooms_are_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that broke off is told on stderr, whatever is written to stdout."""
    structlog.reset_defaults()
    log_to_stderr()
    structlog.get_logger("relay.judging").warning("judging-broke-off")
    out, err = capsys.readouterr()
    assert (out, "judging-broke-off" in err) == ("", True)


@pytest.mark.parametrize(
    "command", [("evidence", "verify"), ("audit", "check-export"), ("audit", "fsck")]
)
def test_lines_and_json_are_not_asked_for_together(
    relay: Relay, root: Path, tmp_path: Path, command: tuple[str, str]
) -> None:
    """Or a program would read the one for the other."""
    more = () if command[1] == "fsck" else ("--root", root)
    result = relay(*command, tmp_path, "--lines", "--json", *more)
    told(result, 64, "--lines and --json cannot both be given")
