"""A witness's rows that somebody edited: refused, and never taken for a number of bytes to make."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from relay.errors import JournalError
from relay.journal.store import DATABASE


@pytest.mark.parametrize(("table", "column"), [("witness_logs", "note"), ("witness_logs", "root")])
async def test_a_number_where_a_note_belongs_is_refused(
    found_witness: Any, make_log: Any, table: str, column: str
) -> None:
    """`bytes` of it would ask for a terabyte."""
    log = make_log().grow(20)
    witness = await found_witness(log)
    assert (await witness.add(log.request(0, 10))).status == 200
    with closing(sqlite3.connect(witness.folder / DATABASE)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = 1000000000000")

    with pytest.raises(JournalError, match="no BLOB"):
        await witness.add(log.request(10, 20))
    if column == "note":
        with pytest.raises(JournalError, match="no BLOB"):
            await witness.table.watched()
