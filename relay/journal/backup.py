"""Copy a journal while its node runs, and bring a copy back.

A backup is a folder: the journal as of one moment (SQLite's VACUUM INTO, one read transaction), the
payload files it refers to, and a manifest. Payload files never change once they have their name, so
they are linked where the file system allows it. A file that leaves by retention while the copy is made
was linked before the snapshot; one that comes meanwhile is linked after it.

Touches: the data folder, reading; the backup's folder. Trusts: the journal's own rows.
Raises:  JournalError; InUseError when the folder to restore into belongs to a running node.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from relay.errors import JournalError
from relay.journal.epochs import mark_restored
from relay.journal.inspect import read_only
from relay.journal.migrate import migrate
from relay.journal.store import DATABASE, lock
from relay.model import NodeId

MANIFEST = "backup.json"
PAYLOADS = "payloads"
LOG = "log"
"""The published tiles are made anew from the journal, so no backup carries them."""
_COMING = "coming"

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


def back_up(data: Path, target: Path, at: datetime, progress: Progress) -> Backup:
    """Copy the journal of a running or stopped node into `target`, which must not exist."""
    if not (data / DATABASE).is_file():
        raise JournalError(f"no journal in {data}")
    try:
        target.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise JournalError(f"{target} is there already") from None
    try:
        _link_all(data / PAYLOADS, target / PAYLOADS)
        _snapshot(data / DATABASE, target / DATABASE)
        backup = _complete(data, target, at, progress)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"the backup into {target} failed: {error}") from error
    _write_durably(target / MANIFEST, json.dumps(asdict(backup), indent=2).encode() + b"\n")
    return backup


def restore(source: Path, data: Path, node: NodeId, progress: Progress) -> Backup:
    """Bring a backup into a data folder that holds no journal; its next start begins a new epoch."""
    backup = _read_manifest(source)
    if backup.node != node:
        raise JournalError(f"the backup is of node {backup.node}, not {node}")
    if (data / DATABASE).exists():
        raise JournalError(f"{data} holds a journal; move it away first")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = lock(data)
    try:
        _bring_back(source, data, backup, progress)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"the restore into {data} failed: {error}") from error
    finally:
        os.close(handle)
    return backup


def _snapshot(source: Path, target: Path) -> None:
    with closing(read_only(source)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    target.chmod(0o600)
    _fsync(target)


def _complete(data: Path, target: Path, at: datetime, progress: Progress) -> Backup:
    """Every payload file the snapshot refers to, no other, and what the snapshot is of."""
    with closing(read_only(target / DATABASE)) as connection:
        node = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
        entries = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        names = {
            row[0] for row in connection.execute("SELECT path FROM payloads WHERE path IS NOT NULL")
        }
    if node is None:
        raise JournalError("the journal belongs to no node yet")
    for done, name in enumerate(sorted(names), 1):
        place = Path(PAYLOADS, name[:2], name)
        if not (target / place).exists():
            _link(data / place, target / place)
        progress(done, len(names))
    for path in (target / PAYLOADS).glob("*/*"):
        if path.name not in names:
            path.unlink()
    return Backup(NodeId(node[0]), at.isoformat(), entries, len(names))


def _bring_back(source: Path, data: Path, backup: Backup, progress: Progress) -> None:
    """The journal last and under its own name last: a restore that broke off left no journal."""
    files = sorted((source / PAYLOADS).glob("*/*"))
    for done, path in enumerate(files, 1):
        copy = data / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        _fsync(copy)
        progress(done, len(files))
    coming = data / f"{DATABASE}.coming"
    shutil.copyfile(source / DATABASE, coming)
    coming.chmod(0o600)
    with closing(sqlite3.connect(coming, isolation_level=None)) as connection:
        migrate(connection)
        mark_restored(connection, datetime.fromisoformat(backup.made_at))
    _fsync(coming)
    _set_aside(data / LOG)
    coming.rename(data / DATABASE)
    _fsync(data)


def _set_aside(log: Path) -> None:
    """What was published before the restore may go beyond it: it is kept, for it is evidence, but not
    written on."""
    if log.is_dir():
        number = next(n for n in count(1) if not log.with_name(f"log.before-{n}").exists())
        log.rename(log.with_name(f"log.before-{number}"))


def _read_manifest(source: Path) -> Backup:
    try:
        found = json.loads((source / MANIFEST).read_bytes())
        backup = Backup(**found)
        datetime.fromisoformat(backup.made_at)
    except FileNotFoundError:
        raise JournalError(f"no backup in {source}, or one that broke off") from None
    except (OSError, ValueError, TypeError) as error:
        raise JournalError(f"the manifest in {source} cannot be read: {error}") from error
    return backup


def _link_all(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.glob("*/*"):
        if path.parent.name != _COMING:
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
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
