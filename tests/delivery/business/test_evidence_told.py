"""What became of a document stands in its evidence file: taken back, refused, known to a log that began anew."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.audit.epochs import SPAN
from relay.delivery.ports import Acknowledgement, Caller
from relay.journal.epochs import mark_restored
from relay.journal.store import DATABASE
from relay.model import AgencyCode
from tests.evidence.stranger import Told, exported, judged, log_of

SENDER, RECIPIENT = "H01.16", "H01"


@pytest.fixture
async def row(rows: Any, tmp_path: Path) -> AsyncIterator[Any]:
    async with rows.open(tmp_path / "row") as opened:
        yield opened


async def _evidence(post: Any, keys: Any, folder: Path, message: Any) -> Told:
    log = log_of(post.journal, folder / post.node, post.node, keys["logs"][post.node])
    content = await exported(post.journal, post.notary, message, log)
    return judged(content, keys["pki"] / "root" / "root.pem")


async def _sent(row: Any) -> tuple[str, Any]:
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    return name, document


async def test_a_document_taken_back_before_it_was_fetched(
    row: Any, keys: Any, tmp_path: Path
) -> None:
    """At its sender's node: the request is there with its seal, and the receipt that ended it says why."""
    name, document = await _sent(row)
    await row.thon.submit(SENDER, row.take_back(name))
    await row.settle_down()
    told = await _evidence(row.thon, keys, tmp_path / "row", document)

    assert told.refused == []
    assert f"{RECIPIENT}: ContentHandoverFailure (taken-back)" in told.said("hops")
    assert "13 (take back) from H01.16" in told.said("status")
    assert len(told.of("proof")) == len(told.of("receipt"))
    assert told.said("summary")


async def test_a_document_taken_back_after_it_was_fetched(
    row: Any, keys: Any, tmp_path: Path
) -> None:
    """It was handed over, and that stands; the request and the recipient's own answer are beside."""
    name, document = await _sent(row)
    await row.tinh.fetch(document)
    await row.thon.submit(SENDER, row.take_back(name))
    await row.settle_down()
    await row.tinh.submit(RECIPIENT, row.status("16", name))
    await row.settle_down()
    told = await _evidence(row.thon, keys, tmp_path / "row", document)

    assert told.refused == []
    assert "taken-back" not in told.said("hops")
    assert "16 (refused to update or take back) from H01" in told.said("status")


async def test_a_document_that_its_recipient_refused(row: Any, keys: Any, tmp_path: Path) -> None:
    """By the receipt of its node and by its own status 02 with the reason."""
    name, document = await _sent(row)
    (item,) = await row.tinh.listed()
    caller = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))
    await row.tinh.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.FAIL)
    await row.tinh.submit(RECIPIENT, row.status("02", name))
    await row.settle_down()
    told = await _evidence(row.thon, keys, tmp_path / "row", document)

    assert told.refused == []
    assert "(rejected-by-recipient)" in told.said("hops")
    (status,) = told.of("status")
    assert "02 (refused) from H01" in status.said
    assert status.facts["description"].startswith("lý do")


async def test_evidence_holds_after_a_restore_began_a_new_log(
    rows: Any, keys: Any, tmp_path: Path
) -> None:
    """Entries of before are proven in the log that ended, those of after in the new one."""
    folder = tmp_path / "row"
    async with rows.open(folder) as row:
        _, document = await _sent(row)
    path = folder / "thon" / DATABASE
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        mark_restored(connection, row.thon.clock.now())
    async with rows.open(folder) as row:
        await row.tinh.fetch(document)
        await row.settle_down()
        (item,) = await row.tinh.listed()
        caller = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))
        await row.tinh.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.DONE)
        await row.settle_down()
        told = await _evidence(row.thon, keys, folder, document)

    assert told.refused == []
    places = [int(step.facts["index"]) // SPAN for step in told.of("proof")]
    assert {*places} == {0, 1}
    assert len(places) == len(told.of("receipt"))
    assert "ContentHandover" in told.said("hops")
