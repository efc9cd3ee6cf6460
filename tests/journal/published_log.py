"""A journal's tables with entries of the test's own, and what publishes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from relay.audit.checkpoint import Checkpoint, head_of, note_body, sign_note, verify_note
from relay.audit.tiles import WIDTH, tiles_of
from relay.audit.tree import Frontier, leaf_hash
from relay.journal import tile_files
from relay.journal.publishing import EpochPublisher

ORIGIN = "truc-relay.example/log/tinh-h01"
PUBLIC = bytes(32)


def sign(body: bytes) -> bytes:
    """Any function will do that only this test knows."""
    return leaf_hash(b"secret" + body) * 2


def check(signature: bytes, body: bytes) -> None:
    if signature != sign(body):
        raise ValueError


def believed(note: bytes, origin: str) -> Checkpoint:
    return verify_note(note, origin, PUBLIC, check)


class Log:
    """A journal's tables with entries of our own, and its publisher."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite"
        self.folder = folder / "log"
        self.leaves: list[bytes] = []
        self.frontier = Frontier()
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
            "CREATE TABLE entries (entry_index INTEGER PRIMARY KEY, leaf BLOB, leaf_hash BLOB);"
            "CREATE TABLE log_head (one INTEGER PRIMARY KEY, frontier BLOB, note BLOB);"
            "CREATE TABLE cosignatures (witness TEXT, origin TEXT, size INTEGER, note BLOB, line BLOB,"
            " at INTEGER);"
            "CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, note BLOB);"
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)"
        )

    def grow(self, count: int) -> bytes:
        self.db.execute("BEGIN")
        for _ in range(count):
            leaf = b"entry %d" % len(self.leaves)
            self.db.execute(
                "INSERT INTO entries VALUES (?, ?, ?)", (len(self.leaves), leaf, leaf_hash(leaf))
            )
            self.leaves.append(leaf)
            self.frontier.append(leaf_hash(leaf))
        note = sign_note(
            note_body(ORIGIN, self.frontier.size, self.frontier.root()), ORIGIN, PUBLIC, sign
        )
        self.db.execute("INSERT OR REPLACE INTO log_head VALUES (1, x'', ?)", (note,))
        self.db.execute("COMMIT")
        return note

    def publisher(self, **more: Callable[..., None]) -> EpochPublisher:
        return EpochPublisher(self.path, self.folder, ORIGIN, believed, **more)  # type: ignore[arg-type]

    def check_published(self) -> int:
        """The published checkpoint holds, its tiles prove all its entries; its size."""
        files = tile_files.TileFiles(self.folder / "0")
        note = files.note()
        if note is None:
            return 0
        head = believed(note, ORIGIN)
        nodes = self.publisher().nodes(head)
        found = [leaf for n in range(-(-head.size // WIDTH)) for leaf in nodes.leaves(n)]
        assert found == self.leaves[: head.size]
        for tile in tiles_of(head.size):
            assert files.read(tile)
        return head.size


def publish(publisher: EpochPublisher, note: bytes, most: int = 16384) -> int:
    """How many files had to be mended."""
    mended, done = 0, False
    for _ in range(1000):
        wrote = publisher.write(head_of(note), most)
        mended += wrote.mended
        if done := wrote.done:
            break
    assert done
    publisher.publish(note)
    return mended
