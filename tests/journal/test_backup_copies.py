"""Copies of a journal are whole or say what they lack; a restore mixes nothing old into them."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.audit.epochs import Epoch
from relay.errors import JournalError
from relay.journal import backup
from relay.journal.backup import Progress, back_up, restore
from relay.journal.rows import ms
from relay.journal.store import DATABASE, SqliteJournal
from relay.model import Digest, NodeId, digest_of

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
CONTENTS = (b"one" * 1000, b"two" * 1000)
SILENT: Progress = lambda *_: None  # noqa: E731


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    return f"{size} {root.hex()}".encode()


def _file(folder: Path, digest: str) -> Path:
    return folder / "payloads" / digest[:2] / digest


def _keep(data: Path, content: bytes) -> Digest:
    """A payload file that the journal refers to."""
    digest = digest_of(content)
    path = _file(data, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO payloads (digest, size_bytes, path, stored_at) VALUES (?, ?, ?, 0)",
            (digest, len(content), digest),
        )
    return digest


def test_a_disks_own_folder_among_the_payloads_is_neither_copied_nor_opened(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`payloads` may be a disk of its own; its lost+found is not the node's, and closed to it."""
    (data / "payloads" / "lost+found" / "#131074").mkdir(parents=True)
    synced: list[str] = []
    monkeypatch.setattr(backup, "_fsync", lambda path: synced.append(path.name))

    back_up(data, tmp_path / "copy", AT, SILENT)
    (data / DATABASE).unlink()
    restore(tmp_path / "copy", data, NODE, SILENT)

    assert not list((tmp_path / "copy").rglob("lost+found"))
    assert synced
    assert "lost+found" not in synced


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A stopped node's data folder with two payload files."""
    folder = tmp_path / "data"
    folder.mkdir()
    journal = await SqliteJournal.open(folder, NODE, _sign_head, on_fatal=lambda _: None)
    await journal.close()
    for content in CONTENTS:
        _keep(folder, content)
    return folder


async def test_a_clock_that_was_ahead_at_the_backup_hides_nothing_from_the_recovery(
    tmp_path: Path,
) -> None:
    """What was exchanged after the log last grew is asked for, whatever the manifest says."""
    folder = tmp_path / "data"
    folder.mkdir()
    journal = await SqliteJournal.open(folder, NODE, _sign_head, on_fatal=lambda _: None)
    await journal.note("clock-jumped", AT, {"seconds": 86_400})
    await journal.close()
    for ahead, copy in ((timedelta(days=1), "ahead"), (-timedelta(days=1), "behind")):
        back_up(folder, tmp_path / copy, AT + ahead, SILENT)
        restore(tmp_path / copy, tmp_path / f"{copy}-again", NODE, SILENT)
    assert _mark(tmp_path / "ahead-again") == str(ms(AT))
    assert _mark(tmp_path / "behind-again") == str(ms(AT - timedelta(days=1)))


def _mark(data: Path) -> str | None:
    with closing(sqlite3.connect(data / DATABASE)) as connection:
        row = connection.execute("SELECT value FROM meta WHERE name = 'restored'").fetchone()
    return None if row is None else str(row[0])


def test_a_backup_that_lacks_a_payload_is_not_restored_by_mistake(
    data: Path, tmp_path: Path
) -> None:
    """One file of the copy is missing and one is cut: refused by name, then restored on demand."""
    copy, again = tmp_path / "copy", tmp_path / "again"
    assert back_up(data, copy, AT, SILENT).lost == ()
    missing, cut = (_file(copy, digest_of(content)) for content in CONTENTS)
    missing.unlink()
    cut.unlink()
    cut.write_bytes(CONTENTS[1][:100])

    with pytest.raises(JournalError, match="lacks 2 of 2 payload files"):
        restore(copy, again, NODE, SILENT)
    assert not (again / DATABASE).exists()

    lost = restore(copy, again, NODE, SILENT, incomplete=True).lost
    assert lost == tuple(sorted(digest_of(content) for content in CONTENTS))
    assert not [path for path in (again / "payloads").rglob("*") if path.is_file()]


