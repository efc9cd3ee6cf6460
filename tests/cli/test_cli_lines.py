"""`--lines`: what came of several files, a line of JSON for each, as docs/conformance.md has its members."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.conformance.drafts import Told
from relay.conformance.log_drafts import LogDraft
from relay.conformance.office import (
    NEXT,
    ORIGIN,
    RECIPIENT,
    WITNESS,
    Office,
    key_of,
    spoilt,
)
from relay.conformance.tile_drafts import published
from relay.model import Finding

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
VERIFY, CHECK = ("evidence", "verify"), ("audit", "check-export")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office()
    (tmp_path / "root.pem").write_bytes(made.root_pem)
    return made


def relay(folder: Path, command: tuple[str, str], *arguments: object) -> Result:
    words = [*command, "--root", str(folder / "root.pem"), *map(str, arguments)]
    return CliRunner().invoke(app, words)


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def members_of_the_page() -> set[str]:
    section = PAGE.read_text(encoding="utf-8").partition("## Commands that judge files")[2]
    return set(re.findall(r"^\| `([a-z_]+)` \|", section.partition("\n## ")[0], re.MULTILINE))


def lines(found: Result) -> list[dict[str, Any]]:
    return [json.loads(one) for one in found.stdout.splitlines()]


def test_each_evidence_file_has_a_line_with_the_members_of_the_page(
    tmp_path: Path, office: Office
) -> None:
    told = Told(office, findings=(Finding("odd", "something odd"),))
    told.followed = told.receipts[2:]
    good = written(tmp_path, "good", told.file())
    told.line = spoilt(told.line)
    bad = written(tmp_path, "bad", told.file())

    found = relay(tmp_path, VERIFY, "--lines", good, bad)

    assert found.exit_code == 65
    first, second = lines(found)
    assert set(first) == members_of_the_page()
    by = [WITNESS]
    digests = [one.digest for one in told.receipts]
    own = [{"receipt": one, "log": ORIGIN, "cosigned_by": by} for one in digests]
    end: dict[str, Any] = {
        "event": "ContentHandover",
        "reason": None,
        "by": NEXT,
        "without_evidence": [],
    }
    assert first == {
        "file": str(good),
        "holds": True,
        "reasons": [],
        "revocation": "unknown",
        "proofs": [*own, {"receipt": digests[2], "log": NEXT, "cosigned_by": by}],
        "no_proof_came": [digests[1]],
        "findings": [{"by": ORIGIN, "said": ["odd: something odd"]}],
        "recipients": {RECIPIENT: end},
    }
    assert (second["file"], second["holds"]) == (str(bad), False)
    assert second["reasons"] == ["bad-proof"] * 3


def test_all_that_hold_is_success(tmp_path: Path, office: Office) -> None:
    good = written(tmp_path, "good", Told(office).file())
    assert relay(tmp_path, VERIFY, "--lines", good, good).exit_code == 0


def test_what_is_no_container_has_a_line_too(tmp_path: Path, office: Office) -> None:
    found = relay(tmp_path, VERIFY, "--lines", written(tmp_path, "junk", b"junk"))
    assert found.exit_code == 65
    (line,) = lines(found)
    assert (line["holds"], line["proofs"], line["recipients"]) == (False, [], {})
    assert line["revocation"] == "unknown"


def test_each_exported_log_has_a_line(tmp_path: Path, office: Office) -> None:
    draft = LogDraft(office)
    draft.lines = office.cosignature(draft.log.note)
    unknown = written(tmp_path, "unknown", draft.file())
    draft.carried = office.log_keys[WITNESS].chain
    known = written(tmp_path, "known", draft.file())
    draft.lines = spoilt(draft.lines)
    spoilt_one = written(tmp_path, "spoilt", draft.file())

    found = relay(tmp_path, CHECK, "--lines", unknown, known, spoilt_one)

    assert found.exit_code == 65
    name = "truc-relay.example/witness/kit-witness"
    assert lines(found) == [
        {"file": str(unknown), "holds": True, "reasons": [], "cosigned_by": []},
        {"file": str(known), "holds": True, "reasons": [], "cosigned_by": [name]},
        {"file": str(spoilt_one), "holds": False, "reasons": ["bad-witnesses"], "cosigned_by": []},
    ]


def folder_of(place: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return place


def fsck(office: Office, *arguments: object) -> Result:
    """By the key of the office's log."""
    words = ["audit", "fsck", "--vkey", key_of(office.log_keys[ORIGIN]), *map(str, arguments)]
    return CliRunner().invoke(app, words)


def test_each_published_log_has_a_line(tmp_path: Path, office: Office) -> None:
    """A cosignature by who is not known says nothing against it; a folder with no log in it holds no log."""
    log = LogDraft(office).log
    line = office.cosignature(log.note)
    good = folder_of(tmp_path / "good", published(log.note + line, log.leaves))
    bad = folder_of(tmp_path / "bad", published(log.note, log.leaves[::-1]))
    bare = folder_of(tmp_path / "bare", {"checkpoint": log.note})
    none = folder_of(tmp_path / "none", {"readme": b""})

    found = fsck(office, "--lines", good, bad, bare, none)

    assert found.exit_code == 65
    told = [(one["file"], one["holds"], one["reasons"]) for one in lines(found)]
    assert told == [
        (str(good), True, []),
        (str(bad), False, ["damaged"]),
        (str(bare), False, ["damaged"]),
        (str(none), False, ["missing"]),
    ]
    assert all(bool(one["said"]) is not one["holds"] for one in lines(found))


def test_a_published_log_holds_by_a_key_alone(tmp_path: Path, office: Office) -> None:
    log = LogDraft(office).log
    good = folder_of(tmp_path / "good", published(log.note, log.leaves))
    (line,) = lines(CliRunner().invoke(app, ["audit", "fsck", "--lines", str(good)]))
    assert (line["holds"], line["reasons"]) == (False, ["unknown"])


def test_several_published_logs_are_judged_with_lines_alone(tmp_path: Path, office: Office) -> None:
    log = LogDraft(office).log
    folders = [
        folder_of(tmp_path / name, published(log.note, log.leaves)) for name in ("one", "other")
    ]
    assert fsck(office, *folders).exit_code == 64
    assert fsck(office, "--lines", *folders).exit_code == 0


@pytest.mark.parametrize("command", [VERIFY, CHECK])
def test_several_files_are_judged_with_lines_alone(
    tmp_path: Path, office: Office, command: tuple[str, str]
) -> None:
    files = [written(tmp_path, name, b"") for name in ("one", "other")]
    found = relay(tmp_path, command, *files)
    assert found.exit_code == 64
    assert "--lines" in found.stderr


def test_a_page_shows_one_file(tmp_path: Path, office: Office) -> None:
    good = written(tmp_path, "good", Told(office).file())
    found = relay(tmp_path, VERIFY, "--lines", good, "--html", tmp_path / "page.html")
    assert found.exit_code == 64
    assert not (tmp_path / "page.html").exists()
