"""The nodes of an epoch's tree: from a published tile where one is, else from the hashes stored beside the leaves.

A node that is published costs a file a level, each proven up to the published checkpoint's root; one beyond it
is put together from those below, and at the bottom from some hundred rows. So a proof of a log of any length
reads little, unless nothing is published: then it reads every leaf hash that stands for.

Touches: the journal and DATA/log, reading. All of it blocks.
Trusts:  nothing: a tile is proven by the checkpoint, and what comes of both by the head that is proven against.
Raises:  AuditError where the journal lacks what it must hold; sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from relay.audit.checkpoint import Checkpoint
from relay.audit.epochs import epoch_of, first_index, folder_of
from relay.audit.tiles import HEIGHT, TileNodes
from relay.audit.tree import HASH_BYTES, Frontier, node_hash
from relay.errors import AuditError, NotFoundError
from relay.journal.publishing import published_tree
from relay.journal.tile_files import TileFiles
from relay.journal.verifying import PUBLISHED

Believed = Callable[[bytes, str], Checkpoint]
"""The checkpoint of a note that the log's own key signed under that origin; AuditError for any other."""


def epoch_files(data: Path, origin: str) -> TileFiles:
    return TileFiles(data / PUBLISHED / folder_of(epoch_of(origin)))


def held_tree(data: Path, origin: str, believed: Believed) -> tuple[bytes, TileNodes] | None:
    """The published checkpoint and its tree, where they hold; the journal gives the same, only slower."""
    try:
        return published_tree(epoch_files(data, origin), origin, believed)
    except (NotFoundError, AuditError, OSError):
        return None


class EpochNodes:
    """proofs.NodeHashes of one epoch."""

    def __init__(self, connection: sqlite3.Connection, epoch: int, tree: TileNodes | None) -> None:
        self._connection = connection
        self._first = first_index(epoch)
        self._tree = tree

    def __call__(self, level: int, index: int) -> bytes:
        if self._tree is not None and (index + 1) << level <= self._tree.size:
            try:
                return self._tree(level, index)
            except (AuditError, OSError):
                self._tree = None
        if level > HEIGHT:
            below = level - 1
            return node_hash(self(below, 2 * index), self(below, 2 * index + 1))
        return self._hashed(index << level, (index + 1) << level)

    def _hashed(self, start: int, stop: int) -> bytes:
        """The node over these leaves, from the hashes stored beside them."""
        frontier = Frontier()
        for (hashed,) in self._connection.execute(
            "SELECT leaf_hash FROM entries WHERE entry_index >= ? AND entry_index < ? ORDER BY entry_index",
            (self._first + start, self._first + stop),
        ):
            if not isinstance(hashed, bytes) or len(hashed) != HASH_BYTES:
                raise AuditError(
                    "the row was edited: its leaf hash is none",
                    self._first + start + frontier.size,
                )
            frontier.append(hashed)
        if frontier.size != stop - start:
            raise AuditError("an entry is missing", self._first + start + frontier.size)
        return frontier.root()
