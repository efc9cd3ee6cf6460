"""The newest head of one of this log's epochs that any witness cosigned, as a note with all their lines.

Touches: cosignatures, reading.
Trusts:  no row: who uses the note proves the log's own signature on it, and its reader the witnesses'.
Raises:  sqlite3.Error; AuditError where the rows make up no checkpoint.
"""

from __future__ import annotations

import sqlite3

from relay.audit.checkpoint import Checkpoint, head_of
from relay.errors import AuditError
from relay.journal.sql import load

SQL = load("witness")


def newest_cosigned(connection: sqlite3.Connection, origin: str) -> tuple[bytes, Checkpoint] | None:
    rows = connection.execute(SQL["newest_cosigned"], (origin,)).fetchall()
    if not rows:
        return None
    parts = (rows[0][0], *(line for _, line, *_ in rows))
    if not all(isinstance(one, bytes) for one in parts):
        raise AuditError("a row of the cosignatures was edited: it holds no BLOB")
    note = b"".join(parts)
    return note, head_of(note)
