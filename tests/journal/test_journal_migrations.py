"""A journal of any older version becomes what a new one is, with everything in it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.errors import JournalError
from relay.journal import migrate as migrating
from relay.journal.migrate import migrate, migrate_aside, migrations
from relay.journal.store import DATABASE, SqliteJournal
from relay.model import NodeId


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _at_version(path: Path, version: int) -> None:
    with closing(_open(path)) as connection:
        for number, text in migrations():
            if number <= version:
                connection.executescript(text)
        connection.execute(f"PRAGMA user_version = {version}")


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return set(connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master"))


@pytest.mark.parametrize("version", [number for number, _ in migrations()])
def test_every_older_version_reaches_the_schema_of_a_new_journal(
    tmp_path: Path, version: int
) -> None:
    """Whatever version a node was left at, its tables and indexes end as those of a fresh one."""
    _at_version(tmp_path / "old", version)
    with closing(_open(tmp_path / "old")) as old, closing(_open(tmp_path / "new")) as new:
        assert migrate(old) == migrate(new)
        assert _schema(old) == _schema(new)


def test_an_upgrade_keeps_what_is_in_the_journal(tmp_path: Path) -> None:
    """A delivery, an entry and a token stored by the first version are there afterwards."""
    _at_version(tmp_path / "old", 1)
    with closing(_open(tmp_path / "old")) as old:
        old.execute(
            "INSERT INTO deliveries (delivery_id, message_row, arrival_row, recipient, addressed_as,"
            " state, lane, next_hop, transfer_id, expires_at, updated_at)"
            " VALUES ('d', 1, 1, 'H01', 'H01', 'in-flight', 0, 'central', 't', 5, 1)"
        )
        old.execute("INSERT INTO entries VALUES (0, x'7b7d', x'00')")
        before = [*old.execute("SELECT * FROM deliveries"), *old.execute("SELECT * FROM entries")]
        migrate(old)
        after = [*old.execute("SELECT * FROM deliveries"), *old.execute("SELECT * FROM entries")]
    assert [row[: len(was)] for was, row in zip(before, after, strict=True)] == before


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A program does not write into what it does not know."""
    _at_version(tmp_path / "new", 1)
    with closing(_open(tmp_path / "new")) as connection:
        connection.execute("PRAGMA user_version = 999")
        with pytest.raises(JournalError, match="version 999"):
            migrate(connection)


LONG = """
CREATE TABLE half (value INTEGER);
INSERT INTO half
    WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 50000000) SELECT x FROM c;
"""
"""A migration that writes half a gigabyte."""


def _fatal(error: BaseException) -> None:
    raise AssertionError from error


async def _told_to_stop_in(folder: Path) -> None:
    """A start that is cancelled once its migration writes."""
    starting = asyncio.create_task(
        SqliteJournal.open(folder, NodeId("xa"), lambda *_: b"", on_fatal=_fatal)
    )
    wal = folder / f"{DATABASE}-wal"
    async with asyncio.timeout(30):
        while not wal.exists() or wal.stat().st_size < 4 << 20:
            await asyncio.sleep(0.01)
    starting.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError):
            await starting


async def test_a_start_that_is_told_to_stop_undoes_its_migration_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those before it stand, nothing of it does, the folder is free; and the next start has it whole."""
    last = migrations()[-1][0]
    with monkeypatch.context() as long:
        long.setattr(migrating, "migrations", lambda: [*migrations(), (last + 1, LONG)])
        await _told_to_stop_in(tmp_path)
    with closing(_open(tmp_path / DATABASE)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (last,)
        assert left.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchone() is None

    short = (last + 1, LONG.replace("50000000", "9"))
    monkeypatch.setattr(migrating, "migrations", lambda: [*migrations(), short])
    journal = await SqliteJournal.open(tmp_path, NodeId("xa"), lambda *_: b"", on_fatal=_fatal)
    try:
        assert await journal.rows("SELECT count(*) FROM half") == [(9,)]
        assert await journal.rows("PRAGMA user_version") == [(last + 1,)]
    finally:
        await journal.close()


async def test_a_migration_holds_nobody_up_who_can_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on meanwhile: a signal is heard."""
    monkeypatch.setattr(migrating, "migrations", lambda: [(1, LONG)])
    with closing(
        sqlite3.connect(tmp_path / "x", isolation_level=None, check_same_thread=False)
    ) as x:
        work = asyncio.create_task(migrate_aside(x))
        for _ in range(50):
            await asyncio.sleep(0.01)
        assert not work.done()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not x.in_transaction
        assert x.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_migration_that_fails_by_itself_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own error, not that it was told to stop; and nothing of it stands."""
    broken = "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);"
    monkeypatch.setattr(migrating, "migrations", lambda: [(1, broken)])
    with closing(_open(tmp_path / "x")) as x:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(x)
        assert not x.in_transaction
        assert x.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
