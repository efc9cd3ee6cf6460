"""Numbered migrations: a journal of an older version is brought up to date before anything else.

Touches: the database file, in one transaction for each migration; a thread, for it may take minutes.
Raises:  JournalError for a journal of a newer version than this program.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from importlib import resources
from typing import Final

from relay.errors import JournalError

_STEPS: Final = 100_000
"""Of SQLite's machine, some milliseconds, between two looks whether to go on."""


def migrations() -> list[tuple[int, str]]:
    """(number, SQL) ascending, from migrations/NNNN_name.sql."""
    folder = resources.files("relay.journal").joinpath("migrations")
    found = [
        (int(item.name.split("_", 1)[0]), item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection, stop: Callable[[], bool] = lambda: False) -> int:
    """Apply what is missing; the version reached. `connection` is in autocommit mode. Once `stop` says so the
    migration under way is undone, those before it stand, and JournalError is raised."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    known = migrations()
    if version > known[-1][0]:
        raise JournalError(
            f"the journal has version {version}, this program knows up to {known[-1][0]}"
        )
    connection.set_progress_handler(stop, _STEPS)
    try:
        for number, text in known:
            if number > version:
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
    except sqlite3.OperationalError as error:
        connection.rollback()
        if stop():
            raise JournalError("told to stop while the journal was brought up to date") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return known[-1][0]


async def migrate_aside(connection: sqlite3.Connection) -> None:
    """`migrate` in a thread, so that a signal is heard meanwhile. Cancelled, it ends once the migration under
    way is undone; the next start begins that one anew."""
    told = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(migrate, connection, told.is_set))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        told.set()
        await asyncio.wait({work})
        raise
