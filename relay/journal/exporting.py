"""The log of a journal as its exporter reads it: as of one moment, a page at a time, writing nothing.

Touches: DATA/journal.sqlite; the published heads and hash tiles in DATA/log, bounded and through no link.
Trusts:  of what is published, tiles under a checkpoint that is believed, for speed: what comes of them is proven
         by the signed head.
Raises:  JournalError where it cannot be read, AuditError for a row that was edited.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.audit.checkpoint import head_of, split_note
from relay.audit.cosignature import cosigner_name
from relay.audit.exported import Words, write_words
from relay.audit.proofs import NodeHashes
from relay.audit.verify import LogKey
from relay.errors import AuditError, JournalError
from relay.journal import epochs, log_keys
from relay.journal.cosigned import newest_cosigned
from relay.journal.inspect import read_only
from relay.journal.nodes import Believed, EpochNodes, epoch_files, held_tree
from relay.journal.store import DATABASE
from relay.model import NodeId

PAGE = 500
_LEAVES = (
    "SELECT entry_index, leaf FROM entries WHERE entry_index >= ? AND entry_index < ?"
    " ORDER BY entry_index LIMIT ?"
)
_WITHIN = """
    WITH timed AS (
        SELECT entry_index, substr(leaf, instr(leaf, CAST('"at":"' AS BLOB)) + 6, 24) AS at FROM entries
        WHERE entry_index >= ? AND entry_index < ?
    )
    SELECT min(entry_index), max(entry_index) FROM timed
    WHERE at >= CAST(? AS BLOB) AND at < CAST(? AS BLOB)
"""
"""In a leaf a quotation mark within a text has a backslash before it, so that this is the member and nothing else."""
_WORDS = (
    "SELECT entry_index, salt, words FROM entry_words WHERE entry_index >= ? AND entry_index < ?"
    " ORDER BY entry_index LIMIT ?"
)
_STAMPED = (
    "SELECT content, token FROM stamps WHERE kind = 'head' AND token IS NOT NULL ORDER BY stamp_row"
)


@dataclass(frozen=True, slots=True)
class JournalLog:
    """audit.exporting.LogSource."""

    folder: Path
    connection: sqlite3.Connection
    node: NodeId
    _heads: Mapping[int, bytes] = field(repr=False)
    _believed: Believed | None = field(default=None, repr=False)

    def heads(self) -> Mapping[int, bytes]:
        return self._heads

    def within(self, first: int, end: int, since: str, until: str) -> tuple[int, int] | None:
        """Within SQLite, which lets others have the interpreter meanwhile."""
        low, high = self.connection.execute(_WITHIN, (first, end, since, until)).fetchone()
        return None if low is None else (int(low), int(high))

    def leaves(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        for index, leaf in self._pages(_LEAVES, first, end):
            yield index, _bytes(index, leaf)

    def nodes(self, epoch: int) -> NodeHashes:
        tree = None
        if self._believed is not None:
            tree = held_tree(self.folder, head_of(self._heads[epoch]).origin, self._believed)
        return EpochNodes(self.connection, epoch, tree and tree[1])

    def words(self, first: int, end: int) -> Iterator[bytes]:
        """A journal of an older release has no such rows: its leaves hold the words."""
        if not self._has("entry_words"):
            return
        for index, salt, words in self._pages(_WORDS, first, end):
            try:
                beside = Words(index, _bytes(index, salt), dict(json.loads(words)))
            except (ValueError, TypeError) as error:
                raise AuditError("the words beside the leaf were edited", index) from error
            yield write_words(beside) + b"\n"

    def kept_heads(self) -> Iterable[tuple[bytes, bytes]]:
        """Timestamped ones, and those that were cosigned: as published, and the newest that the journal keeps,
        for the end of an epoch may be published as nobody cosigned it."""
        if self._has("stamps"):
            for note, token in self.connection.execute(_STAMPED):
                if not (isinstance(note, bytes) and isinstance(token, bytes)):
                    raise AuditError("the row of a timestamp was edited: it holds no BLOB")
                yield note, token
        for head in self._heads.values():
            origin = head_of(head).origin
            notes = (self._published(origin), self._cosigned(origin))
            for note in sorted(filter(None, notes), key=_is_alone):
                yield note, b""

    def _cosigned(self, origin: str) -> bytes | None:
        if not self._has("cosignatures"):
            return None
        found = newest_cosigned(self.connection, origin)
        return None if found is None else found[0]

    def _published(self, origin: str) -> bytes | None:
        """A copy that others may have touched: what is no checkpoint of that log is left out."""
        try:
            note = epoch_files(self.folder, origin).note()
            return note if note is not None and head_of(note).origin == origin else None
        except AuditError:
            return None
        except OSError as error:
            raise JournalError(f"what is published of {origin} cannot be read: {error}") from error

    def witness_certificates(self, names: Collection[str]) -> Iterable[bytes]:
        """As they were last proven here."""
        for node, chain in self._witness_chains():
            if cosigner_name(NodeId(str(node))) not in names:
                continue
            try:
                yield from [b64decode(one, validate=True) for one in json.loads(chain)]
            except (ValueError, TypeError) as error:
                raise AuditError(f"the certificates of {node}'s log were edited") from error

    def _witness_chains(self) -> Iterator[tuple[object, str]]:
        """The present ones, and those of keys that a neighbour had before."""
        for table in ("witness_keys", "witness_keys_before"):
            if self._has(table):
                yield from self.connection.execute(f"SELECT node, certificates FROM {table}")  # noqa: S608

    def chains_before(self, present: LogKey) -> Callable[[int], Sequence[bytes]]:
        """The certificates of an epoch that had another log key than this one, or none. The function
        raises AuditError where they are not kept."""
        keys = log_keys.epoch_keys(self.connection, self._heads, present)
        return lambda epoch: keys.of(epoch).chain

    def _has(self, table: str) -> bool:
        found = self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
        return found.fetchone() is not None

    def _pages(self, statement: str, first: int, end: int) -> Iterator[tuple[Any, ...]]:
        while page := self.connection.execute(statement, (first, end, PAGE)).fetchall():
            yield from page
            first = page[-1][0] + 1


def _is_alone(note: bytes) -> bool:
    """Whether nobody but the log signed it."""
    return len(split_note(note)[1]) < 2


def _bytes(index: int, cell: object) -> bytes:
    if not isinstance(cell, bytes):
        raise AuditError("the row was edited: it holds no BLOB", index)
    return cell


@contextmanager
def journal_log(folder: Path, believed: Believed | None = None) -> Iterator[JournalLog]:
    """The log as of now, running or not. Threads may take turns with it. `believed` is what to prove its
    published tiles by; without it every node is hashed from the journal."""
    path = folder / DATABASE
    if not path.is_file():
        raise JournalError(f"no journal in {folder}")
    try:
        with closing(read_only(path, across_threads=True)) as connection:
            connection.execute("BEGIN")
            node, heads = epochs.meta(connection, "node"), epochs.heads(connection)
            connection.execute("COMMIT")
            if node is None or not heads:
                raise JournalError(f"the journal in {folder} holds no log yet")
            yield JournalLog(folder, connection, NodeId(node), heads, believed)
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} cannot be read: {error}") from error
