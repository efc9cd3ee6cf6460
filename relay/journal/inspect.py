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

from relay.audit.epochs import EpochRows, first_index
from relay.audit.verify import Row
from relay.errors import AuditError, JournalError
from relay.journal import epochs
from relay.journal.store import DATABASE
from relay.model import NodeId


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One consistent view of a log: each epoch's rows, in order, and the head signed over them.

    Cells are as they stand: SQLite keeps any type in any column, and an editor may have used that.
    """

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
            # What became text by an edit need not be UTF-8: it is to be named, not to break the reading.
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("BEGIN")
            node = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
            heads = epochs.heads(connection)
            entries = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
            if not heads and not entries:
                raise JournalError(f"the journal in {folder} holds no log yet")
            if not heads:
                raise AuditError(f"the signed head of the log of {entries} entries is gone")
            if node is None:
                raise AuditError("the journal no longer says whose log it holds")
            yield StoredLog(
                NodeId(str(node[0])),
                tuple(
                    EpochRows(
                        epoch,
                        note,
                        _rows(connection, epoch, of=list(heads)),
                        epochs.edge(connection, epoch),
                    )
                    for epoch, note in heads.items()
                ),
            )
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error


def _rows(connection: sqlite3.Connection, epoch: int, of: list[int]) -> Iterator[Row]:
    """What stands outside of every epoch is shown in the one beside it, to be named there. A missing
    hash is no hash: what stands beside it was edited."""
    low = first_index(epoch) if epoch != of[0] else None
    high = first_index(epoch + 1) if epoch != of[-1] else None
    return connection.execute(
        "SELECT entry_index, leaf, coalesce(leaf_hash, x'') FROM entries"
        " WHERE (?1 IS NULL OR entry_index >= ?1) AND (?2 IS NULL OR entry_index < ?2)"
        " ORDER BY entry_index",
        (low, high),
    )


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing. Without the WAL's own files (a copied journal) SQLite must be
    told that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None)
