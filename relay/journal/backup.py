"""Copy a journal while its node runs, and bring a copy back.

A backup is a folder: the journal as of one moment (SQLite's VACUUM INTO, one read transaction), the
payload files it refers to, and a manifest. Payload files never change once they have their name, so
they are linked where the file system allows it. A file that leaves by retention while the copy is made
was linked before the snapshot, or left before it; one that comes meanwhile is linked after it.

A restore compares every payload file with its name, which is its digest: a copy that came over only in
part is refused, unless it is all there is. The manifest, and in the data folder the journal, have their
names last and after the folders of all others are on the disk.

Touches: the data folder, reading; the backup's folder. Trusts: the journal's own rows.
Raises:  JournalError; InUseError when the folder to restore into belongs to a running node; FileExistsError
         where something is that would be written over, FileNotFoundError where no backup is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from relay.audit.entries import moment, parse
from relay.errors import JournalError
from relay.journal.epochs import mark_restored
from relay.journal.inspect import read_only
from relay.journal.migrate import migrate
from relay.journal.store import DATABASE, lock
from relay.journal.verifying import PUBLISHED, published_folders
from relay.model import NodeId

MANIFEST = "backup.json"
PAYLOADS = "payloads"
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, and would apply to whatever has its name."""

Progress = Callable[[int, int], None]
"""Payload files done, payload files in all."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup's manifest says."""

    node: NodeId
    made_at: str
    """RFC 3339, before anything was copied: what came later may be missing."""
    entries: int
    payload_files: int


@dataclass(frozen=True, slots=True)
class Copied:
    """`lost`: payload files that the journal refers to and that were not there, or not whole."""

    backup: Backup
    lost: tuple[str, ...]


def back_up(data: Path, target: Path, at: datetime, progress: Progress) -> Copied:
    """Copy the journal of a running or stopped node into `target`, which must not exist.

    What the node's own disk has lost keeps nothing else from being copied.
    """
    if not (data / DATABASE).is_file():
        raise JournalError(f"no journal in {data}")
    try:
        target.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "is there already", str(target)) from None
    try:
        _link_all(data / PAYLOADS, target / PAYLOADS)
        _snapshot(data / DATABASE, target / DATABASE)
        made = _complete(data, target, at, progress)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"the backup into {target} failed: {error}") from error
    manifest = json.dumps(asdict(made.backup), indent=2).encode() + b"\n"
    _write_durably(target / MANIFEST, manifest)
    return made


def restore(
    source: Path, data: Path, node: NodeId, progress: Progress, *, incomplete: bool = False
) -> Copied:
    """Bring a backup into a data folder that holds no journal; its next start begins a new epoch.

    One that lacks payload files is refused, but with `incomplete`.
    """
    backup = _read_manifest(source)
    if backup.node != node:
        raise JournalError(f"the backup is of node {backup.node}, not {node}")
    left = [name for name in _of_a_journal(DATABASE) if (data / name).exists()]
    if left:
        said = f"holds {', '.join(left)}; move the whole folder away first"
        raise FileExistsError(errno.EEXIST, said, str(data))
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = lock(data)
    try:
        lost = _bring_back(source, data, backup, progress, incomplete=incomplete)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"the restore into {data} failed: {error}") from error
    finally:
        os.close(handle)
    return Copied(backup, lost)


def _of_a_journal(database: str) -> tuple[str, ...]:
    return database, *(database + suffix for suffix in _BESIDE)


