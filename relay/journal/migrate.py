"""Numbered migrations: a journal of an older version is brought up to date before anything else.

Touches: the database file, in one transaction for each migration.
Raises:  JournalError for a journal of a newer version than this program.
"""

from __future__ import annotations

import sqlite3
from importlib import resources

from relay.errors import JournalError


def migrations() -> list[tuple[int, str]]:
    """(number, SQL) ascending, from migrations/NNNN_name.sql."""
    folder = resources.files("relay.journal").joinpath("migrations")
    found = [
        (int(item.name.split("_", 1)[0]), item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection) -> int:
    """Apply what is missing; the version reached. `connection` is in autocommit mode."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    known = migrations()
    if version > known[-1][0]:
        raise JournalError(
            f"the journal has version {version}, this program knows up to {known[-1][0]}"
        )
    for number, text in known:
        if number > version:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
    return known[-1][0]
