"""The log in pages: what is wanted comes in order, nothing twice, nothing missed, in bounded looks."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import SPAN, Epoch, log_name
from relay.audit.tree import leaf_hash
from relay.delivery.wanted import EVERYTHING, Wanted
from relay.errors import NotFoundError
from relay.journal import epochs, logged
from relay.journal.store import SqliteJournal
from relay.model import NodeId

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
FAILED = Wanted(events=frozenset({"delivery-failed"}))
_KEY = Ed25519PrivateKey.generate()


def _sign(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    public = _KEY.public_key().public_bytes_raw()
    return sign_note(note_body(name, size, root), name, public, _KEY.sign)


@pytest.fixture
async def log(tmp_path: Path, failures: list[BaseException]) -> AsyncIterator[SqliteJournal]:
    opened = await SqliteJournal.open(tmp_path, NODE, _sign, on_fatal=failures.append)
    yield opened
    await opened.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices and pages so small that a short log has many of them."""
    for name, value in (("CHUNK_ROWS", 3), ("SLICE_ROWS", 7), ("LEAST_SLICE_ROWS", 5)):
        monkeypatch.setattr(logged, name, value)
    monkeypatch.setattr(logged, "PAGE_ROWS", 20)


async def grow(log: SqliteJournal, *events: AuditEvent, seconds: int = 0, **fields: Any) -> None:
    """An entry each, a second apart."""
    leaves = [
        entry(event, AT + timedelta(seconds=seconds + n), NODE, **fields)
        for n, event in enumerate(events)
    ]
    await log.perform(lambda tx: tx.record(*leaves))


async def turn(log: SqliteJournal) -> None:
    await log.perform(lambda tx: epochs.turn(tx, NODE, AT + timedelta(hours=1), "rollback"))


def mixed(count: int, seed: int) -> list[AuditEvent]:
    draw = random.Random(seed)
    kinds = [AuditEvent.DELIVERY_FAILED, *[AuditEvent.NODE_STARTED] * 4]
    return [draw.choice(kinds) for _ in range(count)]


async def all_pages(log: SqliteJournal, wanted: Wanted, limit: int) -> tuple[list[int], int]:
    """The indexes of what came, and where the last page led."""
    found: list[int] = []
    after = 0
    while True:
        page = await log.log_page(wanted, after, limit)
        assert len(page.entries) <= limit
        assert page.next > after or not page.more
        found += [one.index for one in page.entries]
        after = page.next
        if not page.more:
            return found, after


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_of_what_is_wanted_join_over_slices_and_epochs(
    log: SqliteJournal, limit: int
) -> None:
    """As if every entry had been looked at one by one; the last page leads to the log's end."""
    first, second = mixed(60, 1), mixed(30, 2)
    await grow(log, *first)
    await turn(log)
    await grow(log, *second)
    expected = [n for n, event in enumerate(first) if event is AuditEvent.DELIVERY_FAILED]
    expected += [
        SPAN + 1 + n for n, event in enumerate(second) if event is AuditEvent.DELIVERY_FAILED
    ]

    assert await all_pages(log, FAILED, limit) == (expected, SPAN + 31)
    assert await all_pages(log, EVERYTHING, limit) == (
        [*range(60), *range(SPAN, SPAN + 31)],
        SPAN + 31,
    )
    newest = await log.log_last(FAILED, 2)
    assert [one.index for one in newest.entries] == expected[-2:]
    assert newest.next == SPAN + 31


@pytest.mark.usefixtures("small")
async def test_a_page_looks_at_a_bounded_part_of_the_log(log: SqliteJournal) -> None:
    """It is given empty with `next` moved on, so that what was looked at is not looked at again."""
    await grow(log, *[AuditEvent.NODE_STARTED] * 50, AuditEvent.DELIVERY_FAILED)
    page = await log.log_page(FAILED, 0, 10)

    assert page.entries == ()
    assert page.more
    assert 20 <= page.next < 30
    assert (await log.log_last(Wanted(events=frozenset({"node-stopped"})), 5)).entries == ()


