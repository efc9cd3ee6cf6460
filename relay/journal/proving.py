"""Prove that an entry stands in this node's log: from the published tiles, and from the journal beyond them.

The head that is proven against is the published checkpoint with its cosignatures where it covers the entry,
else the journal's newest. A node of the tree comes from one file a level, proven up to the checkpoint's root;
what no published checkpoint covers yet is hashed from the journal's leaf hashes. No proof leaves before it
was checked as its reader will check it.

Touches: DATA/journal.sqlite and DATA/log, reading. All of it blocks: call it in a thread.
Trusts:  the log's key. Rows and files are proven by the heads it signed.
Raises:  NotFoundError; AuditError where the log does not give what was signed; JournalError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from relay.audit.checkpoint import Checkpoint, verify_note, vkey
from relay.audit.entries import instant as entry_instant
from relay.audit.entries import moment, parse
from relay.audit.epochs import SPAN, epoch_of, first_index, folder_of, origin_in
from relay.audit.proof_file import (
    LogProof,
    NewerHead,
    prove_entry,
    prove_newer,
    require_about,
    write_proof,
)
from relay.audit.proofs import NodeHashes, consistency_proof, inclusion_proof, verify_inclusion
from relay.audit.tiles import HEIGHT, TileNodes
from relay.audit.tree import Frontier, leaf_hash, node_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError, JournalError, NotFoundError
from relay.journal import epochs
from relay.journal.inspect import read_only
from relay.journal.rows import instant
from relay.journal.store import DATABASE
from relay.journal.tile_files import TileFiles
from relay.journal.verifying import PUBLISHED
from relay.model import Digest, NodeId, Signed

_NEAR: Final = 5_000
"""Entries on each side of the time at which a receipt was stored: where its entry nearly always is."""
_PAGE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Prover:
    data: Path
    node: NodeId
    key: LogKey
    chain: tuple[bytes, ...]
    """DER; what binds the log's key to the node."""

    def entry(self, index: int, *, newer: bool = False) -> bytes:
        """The proof file of the entry of this index; `newer` adds the newest head of its epoch."""
        with self._reading() as connection:
            return self._proven(connection, index, None, newer=newer)

    def receipt(self, signed: Signed, *, newer: bool = False) -> bytes:
        """The same of the first entry that names this receipt, with the receipt in it."""
        with self._reading() as connection:
            index = _entry_of(connection, signed.digest)
            return self._proven(connection, index, signed, newer=newer)

    def entry_of(self, receipt: Digest) -> int:
        """The index of the first entry that names it."""
        with self._reading() as connection:
            return _entry_of(connection, receipt)

    def several(
        self,
        places: Sequence[int],
        epoch: int,
        cosigned: bytes | None,
        few: Callable[[bytes], bytes],
    ) -> dict[int, bytes]:
        """Proof files of entries of one epoch, by their places in it, through one reading of the tree, without
        receipts. `cosigned` is a head with cosignatures, for entries that the published one does not cover or
        has none of; `few` leaves those on a head that are to go along."""
        with self._reading() as connection:
            log = _Log(self, connection, epoch, cosigned)
            node = cache(log.node)
            return {place: self._bare(log, place, node, few) for place in places}

    def _bare(
        self, log: _Log, place: int, node: NodeHashes, few: Callable[[bytes], bytes]
    ) -> bytes:
        """The proof file of one of several; the head's signature was checked once for all of them."""
        note, head = log.covering(place)
        path, leaf = tuple(inclusion_proof(place, head.size, node)), log.leaf(place)
        verify_inclusion(leaf_hash(leaf), place, head.size, path, head.root)
        key = vkey(log.origin, self.key.public_key)
        return write_proof(LogProof(place, path, few(note), leaf, key, self.chain))

    def published(self) -> list[tuple[Checkpoint, bytes | None]]:
        """Each epoch's newest head, and its published checkpoint where there is one that holds."""
        with self._reading() as connection:
            notes = epochs.heads(connection)
            logs = [_Log(self, connection, epoch) for epoch in sorted(notes)]
        return [(one.head, one.published_note) for one in logs]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(read_only(self.data / DATABASE)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error

    def _proven(
        self, connection: sqlite3.Connection, index: int, signed: Signed | None, *, newer: bool
    ) -> bytes:
        log = _Log(self, connection, index // SPAN)
        place = index - first_index(index // SPAN)
        note, head = log.covering(place)
        leaf = log.leaf(place)
        proof = LogProof(
            place,
            tuple(inclusion_proof(place, head.size, log.node)),
            note,
            leaf,
            vkey(log.origin, self.key.public_key),
            self.chain,
            signed,
            log.newer_than(head) if newer else None,
        )
        key = log.key
        proven = prove_entry(proof, key)
        parse(leaf)
        if signed is not None:
            require_about(leaf, signed)
        if proof.newer is not None:
            prove_newer(proof.newer, proven, key)
        return write_proof(proof)


class _Log:
    """One epoch's log while a proof is made of it."""

    def __init__(
        self,
        prover: Prover,
        connection: sqlite3.Connection,
        epoch: int,
        cosigned: bytes | None = None,
    ) -> None:
        self._connection = connection
        self._first = first_index(epoch)
        connection.execute("BEGIN")
        notes = epochs.heads(connection)
        connection.execute("COMMIT")
        if epoch not in notes:
            raise NotFoundError(f"no entry {self._first}: the log has no epoch {epoch}")
        self._note = notes[epoch]
        self.origin = origin_in(prover.node, epoch, self._note)
        self.key = LogKey(self.origin, prover.key.public_key, prover.key.verify)
        self.head = self._believed(self._note)
        self._cosigned = None if cosigned is None else (cosigned, self._believed(cosigned))
        files = TileFiles(prover.data / PUBLISHED / folder_of(epoch_of(self.origin)))
        self._published = self._tree(files)

    def _believed(self, note: bytes) -> Checkpoint:
        return verify_note(note, self.key.name, self.key.public_key, self.key.verify)

    def _tree(self, files: TileFiles) -> tuple[bytes, Checkpoint, TileNodes] | None:
        """What is published, where it holds; the journal gives the proof as well, only slower."""
        try:
            note = files.note()
            if note is None:
                return None
            head = self._believed(note)
            return note, head, TileNodes(head.size, head.root, files.read)
        except (AuditError, OSError):
            return None

    def leaf(self, place: int) -> bytes:
        found = self._connection.execute(
            "SELECT leaf FROM entries WHERE entry_index = ?", (self._first + place,)
        ).fetchone()
        if found is None or place >= self.head.size:
            raise NotFoundError(f"no entry {self._first + place}")
        if not isinstance(found[0], bytes):
            raise AuditError("the row was edited: its leaf is no BLOB", self._first + place)
        return found[0]

    def covering(self, place: int) -> tuple[bytes, Checkpoint]:
        """The head to prove against."""
        if self._cosigned is not None and place < self._cosigned[1].size:
            return self._cosigned
        if self._published is not None and place < self._published[1].size:
            return self._published[0], self._published[1]
        return self._note, self.head

    @property
    def published_note(self) -> bytes | None:
        return None if self._published is None else self._published[0]

    def newer_than(self, head: Checkpoint) -> NewerHead | None:
        if self.head.size == head.size:
            return None
        hashes = consistency_proof(head.size, self.head.size, self.node)
        return NewerHead(self._note, tuple(hashes))

    def node(self, level: int, index: int) -> bytes:
        """proofs.NodeHashes: from a tile, else from those below it."""
        if self._published is not None and (index + 1) << level <= self._published[1].size:
            try:
                return self._published[2](level, index)
            except (AuditError, OSError):
                self._published = None
        if level > HEIGHT:
            below = level - 1
            return node_hash(self.node(below, 2 * index), self.node(below, 2 * index + 1))
        return self._hashed(index << level, (index + 1) << level)

    def _hashed(self, start: int, stop: int) -> bytes:
        """The node over these leaves, from the hashes stored beside them."""
        frontier = Frontier()
        for (hashed,) in self._connection.execute(
            "SELECT leaf_hash FROM entries WHERE entry_index >= ? AND entry_index < ? ORDER BY entry_index",
            (self._first + start, self._first + stop),
        ):
            if not isinstance(hashed, bytes) or len(hashed) != 32:
                raise AuditError("the row was edited: its leaf hash is none", self._first + start)
            frontier.append(hashed)
        if frontier.size != stop - start:
            raise AuditError("an entry is missing", self._first + start + frontier.size)
        return frontier.root()


# ---------------------------------------------------------------- which entry names a receipt


def _entry_of(connection: sqlite3.Connection, receipt: Digest) -> int:
    """The first entry that names it: looked for around the time it was stored, then everywhere."""
    stored = connection.execute(
        "SELECT stored_at FROM receipts WHERE digest = ?", (receipt,)
    ).fetchone()
    if stored is None:
        raise NotFoundError(f"no receipt {receipt}")
    at = entry_instant(instant(int(stored[0])))
    for epoch in sorted(epochs.heads(connection), reverse=True):
        middle = _bisected(connection, epoch, at)
        found = _named(connection, receipt, middle - _NEAR, middle + _NEAR)
        if found is not None:
            return found
    (last,) = connection.execute("SELECT max(entry_index) FROM entries").fetchone()
    found = _named(connection, receipt, 0, int(last) + 1)
    if found is None:
        raise NotFoundError(f"no entry of the log names receipt {receipt}")
    return found


def _bisected(connection: sqlite3.Connection, epoch: int, at: str) -> int:
    """About where an entry of that time stands: times rise, but for clocks that were set back."""
    low = first_index(epoch)
    (last,) = connection.execute(
        "SELECT max(entry_index) FROM entries WHERE entry_index < ?", (first_index(epoch + 1),)
    ).fetchone()
    high = int(last or 0) + 1
    while low < high:
        middle = (low + high) // 2
        if _at(connection, middle) < at:
            low = middle + 1
        else:
            high = middle
    return low


def _at(connection: sqlite3.Connection, index: int) -> str:
    row = connection.execute("SELECT leaf FROM entries WHERE entry_index = ?", (index,)).fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise AuditError("the entry is missing", index)
    fields = parse(row[0])
    return entry_instant(moment(fields["at"]))


def _named(connection: sqlite3.Connection, receipt: Digest, start: int, stop: int) -> int | None:
    wanted = f'"receipt":"{receipt}"'.encode()
    while start < stop:
        row = connection.execute(
            """SELECT min(entry_index) FROM entries
               WHERE entry_index >= ? AND entry_index < ? AND instr(leaf, ?) > 0""",
            (start, min(start + _PAGE, stop), wanted),
        ).fetchone()
        if row[0] is not None:
            return int(row[0])
        following = connection.execute(
            "SELECT min(entry_index) FROM entries WHERE entry_index >= ?", (start + _PAGE,)
        ).fetchone()[0]
        if following is None:
            return None
        start = int(following)
    return None
