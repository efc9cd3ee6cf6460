"""Look into a journal from outside: its log, read-only, whether its node runs or not.

Touches: DATA/journal.sqlite, never writing.
Raises:  JournalError when there is none, or it cannot be read; AuditError where its head is not
         there to be judged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.errors import AuditError, JournalError
from relay.journal.store import DATABASE
from relay.model import NodeId


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One consistent view of a log: its rows, in order, and the head signed over them.

    Cells are as they stand: SQLite keeps any type in any column, and an editor may have used that.
    """

    node: NodeId
    head: bytes
    frontier: bytes
    """The right edge to which the journal would append next."""
    rows: Iterator[tuple[object, object, object]]


@contextmanager
def stored_log(folder: Path) -> Iterator[StoredLog]:
    """The log as of now: one read transaction, so that a running node does not move it."""
    path = folder / DATABASE
    if not path.is_file():
        raise JournalError(f"no journal in {folder}")
    try:
        with closing(_read_only(path)) as connection:
            connection.execute("BEGIN")
            node = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
            head = connection.execute("SELECT note, frontier FROM log_head").fetchone()
            entries = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
            if not entries and (node is None or head is None):
                raise JournalError(f"the journal in {folder} holds no log yet")
            if head is None:
                raise AuditError(f"the signed head of the log of {entries} entries is gone")
            if node is None:
                raise AuditError("the journal no longer says whose log it holds")
            # A missing hash is no hash: what stands beside it was edited.
            rows = connection.execute(
                "SELECT entry_index, leaf, coalesce(leaf_hash, x'') FROM entries ORDER BY entry_index"
            )
            yield StoredLog(
                NodeId(str(node[0])), _blob(head[0], "note"), _blob(head[1], "frontier"), rows
            )
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error


def _blob(cell: object, column: str) -> bytes:
    if not isinstance(cell, bytes):
        raise AuditError(f"the row of the signed head was edited: its {column} is no BLOB")
    return cell


def _read_only(path: Path) -> sqlite3.Connection:
    """Without the WAL's own files (a copied journal) SQLite must be told that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    # What became text by an edit need not be UTF-8: it is to be named, not to break the reading.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection
