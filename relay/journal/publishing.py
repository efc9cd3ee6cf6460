"""Write the log as tiles: what the journal holds durably becomes files, then the checkpoint over them.

The order is the promise: leaves are read below a head that the journal has committed (a reader sees a
commit only after its fsync), their tiles are written and fsynced, the root over them is compared with the
head's, and only then does `publish` rename the checkpoint in. If the process dies

    while tiles are written        they are written again: the same bytes, or found there
    after them, before `publish`   as above; the old checkpoint stands, and its tiles with it
    after `publish`                partial tiles that nobody needs are left; the next round removes them

What a round starts from is read back from the partial tiles of the published checkpoint and must give
its root. Where it does not, or where a tile is in the way that holds something else, the whole log is
proven against its signed head from the journal and every tile compared and mended. Where the journal
itself does not give the head, or gives another tree than was published, nothing is touched.

Touches: DATA/journal.sqlite, reading; DATA/log/EPOCH. All of it blocks: call it in a thread.
Trusts:  the head that it is given. Leaves, hashes and files are compared with it.
Raises:  AuditError where the journal contradicts the head or what was published; OSError, JournalError.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.epochs import epoch_of, first_index, folder_of
from relay.audit.growing import TileGrowth
from relay.audit.log_keys import EpochKeys
from relay.audit.tiles import ENTRIES, WIDTH, Tile, TileNodes, bundle
from relay.audit.tree import HASH_BYTES, Frontier, leaf_hash
from relay.audit.verify import LogKey
from relay.errors import AuditError, JournalError, NotFoundError
from relay.journal import epochs, log_keys
from relay.journal.cosigned import newest_cosigned
from relay.journal.inspect import read_only
from relay.journal.tile_files import PROGRESS, TileFiles

SLICE: Final = 16 * 1024
"""Entries that one call writes at most; a multiple of WIDTH."""
_SIZE_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Due:
    """An epoch of the log as the journal has it."""

    note: bytes
    head: Checkpoint
    present: bool
    key: LogKey | None = None
    """The key of its epoch, as the epochs after it name it; None where that is not known here."""
    kept: bytes = b""
    """Of an epoch that ended the cosignatures kept of this very head: nobody is asked for more."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a call has done."""

    done: bool
    """All tiles of the head are there."""
    mended: int = 0
    """Files that held something else than they must."""


def heads_due(journal: Path, key: LogKey | None = None) -> list[Due]:
    """Every epoch with any entry, the present one last, which `key` signs."""
    try:
        with closing(read_only(journal)) as connection:
            connection.execute("BEGIN")
            heads = epochs.heads(connection)
            (present,) = connection.execute("SELECT count(*) FROM log_head").fetchone()
            keys = None if key is None else log_keys.epoch_keys(connection, heads, key)
            closed = len(heads) - present
            kept = {one: _kept(connection, heads[one]) for one in list(heads)[:closed]}
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be read: {error}") from error
    return [
        Due(note, head_of(note), epoch not in kept, _key(keys, epoch), kept.get(epoch, b""))
        for epoch, note in heads.items()
    ]


def _kept(connection: sqlite3.Connection, note: bytes) -> bytes:
    """The cosignatures of an epoch's last head: after a restore its files are made anew, and with them."""
    with suppress(AuditError):
        found = newest_cosigned(connection, head_of(note).origin)
        if found is not None and found[0].startswith(note):
            return found[0][len(note) :]
    return b""


def _key(keys: EpochKeys | None, epoch: int) -> LogKey | None:
    with suppress(AuditError):
        return None if keys is None else keys.of(epoch).key
    return None


class EpochPublisher:
    """One epoch's tiles, written on from where they are."""

    def __init__(
        self,
        journal: Path,
        log: Path,
        origin: str,
        believed: Callable[[bytes, str], Checkpoint],
        *,
        room: Callable[[int], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`believed` gives the checkpoint of a note that this node signed under that origin, or raises
        AuditError. `stopping` is asked between two bundles; then JournalError ends the call."""
        epoch = epoch_of(origin)
        self.origin = origin
        self.files = TileFiles(log / folder_of(epoch), room)
        self.published: Checkpoint | None = None
        """As this process has read or written it."""
        self._leaves = _Leaves(journal, first_index(epoch.number))
        self._believed = believed
        self._stopping = stopping
        self._growth: TileGrowth | None = None
        self._doubted = False
        """The next call proves the journal first, and then begins to compare every file."""
        self._mending = False
        """Proven; files that hold something else are written anew until the head is reached."""

    def doubt(self) -> None:
        """Somebody found a file that does not hold what it must: the next call looks at every one."""
        self._doubted = True

    @property
    def doubted(self) -> bool:
        return self._doubted or self._mending

    def write(self, head: Checkpoint, most: int = SLICE) -> Round:
        """The tiles of the next entries below the head, durable on return."""
        with self._leaves:
            # Until this call has ended well, the next one looks anew at what is on the disk.
            growth, self._growth = self._growth, None
            if growth is None or self._doubted:
                growth = self._load(head)
            try:
                done = self._write(growth, head, most)
            except AuditError:
                self._doubted = True
                if self._mending:
                    raise
                self.files.forget(PROGRESS)
                return Round(done=False)
            except BaseException:
                self._doubted = self._mending
                raise
            self._growth = growth
            return done

    def publish(self, note: bytes) -> None:
        """The note of a head whose tiles are all written becomes the checkpoint; durable on return (W16.5)."""
        head = head_of(note)
        before = 0 if self.published is None else self.published.size
        if before > head.size:
            raise AuditError(f"a checkpoint of {before} entries is published, not {head.size}")
        self.files.publish(note)
        self.published = head
        self.files.forget(PROGRESS)
        self.files.tidy(before, head.size)

    def nodes(self, head: Checkpoint) -> TileNodes:
        """The tree under this head, whose tiles are written."""
        return TileNodes(head.size, head.root, self.files.read)

    # ------------------------------------------------------------ where to go on

    def _load(self, head: Checkpoint) -> TileGrowth:
        self._mending = False
        self.files.prepare()
        published = self.published = self._read_published()
        if published is not None and published.size > head.size:
            raise AuditError(
                f"a checkpoint of {published.size} entries is published, the journal's log has"
                f" {head.size}: it was cut back"
            )
        if not self._doubted:
            claims = [claim for claim in (published, self._progress()) if claim is not None]
            for claim in sorted(claims, key=lambda one: one.size, reverse=True):
                if claim.size <= head.size and (found := self._fitting(claim)) is not None:
                    return found
            if published is None:
                return TileGrowth()
        self._prove(head, published)
        self._doubted, self._mending = False, True
        return TileGrowth()

    def _read_published(self) -> Checkpoint | None:
        """None as well where the file is no checkpoint of this log: then it says nothing."""
        try:
            note = self.files.note()
            return None if note is None else self._believed(note, self.origin)
        except AuditError:
            self._doubted = True
            return None

    def _progress(self) -> Checkpoint | None:
        try:
            mark = self.files.note(PROGRESS)
        except AuditError:
            return None
        if mark is None or len(mark) != _SIZE_BYTES + HASH_BYTES:
            return None
        return Checkpoint(
            self.origin, int.from_bytes(mark[:_SIZE_BYTES], "big"), mark[_SIZE_BYTES:]
        )

    def _fitting(self, claim: Checkpoint) -> TileGrowth | None:
        """What to go on from, where the partial tiles of that size give that root."""
        try:
            growth = TileGrowth.stored(claim.size, self.files.read)
            rest = self._leaves.hashes(growth.size, claim.size)
        except AuditError:
            return None
        return growth if growth.root(rest) == claim.root else None

    def _prove(self, head: Checkpoint, published: Checkpoint | None) -> None:
        """The journal gives the head's root, and on the way the root that is published (W16.9)."""
        frontier = Frontier()
        while frontier.size < head.size:
            self._breathe()
            for hashed in self._leaves.hashes(frontier.size, min(frontier.size + WIDTH, head.size)):
                frontier.append(hashed)
                if published is not None and frontier.size == published.size:
                    _same(frontier, published, "the checkpoint that is published")
        _same(frontier, head, "their signed head")

    # ------------------------------------------------------------ writing on

    def _write(self, growth: TileGrowth, head: Checkpoint, most: int) -> Round:
        before, stop, mended = growth.size, min(head.size, growth.size + most), 0
        while growth.size + WIDTH <= stop:
            self._breathe()
            mended += self._write_full(growth)
        rest = self._leaves.read(growth.size, stop) if stop == head.size else []
        hashes = [leaf_hash(leaf) for leaf in rest]
        root = growth.root(hashes)
        if stop == head.size and root != head.root:
            raise AuditError(f"the tiles do not give the root of {head.size} entries")
        if rest:
            mended += self._put(Tile(ENTRIES, growth.full, len(rest)), bundle(rest))
        for tile, content in growth.partials(hashes):
            mended += self._put(tile, content)
        self.files.settle()
        if stop == head.size:
            self._mending = False
        elif not self._mending:
            self.files.publish(growth.size.to_bytes(_SIZE_BYTES, "big") + root, PROGRESS)
            self.files.tidy(before, growth.size)
        return Round(stop == head.size, mended)

    def _write_full(self, growth: TileGrowth) -> int:
        leaves = self._leaves.read(growth.size, growth.size + WIDTH)
        mended = self._put(Tile(ENTRIES, growth.full), bundle(leaves))
        for tile, content in growth.add([leaf_hash(leaf) for leaf in leaves]):
            mended += self._put(tile, content)
        return mended

    def _put(self, tile: Tile, content: bytes) -> int:
        return self.files.put(tile, content, mending=self._mending)

    def _breathe(self) -> None:
        """Let others have the interpreter; a file's writing does so by itself."""
        if self._stopping():
            raise JournalError("the node stops")
        time.sleep(0)


def _same(frontier: Frontier, head: Checkpoint, what: str) -> None:
    if frontier.root() != head.root:
        raise AuditError(f"the journal's first {head.size} entries do not give the root of {what}")


class _Leaves:
    """An epoch's leaves in the journal, while entered."""

    def __init__(self, journal: Path, first: int) -> None:
        self._journal = journal
        self._first = first
        self._connection: sqlite3.Connection

    def __enter__(self) -> None:
        try:
            self._connection = read_only(self._journal)
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, start: int, stop: int) -> list[bytes]:
        """Those of [start, stop)."""
        try:
            rows = self._connection.execute(
                "SELECT leaf FROM entries WHERE entry_index >= ? AND entry_index < ?"
                " ORDER BY entry_index",
                (self._first + start, self._first + stop),
            ).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error
        if len(rows) != stop - start or not all(isinstance(row[0], bytes) for row in rows):
            raise AuditError(f"the journal does not hold all entries from {start} to {stop}")
        return [row[0] for row in rows]

    def hashes(self, start: int, stop: int) -> list[bytes]:
        return [leaf_hash(leaf) for leaf in self.read(start, stop)]


def published_tree(
    files: TileFiles, origin: str, believed: Callable[[bytes, str], Checkpoint]
) -> tuple[bytes, TileNodes]:
    """The published checkpoint, and the tree under it to prove from. NotFoundError where there is none;
    AuditError where it does not hold."""
    note = files.note()
    if note is None:
        raise NotFoundError(f"nothing of {origin} is published")
    head = believed(note, origin)
    return note, TileNodes(head.size, head.root, files.read)
