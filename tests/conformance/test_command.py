"""`relay conformance` at the terminal, where no node is needed."""

from __future__ import annotations

import json
import re
import socket
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.cli.outcome import CONFIG, DATA
from relay.conformance import credentials
from relay.conformance.clauses import every_assertion
from relay.demo.ports import free_ports
from relay.signing.pki import KeyType, init

VECTORS = Path(__file__).parents[1] / "vectors" / "conformance"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["conformance", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Of two nodes that let the kit in nowhere."""
    monkeypatch.chdir(tmp_path)
    from relay.conformance.instants import now

    init(tmp_path / "pki", name="Mẫu", key=KeyType.P256, now=now(), days=1)
    for name in "ab":
        text = f'id = "{name}"\nroots = "pki/root/root.pem"\nagency = "H98.1{name.upper()}"\n'
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path / "a.toml", tmp_path / "b.toml"


def let_in(path: Path, name: str) -> None:
    """Adds what `--setup` needs."""
    with path.open("a", encoding="utf-8") as file:
        file.write(
            f'nodes = "https://127.0.0.1:1"\n[kit]\nnode = "kit-{name}"\nagency = "H98.9"\n'
            'listen = "127.0.0.1:2"\nvia = "127.0.0.1:3"\n'
        )


def test_its_own_nodes_are_not_judged_in_the_place_of_those_named() -> None:
    found = run("--self", "a.toml", "b.toml")
    assert found.exit_code == CONFIG
    assert "--self starts its own nodes: it takes no files" in found.stderr


def test_every_assertion_is_listed() -> None:
    found = run("--list")
    assert found.exit_code == 0
    names = [line.split()[0] for line in found.stdout.splitlines()]
    assert sorted(names) == sorted(one.full_name for one in every_assertion())
    rows = json.loads(run("--list", "--json", "--only", "W4.5").stdout)
    assert {row["clause"] for row in rows} == {"W4.5"}
    assert all(row["title"] for row in rows)


@pytest.mark.parametrize("arguments", [("--list",), ("--self",)])
def test_a_name_of_nothing_is_refused_before_anything_starts(arguments: tuple[str, ...]) -> None:
    found = run(*arguments, "--only", "W4.99")
    assert found.exit_code == CONFIG
    assert "no assertion is of W4.99" in found.stderr


def test_a_name_that_is_nearly_one_is_answered_with_those_there_are() -> None:
    for near, meant in (("w4.5", "W4.5"), ("W4.5/samebytes", "W4.5/same-bytes")):
        assert meant in run("--list", "--only", near).stderr
    assert "--list has them all" in run("--list", "--only", "everything").stderr


def test_several_names_are_judged_together() -> None:
    found = run("--list", "--only", "W2", "--only", "W4.5", "--only", "W6.1/in-pieces").stdout
    names = [line.split()[0] for line in found.splitlines()]
    assert {name.partition(".")[0] for name in names} == {"W2", "W4", "W6"}
    assert [name for name in names if name.startswith("W6")] == ["W6.1/in-pieces"]


@pytest.mark.parametrize("option", ["--report", "--html", "--junit"])
def test_a_report_that_cannot_be_written_is_told_before_the_run(
    files: tuple[Path, Path], option: str
) -> None:
    found = run(*files, option, "nowhere/report")
    assert found.exit_code == CONFIG
    assert "nowhere/report cannot be written" in found.stderr
    assert not Path("conformance").exists()


@pytest.mark.parametrize("option", ["--keep", "--record", "--report"])
@pytest.mark.parametrize("place", ["a.toml/below", "a.toml/below/it"])
def test_a_place_below_a_file_is_told_before_the_run(
    files: tuple[Path, Path], option: str, place: str
) -> None:
    found = run(*files, option, place)
    assert found.exit_code == CONFIG, found.stderr
    assert place in found.stderr
    assert not Path("conformance").exists()


@pytest.mark.parametrize("content", [None, "nothing", ""])
def test_roots_that_are_none_are_named(files: tuple[Path, Path], content: str | None) -> None:
    text = files[1].read_text(encoding="utf-8").replace("pki/root/root.pem", "other.pem")
    files[1].write_text(text, encoding="utf-8")
    if content is not None:
        Path("other.pem").write_text(content, encoding="utf-8")
    found = run(*files, "--only", "W1")
    assert found.exit_code == CONFIG
    assert "roots of b: " in found.stderr


@pytest.mark.parametrize("member", ["listen", "via"])
def test_a_place_that_is_taken_is_named(files: tuple[Path, Path], member: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        let_in(files[0], "a")
        text = files[0].read_text(encoding="utf-8")
        for name, port in zip(("listen", "via"), free_ports(2), strict=True):
            at = place if name == member else f"127.0.0.1:{port}"
            text = re.sub(rf'(?m)^{name} = ".*"$', f'{name} = "{at}"', text)
        files[0].write_text(text, encoding="utf-8")
        reached = files[1].read_text(encoding="utf-8") + 'nodes = "https://127.0.0.1:1"\n'
        files[1].write_text(reached, encoding="utf-8")
        found = run(*files, "--only", "W2")
    assert found.exit_code == CONFIG
    assert f"{member} = " in found.stderr
    assert "the kit cannot listen there" in found.stderr


@pytest.mark.parametrize("name", ["W4.5.6", "w7", "everything", "W4/"])
def test_what_is_no_clause_cannot_be_unclaimed(
    files: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    """Else a slip of the pen would claim what was not meant to be."""
    profile = tmp_path / "profile.toml"
    profile.write_text(f'not_claimed = ["{name}"]\n', encoding="utf-8")
    found = run(*files, "--profile", profile, "--only", "W1")
    assert found.exit_code == CONFIG
    assert "not_claimed" in found.stderr


def test_the_terminal_is_told_chapters_and_reasons_not_nine_hundred_rows(
    files: tuple[Path, Path],
) -> None:
    told = run(*files).stdout.splitlines()
    assert len(told) < 90
    assert any(line.startswith("W4 ") and "Transfers" in line for line in told)
    assert any("of a: not configured: neighbour" in line for line in told)
    assert told[-1].endswith(f"{2 * len(every_assertion())} NOT CLAIMED")
    whole = run(*files, "--all", "--only", "W4.5").stdout
    assert "W4.5/same-bytes" in whole


@pytest.mark.parametrize("count", [0, 1, 3])
def test_two_files_are_asked_for(files: tuple[Path, Path], count: int) -> None:
    found = run(*[files[0]] * count)
    assert found.exit_code == CONFIG
    assert "two nodes are judged" in found.stderr


def test_the_same_node_twice_is_refused(files: tuple[Path, Path]) -> None:
    """What was found of it could be of either."""
    found = run(files[0], files[0], "--only", "W1")
    assert found.exit_code == CONFIG
    assert "two nodes are named a" in found.stderr


@pytest.mark.parametrize("more", [(), ("--setup",)])
def test_the_kit_is_another_neighbour_of_each(
    files: tuple[Path, Path], more: tuple[str, ...]
) -> None:
    for path in files:
        let_in(path, "same")
    found = run(*files, *more)
    assert found.exit_code == CONFIG
    assert "two nodes are named kit-same" in found.stderr
    assert not Path("conformance").exists()


def test_nothing_is_recorded_over_what_is_there(files: tuple[Path, Path], tmp_path: Path) -> None:
    found = run(*files, "--record", tmp_path)
    assert found.exit_code == CONFIG
    assert "is there already" in found.stderr


def test_a_node_that_lets_the_kit_in_nowhere_is_claimed_in_nothing(
    files: tuple[Path, Path],
) -> None:
    """No failure, and a report that says so, signed all the same."""
    found = run(*files, "--json", "--report", "report.asice")
    assert found.exit_code == 0, found.stderr
    rows = json.loads(found.stdout)["assertions"]
    assert len(rows) == 2 * len(every_assertion())
    assert {row["verdict"] for row in rows} == {"NOT CLAIMED"}
    assert all(row["detail"].startswith("not configured: ") for row in rows)
    root = Path("conformance/root.pem")
    checked = run("--check", "report.asice", "--root", root)
    assert checked.exit_code == 0
    assert f"signed by {credentials.RUNNER}" in checked.stdout


def test_a_profile_names_what_is_not_claimed(files: tuple[Path, Path], tmp_path: Path) -> None:
    profile = tmp_path / "profile.toml"
    profile.write_text('name = "small"\nnot_claimed = ["W4"]\n', encoding="utf-8")
    found = run(*files, "--json", "--profile", profile, "--only", "W4.5", "--only", "W5.1")
    document = json.loads(found.stdout)
    assert document["profile"] == {"name": "small", "not_claimed": ["W4"]}
    assert {row["detail"] for row in document["assertions"] if row["clause"] == "W4.5"} == {
        "the node's file or the profile says so"
    }


def test_reports_are_written_where_they_are_asked_for(files: tuple[Path, Path]) -> None:
    found = run(*files, "--only", "W1", "--junit", "j.xml", "--html", "p.html")
    assert found.exit_code == 0
    assert "0 FAIL, 0 INCONCLUSIVE" in found.stdout
    assert Path("j.xml").read_bytes().startswith(b"<?xml")
    assert Path("p.html").read_bytes().startswith(b"<!doctype html>")


def test_a_changed_report_is_refused(files: tuple[Path, Path]) -> None:
    run(*files, "--only", "W1", "--report", "report.asice")
    path = Path("report.asice")
    path.write_bytes(path.read_bytes().replace(b"NOT CLAIMED", b"PASS       ", 1))
    assert run("--check", path, "--root", "conformance/pki/root/root.pem").exit_code == DATA
    assert run("--check", path).exit_code == CONFIG
    assert run("--check", path, "--root", "none.pem").exit_code == CONFIG


def test_setup_says_what_to_configure_and_is_toml(files: tuple[Path, Path]) -> None:
    for path, name in zip(files, "ab", strict=True):
        let_in(path, name)
    found = run(*files, "--setup")
    assert found.exit_code == 0, found.stderr
    told = tomllib.loads(found.stdout)
    assert [one["id"] for one in told["neighbours"]] == ["kit-a", "kit-b"]
    directory = tomllib.loads(Path("conformance/directory.toml").read_text(encoding="utf-8"))
    assert [(one["id"], one["parent"]) for one in directory["nodes"]] == [
        ("kit-a", "a"),
        ("kit-b", "b"),
    ]
    assert f'"{Path("conformance/root.pem").resolve()}"' in found.stdout
    assert 'url = "https://127.0.0.1:3"' in found.stdout


def test_setup_again_is_the_same_and_one_more_node_joins(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    """What was configured for one run serves the next."""
    let_in(files[0], "a")
    first = run(*files, "--setup").stdout
    root = Path("conformance/pki/root/root.pem").read_bytes()
    assert run(*files, "--setup").stdout == first
    let_in(files[1], "b")
    assert run(*files, "--setup").exit_code == 0
    assert Path("conformance/pki/root/root.pem").read_bytes() == root
    made = credentials.Authority(Path("conformance/pki"))
    assert all(made.of(name).signer() for name in ("kit-a", "kit-b"))


def test_the_vectors_are_replayed() -> None:
    found = run("--replay", VECTORS)
    assert (found.exit_code, found.stdout.splitlines()[-1][-8:]) == (0, "0 do not")
    assert "6 receipts hold, 2 transfers hold" in found.stdout


def test_a_recording_under_another_root_fails(files: tuple[Path, Path], tmp_path: Path) -> None:
    found = run("--replay", VECTORS, "--root", tmp_path / "pki" / "root" / "root.pem")
    assert found.exit_code == 1
    assert "8 do not" in found.stdout
    assert run("--replay", tmp_path).exit_code == CONFIG
