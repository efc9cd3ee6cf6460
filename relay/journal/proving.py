"""Prove that an entry stands in this node's log: from the published tiles, and from the journal beyond them.

The head that is proven against is the published checkpoint where it covers the entry and was cosigned, else the
newest cosigned one that covers it, else the published one as it is, else the journal's newest. The tree's nodes are those of nodes.py. No proof leaves before it was checked as its
reader will check it.

Touches: DATA/journal.sqlite and DATA/log, reading. All of it blocks: call it in a thread.
Trusts:  the log's key. Rows and files are proven by the heads it signed.
Raises:  NotFoundError; AuditError where the log does not give what was signed; JournalError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from relay.audit.checkpoint import Checkpoint, split_note, verify_note, vkey
from relay.audit.entries import AuditEvent, moment, parse
from relay.audit.entries import instant as entry_instant
from relay.audit.epochs import SPAN, first_index, origin_in
from relay.audit.proof_file import (
    LogProof,
    NewerHead,
    prove_entry,
    prove_newer,
    require_about,
    write_proof,
)
from relay.audit.proofs import NodeHashes, consistency_proof, inclusion_proof, verify_inclusion
from relay.audit.tree import leaf_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError, JournalError, NotFoundError
from relay.journal import epochs, log_keys
from relay.journal.cosigned import newest_cosigned
from relay.journal.inspect import read_only
from relay.journal.nodes import EpochNodes, held_tree
from relay.journal.rows import instant
from relay.journal.store import DATABASE
from relay.model import Digest, NodeId, Signed

_NEAR: Final = 5_000
"""Entries on each side of the time at which a receipt was stored: where its entry nearly always is."""
_PAGE: Final = 20_000
OF_RECEIPTS: Final = frozenset(
    {
        AuditEvent.MESSAGE_ACCEPTED,
        AuditEvent.MESSAGE_RECOVERED,
        AuditEvent.TRANSFER_RECEIVED,
        AuditEvent.TRANSFER_REFUSED,
        AuditEvent.TRANSFER_ANSWERED,
        AuditEvent.RECEIPT_ISSUED,
        AuditEvent.RECEIPT_RECEIVED,
    }
)
"""Events that tell of a receipt to whoever may see it; what a neighbour said of it is for operators."""


@dataclass(frozen=True, slots=True)
class Prover:
    data: Path
    node: NodeId
    key: LogKey
    """The present one; epochs before may have had others (audit/log_keys.py)."""
    chain: Callable[[], Sequence[bytes]]
    """DER; what binds the present key to the node, as of now: it is certified anew while the node runs."""

    def entry(self, index: int, *, newer: bool = False) -> bytes:
        """The proof file of the entry of this index; `newer` adds the newest head of its epoch."""
        with self._reading() as connection:
            return self._proven(connection, index, None, newer=newer)

    def receipt(self, signed: Signed, *, newer: bool = False) -> bytes:
        """The same of the first entry that tells of this receipt, with the receipt in it. Such an entry shows
        nobody who may see the receipt anything that its parties do not know (docs/adr/0040)."""
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
        key, chain = vkey(log.origin, log.key.public_key), tuple(log.chain or self.chain())
        return write_proof(LogProof(place, path, few(note), leaf, key, chain))

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
        if not log.is_cosigned:
            log.take_kept()
        note, head = log.covering(place)
        leaf = log.leaf(place)
        proof = LogProof(
            place,
            tuple(inclusion_proof(place, head.size, log.node)),
            note,
            leaf,
            vkey(log.origin, log.key.public_key),
            tuple(log.chain or self.chain()),
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
        keys = log_keys.epoch_keys(connection, notes, prover.key)
        connection.execute("COMMIT")
        if epoch not in notes:
            raise NotFoundError(f"no entry {self._first}: the log has no epoch {epoch}")
        self._note = notes[epoch]
        self.origin = origin_in(prover.node, epoch, self._note)
        signed = keys.of(epoch)
        self.key = LogKey(self.origin, signed.key.public_key, signed.key.verify)
        self.chain = signed.chain
        self.head = self._believed(self._note)
        self._cosigned = None if cosigned is None else (cosigned, self._believed(cosigned))
        self._published = held_tree(prover.data, self.origin, lambda note, _: self._believed(note))
        self.node = EpochNodes(connection, epoch, self._published and self._published[1])

    def _believed(self, note: bytes) -> Checkpoint:
        return verify_note(note, self.key.name, self.key.public_key, self.key.verify)

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
            note, tree = self._published
            return note, Checkpoint(self.origin, tree.size, tree.root)
        return self._note, self.head

    @property
    def is_cosigned(self) -> bool:
        """Whether the published checkpoint has any signature but the log's own."""
        return self._published is not None and len(split_note(self._published[0])[1]) > 1

    def take_kept(self) -> None:
        """Prove by the newest head that any witness cosigned, where it covers the entry. Rows that were
        edited are left to `verify`."""
        with suppress(AuditError):
            kept = newest_cosigned(self._connection, self.origin)
            if kept is not None:
                self._cosigned = kept[0], self._believed(kept[0])

    @property
    def published_note(self) -> bytes | None:
        return None if self._published is None else self._published[0]

    def newer_than(self, head: Checkpoint) -> NewerHead | None:
        if self.head.size == head.size:
            return None
        hashes = consistency_proof(head.size, self.head.size, self.node)
        return NewerHead(self._note, tuple(hashes))


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
        for index, leaf in connection.execute(
            """SELECT entry_index, leaf FROM entries
               WHERE entry_index >= ? AND entry_index < ? AND instr(leaf, ?) > 0
               ORDER BY entry_index""",
            (start, min(start + _PAGE, stop), wanted),
        ):
            if isinstance(leaf, bytes) and parse(leaf)["event"] in OF_RECEIPTS:
                return int(index)
        following = connection.execute(
            "SELECT min(entry_index) FROM entries WHERE entry_index >= ?", (start + _PAGE,)
        ).fetchone()[0]
        if following is None:
            return None
        start = int(following)
    return None
