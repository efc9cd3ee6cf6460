"""A journal of any older version becomes what a new one is, with everything in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.errors import JournalError
from relay.journal.migrate import migrate, migrations


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
