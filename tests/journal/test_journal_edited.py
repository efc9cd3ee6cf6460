"""Whoever edits the log's tables, with whatever type SQLite lets them use, is found out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.audit.checkpoint import note_body, origin_of, sign_note
from relay.audit.epochs import SPAN, Epoch, log_name, verify_epochs
from relay.audit.verify import LogKey, LogVerdict
from relay.errors import AuditError, JournalError
from relay.journal.epochs import mark_restored
from relay.journal.inspect import stored_log
from relay.journal.store import DATABASE, SqliteJournal
from relay.model import NodeId

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
ORIGIN = origin_of(NODE)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = LogKey(ORIGIN, PUBLIC, PRIVATE.public_key().verify)
ENTRIES = 7
COLUMNS = ("entries.leaf", "entries.leaf_hash", "log_head.note", "log_head.frontier")

Edit = Callable[..., None]


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    return sign_note(note_body(name, size, root), name, PUBLIC, PRIVATE.sign)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A stopped journal whose log has a few entries."""
    await _write(tmp_path)
    return tmp_path


async def _write(folder: Path) -> None:
    journal = await SqliteJournal.open(folder, NODE, _sign_head, on_fatal=lambda _: None)
    for number in range(ENTRIES):
        await journal.note("peer-refused", AT, {"reason": f"H01-{number}"})
    await journal.close()


def _edit(folder: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for statement in statements:
            connection.execute(statement, values)


def _verify(folder: Path) -> LogVerdict:
    with stored_log(folder) as stored:
        return verify_epochs(NODE, stored.epochs, KEY)[-1]


_LOOSE = (
    "CREATE TABLE loose (entry_index, leaf, leaf_hash)",
    "INSERT INTO loose SELECT * FROM entries",
    "DROP TABLE entries",
    "ALTER TABLE loose RENAME TO entries",
)
"""The same table without its constraints: an editor may change the schema, too."""


def test_an_untouched_log_holds(folder: Path) -> None:
    """Otherwise the rest proves nothing."""
    assert _verify(folder).checkpoint.size == ENTRIES


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entries SET leaf = replace(leaf, 'H01', 'H02') WHERE entry_index = 5",
         "entry 5: the row was edited: its leaf is no BLOB"),
        ("UPDATE entries SET leaf_hash = replace(leaf_hash, 'a', 'b') WHERE entry_index = 5",
         "entry 5: the row was edited: its leaf hash is no BLOB"),
        ("UPDATE entries SET leaf = 17 WHERE entry_index = 5", "entry 5: the row was edited"),
        ("UPDATE entries SET leaf = x'' WHERE entry_index = 5", "entry 5: the row was edited"),
        ("UPDATE entries SET leaf = NULL WHERE entry_index = 5", "entry 5: the row was edited"),
        ("UPDATE entries SET leaf_hash = NULL WHERE entry_index = 5", "entry 5: the row was edited"),
        ("UPDATE entries SET entry_index = 'five' WHERE entry_index = 5", "entry 5: "),
        ("UPDATE entries SET entry_index = NULL WHERE entry_index = 5", "entry 5: "),
        ("UPDATE entries SET entry_index = -5 WHERE entry_index = 5", "entry 0: "),
        (f"UPDATE entries SET entry_index = {3 * SPAN} WHERE entry_index = 5", "entry 5: "),
        (f"INSERT INTO entries SELECT {3 * SPAN}, leaf, leaf_hash FROM entries LIMIT 1", "entry 7: "),
        ("INSERT INTO entries SELECT -1, leaf, leaf_hash FROM entries LIMIT 1", "entry 0: "),
        ("INSERT INTO meta VALUES ('epoch', 'x')", "which epoch"),
        ("INSERT INTO epochs VALUES (9, x'00')", "epoch 9 where 0 is due"),
        ("DELETE FROM entries WHERE entry_index = 5", "entry 5: "),
        ("UPDATE log_head SET note = replace(note, 'a', 'b')", "its note is no BLOB"),
        ("UPDATE log_head SET note = x'00'", "note "),
        ("UPDATE log_head SET frontier = replace(frontier, 'a', 'b')", "its frontier is no BLOB"),
        ("UPDATE log_head SET frontier = 5", "its frontier is no BLOB"),
        ("UPDATE log_head SET frontier = x'0000000000000000'", "right edge of the tree"),
        ("DELETE FROM log_head", "the signed head of the log of 7 entries is gone"),
        ("DELETE FROM meta WHERE name = 'node'", "no longer says whose log"),
        ("DELETE FROM entries", "entry 0: missing"),
    ],
)  # fmt: skip
def test_an_edit_is_named(folder: Path, statement: str, said: str) -> None:
    """As a failed verification, whatever it left behind: never a crash, never a journal without a log."""
    _edit(folder, *_LOOSE, statement)

    with pytest.raises(AuditError) as refused:
        _verify(folder)

    assert str(refused.value).startswith(said) or said in str(refused.value)


_values = (
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(max_size=99)
)


@given(column=st.sampled_from(COLUMNS), row=st.integers(0, ENTRIES - 1), value=_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_value_in_any_column_is_named(
    folder: Path, column: str, row: int, value: object
) -> None:
    """Numbers, text, nothing, other bytes: each an AuditError; put back, the log holds again."""
    table, name = column.split(".")
    one = f"WHERE entry_index = {row}" if table == "entries" else ""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        before = connection.execute(f"SELECT {name} FROM {table} {one}").fetchone()[0]
    if value == before:
        return
    try:
        _edit(folder, f"UPDATE {table} SET {name} = ? {one}", values=(value,))
    except sqlite3.IntegrityError:
        return  # NULL, where the schema stands

    with pytest.raises(AuditError):
        _verify(folder)

    _edit(folder, f"UPDATE {table} SET {name} = ? {one}", values=(before,))
    assert _verify(folder).checkpoint.size == ENTRIES


def test_a_journal_that_never_had_a_log_is_not_called_edited(tmp_path: Path) -> None:
    """There is nothing to verify yet."""
    _edit(
        tmp_path,
        "CREATE TABLE meta (name, value)",
        "CREATE TABLE log_head (one, frontier, note)",
        "CREATE TABLE entries (entry_index, leaf, leaf_hash)",
        "CREATE TABLE epochs (epoch, note)",
    )
    with pytest.raises(JournalError, match="holds no log yet"), stored_log(tmp_path):
        pass


async def test_an_edit_in_an_epoch_that_has_ended_is_named(folder: Path) -> None:
    """A restore begins a new log; the one before it is judged by the head it ended with."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        mark_restored(connection, AT)
    journal = await SqliteJournal.open(folder, NODE, _sign_head, on_fatal=lambda _: None)
    await journal.recover(AT)
    await journal.close()
    assert _verify(folder).checkpoint.origin.startswith(f"{ORIGIN}/1-")

    _edit(folder, "UPDATE entries SET leaf = replace(leaf, 'H01', 'H02') WHERE entry_index = 5")
    with pytest.raises(AuditError, match="entry 5: the row was edited"):
        _verify(folder)
    _edit(folder, "UPDATE epochs SET note = 'text'")
    with pytest.raises(AuditError, match="its note is no BLOB"):
        _verify(folder)


async def test_a_node_does_not_start_on_a_tree_it_cannot_add_to(folder: Path) -> None:
    """The fault is named, as by `relay audit verify`."""
    _edit(folder, "UPDATE log_head SET frontier = 'text'")

    with pytest.raises(AuditError, match="right edge of the log's tree is no BLOB"):
        await SqliteJournal.open(folder, NODE, _sign_head, on_fatal=lambda _: None)
