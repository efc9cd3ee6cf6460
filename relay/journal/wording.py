"""The words beside the log's leaves, as stored: read with the leaves, and removed for good.

Touches: entry_words, the log. Trusts: nothing of a row before it was checked against its leaf.
Raises:  JournalError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from relay.audit.entries import AuditEvent, entry, instant, parse
from relay.audit.words import proven
from relay.delivery.ports import LogEntry
from relay.errors import AuditError
from relay.journal.sql import load
from relay.journal.writer import Transaction
from relay.lines import Line
from relay.model import NodeId

if TYPE_CHECKING:
    from relay.journal.store import SqliteJournal

SQL = load("words")
PAGE = (
    "SELECT e.entry_index, e.leaf, w.salt, w.words FROM entries e"
    " LEFT JOIN entry_words w ON w.entry_index = e.entry_index"
    " WHERE e.entry_index >= ? ORDER BY e.entry_index LIMIT ?"
)
_log = structlog.get_logger("relay.journal")


def log_entry(index: int, leaf: bytes, salt: object, words: object) -> LogEntry:
    """A row of PAGE. Words that are not the leaf's are shown to nobody; `audit verify` names them."""
    if salt is None and words is None:
        return LogEntry(index, leaf)
    try:
        return LogEntry(index, leaf, *proven(parse(leaf), salt, words))
    except AuditError as error:
        _log.error(Line.WORDS_EDITED, index=index, error=str(error))
        return LogEntry(index, leaf)


@dataclass(frozen=True, slots=True)
class WordsTable:
    """delivery.operators.forgetting.Forgetting."""

    journal: SqliteJournal
    node: NodeId

    async def newest(self) -> int:
        rows = await self.journal.rows(SQL["newest"])
        return int(rows[0][0])

    async def of_holder(self, name: str, after: int, last: int, limit: int) -> list[int]:
        rows = await self.journal.rows(SQL["of_holder"], (after, last, name, limit))
        return [row[0] for row in rows]

    async def older(self, before: datetime, after: int, last: int, limit: int) -> list[int]:
        rows = await self.journal.rows(SQL["older"], (after, last, instant(before), limit))
        return [row[0] for row in rows]

    async def forget(
        self, indexes: Sequence[int], by: str, why: str, kind: str, at: datetime
    ) -> None:
        def operation(tx: Transaction) -> None:
            # What is removed is overwritten in its page, and not only left out of it.
            tx.run("PRAGMA secure_delete = ON").fetchall()
            tx.connection.executemany(SQL["forget"], [(index,) for index in indexes])
            tx.run("PRAGMA secure_delete = OFF").fetchall()
            told = {"type": kind, "count": len(indexes), "by": by, "why": why}
            tx.record(entry(AuditEvent.WORDS_FORGOTTEN, at, self.node, **told))

        await self.journal.perform(operation)
