"""The published files say what the journal holds, whatever happens to the process, the disk, the files."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from relay.audit.checkpoint import head_of
from relay.audit.tiles import ENTRIES, Tile, tiles_of
from relay.audit.tree import leaf_hash
from relay.errors import AuditError
from relay.journal.publishing import heads_due
from tests.journal.published_log import Log, publish


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def files_of(log: Log) -> set[str]:
    return {str(p.relative_to(log.folder / "0")) for p in log.folder.rglob("*") if p.is_file()}


def test_whatever_its_growth_the_log_s_files_are_those_of_its_size(log: Log) -> None:
    random = Random(6)
    publisher = log.publisher()
    while len(log.leaves) < 2000:
        publish(publisher, log.grow(random.randrange(1, 300)))
        if random.random() < 0.3:
            publisher = log.publisher()  # another process goes on
        assert log.check_published() == len(log.leaves)
    expected = {tile.path for tile in tiles_of(len(log.leaves))}
    assert expected | {"checkpoint"} <= files_of(log)


def test_partial_tiles_leave_once_their_full_one_is_there_and_can_be_read_all_the_same(
    log: Log,
) -> None:
    publisher = log.publisher()
    publish(publisher, log.grow(5))
    publish(publisher, log.grow(5))
    assert {"tile/0/000.p/5", "tile/0/000.p/10", "tile/entries/000.p/5"} <= files_of(log)
    publish(publisher, log.grow(300))
    assert not [name for name in files_of(log) if "000.p/" in name and "tile/1" not in name]
    assert publisher.files.read(Tile(0, 0, 5)) == b"".join(map(leaf_hash, log.leaves[:5]))
    assert publisher.files.read(Tile(ENTRIES, 0, 2)).endswith(b"entry 1")


def test_a_log_that_was_never_published_catches_up_in_slices_and_resumes(log: Log) -> None:
    note = log.grow(3000)
    first = log.publisher()
    assert not first.write(head_of(note), 1024).done
    assert log.check_published() == 0
    again = log.publisher()
    assert not again.write(head_of(note), 1024).done
    assert (log.folder / "0/tile/0/007").exists()
    assert not (log.folder / "0/tile/0/008").exists()
    assert publish(again, note, 1024) == 0
    assert log.check_published() == 3000
    assert "progress" not in files_of(log)


class Died(BaseException):
    """As a SIGKILL: nothing is put in order."""


def dying(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> list[int]:
    """The system call of that number and all that follow raise; how many there were."""
    count = [0]

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            count[0] += 1
            if count[0] >= at:
                raise error
            return real(*args, **named)

        return call

    monkeypatch.setattr(os, "write", failing(os.write))
    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    monkeypatch.setattr(Path, "mkdir", failing(Path.mkdir))
    monkeypatch.setattr(Path, "unlink", failing(Path.unlink))
    monkeypatch.setattr(shutil, "rmtree", failing(shutil.rmtree))
    return count


@pytest.mark.parametrize(
    "error",
    [Died(), OSError(errno.ENOSPC, "no space"), OSError(errno.EIO, "input/output error")],
    ids=["killed", "full", "broken"],
)
def test_whichever_step_fails_the_published_log_holds_and_the_next_try_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    at = 0
    while True:
        at += 1
        (tmp_path / str(at)).mkdir()
        log = Log(tmp_path / str(at))
        publisher = log.publisher()
        publish(publisher, log.grow(250))
        note = log.grow(10)
        with monkeypatch.context() as patched:
            dying(patched, at, error)
            try:
                publish(publisher, note)
                survived = True
            except (Died, OSError):
                survived = False
        assert log.check_published() in {250, 260}
        note = log.grow(1)
        publish(log.publisher() if isinstance(error, Died) else publisher, note)
        assert log.check_published() == 261
        log.db.close()
        if survived:
            break
    assert at > 20


@pytest.mark.parametrize("hurt", ["flipped", "emptied", "removed", "linked", "folder", "longer"])
def test_a_file_that_was_changed_is_found_and_mended(log: Log, hurt: str) -> None:
    note = log.grow(1000)
    publish(log.publisher(), note)
    for name in sorted(files_of(log)):
        path = log.folder / "0" / name
        content = path.read_bytes()
        path.unlink()
        if hurt == "flipped":
            path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        elif hurt == "emptied":
            path.write_bytes(b"")
        elif hurt == "linked":
            path.symlink_to("/etc/passwd")
        elif hurt == "folder":
            path.mkdir()
            (path / "foreign").touch()
        elif hurt == "longer":
            path.write_bytes(content + b"\n")
        publisher = log.publisher()
        if name != "checkpoint":
            with pytest.raises(AuditError):
                log.check_published()
            publisher.doubt()
        publish(publisher, note)
        assert log.check_published() == 1000
        assert path.read_bytes() == content


def test_a_large_log_is_mended_in_slices_too(log: Log) -> None:
    note = log.grow(3000)
    publish(log.publisher(), note)
    (log.folder / "0/tile/0/009").write_bytes(bytes(8192))
    publisher = log.publisher()
    publisher.doubt()
    assert publish(publisher, note, 1024) == 1
    assert log.check_published() == 3000
    assert not publisher.doubted


def test_a_damaged_right_edge_is_never_built_on(log: Log) -> None:
    publish(log.publisher(), log.grow(1000))
    edge = log.folder / "0/tile/1/000.p/3"
    edge.write_bytes(bytes(96))
    publish(log.publisher(), log.grow(300))
    assert log.check_published() == 1300
    assert not edge.exists()
    assert log.publisher().files.read(Tile(1, 0, 3)) != bytes(96)


def test_a_journal_that_was_edited_is_not_published_and_the_files_stay(log: Log) -> None:
    publish(log.publisher(), log.grow(600))
    before = {name: (log.folder / "0" / name).read_bytes() for name in files_of(log)}
    log.db.execute(
        "UPDATE entries SET leaf = x'61', leaf_hash = ? WHERE entry_index = 3", (leaf_hash(b"a"),)
    )
    publisher = log.publisher()
    publisher.doubt()
    with pytest.raises(AuditError, match="do not give the root"):
        publish(publisher, log.grow(10))
    assert {name: (log.folder / "0" / name).read_bytes() for name in before} == before


def test_a_log_that_was_cut_back_or_forked_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    log, other = Log(tmp_path / "a"), Log(tmp_path / "b")
    publish(log.publisher(), log.grow(600))
    other.folder = log.folder
    with pytest.raises(AuditError, match="cut back"):
        publish(other.publisher(), other.grow(599))
    other.leaves.append(b"another history")
    other.db.execute(
        "INSERT INTO entries VALUES (599, ?, ?)",
        (b"another history", leaf_hash(b"another history")),
    )
    other.frontier.append(leaf_hash(b"another history"))
    with pytest.raises(AuditError, match="the checkpoint that is published"):
        publish(other.publisher(), other.grow(100))
    assert log.check_published() == 600


def test_the_journal_s_heads_are_those_of_every_epoch(log: Log) -> None:
    note = log.grow(3)
    log.db.execute("INSERT INTO epochs VALUES (0, ?)", (note,))
    log.db.execute("INSERT INTO meta VALUES ('epoch', '1')")
    due = heads_due(log.path)
    assert [one.present for one in due] == [False, True]
