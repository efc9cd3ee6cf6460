"""What a node keeps on its disk, read beside the running node: messages, receipts, payloads.

Faces tell what a node says it holds; this is whether it does. Whatever is here has been hashed.

Touches: a node's journal (read-only) and its payload files.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from relay.demo.network import RunningNode
from relay.model import digest_of


@dataclass(frozen=True, slots=True)
class Kept:
    """`payloads` and `receipts` are digests; what does not hash to its name is left out."""

    messages: frozenset[tuple[str, str]]
    """(message id, digest of its envelope)."""
    receipts: frozenset[str]
    payloads: frozenset[str]

    def holds(self, message_id: str, digest: str) -> bool:
        """The message and its very bytes."""
        return (message_id, digest) in self.messages and digest in self.payloads


def kept_by(node: RunningNode) -> Kept:
    data = node.folder / "data"
    source = f"file:{data / 'journal.sqlite'}?mode=ro"
    with closing(sqlite3.connect(source, uri=True, timeout=30)) as journal:
        return Kept(
            frozenset(journal.execute("SELECT message_id, digest FROM messages")),
            frozenset(_receipts(journal)),
            frozenset(_payloads(journal, data / "payloads")),
        )


def _receipts(journal: sqlite3.Connection) -> list[str]:
    rows = journal.execute("SELECT digest, document FROM receipts")
    return [digest for digest, document in rows if digest_of(document) == digest]


def _payloads(journal: sqlite3.Connection, folder: Path) -> list[str]:
    rows = journal.execute("SELECT digest, content, path FROM payloads")
    return [
        digest
        for digest, content, name in rows
        if digest_of(_file(folder / digest[:2] / name) if content is None else content) == digest
    ]


def _file(path: Path) -> bytes:
    """Nothing when it is gone."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
