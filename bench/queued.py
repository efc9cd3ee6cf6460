"""A backlog in a node's journal, without carrying each document through the intake.

One document that the node itself accepted is the pattern: its rows are copied in bulk, column by
column as the journal's own schema has them, each copy with ids, digests and instants of its own, so
that every index holds as many different keys as after so many submissions. All share one payload.
Receipts are short stand-ins (nothing reads them before they travel), seals too where asked for. The
log gets no entries for the copies; its signed head stays true of what it holds.

Touches: the journal file of a node that stands still.
Raises:  RuntimeError when the pattern is not the only message in the journal.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from relay.journal.store import DATABASE

AT_ONCE = 10_000
SPACING_MS = 50
"""Between two acceptances; the youngest copy is as old as the pattern."""
_PRAGMAS = (
    "PRAGMA journal_mode = MEMORY",  # what dies while this is written is thrown away whole
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -524288",
    "PRAGMA temp_store = MEMORY",
)
_STAND_IN = "zeroblob(16)"
_EARLIER = f"(:count - i) * {SPACING_MS}"
_COPIES: dict[str, dict[str, str]] = {
    "messages": {
        "message_row": "t.message_row + i",
        "message_id": f"message_id_of(t.accepted_at - {_EARLIER}, i)",
        "document_id": "t.document_id || '-' || i",
        "notation": "t.notation || '-' || i",
        "accepted_at": f"t.accepted_at - {_EARLIER}",
        "expires_at": f"t.expires_at - {_EARLIER}",
    },
    "arrivals": {
        "arrival_row": "t.arrival_row + i",
        "message_row": "t.message_row + i",
        "receipt": "digest_of('receipt', i)",
        "at": f"t.at - {_EARLIER}",
    },
    "deliveries": {
        "delivery_row": "t.delivery_row + i",
        "delivery_id": "delivery_id_of(i)",
        "message_row": "t.message_row + i",
        "arrival_row": "t.arrival_row + i",
        "state": "'queued'",
        "transfer_id": "NULL",
        "expires_at": f"t.expires_at - {_EARLIER}",
        "updated_at": f"t.updated_at - {_EARLIER}",
    },
    "receipts": {
        "digest": "digest_of('receipt', i)",
        "message_row": "t.message_row + i",
        "document": _STAND_IN,
        "signature": _STAND_IN,
        "stored_at": f"t.stored_at - {_EARLIER}",
    },
    "submissions": {
        "submission_key": "digest_of('submission', i)",
        "message_row": "t.message_row + i",
    },
}


_HANDED_OVER = {
    "inbox_cursor": "t.inbox_cursor + i",
    "state": "'handed-over'",
    "acknowledgement": "'done'",
    "available_at": f"t.available_at - {_EARLIER}",
    "settled_at": f"t.updated_at - {_EARLIER}",
}
"""Instead: a document served here that its recipient took over."""


def fill(data: Path, count: int, *, real_seals: bool, served: bool = False) -> Iterator[int]:
    """Make `count` copies in bulk transactions; yields after each how many stand by then, and in the
    end once everything is on the disk. `served`: not queued, but handed over here."""
    with closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        _keep_pattern(connection)
        for name, arguments, function in _FUNCTIONS:
            connection.create_function(name, arguments, function, deterministic=True)
        more = {
            "messages": {} if real_seals else {"seal": _STAND_IN},
            "deliveries": _HANDED_OVER if served else {},
        }
        statements = [
            _statement(connection, table, changes | more.get(table, {}))
            for table, changes in _COPIES.items()
        ]
        for first in range(1, count + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, count)
            connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement, {"first": first, "last": last, "count": count})
            connection.execute("COMMIT")
            yield last
    _to_disk(data / DATABASE)
    yield count


def queued(connection: sqlite3.Connection, neighbour: str) -> int:
    """Deliveries that wait for the neighbour, those it was tried with included."""
    return int(
        connection.execute(
            "SELECT count(*) FROM deliveries"
            " WHERE next_hop = ? AND state IN ('queued', 'in-flight', 'in-doubt')",
            (neighbour,),
        ).fetchone()[0]
    )


def _keep_pattern(connection: sqlite3.Connection) -> None:
    """Each table's only row, apart, where the copies are not in its way."""
    for table in _COPIES:
        # Receipts of a document served here are several: the first stands for each copy's.
        first = " ORDER BY rowid LIMIT 1" if table == "receipts" else ""
        connection.execute(f"CREATE TEMP TABLE pattern_of_{table} AS SELECT * FROM {table}{first}")
        rows = connection.execute(f"SELECT count(*) FROM pattern_of_{table}").fetchone()[0]
        if rows != 1:
            raise RuntimeError(f"{rows} rows in {table}, a pattern has one")


def _statement(connection: sqlite3.Connection, table: str, changes: Mapping[str, str]) -> str:
    """Copies of a table's pattern; a column that is not changed is copied as it is."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changes.get(column, f"t.{column}") for column in columns)
    return (
        "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
        f" INSERT INTO {table} SELECT {values} FROM n CROSS JOIN pattern_of_{table} t"
    )


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _message_id_of(at: int, number: int) -> str:
    """The shape of a UUIDv7: ascending with the time."""
    time, rest = f"{at:012x}", _hash("message", number)
    return f"{time[:8]}-{time[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[6:18]}"


def _delivery_id_of(number: int) -> str:
    """The shape of a UUID made of a digest: in no order."""
    rest = _hash("delivery", number)
    return f"{rest[:8]}-{rest[8:12]}-8{rest[12:15]}-8{rest[15:18]}-{rest[18:30]}"


_FUNCTIONS = (
    ("digest_of", 2, _hash),
    ("message_id_of", 2, _message_id_of),
    ("delivery_id_of", 1, _delivery_id_of),
)


def _to_disk(path: Path) -> None:
    """Or the writing would go on underneath what is measured next."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
