"""The archive under fire: kills, full disks, records that fail, journals brought back from a backup."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.errors import ReserveError
from relay.journal import archiving
from relay.journal.archive_files import ASIDE, ArchiveWriting
from relay.journal.archiving import ArchiveTable
from relay.journal.backup import back_up, restore
from relay.model import Digest, MessageId
from relay.signing.archives import archive_files as files_of
from relay.signing.archives import evidence_in, verify_next
from tests.evidence import archive_kills
from tests.evidence.archive_node import DAYS, Node
from tests.evidence.conftest import XA, Pki

KILLS = re.findall(r"^ {4}(\w+:\w+) ", archive_kills.__doc__ or "", re.MULTILINE)
FIRST = MessageId("019ab000-0000-7000-8000-000000000001")


@pytest.fixture
async def node(authority: Pki, tmp_path: Path) -> AsyncIterator[Node]:
    made = await Node(authority, tmp_path).start()
    yield made
    await made.journal.close()


async def _nothing_is_lost_nor_doubled(node: Node, message: MessageId) -> None:
    """In the journal or in a file that is recorded; after the next round in one file, once, whole."""
    assert await node.in_journal(1) or await node.table.find(message) is not None
    node.at += DAYS
    await node.archiver.round()
    await node.sweeper.sweep()
    assert not await node.in_journal(1)
    assert node.in_archive(message) == 1
    assert node.refused(await node.export(message)) == []
    (path,) = node.folder.iterdir()
    verify_next(path, None, node.authority.trust)
    assert len(await node.events("archive-written")) == 1


@pytest.fixture(scope="module")
def killed(authority: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", archive_kills.__name__, str(authority.folder), str(folder)]
    subprocess.run([*command, *KILLS], check=True, timeout=120)
    return folder


@pytest.mark.parametrize("point", KILLS)
async def test_sigkill_at_any_step_loses_nothing_and_doubles_nothing(
    authority: Pki, killed: Path, point: str
) -> None:
    """From the first byte written until the payload has left the journal."""
    node = Node(authority, killed / point)
    node.at += 91 * DAYS
    await node.start()
    try:
        await _nothing_is_lost_nor_doubled(node, FIRST)
    finally:
        await node.journal.close()


_STEPS = ["put:before", "_close:before", "_close:after", "_name:before", "_name:after"]


@pytest.mark.parametrize("point", [*_STEPS, "record:before", "record:after"])
async def test_a_fault_of_the_disk_at_any_step_is_made_good_by_the_next_round(
    node: Node, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Without a restart, and on another day, whose file has another name."""
    message = await node.admit()
    node.at += 91 * DAYS
    with monkeypatch.context() as patched:
        _fails(patched, point)
        with pytest.raises(OSError, match="No space"):
            await node.archiver.round()
    await node.sweeper.sweep()
    await _nothing_is_lost_nor_doubled(node, message)


