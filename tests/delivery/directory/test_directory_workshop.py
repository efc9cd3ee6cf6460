"""Large changes are prepared in a process of their own, with the same result and the same refusals."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.agencies import Agency, NodeEntry
from relay.delivery.directory.preparing import Seed, Work
from relay.errors import DirectoryError, OverloadError, SignatureError, WireError
from relay.journal.migrate import migrate
from relay.model import AgencyCode, NodeId, Tier
from relay.node import workshop
from relay.node.workshop import NodeWorkshop
from relay.routing.composing import Layer
from relay.routing.listing import Table, write_csv
from relay.wire.branch import Branch, write_branch

TW, TINH = NodeId("tw"), NodeId("tinh")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
NODES = (NodeEntry(TW, Tier.CENTRAL), NodeEntry(TINH, Tier.PROVINCE, TW))
SEED = Seed.of(Layer(None, NODES, (Agency(AgencyCode("H01"), "Tỉnh", Tier.PROVINCE, TINH),)))
WORK = Work(TINH, SEED, AT, date(2026, 11, 23), timedelta(days=30))
MANY = 2500


def _agencies(node: NodeId = TINH) -> tuple[Agency, ...]:
    found = (
        Agency(AgencyCode(f"H01.{n}"), f"Xã {n}", Tier.COMMUNE, node) for n in range(1, MANY + 1)
    )
    return tuple(sorted(found, key=lambda one: one.code))


def _table(node: NodeId = TINH) -> Table:
    return Table("text/csv", "".join(write_csv(_agencies(node))).encode())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeWorkshop:
    """Tables of a hundred kilobytes are large to it."""
    monkeypatch.setattr(workshop, "MANY_BYTES", 50_000)
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        migrate(database)
        tree = json.dumps([["tw", "central", None], ["tinh", "province", "tw"]])
        database.execute("UPDATE directory_force SET tree = ?", (tree,))
    return NodeWorkshop(path)


async def test_a_process_makes_what_a_thread_makes(
    shop: NodeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same view, records and document to sign; its folder is gone afterwards."""
    work = replace(WORK, table=_table())
    apart = await shop.make(work)
    assert not list(shop.journal.parent.glob("directory-*"))
    monkeypatch.setattr(workshop, "MANY_BYTES", 10_000_000)
    assert apart == await shop.make(work)
    assert apart.changed == MANY + 1
    assert apart.issued is not None
    assert apart.issued.agencies == MANY


async def test_refusals_are_the_same_from_a_process(shop: NodeWorkshop) -> None:
    """Every problem of a table, what an owner may not say, what is no directory at all."""
    with pytest.raises(DirectoryError) as caught:
        await shop.make(replace(WORK, table=_table(NodeId("nowhere"))))
    assert len(caught.value.problems) == 100
    assert caught.value.problems[0] == "agency H01.1: no node nowhere is known"
    foreign = Branch(TINH, 1, AT, AT, (), _agencies(TW))
    with pytest.raises(SignatureError, match="outside the branch") as refused:
        await shop.make(replace(WORK, heard=await asyncio.to_thread(write_branch, foreign)))
    assert refused.value.reason == "not-owner"
    with pytest.raises(WireError):
        await shop.make(replace(WORK, heard=b"<Directory" + b" " * 60_000))


async def test_a_process_that_is_ended_leaves_nothing(
    shop: NodeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told to come again, and may."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OverloadError, match="ended with 1"):
        await shop.make(replace(WORK, table=_table()))
    assert not list(shop.journal.parent.glob("directory-*"))


async def test_a_process_that_does_not_end_is_ended(
    shop: NodeWorkshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other changes wait for it, but not for ever."""
    hanging, number = tmp_path / "hanging", tmp_path / "number"
    hanging.write_text(f"#!/bin/sh\necho $$ > {number}\nexec sleep 600\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(workshop, "LONGEST_SECONDS", 0.5)
    with pytest.raises(OverloadError, match="took over"):
        await shop.make(replace(WORK, table=_table()))
    if number.exists():  # on a very busy machine it had not begun
        assert not Path(f"/proc/{number.read_text().strip()}").exists()
    assert not list(tmp_path.glob("directory-*"))


async def test_what_a_killed_node_left_is_swept_away(shop: NodeWorkshop) -> None:
    """And nothing else."""
    left, kept = (shop.journal.parent / name for name in ("directory-x1", "payloads"))
    for folder in (left, kept):
        folder.mkdir()
        (folder / "work").write_bytes(b"x")
    shop.sweep()
    assert not left.exists()
    assert kept.exists()


async def test_thousands_of_agencies_reach_the_neighbours_and_outlive_a_restart(
    village: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prepared apart at both nodes; the start after it sees nothing anew."""
    content = _table().content
    status, told = await village.native(
        "tinh", "POST", "/v1/directory/import?why=x", content=content, kind="text/csv"
    )
    assert (status, told["changed"]) == (200, MANY), json.dumps(told)[:300]
    await village.until_known("tw", f"H01.{MANY}", node="tinh")
    listed = await village.call("tw", "getSynchronizeUnit", ("sinceVersion", "1"))
    assert len(listed["data"]) == MANY
    await village.down("tinh")

    async def never(*_: object) -> None:
        raise AssertionError("seen anew")

    monkeypatch.setattr(NodeWorkshop, "make", never)
    await village.up("tinh")
    found = await village.agency("tinh", "H01.77")
    assert (found["name"], found["version"]) == ("Xã 77", told["version"])
