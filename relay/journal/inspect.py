"""Look into a journal from outside: its log, read-only, whether its node runs or not.

Touches: DATA/journal.sqlite, never writing.
Raises:  JournalError when there is none, or it cannot be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.errors import JournalError
from relay.journal.store import DATABASE
from relay.model import NodeId

PAGE = 500


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log as of one moment: its rows, in order, and the head signed over them."""

    node: NodeId
    head: bytes
    rows: Iterator[tuple[int, bytes, bytes | None]]


@contextmanager
def stored_log(folder: Path) -> Iterator[StoredLog]:
    """The log as of now. A row never changes, so those under the head are read a page at a time: one
    long transaction would keep the WAL of a running node from beginning anew for as long."""
    path = folder / DATABASE
    if not path.is_file():
        raise JournalError(f"no journal in {folder}")
    try:
        with closing(_read_only(path)) as connection:
            connection.execute("BEGIN")
            node = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
            head = connection.execute("SELECT note FROM log_head WHERE one = 1").fetchone()
            if node is None or head is None:
                raise JournalError(f"the journal in {folder} holds no log yet")
            last = connection.execute("SELECT max(entry_index) FROM entries").fetchone()[0]
            connection.execute("COMMIT")
            yield StoredLog(NodeId(node[0]), bytes(head[0]), _rows(connection, last))
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error


def _rows(
    connection: sqlite3.Connection, last: int | None
) -> Iterator[tuple[int, bytes, bytes | None]]:
    after = -1
    while page := connection.execute(
        "SELECT entry_index, leaf, leaf_hash FROM entries"
        " WHERE entry_index > ? AND entry_index <= ? ORDER BY entry_index LIMIT ?",
        (after, last, PAGE),
    ).fetchall():
        yield from page
        after = page[-1][0]


def _read_only(path: Path) -> sqlite3.Connection:
    """Without the WAL's own files (a copied journal) SQLite must be told that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None)
