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

from relay.audit.epochs import EpochRows, first_index
from relay.audit.verify import Row
from relay.errors import JournalError
from relay.journal import epochs
from relay.journal.store import DATABASE
from relay.model import NodeId


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One consistent view of a log: each epoch's rows, in order, and the head signed over them."""

    node: NodeId
    epochs: tuple[EpochRows, ...]


@contextmanager
def stored_log(folder: Path) -> Iterator[StoredLog]:
    """The log as of now: one read transaction, so that a running node does not move it."""
    path = folder / DATABASE
    if not path.is_file():
        raise JournalError(f"no journal in {folder}")
    try:
        with closing(read_only(path)) as connection:
            connection.execute("BEGIN")
            node = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
            heads = epochs.heads(connection)
            if node is None or not heads:
                raise JournalError(f"the journal in {folder} holds no log yet")
            yield StoredLog(
                NodeId(node[0]),
                tuple(
                    EpochRows(epoch, note, _rows(connection, epoch))
                    for epoch, note in heads.items()
                ),
            )
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error


def _rows(connection: sqlite3.Connection, epoch: int) -> Iterator[Row]:
    return connection.execute(
        "SELECT entry_index, leaf, leaf_hash FROM entries"
        " WHERE entry_index >= ? AND entry_index < ? ORDER BY entry_index",
        (first_index(epoch), first_index(epoch + 1)),
    )


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing. Without the WAL's own files (a copied journal) SQLite must be told that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None)
