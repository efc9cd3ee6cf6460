"""The words beside the log's leaves, as stored: read with the leaves, and removed for good.

Touches: entry_words, the log. Trusts: nothing of a row before it was checked against its leaf.
Raises:  JournalError.
"""

from __future__ import annotations

import structlog

from relay.audit.entries import parse
from relay.audit.words import proven
from relay.delivery.ports import LogEntry
from relay.errors import AuditError

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
        _log.error("words beside the log were edited", index=index, error=str(error))
        return LogEntry(index, leaf)
