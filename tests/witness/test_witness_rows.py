"""What a witness keeps: of what is handed in no more than proves it, and nothing that somebody edited."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from relay.audit.add_checkpoint import AddCheckpoint, write_request
from relay.audit.checkpoint import note_body, sign_note, signature_line
from relay.audit.cosignature import answered
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


async def test_of_a_checkpoint_only_what_proves_it_is_kept(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """Signatures of others come and go: a log cannot fill its witness's disk with them, nor with text."""
    log = make_log().grow(20)
    witness = await found_witness(log)
    line = signature_line("other.example", b"\x01\x02\x03\x04" + bytes(3000))
    for size in (10, 20):
        asked = AddCheckpoint(
            size - 10, tuple(log.proof(size - 10, size)), log.note(size) + 60 * line
        )
        answer = await witness.add(write_request(asked))
        assert (answer.status, bool(answered(log.note(size), answer.body, witness.cosigner))) == (
            200,
            True,
        )
    assert [one.note for one in await witness.table.watched()] == [log.note(20)]
    seen = await witness.journal.rows("SELECT note FROM witness_seen ORDER BY size")
    assert [bytes(note) for (note,) in seen] == [log.note(10), log.note(20)]

    body = note_body(log.origin, 20, bytes(32)) + b"extension\n" * 500
    long = sign_note(body, log.origin, log.key.public, log.key.private.sign)
    assert (await witness.add(write_request(AddCheckpoint(20, (), long)))).status == 400
