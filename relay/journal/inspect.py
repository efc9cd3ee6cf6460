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

PAGE = 500


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log as of one moment: each epoch's rows, in order, and the head signed over them."""

    node: NodeId
    epochs: tuple[EpochRows, ...]


@contextmanager
def stored_log(folder: Path) -> Iterator[StoredLog]:
    """The log as of now. A row never changes, so those under the head are read a page at a time: one
    long transaction would keep the WAL of a running node from beginning anew for as long."""
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
            ends = {epoch: _last(connection, epoch) for epoch in heads}
            connection.execute("COMMIT")
            yield StoredLog(
                NodeId(node[0]),
                tuple(
                    EpochRows(epoch, note, _rows(connection, epoch, ends[epoch]))
                    for epoch, note in heads.items()
                ),
            )
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error


def _last(connection: sqlite3.Connection, epoch: int) -> int:
    """The index of the epoch's last entry as of now, covered by its head or not."""
    found = connection.execute(
        "SELECT max(entry_index) FROM entries WHERE entry_index < ?", (first_index(epoch + 1),)
    ).fetchone()[0]
    return -1 if found is None else int(found)


def _rows(connection: sqlite3.Connection, epoch: int, last: int) -> Iterator[Row]:
    after = first_index(epoch) - 1
    while page := connection.execute(
        "SELECT entry_index, leaf, leaf_hash FROM entries"
        " WHERE entry_index > ? AND entry_index <= ? ORDER BY entry_index LIMIT ?",
        (after, last, PAGE),
    ).fetchall():
        yield from page
        after = page[-1][0]


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing. Without the WAL's own files (a copied journal) SQLite must be
    told that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None)