def _fails(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    name, _, when = point.partition(":")
    owner: Any = ArchiveTable if name == "record" else ArchiveWriting
    real = getattr(owner, name)

    def sync(*args: Any) -> None:
        if when == "after":
            real(*args)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def later(*args: Any) -> None:
        if when == "after":
            await real(*args)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(owner, name, sync if name.startswith("_") else later)


async def test_each_step_is_durable_before_the_next(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file before it gets its name, its name before it is recorded: a power cut takes no step back."""
    await node.admit()
    node.at += 91 * DAYS
    steps: list[str] = []
    fsync, rename, record = os.fsync, Path.rename, archiving._record

    def fsynced(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink()
        if node.folder in (name, name.parent):
            steps.append(f"fsync {'folder' if name == node.folder else name.suffix}")
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append(f"rename {path.suffix}")
        return rename(path, target)

    def recorded(*args: Any) -> None:
        steps.append("record")
        record(*args)

    monkeypatch.setattr(os, "fsync", fsynced)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(archiving, "_record", recorded)
    await node.archiver.round()

    assert steps == ["fsync .part", "rename .part", "fsync folder", "record"]


async def test_the_reserve_of_the_disk_is_kept(node: Node) -> None:
    """Where there is no room nothing is begun for long: no file is left, and nothing leaves."""
    await node.admit()
    node.at += 91 * DAYS

    def refuse(size_bytes: int) -> None:
        raise ReserveError("no room")

    node.room = refuse
    with pytest.raises(ReserveError):
        await node.archiver.round()
    await node.sweeper.sweep()

    assert await node.in_journal(1)
    assert list(node.folder.iterdir()) == []


async def test_files_of_another_node_in_the_folder_are_left_alone(node: Node) -> None:
    """Neither removed nor renamed, whatever their number."""
    node.folder.mkdir()
    others = {"tinh-archive-000009-20261123.asice", "tinh-archive-000010-20261123.asice.part"}
    for name in others:
        (node.folder / name).write_bytes(b"theirs")
    await node.archiver.round()
    assert {path.name for path in node.folder.iterdir()} == others


# ---------------------------------------------------------------- a journal brought back


async def _restored(node: Node, backup: Path) -> Node:
    """The node after its journal was lost: the backup brought back, its archive folder still there."""
    await node.journal.close()
    lost = node.data
    node.data = backup.with_name("again")
    restore(backup, node.data, XA, lambda *_: None)
    shutil.copytree(lost / "archive", node.data / "archive")
    node.folder = node.data / "archive"
    await node.start()
    await node.journal.recover(node.at)
    assert await node.events("epoch-started")
    return node


async def test_what_was_archived_before_a_restore_verifies_and_is_exported(
    node: Node, tmp_path: Path
) -> None:
    """In the log's new epoch the chain goes on from the file that the journal knows."""
    message = await node.admit()
    node.at += 91 * DAYS
    (first,) = await node.archiver.round()
    await node.sweeper.sweep()
    evidence = await node.export(message)
    back_up(node.data, tmp_path / "backup", node.at, lambda *_: None)

    await _restored(node, tmp_path / "backup")

    assert await node.export(message) == evidence
    assert node.refused(evidence) == []
    await node.admit()
    node.at += 91 * DAYS
    (second,) = await node.archiver.round()
    assert (second.number, second.previous) == (2, first.digest)
    before = None
    for path in files_of(node.folder):
        before = verify_next(path, before, node.authority.trust)


async def test_a_backup_made_while_a_file_gets_its_name_does_not_take_it_for_unrecorded(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal that was lost recorded it a moment later."""
    await node.admit()
    node.at += 91 * DAYS
    announce = ArchiveTable.announce

    async def announced(table: ArchiveTable, digest: Digest) -> None:
        await announce(table, digest)
        back_up(node.data, tmp_path / "backup", node.at, lambda *_: None)

    with monkeypatch.context() as patched:
        patched.setattr(ArchiveTable, "announce", announced)
        (written,) = await node.archiver.round()
    await _restored(node, tmp_path / "backup")
    await node.archiver.round()
    names = sorted(path.name for path in node.folder.iterdir())
    assert names == [written.name, written.name + ASIDE]


async def test_what_was_archived_after_the_backup_is_set_aside_whole(
    node: Node, tmp_path: Path
) -> None:
    """A log that is no more names it, and it may be the only copy: never removed, never taken for one of the
    chain, and evidence comes out of it as before."""
    message = await node.admit()
    await node.admit()
    back_up(node.data, tmp_path / "backup", node.at, lambda *_: None)
    node.at += 91 * DAYS
    (written,) = await node.archiver.round()

    await _restored(node, tmp_path / "backup")
    (again,) = await node.archiver.round()
    aside = [path for path in node.folder.iterdir() if path.name.startswith(f"{written.name}.")]
    assert again.number == written.number
    assert [path.name for path in files_of(node.folder)] == [again.name]
    (kept,) = aside
    assert node.refused(b"".join(evidence_in(kept, message) or ())) == []
    assert node.refused(await node.export(message)) == []

    await node.journal.perform(lambda tx: tx.run("DELETE FROM archived"))
    await node.journal.perform(lambda tx: tx.run("DELETE FROM archive_files"))
    await node.archiver.round()
    assert kept.read_bytes()
    assert len([path for path in node.folder.iterdir() if ".unrecorded" in path.name]) == 2
