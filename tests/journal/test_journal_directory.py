"""The directory in the journal: large changes in small steps, in force with the last one or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.agencies import Agency, NodeEntry
from relay.audit.entries import parse
from relay.delivery.directory.ports import Written
from relay.delivery.directory.preparing import Made, Seed, Stored, Work, prepare
from relay.errors import JournalError
from relay.journal.directory import AT_ONCE, DirectoryTable
from relay.journal.directory_stored import document_of, packed, read_stored
from relay.journal.migrate import migrate, migrations
from relay.journal.store import DATABASE, SqliteJournal
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from tests.journal.conftest import AT, NODE

TOP = NodeId("tw")
NODES = (NodeEntry(TOP, Tier.CENTRAL), NodeEntry(NODE, Tier.COMMUNE, TOP))
SEED = Seed.of(Layer(None, NODES, ()))


def _agencies(count: int, name: str = "Xã") -> tuple[Agency, ...]:
    """Of another node, so that nothing is to be signed."""
    return tuple(
        Agency(AgencyCode(f"H01.{n}"), name, Tier.COMMUNE, TOP) for n in range(1000, 1000 + count)
    )


def _written(stored: Stored, *agencies: Agency) -> Written:
    work = Work(NODE, SEED, AT, AT.date(), timedelta(days=30), agencies=agencies)
    return Written(AT, "local:op", "a decree", prepare(work, stored), "today")


def _table(journal: SqliteJournal, tmp_path: Path) -> DirectoryTable:
    return DirectoryTable(journal, NODE, tmp_path / DATABASE)


def _stored(tmp_path: Path) -> Stored:
    return read_stored(tmp_path / DATABASE, NODE)


def _rows(tmp_path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        return database.execute(statement).fetchall()


async def test_a_large_change_is_written_in_steps_and_read_back_whole(
    journal: SqliteJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step of it is longer than so many records; each agency is named in the log."""
    steps: list[int] = []
    perform = journal.perform

    async def counted(operation: Any, rows: int = 1) -> Any:
        steps.append(rows)
        return await perform(operation, rows)

    monkeypatch.setattr(journal, "perform", counted)
    agencies = _agencies(2 * AT_ONCE + 10)
    written = _written(_stored(tmp_path), *agencies)
    await _table(journal, tmp_path).write(written)
    assert max(steps) <= AT_ONCE
    found = await _table(journal, tmp_path).view("today")
    assert found == written.made.book
    assert [one for one, _ in Directory.of(found).walk()] == list(agencies)
    leaves = [parse(leaf) for (leaf,) in _rows(tmp_path, "SELECT leaf FROM entries")]
    assert {code for leaf in leaves for code in leaf["agencies"]} == {a.code for a in agencies}
    assert await _table(journal, tmp_path).view("tomorrow") is None


async def test_what_was_replaced_is_forgotten(journal: SqliteJournal, tmp_path: Path) -> None:
    """Large changes and small ones: of each agency the journal has one record."""
    table, many = _table(journal, tmp_path), _agencies(AT_ONCE + 500)
    for agencies in (many, _agencies(AT_ONCE + 500, "Phường"), _agencies(3, "Thị trấn")):
        await table.write(_written(_stored(tmp_path), *agencies))
    for name in ("own", "ledger"):
        assert _rows(tmp_path, f"SELECT count(*) FROM directory_{name}") == [(len(many),)]
    names = [one.name for one, _ in Directory.of(await _view(table)).walk()]
    assert names == ["Thị trấn"] * 3 + ["Phường"] * (len(many) - 3)


async def _view(table: DirectoryTable) -> Any:
    found = await table.view("today")
    assert found is not None
    return found


async def test_a_change_that_breaks_off_has_not_happened(
    journal: SqliteJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any of its steps but the last; and the next change finds nothing of it."""
    table = _table(journal, tmp_path)
    await table.write(_written(_stored(tmp_path), *_agencies(5)))
    before, perform, left = _stored(tmp_path), journal.perform, 3

    async def breaking(operation: Any, rows: int = 1) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise JournalError("the disk is gone")
        return await perform(operation, rows)

    large = _written(before, *_agencies(AT_ONCE * 2, "Phường"))
    monkeypatch.setattr(journal, "perform", breaking)
    with pytest.raises(JournalError):
        await table.write(large)
    monkeypatch.undo()
    assert len(_rows(tmp_path, "SELECT 1 FROM directory_own")) > 5
    assert _stored(tmp_path) == before
    for again in (table, _table(journal, tmp_path)):  # in the same process, and after a start
        await again.write(_written(_stored(tmp_path), *_agencies(1, "Thị trấn")))
        assert [a.name for a, _ in Directory.of(await _view(again)).walk()] == [
            "Thị trấn", "Xã", "Xã", "Xã", "Xã",
        ]  # fmt: skip


async def test_what_has_left_the_view_stays_as_a_tombstone(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    """With its number and a new version, so that clients learn of its end; it may come back."""
    table = _table(journal, tmp_path)
    seed = Layer(None, NODES, _agencies(2))

    async def seen(layer: Layer) -> Made:
        work = Work(NODE, Seed.of(layer), AT, AT.date(), timedelta(days=30))
        made = prepare(work, _stored(tmp_path))
        await table.write(Written(AT, "node", "start", made, "today"))
        return made

    def stamps(made: Made) -> list[tuple[str, int, int, bool]]:
        found = Directory.of(made.book).walk()
        return [(a.code, s.number, s.version, a.deleted) for a, s in found if s is not None]

    await seen(seed)
    gone = await seen(replace(seed, agencies=seed.agencies[:1]))
    assert stamps(gone) == [("H01.1000", 1, 1, False), ("H01.1001", 2, 2, True)]
    assert stamps(await seen(replace(seed, agencies=seed.agencies[:1]))) == stamps(gone)
    back = await seen(seed)
    assert stamps(back) == [("H01.1000", 1, 1, False), ("H01.1001", 2, 3, False)]


def test_an_earlier_journal_keeps_its_directory(tmp_path: Path) -> None:
    """Records, numbers and versions; a document that was stored as it is."""
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as database:
        for number, text in migrations():
            if number < 22:
                database.executescript(text)
        database.execute("PRAGMA user_version = 21")
        record = '["H01","","Tỉnh","province","tw",null,"","",null,null,[],false]'
        database.execute("INSERT INTO directory_own VALUES ('H01', ?)", (record,))
        database.execute(
            "INSERT INTO directory_ledger VALUES (7, 'H01', 3, 5, 'open', ?)", (record,)
        )
        migrate(database)
    stored = _stored(tmp_path)
    assert stored.own == (record,)
    [row] = stored.ledger
    assert (row.code, row.number, row.version, row.modified_ms, row.standing) == (
        "H01", 7, 3, 5, "open",
    )  # fmt: skip


@pytest.mark.parametrize("document", [b"<Directory/>", b"<Directory>" + b"H01" * 1000])
def test_documents_come_back_as_they_were_signed(document: bytes) -> None:
    """Packed, or as an earlier version stored them."""
    assert document_of(packed(document)) == document == document_of(document)
