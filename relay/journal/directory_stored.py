"""The directory as it lies in the journal, read in one go: at a start, and to prepare a change.

Touches: the journal's file, read-only, on a connection of its own; so it may be another process.
Trusts:  the journal's own rows. Raises: JournalError.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from relay.agencies import NodeEntry
from relay.delivery.directory.preparing import Stored
from relay.errors import JournalError
from relay.journal.sql import load
from relay.model import NodeId, Tier
from relay.routing.book import Book, Row, bind

SQL = load("directory")
_PACKED = b"\x78"
"""How zlib's bytes begin. A document that an earlier version stored begins as XML does."""


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """All statements see the same state."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as database:
            database.execute("BEGIN")
            yield database
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be read: {error}") from error


def read_stored(path: Path, here: NodeId) -> Stored:
    with _reading(path) as database:
        held = dict(database.execute("SELECT issuer, version FROM directory_documents"))
        documents = database.execute(SQL["documents"])
        return Stored(
            own=tuple(dict(database.execute(SQL["own"])).values()),
            nodes=tuple(_node(*row) for row in database.execute(SQL["nodes"])),
            documents=tuple(document_of(row[2]) for row in documents if row[0] != here),
            held=held.get(here, 0),
            ledger=tuple(_ledger(database)),
            tree=_tree(database.execute(SQL["force"]).fetchone()[2]),
        )


def read_view(path: Path, as_of: str) -> Book | None:
    """What was in force, if it was seen as of that; None where it must be seen anew."""
    with _reading(path) as database:
        _, seen, tree = database.execute(SQL["force"]).fetchone()
        return bind(_tree(tree), _ledger(database)) if seen == as_of else None


def are_many(path: Path, most: int) -> bool:
    """Whether more agencies than that are to be looked at."""
    with _reading(path) as database:
        return bool(database.execute(SQL["many"], (most,)).fetchone()[0])


def _ledger(database: sqlite3.Connection) -> Iterator[Row]:
    """In the order of codes, the newest of each."""
    last: Row | None = None
    for row in map(Row._make, database.execute(SQL["ledger"])):
        if last is not None and last.code != row.code:
            yield last
        last = row
    if last is not None:
        yield last


def packed(document: bytes) -> bytes:
    """A tenth of it: names and tags repeat themselves."""
    return zlib.compress(document, 1)


def document_of(stored: bytes) -> bytes:
    return zlib.decompress(stored) if stored.startswith(_PACKED) else stored


def tree_text(book: Book) -> str:
    return json.dumps([[one.node_id, one.tier.value, one.parent] for one in book.nodes.values()])


def _tree(text: str) -> tuple[NodeEntry, ...]:
    return tuple(_node(*row) for row in json.loads(text))


def _node(name: str, tier: str, parent: str | None) -> NodeEntry:
    return NodeEntry(NodeId(name), Tier(tier), None if parent is None else NodeId(parent))