def _snapshot(source: Path, target: Path) -> None:
    with closing(read_only(source)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    target.chmod(0o600)
    _fsync(target)


def _complete(data: Path, target: Path, at: datetime, progress: Progress) -> Copied:
    """Every payload file the snapshot refers to, no other, and what the snapshot is of."""
    with closing(read_only(target / DATABASE)) as connection:
        node = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
        entries = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        names = _referred(connection)
    if node is None:
        raise JournalError("the journal belongs to no node yet")
    lost: list[str] = []
    for done, name in enumerate(sorted(names), 1):
        place = Path(PAYLOADS, name[:2], name)
        try:
            if not (target / place).exists():
                _link(data / place, target / place)
        except FileNotFoundError:
            lost.append(name)
        progress(done, len(names))
    for path in (target / PAYLOADS).glob("*/*"):
        if path.name not in names:
            path.unlink()
    _fsync_folders(target / PAYLOADS)
    backup = Backup(NodeId(node[0]), at.isoformat(), entries, len(names) - len(lost))
    return Copied(backup, tuple(lost))


def _referred(connection: sqlite3.Connection) -> set[str]:
    """Names of the payload files that a journal refers to; each is the digest of its content."""
    return {
        row[0] for row in connection.execute("SELECT path FROM payloads WHERE path IS NOT NULL")
    }


def _bring_back(
    source: Path, data: Path, backup: Backup, progress: Progress, *, incomplete: bool
) -> tuple[str, ...]:
    """The journal under its own name last: a restore that broke off left no journal. What was lost."""
    coming = data / f"{DATABASE}.coming"
    for name in _of_a_journal(coming.name):
        coming.with_name(name).unlink(missing_ok=True)  # of a restore that broke off
    shutil.copyfile(source / DATABASE, coming)
    coming.chmod(0o600)
    with closing(sqlite3.connect(coming, isolation_level=None)) as connection:
        migrate(connection)
        mark_restored(connection, _since(connection, datetime.fromisoformat(backup.made_at)))
        names = sorted(_referred(connection))
    lost = _bring_payloads(source / PAYLOADS, data / PAYLOADS, names, progress)
    if lost and not incomplete:
        raise JournalError(
            f"the backup lacks {len(lost)} of {len(names)} payload files, or they are damaged, the "
            f"first is {PAYLOADS}/{lost[0][:2]}/{lost[0]}; copy it again, or if there is no other, "
            "restore it with --incomplete"
        )
    _fsync(coming)
    _set_aside(data)
    coming.rename(data / DATABASE)
    _fsync(data)
    return lost


def _since(connection: sqlite3.Connection, made_at: datetime) -> datetime:
    """From when on something may be missing: the machine's clock may have been ahead when the copy was
    made, but whatever was exchanged until the log last grew is in it."""
    row = connection.execute(
        "SELECT leaf FROM entries ORDER BY entry_index DESC LIMIT 1"
    ).fetchone()
    return made_at if row is None else min(made_at, moment(str(parse(row[0])["at"])))


def _bring_payloads(
    source: Path, target: Path, names: Iterable[str], progress: Progress
) -> tuple[str, ...]:
    """Copied and on the disk, but for those that are not there or not what they are named after."""
    lost, names = [], list(names)
    target.mkdir(exist_ok=True, mode=0o700)
    for done, name in enumerate(names, 1):
        if not _copied(source / name[:2] / name, target / name[:2] / name):
            lost.append(name)
        progress(done, len(names))
    _fsync_folders(target)
    return tuple(lost)


def _copied(source: Path, target: Path) -> bool:
    """Whether the bytes are those of the name. What stands there already may be the backup's own file
    by another name: it is left as it is, or removed, and never written into."""
    if _digest(target) == target.name:
        return True
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    if not source.is_file():
        return False
    shutil.copyfile(source, target)
    _fsync(target)
    if _digest(target) == target.name:
        return True
    target.unlink()
    return False


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _is_ours(folder: Path) -> bool:
    """Where files stand under their digests: not what is still coming, nor a disk's own lost+found."""
    return len(folder.name) == 2


def _fsync_folders(payloads: Path) -> None:
    """Files have their names durably once their folder is synced."""
    for folder in payloads.iterdir():
        if _is_ours(folder):
            _fsync(folder)
    _fsync(payloads)
    _fsync(payloads.parent)


def _set_aside(data: Path) -> None:
    """What was published before the restore may go beyond it: it is kept, for it is evidence, but not
    written on."""
    if not published_folders(data):
        return
    log = data / PUBLISHED
    number = next(n for n in count(1) if not log.with_name(f"log.before-{n}").exists())
    try:
        log.rename(log.with_name(f"log.before-{number}"))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        said = f"{log} is a disk of its own: move what was published there away, it is evidence"
        raise JournalError(said) from None


def _read_manifest(source: Path) -> Backup:
    try:
        found = json.loads((source / MANIFEST).read_bytes())
        backup = Backup(**found)
        datetime.fromisoformat(backup.made_at)
    except (FileNotFoundError, NotADirectoryError):
        said = "holds no backup, or one that broke off"
        raise FileNotFoundError(errno.ENOENT, said, str(source)) from None
    except (OSError, ValueError, TypeError) as error:
        raise JournalError(f"the manifest in {source} cannot be read: {error}") from error
    return backup


def _link_all(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.glob("*/*"):
        if _is_ours(path.parent):
            with suppress(FileNotFoundError):  # it left by retention since it was listed
                _link(path, target / path.relative_to(source))


def _link(source: Path, target: Path) -> None:
    """A second name for the same bytes, or where that cannot be, a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        _fsync(target)


def _write_durably(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _fsync(path)
    _fsync(path.parent)


def _fsync(path: Path) -> None:
    """Network shares and sticks may sync no folders; that is no reason to have no backup there."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(handle)