async def test_every_statement_looks_at_a_slice_only(
    log: SqliteJournal, monkeypatch: pytest.MonkeyPatch, small: None
) -> None:
    """However long the log: the span between the bounds of a statement is that of a slice."""
    await grow(log, *[AuditEvent.NODE_STARTED] * 60)
    spans, rows = [], log.rows

    async def watched(statement: str, values: Any = ()) -> list[Any]:
        if "instr" in statement:
            spans.append(values[1] - values[0])
        return await rows(statement, values)

    monkeypatch.setattr(log, "rows", watched)
    await all_pages(log, FAILED, 10)

    assert len(spans) >= 8
    assert max(spans) <= 7


async def test_a_page_of_large_leaves_ends_before_its_limit(
    log: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are bounded, whatever is asked for."""
    monkeypatch.setattr(logged, "PAGE_BYTES", 30_000)
    await grow(log, *[AuditEvent.NODE_STARTED] * 500, release="x" * 200)
    page = await log.log_page(EVERYTHING, 0, 1000)

    assert 0 < len(page.entries) <= 200
    assert page.more


@pytest.mark.parametrize("second", [-5, 0, 1, 59, 60, 61, 4000])
async def test_an_instant_is_found_by_binary_search(log: SqliteJournal, second: int) -> None:
    """The first entry of that time or later, across epochs, in some fifty look-ups."""
    await grow(log, *[AuditEvent.NODE_STARTED] * 60)
    await turn(log)
    looks, rows = 0, log.rows

    async def counted(statement: str, values: Any = ()) -> list[Any]:
        nonlocal looks
        looks += 1
        return await rows(statement, values)

    log.rows = counted  # type: ignore[method-assign]
    found = await log.log_since(AT + timedelta(seconds=second), 0)
    page = await log.log_page(EVERYTHING, found, 1)

    expected = max(0, second) if second < 60 else SPAN if second < 3600 else None
    assert [one.index for one in page.entries] == ([] if expected is None else [expected])
    assert looks < 60


async def test_an_instant_never_leads_back_before_the_cursor(log: SqliteJournal) -> None:
    """Who goes on from 40 is not sent to 10, and is answered in two look-ups."""
    await grow(log, *[AuditEvent.NODE_STARTED] * 60)

    assert await log.log_since(AT + timedelta(seconds=10), 40) == 40
    assert await log.log_since(AT, 9_999) == 9_999


async def test_after_a_clock_was_put_back_a_crossing_is_found(log: SqliteJournal) -> None:
    """The log's order rules: from the place found on everything is shown, and it begins at that time."""
    await grow(log, *[AuditEvent.NODE_STARTED] * 30, seconds=100)
    await grow(log, *[AuditEvent.NODE_STARTED] * 30, seconds=0)
    found = await log.log_since(AT + timedelta(seconds=20), 0)

    assert found in {0, 50}


async def test_one_entry_is_given_whole(log: SqliteJournal) -> None:
    """With the hash stored, its neighbours across the epochs, and the name of the log it is in."""
    await grow(log, AuditEvent.NODE_STARTED, AuditEvent.NODE_STOPPED)
    await turn(log)
    await grow(log, AuditEvent.NODE_STARTED)
    ended, opening = await log.log_entry(1), await log.log_entry(SPAN)

    assert ended.leaf_hash == leaf_hash(ended.entry.leaf).hex()
    assert ended.log == log_name(NODE, Epoch())
    assert opening.log.startswith(f"{ended.log}/1-")
    assert (ended.before and ended.before.index, ended.after and ended.after.index) == (0, SPAN)
    assert opening.before == ended.entry
    assert (await log.log_entry(0)).before is None
    for missing in (2, SPAN - 1, SPAN + 2, (1 << 63) - 1):
        with pytest.raises(NotFoundError):
            await log.log_entry(missing)
