"""`relay archive`: against a node with a journal and an archive, and with the folder alone."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from typer.testing import Result

from relay.signing import archives
from relay.signing.archives import archive_files
from relay.wire import packed
from relay.wire.packed import PackedFile
from tests.cli.conftest import Beside
from tests.evidence.archive_node import DAYS, Node
from tests.evidence.conftest import SENDER, Pki, make_authority

As = Callable[..., Result]
FIRST, SECOND = (f"019ab000-0000-7000-8000-{number:012}" for number in (1, 2))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_authority(tmp_path_factory.mktemp("archive") / "pki")


@pytest.fixture
def node(authority: Pki, tmp_path: Path) -> Node:
    (tmp_path / "node").mkdir()
    return Node(authority, tmp_path / "node")


@pytest.fixture
def beside(node: Node) -> Beside:
    """Two messages archived, each in a file of its own, and gone from the journal."""

    @asynccontextmanager
    async def doors() -> AsyncIterator[dict[str, Any]]:
        node.count = 1
        await node.start()
        for _ in range(2):
            await node.admit()
        node.at += 91 * DAYS
        await node.archiver.round()
        await node.sweeper.sweep()
        yield {"archive": node.desk, "bundles": node.evidence}
        await node.journal.close()

    return doors


@pytest.mark.parametrize("name", [str(SENDER), FIRST])
def test_a_hold_is_listed_with_who_and_why_until_it_is_released(as_: As, name: str) -> None:
    """Of a message or of an agency; only an operator may, and not without a reason."""
    assert as_("sender", "archive", "hold", name, "--why", "x").exit_code == 77
    assert as_("operator", "archive", "hold", name).exit_code != 0
    assert as_("operator", "archive", "hold", name, "--why", " ").exit_code != 0

    assert as_("operator", "archive", "hold", name, "--why", "inspection 12/TTr").exit_code == 0
    listed = as_("operator", "archive", "list", "--holds")
    assert name in listed.stdout
    assert "inspection 12/TTr" in listed.stdout
    (found,) = json.loads(as_("operator", "archive", "list", "--holds", "--json").stdout)
    kind = "message" if name == FIRST else "agency"
    assert (found["kind"], found["by"]) == (kind, "operator")

    assert as_("operator", "archive", "release", name, "--why", "done").exit_code == 0
    assert json.loads(as_("operator", "archive", "list", "--holds", "--json").stdout) == []
    again = as_("operator", "archive", "release", name, "--why", "done")
    assert again.exit_code != 0
    assert "not held" in again.stderr


def test_the_list_has_every_file_with_its_digest(as_: As, node: Node) -> None:
    """So that a copy can be compared with what the node knows."""
    files = json.loads(as_("operator", "archive", "list", "--json").stdout)
    assert [one["name"] for one in files] == [path.name for path in archive_files(node.folder)]
    assert files[1]["previous"] == files[0]["digest"]
    shown = as_("operator", "archive", "list").stdout
    assert all(one["digest"] in shown for one in files)


def test_a_folder_is_verified_up_to_the_digest_that_the_log_names(
    as_: As, relay: As, node: Node
) -> None:
    """Without a node; the first that does not fit is named."""
    last = json.loads(as_("operator", "archive", "list", "--json").stdout)[-1]["digest"]
    verify = ("archive", "verify", node.folder, "--root", node.authority.root)
    assert relay(*verify, "--last", last).exit_code == 0
    assert [one["messages"] for one in json.loads(relay(*verify, "--json").stdout)] == [1, 1]
    assert relay(*verify, "--last", "0" * 64).exit_code == 65
    first, second = archive_files(node.folder)
    second.write_bytes(second.read_bytes()[:-1])
    refused = relay(*verify)
    assert refused.exit_code == 65
    assert second.name in refused.stderr
    first.unlink()
    second.unlink()
    assert relay(*verify).exit_code == 66


def test_a_package_out_of_the_archive_needs_no_node(
    as_: As, relay: As, node: Node, tmp_path: Path
) -> None:
    """From the folder, from one of its files and from an evidence file the same comes as from the node."""
    asked = as_("operator", "archive", "package", FIRST, "--out", tmp_path / "asked")
    assert asked.exit_code == 0, asked.stderr
    first, second = archive_files(node.folder)
    assert relay("archive", "export", first, FIRST, "--out", tmp_path / "e.asice").exit_code == 0
    offline: tuple[tuple[object, ...], ...] = (
        (FIRST, "--archive", node.folder),
        (FIRST, "--archive", first),
        (tmp_path / "e.asice",),
    )
    for number, what in enumerate(offline):
        out = tmp_path / f"offline-{number}"
        result = relay("archive", "package", *what, "--out", out)
        assert result.exit_code == 0, result.stderr
        assert _content(out) == _content(tmp_path / "asked")
    for what, word in (
        ((FIRST, "--archive", second), "no message"),
        ((first,), "is an archive file"),
        ((first, "--archive", node.folder), "no message's id"),
        ((FIRST,), "no node named"),
        ((tmp_path / "none.asice",), "none.asice"),
    ):
        refused = relay("archive", "package", *what, "--out", tmp_path / "refused")
        assert refused.exit_code != 0
        assert word in refused.stderr
        assert not list(tmp_path.glob("refused*"))


def test_export_tells_of_a_damaged_file_and_looks_into_the_others(
    as_: As, relay: As, node: Node, tmp_path: Path
) -> None:
    """It hides nothing but what it held itself; the exit code says that newer evidence may be in there."""
    assert as_("operator", "archive", "list").exit_code == 0
    _, second = archive_files(node.folder)
    second.write_bytes(b"PK")
    out = tmp_path / "e.asice"
    result = relay("archive", "export", node.folder, FIRST, "--out", out)
    assert result.exit_code == 65
    assert result.stdout.strip() == str(out)
    assert second.name in result.stderr
    root = ("--root", node.authority.root)
    assert relay("evidence", "verify", out, *root).exit_code == 0
    missing = relay("archive", "export", node.folder, SECOND, "--out", tmp_path / "none")
    assert missing.exit_code == 65
    assert second.name in missing.stderr
    assert relay("archive", "export", node.folder, FIRST, "--out", out).exit_code == 73
    assert relay("archive", "export", node.folder, "x", "--out", tmp_path / "x").exit_code == 64


def _failing(bad: Path, contents: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
    """As of a disk that cannot read the end of the file `bad`."""

    def read(file: BinaryIO, entry: PackedFile) -> Iterator[bytes]:
        yield from contents(file, entry)
        if file.name == str(bad) and entry.name.endswith(".asice"):
            raise OSError(errno.EIO, "Input/output error")

    return read


@pytest.mark.parametrize("fault", ["damaged", "unreadable"])
def test_damage_that_shows_on_the_way_ends_no_export(
    as_: As, relay: As, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The newest file says that it holds the message, and its evidence is not to be had: an older one is."""
    assert as_("operator", "archive", "list").exit_code == 0
    first, second = archive_files(node.folder)
    newest = second.with_name(second.name.replace("000002", "000003"))
    content = bytearray(first.read_bytes())
    if fault == "damaged":
        content[content.index(FIRST.encode()) + 2000] ^= 1
    else:
        monkeypatch.setattr(archives, "contents", _failing(newest, packed.contents))
    newest.write_bytes(content)

    out = tmp_path / "e.asice"
    result = relay("archive", "export", node.folder, FIRST, "--out", out)
    assert result.exit_code == 65, result.output
    assert f"{newest.name} is passed over" in result.stderr
    assert relay("evidence", "verify", out, "--root", node.authority.root).exit_code == 0
    filed = relay("archive", "package", FIRST, "--archive", node.folder, "--out", tmp_path / "f")
    assert (filed.exit_code, newest.name in filed.stderr) == (65, True)
    assert (tmp_path / "f" / "evidence.asice").read_bytes() == out.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_what_is_no_file_under_an_archive_files_name_is_named_and_not_waited_for(
    relay: As, authority: Pki, tmp_path: Path
) -> None:
    """A pipe, a device and a file of terabytes are told from archive files before they are read."""
    name, root = "xa-archive-000001-20260101.asice", ("--root", authority.root)
    place = tmp_path / "archive"
    place.mkdir()
    made: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/nowhere"),
        _terabytes,
    )
    for make in made:
        make(place / name)
        refused = relay("archive", "verify", place, *root)
        assert (refused.exit_code, name in refused.stderr) == (65, True)
        passed = relay("archive", "export", place, FIRST, "--out", tmp_path / "x")
        assert passed.exit_code == 65
        assert name in passed.stderr
        (place / name).unlink()


def _terabytes(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 41)


def test_a_package_removes_no_file_that_was_there_before(relay: As, tmp_path: Path) -> None:
    """Not even one that has the name of the folder it works in."""
    mine = tmp_path / "out.part"
    mine.write_bytes(b"mine")
    asked = ("archive", "package", FIRST, "--archive", tmp_path, "--out", tmp_path / "out")
    assert relay(*asked).exit_code == 73
    assert mine.read_bytes() == b"mine"


def _content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
