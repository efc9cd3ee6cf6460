"""Look into a journal from outside: its log, read-only, whether its node runs or not.

Touches: DATA/journal.sqlite, never writing.
Raises:  JournalError when there is none, or it cannot be read; AuditError where its head is not
         there to be judged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.audit.epochs import EpochRows, first_index
from relay.audit.verify import Row
from relay.audit.words import WordsRow
from relay.errors import AuditError, JournalError
from relay.journal import epochs, log_keys
from relay.journal.store import DATABASE
from relay.model import NodeId

_LOWEST = -(1 << 63)
PAGE = 500


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log as of one moment: each epoch's rows, in order, and the head signed over them.

    Cells are as they stand: SQLite keeps any type in any column, and an editor may have used that.
    """

    node: NodeId
    epochs: tuple[EpochRows, ...]
    words: Iterable[WordsRow] = ()
    """What stands beside the leaves, in their order."""
    stamped: tuple[tuple[object, object], ...] = ()
    """Name and note of each head that has, or waits for, a timestamp."""
    cosigned: tuple[tuple[object, ...], ...] = ()
    """Witness, origin, size, note and line of each cosignature that is kept."""
    watched: tuple[tuple[object, ...], ...] = ()
    """Origin, size, root and note of each head of others that this node holds."""
    keys: tuple[tuple[object, object], ...] = ()
    """Node and Ed25519 key of each witness whose log key was proven."""
    keys_before: tuple[tuple[object, object], ...] = ()
    """The same of keys that were theirs earlier."""
    certificates: tuple[tuple[bytes, ...], ...] = ()
    """Of this node's log keys, those in use before too; which counts say the epochs' first entries."""
    reach: Callable[[], Sequence[bytes]] = tuple
    """The signed heads as they are by now, each epoch's."""


@contextmanager
def stored_log(folder: Path) -> Iterator[StoredLog]:
    """The log as of now. A row never changes, so those under the head are read a page at a time: one
    long transaction would keep the WAL of a running node from beginning anew for as long."""
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
            last = connection.execute("SELECT max(entry_index) FROM entries").fetchone()[0]
            edges = {epoch: epochs.edge(connection, epoch) for epoch in heads}
            beside = {name: _beside(connection, name) for name in _BESIDE}
            certificates = tuple(log_keys.kept(connection))
            first = log_keys.openings(connection, heads)
            connection.execute("COMMIT")
            yield StoredLog(
                NodeId(str(node[0])),
                tuple(
                    EpochRows(
                        epoch,
                        note,
                        _rows(connection, epoch, of=list(heads), last=last),
                        edges[epoch],
                        opening=first[epoch],
                    )
                    for epoch, note in heads.items()
                ),
                _words(connection, last),
                **beside,
                certificates=certificates,
                reach=lambda: tuple(epochs.heads(connection).values()),
            )
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error


def _rows(
    connection: sqlite3.Connection, epoch: int, of: list[int], last: int | None
) -> Iterator[Row]:
    """What stands outside of every epoch is shown in the one beside it, to be named there. A missing
    hash is no hash: what stands beside it was edited."""
    after = first_index(epoch) - 1 if epoch != of[0] else _LOWEST
    high = first_index(epoch + 1) - 1 if epoch != of[-1] else last
    while page := connection.execute(
        "SELECT entry_index, leaf, coalesce(leaf_hash, x'') FROM entries"
        " WHERE entry_index > ? AND entry_index <= ? ORDER BY entry_index LIMIT ?",
        (after, high, PAGE),
    ).fetchall():
        yield from page
        after = page[-1][0]


_BESIDE: Final[dict[str, tuple[str, str]]] = {
    "stamped": (
        "stamps",
        "SELECT name, content FROM stamps WHERE kind = 'head' ORDER BY stamp_row",
    ),
    "cosigned": (
        "cosignatures",
        "SELECT witness, origin, size, note, line FROM cosignatures ORDER BY witness, origin",
    ),
    "watched": (
        "witness_logs",
        """SELECT origin, size, root, note FROM witness_logs WHERE size > 0
           UNION SELECT origin, size, root, note FROM witness_seen ORDER BY origin, size""",
    ),
    "keys": ("witness_keys", "SELECT node, public_key FROM witness_keys"),
    "keys_before": ("witness_keys_before", "SELECT node, public_key FROM witness_keys_before"),
}
"""What is kept beside the log, and the table that a journal of an older release does not have."""


def _beside(connection: sqlite3.Connection, name: str) -> tuple[Any, ...]:
    table, statement = _BESIDE[name]
    there = "SELECT 1 FROM sqlite_master WHERE name = ?"
    if not connection.execute(there, (table,)).fetchone():
        return ()
    return tuple(connection.execute(statement).fetchall())


def _words(connection: sqlite3.Connection, last: int | None) -> Iterator[WordsRow]:
    """Each row beside a leaf with that leaf, None where there is none. A journal of an older release has
    no such rows."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'entry_words'").fetchone():
        return
    after = _LOWEST
    while page := connection.execute(
        "SELECT w.entry_index, e.leaf, w.salt, w.words FROM entry_words w"
        " LEFT JOIN entries e ON e.entry_index = w.entry_index"
        " WHERE w.entry_index > ? AND w.entry_index <= ? ORDER BY w.entry_index LIMIT ?",
        (after, last, PAGE),
    ).fetchall():
        yield from page
        after = page[-1][0]


def read_only(path: Path, *, across_threads: bool = False) -> sqlite3.Connection:
    """A connection that writes nothing. Without the WAL's own files (a copied journal) SQLite must be
    told that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=not across_threads
    )