def test_an_older_write_ahead_log_is_not_mixed_into_a_restored_journal(
    data: Path, tmp_path: Path
) -> None:
    """SQLite would apply it to whatever has the database's name; so nothing of a journal may be left."""
    back_up(data, tmp_path / "copy", AT, SILENT)
    (data / DATABASE).unlink()
    for suffix in ("-wal", "-shm", "-journal"):
        left = data / (DATABASE + suffix)
        left.write_bytes(b"of the lost journal")
        with pytest.raises(FileExistsError, match=f"holds {left.name}; move the whole folder away"):
            restore(tmp_path / "copy", data, NODE, SILENT)
        left.unlink()
    restore(tmp_path / "copy", data, NODE, SILENT)
    assert _mark(data) is not None


def test_payload_files_that_are_still_there_are_no_hindrance(data: Path, tmp_path: Path) -> None:
    """They are the backup's own files by another name, or damaged: then the copy's take their place."""
    copy = tmp_path / "copy"
    back_up(data, copy, AT, SILENT)
    (data / DATABASE).unlink()
    spoilt = _file(data, digest_of(CONTENTS[0]))
    spoilt.unlink()
    spoilt.write_bytes(b"spoilt")

    assert restore(copy, data, NODE, SILENT).lost == ()

    for content in CONTENTS:
        assert _file(data, digest_of(content)).read_bytes() == content
        assert _file(copy, digest_of(content)).read_bytes() == content


def test_what_leaves_by_retention_meanwhile_ends_no_backup(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was listed, and is gone when its turn comes; the journal no longer refers to it."""
    leaving = digest_of(b"leaving")
    _file(data, leaving).parent.mkdir(exist_ok=True)
    _file(data, leaving).write_bytes(b"leaving")
    link = backup._link

    def late(source: Path, target: Path) -> None:
        _file(data, leaving).unlink(missing_ok=True)
        link(source, target)

    monkeypatch.setattr(backup, "_link", late)
    made = back_up(data, tmp_path / "copy", AT, SILENT)

    assert (made.backup.payload_files, made.lost) == (2, ())


def test_a_file_that_the_node_has_lost_is_named_and_the_rest_is_copied(
    data: Path, tmp_path: Path
) -> None:
    """Or one bad block would end every backup from then on."""
    gone, kept = (digest_of(content) for content in CONTENTS)
    _file(data, gone).unlink()

    made = back_up(data, tmp_path / "copy", AT, SILENT)

    assert (made.backup.payload_files, made.lost) == (1, (gone,))
    assert _file(tmp_path / "copy", kept).read_bytes() == CONTENTS[1]
    assert restore(tmp_path / "copy", tmp_path / "again", NODE, SILENT, incomplete=True).lost == (
        gone,
    )


def test_a_share_that_syncs_no_folders_takes_a_backup(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are synced there; a folder is answered with EINVAL."""
    fsync = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", only_files)
    assert back_up(data, tmp_path / "copy", AT, SILENT).lost == ()
    assert (tmp_path / "copy" / backup.MANIFEST).exists()


@pytest.mark.parametrize("step", ["backup", "restore"])
def test_names_of_payload_files_are_on_the_disk_before_what_vouches_for_them(
    step: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut behind the manifest, or behind the journal's name, may take no file's name away."""
    copy, again = tmp_path / "copy", tmp_path / "again"
    if step == "restore":
        back_up(data, copy, AT, SILENT)
    synced: list[Path] = []
    fsync = os.fsync

    def seen(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", seen)
    if step == "backup":
        back_up(data, copy, AT, SILENT)
        made, vouching = copy, copy / backup.MANIFEST
    else:
        restore(copy, again, NODE, SILENT)
        made, vouching = again, again / f"{DATABASE}.coming"
    before = synced[: synced.index(vouching)]

    folders = {_file(made, digest_of(content)).parent for content in CONTENTS}
    assert folders | {made / "payloads"} <= set(before)
