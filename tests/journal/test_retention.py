"""Retention: what may leave leaves, a little at a time; what somebody still needs never does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.audit.entries import parse
from relay.delivery.clock import Clock
from relay.delivery.records import Admitted, Freeze
from relay.errors import GoneError
from relay.journal import retaining, sweeping
from relay.journal.ahead import AheadFiles
from relay.journal.inspect import stored_log
from relay.journal.migrate import migrations
from relay.journal.retention import Part, RetentionPolicy
from relay.journal.rows import ms
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.sweeping import Sweeper
from relay.journal.writer import Transaction
from relay.model import (
    DeliveryState,
    Digest,
    Lane,
    NodeId,
    Payload,
    Signed,
    TransferId,
    digest_of,
)

S = DeliveryState
DAYS = timedelta(days=1)
POLICY = RetentionPolicy(90 * DAYS, 30 * DAYS, None, None, 730 * DAYS)


class Time:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now)


@pytest.fixture
def time(make: Any) -> Time:
    return Time(make.at)


@pytest.fixture
def sweeper(journal: SqliteJournal, tmp_path: Path, time: Time) -> Sweeper:
    return _sweeper(journal, tmp_path, time)


def _sweeper(
    journal: SqliteJournal, folder: Path, time: Time, policy: RetentionPolicy = POLICY
) -> Sweeper:
    ahead = AheadFiles(folder / "ahead", 1 << 20, lambda: time.now.timestamp())  # noqa: PLW0108  it moves
    return Sweeper(
        NodeId("xa-a"),
        journal,
        ahead,
        policy,
        time.clock(),
        orphans=DAYS,
        uploads=DAYS,
        every=timedelta(hours=1),
        grace=timedelta(),
    )


async def _end(journal: SqliteJournal, row: int, state: DeliveryState, at: datetime) -> None:
    """As if the message's deliveries had come to this state at that time."""
    await journal.perform(
        lambda tx: tx.run(
            "UPDATE deliveries SET state = ?, updated_at = ? WHERE message_row = ?",
            state,
            ms(at),
            row,
        )
    )


async def _admit(journal: SqliteJournal, admission: Any, state: DeliveryState, at: Any) -> Admitted:
    admitted = await journal.admit(admission)
    assert isinstance(admitted, Admitted)
    await _end(journal, admitted.message_row, state, at)
    return admitted


async def _has(journal: SqliteJournal, content: bytes) -> bool:
    with contextlib.suppress(GoneError):
        await journal.payload(digest_of(content))
        return True
    return False


async def _count(journal: SqliteJournal, table: str) -> int:
    return int((await journal.rows(f"SELECT count(*) FROM {table}"))[0][0])


async def _events(journal: SqliteJournal) -> list[dict[str, Any]]:
    return [parse(e.leaf) for e in await journal.entries(0, 10_000)]


# ---------------------------------------------------------------- payloads


async def test_a_settled_payload_leaves_when_its_time_is_over(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """Not a moment earlier; what is known of the document stays: message, list, receipts."""
    content = b"<edXML>a</edXML>"
    admitted = await _admit(journal, make.admission(content), S.HANDED_OVER, make.at)
    time.now += 90 * DAYS - timedelta(seconds=1)
    await sweeper.sweep()
    assert await _has(journal, content)

    time.now += timedelta(seconds=1)
    done = await sweeper.sweep()

    assert not await _has(journal, content)
    assert done == {"payloads": 1, "payload_bytes": len(content)}
    view = await journal.message(admitted.message_id)
    assert view is not None
    assert view.digest == digest_of(content)
    assert [r.digest for d in view.deliveries for r in d.receipts] == [admitted.receipt]


@pytest.mark.parametrize(
    ("state", "days"),
    [
        (S.HANDED_OVER, 90),
        (S.TAKEN_BACK, 90),
        (S.REFUSED, 30),
        (S.EXPIRED, 30),
        (S.CANCELLED, 30),
        *((state, None) for state in (S.SEALING, S.QUEUED, S.IN_FLIGHT, S.IN_DOUBT, S.HELD)),
        *((state, None) for state in (S.RELAYED, S.AVAILABLE, S.FETCHED)),
    ],
)
async def test_each_state_has_its_own_time(
    journal: SqliteJournal,
    sweeper: Sweeper,
    make: Any,
    time: Time,
    state: DeliveryState,
    days: int | None,
) -> None:
    """What waits, is held or may still be fetched keeps its payload for as long as it takes."""
    await _admit(journal, make.admission(), state, make.at)
    time.now += (days or 10_000) * DAYS - timedelta(seconds=1)
    await sweeper.sweep()
    assert await _has(journal, b"<edXML/>")

    time.now += timedelta(seconds=1)
    await sweeper.sweep()

    assert await _has(journal, b"<edXML/>") is (days is None)


@pytest.mark.parametrize(
    ("next_hop", "state", "leaves"),
    [
        ("tinh", S.RELAYED, True),
        ("tinh", S.AVAILABLE, True),
        (None, S.FETCHED, True),
        (None, S.AVAILABLE, False),
        ("tinh", S.IN_DOUBT, False),
    ],
)
async def test_an_operator_may_let_go_of_what_others_have(
    journal: SqliteJournal,
    make: Any,
    time: Time,
    tmp_path: Path,
    next_hop: str | None,
    state: DeliveryState,
    leaves: bool,
) -> None:
    """By setting a time for it; what only this node has stays all the same."""
    policy = replace(POLICY, payload_relayed=10 * DAYS, payload_fetched=10 * DAYS)
    await _admit(journal, make.admission(next_hop=next_hop), state, make.at)
    time.now += 10 * DAYS

    await _sweeper(journal, tmp_path, time, policy).sweep()

    assert await _has(journal, b"<edXML/>") is not leaves


async def test_one_recipient_that_waits_keeps_the_payload(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """Asked again at each sweep, and let go once the last one is done."""
    admitted = await _admit(
        journal, make.admission(recipients=("G01", "G02")), S.HANDED_OVER, make.at
    )
    await journal.perform(
        lambda tx: tx.run("UPDATE deliveries SET state = 'held' WHERE recipient = 'G02'")
    )
    time.now += 100 * DAYS
    await sweeper.sweep()
    await sweeper.sweep()
    assert await _has(journal, b"<edXML/>")

    await _end(journal, admitted.message_row, S.HANDED_OVER, time.now)
    time.now += 90 * DAYS
    await sweeper.sweep()

    assert not await _has(journal, b"<edXML/>")


async def test_an_open_transfer_keeps_the_payload(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """It may be sent again, whatever became of its deliveries."""
    admitted = await journal.admit(make.admission())
    assert isinstance(admitted, Admitted)
    (ready,) = await journal.ready(NodeId("tinh"), Lane.NORMAL, 10)
    frozen = Freeze(TransferId("t"), NodeId("tinh"), ready, Signed(b"<T/>", b"<S/>"), make.at)
    await journal.freeze([frozen])
    await _end(journal, admitted.message_row, S.EXPIRED, make.at)
    time.now += 100 * DAYS

    await sweeper.sweep()

    assert await _has(journal, b"<edXML/>")


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from([S.HANDED_OVER, S.REFUSED, S.QUEUED, S.AVAILABLE])
        ),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(1, 200), min_size=1, max_size=3),
)
def test_a_payload_leaves_exactly_when_its_last_user_is_done(
    tmp_path_factory: pytest.TempPathFactory,
    make: Any,
    messages: list[tuple[int, DeliveryState]],
    sweeps: list[int],
) -> None:
    """Whatever messages share which bytes, in whatever order they come, end and are swept."""

    async def play() -> None:
        folder = tmp_path_factory.mktemp("shared")
        time = Time(make.at)
        journal = await SqliteJournal.open(
            folder, NodeId("xa-a"), lambda _e, s, _r: b"%d" % s, on_fatal=lambda _: None
        )
        try:
            sweeper = _sweeper(journal, folder, time)
            kept: dict[int, list[tuple[DeliveryState, datetime]]] = {}
            for number, (content, state) in enumerate(messages):
                body = b"<edXML>%d</edXML>" % content
                admission = make.admission(body, key=f"k{number}")
                message = replace(admission.message, accepted_at=time.now)
                await _admit(journal, replace(admission, message=message), state, time.now)
                kept.setdefault(content, []).append((state, time.now))
                time.now += 10 * DAYS
                await sweeper.sweep()
                await _agree(journal, kept, time.now)
            for days in sweeps:
                time.now += days * DAYS
                await sweeper.sweep()
                await _agree(journal, kept, time.now)
        finally:
            await journal.close()

    asyncio.run(play())


async def _agree(
    journal: SqliteJournal, kept: dict[int, list[tuple[DeliveryState, datetime]]], now: datetime
) -> None:
    ages = {S.HANDED_OVER: 90 * DAYS, S.REFUSED: 30 * DAYS}
    for content, users in kept.items():
        needed = any(state not in ages or now - at < ages[state] for state, at in users)
        if not needed:
            users.clear()  # a later message with these bytes brings them anew
        assert await _has(journal, b"<edXML>%d</edXML>" % content) is needed, content


async def test_a_repeat_after_the_payload_left_gets_the_first_answer(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time, tmp_path: Path
) -> None:
    """And the bytes that came with the repeat are not kept again."""
    content = b"<edXML>" + b"x" * 300_000 + b"</edXML>"
    payload = await _stored(journal, content)
    admission = make.admission(content)
    admission = replace(admission, message=replace(admission.message, payload=payload))
    first = await _admit(journal, admission, S.HANDED_OVER, make.at)
    await journal.release(payload)
    time.now += 90 * DAYS
    await sweeper.sweep()
    assert not await _has(journal, content)
    assert _files(tmp_path) == []

    again = await _stored(journal, content)
    repeated = await journal.admit(replace(make.admission(content), message=admission.message))
    await journal.release(again)

    assert repeated == replace(first, repeated=True, rows=())
    assert not await _has(journal, content)
    assert _files(tmp_path) == []


async def test_a_renewal_brings_the_payload_anew(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """A document refused long ago may be sent again: its new message keeps its bytes."""
    first = await _admit(journal, make.admission(), S.REFUSED, make.at)
    time.now += 30 * DAYS
    await sweeper.sweep()
    assert not await _has(journal, b"<edXML/>")

    renewed = await journal.admit(make.admission(follows=first.message_row))

    assert isinstance(renewed, Admitted)
    assert not renewed.repeated
    time.now += 1000 * DAYS
    await sweeper.sweep()
    assert await _has(journal, b"<edXML/>")


async def _stored(journal: SqliteJournal, content: bytes) -> Payload:
    upload = journal.begin(len(content))
    upload.write(content)
    return await upload.finish()


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "payloads").rglob("*") if path.is_file())


# ---------------------------------------------------------------- rows


async def test_rows_leave_after_the_memory_of_duplicates(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """Message, deliveries and arrival go, receipts and entries stay; the same submission is then new."""
    old = await _admit(
        journal, make.admission(key="old", idempotency_key="i"), S.HANDED_OVER, make.at
    )
    later = await _admit(journal, make.admission(b"<b/>", key="new"), S.HANDED_OVER, make.at)
    time.now += 730 * DAYS - timedelta(seconds=1)
    await sweeper.sweep()
    assert await journal.message(old.message_id) is not None
    entries = await journal.log_size()

    time.now += timedelta(seconds=1)
    done = await sweeper.sweep()

    assert done == {"messages": 1}
    assert await journal.message(old.message_id) is None
    assert await journal.message(later.message_id) is not None, "the newest row number stays taken"
    tables = ("messages", "deliveries", "arrivals", "submissions", "idempotency", "lingering")
    assert [await _count(journal, t) for t in tables] == [1, 1, 1, 1, 0, 1]
    assert await _count(journal, "receipts") == 2
    assert await journal.log_size() == entries + 1
    again = await journal.admit(make.admission(key="old", idempotency_key="i"))
    assert isinstance(again, Admitted)
    assert not again.repeated


async def test_what_another_node_may_still_repeat_is_remembered(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """An origin may give its documents more time than this node keeps what it knows."""
    long = make.admission(key="long")
    message = replace(long.message, expires_at=make.at + 800 * DAYS)
    first = await _admit(journal, replace(long, message=message), S.HANDED_OVER, make.at)
    await _admit(journal, make.admission(b"<b/>", key="new"), S.HANDED_OVER, make.at)
    time.now += 800 * DAYS
    await sweeper.sweep()
    assert await journal.message(first.message_id) is not None

    time.now += DAYS
    await sweeper.sweep()

    assert await journal.message(first.message_id) is None


async def test_a_submission_whose_message_left_is_new_even_before_its_key_left(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """The process may die between the two steps."""
    await _admit(journal, make.admission(), S.HANDED_OVER, make.at)
    await _admit(journal, make.admission(b"<b/>", key="new"), S.HANDED_OVER, make.at)
    time.now += 730 * DAYS
    await sweeper._walk(Part.PAYLOAD)
    await sweeper._walk(Part.ROWS)
    assert await _count(journal, "submissions") == 2

    again = await journal.admit(make.admission())

    assert isinstance(again, Admitted)
    assert not again.repeated


async def test_cursors_are_never_given_twice(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """A recipient that asks for what came after its cursor misses nothing, however long it was idle."""
    for key in ("a", "b"):
        available = make.admission(
            b"<%s/>" % key.encode(), key=key, next_hop=None, state=S.AVAILABLE
        )
        await _admit(journal, available, S.HANDED_OVER, make.at)
    await _admit(journal, make.admission(b"<c/>", key="c"), S.HANDED_OVER, make.at)
    time.now += 1000 * DAYS
    await sweeper.sweep()

    await journal.admit(make.admission(b"<d/>", key="d", next_hop=None, state=S.AVAILABLE))

    cursors = await journal.rows("SELECT inbox_cursor FROM deliveries WHERE inbox_cursor > 0")
    assert sorted(row[0] for row in cursors) == [2, 3]


async def test_refused_transfers_are_forgotten_with_the_rest(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """That they came is memory of duplicates too; the receipt of the refusal stays."""
    for row in (1, 2, 3):
        values = (row, f"t{row}", ms(make.at))
        await journal.perform(functools.partial(_add_refused, values))
    time.now += 730 * DAYS

    assert await sweeper.sweep() == {"arrivals": 2}
    assert await sweeper.sweep() == {}


def _add_refused(values: tuple[object, ...], tx: Transaction) -> None:
    tx.run("INSERT INTO arrivals VALUES (?, NULL, 'tinh', ?, x'', x'', '[]', 'r', ?, 0)", *values)


# ---------------------------------------------------------------- small steps, counted


async def test_steps_are_small(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time, monkeypatch: Any
) -> None:
    """A circular to five hundred and many documents leave in transactions of about a hundred rows."""
    changed: list[int] = []
    real = journal.perform

    async def counting(operation: Any, rows: int = 1) -> Any:
        def counted(tx: Any) -> Any:
            before = tx.connection.total_changes
            result = operation(tx)
            changed.append(tx.connection.total_changes - before)
            return result

        return await real(counted, rows)

    circular = make.admission(recipients=tuple(f"G{n:03d}" for n in range(500)), key="c")
    await _admit(journal, circular, S.HANDED_OVER, make.at)
    for n in range(250):
        body = b"<edXML>%d</edXML>" % n
        await _admit(journal, make.admission(body, key=f"k{n}"), S.HANDED_OVER, make.at)
    time.now += 730 * DAYS
    monkeypatch.setattr(journal, "perform", counting)

    done = await sweeper.sweep()

    assert done["messages"] == 250
    assert done["payloads"] == 251
    assert await _count(journal, "deliveries") == 1
    assert len(changed) > 12
    assert max(changed) <= 2 * retaining.ROWS_AT_ONCE + 4, "the work, and what is noted of it"


async def test_the_sweep_waits_while_intake_does(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time, monkeypatch: Any
) -> None:
    """Its turn comes when few wait for the writer."""
    await _admit(journal, make.admission(), S.HANDED_OVER, make.at)
    time.now += 90 * DAYS
    waiting = 1000
    monkeypatch.setattr(SqliteJournal, "waiting", property(lambda _: waiting))
    sweep = asyncio.create_task(sweeper.sweep())
    await asyncio.sleep(0.2)
    assert not sweep.done()
    assert await _has(journal, b"<edXML/>")

    waiting = 0
    await sweep

    assert not await _has(journal, b"<edXML/>")


async def test_nothing_leaves_by_a_clock_that_is_doubted(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time, monkeypatch: Any
) -> None:
    """What is old enough by it may be of today."""
    monkeypatch.setattr(sweeping, "DOUBT_SECONDS", 0.01)
    await _admit(journal, make.admission(), S.HANDED_OVER, make.at)
    time.now += 90 * DAYS
    doubted = True
    sweeper.doubted = lambda: doubted
    running = asyncio.create_task(sweeper.run())
    await asyncio.sleep(0.3)
    assert await _has(journal, b"<edXML/>")

    doubted = False
    async with asyncio.timeout(5):
        while await _has(journal, b"<edXML/>"):
            await asyncio.sleep(0.01)
    running.cancel()


async def test_a_sweep_leaves_one_entry_with_counts(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """Whatever it removed; one that removed nothing leaves none."""
    for n in range(120):
        body = b"<edXML>%d</edXML>" % n
        await _admit(journal, make.admission(body, key=f"k{n}"), S.REFUSED, make.at)
    time.now += 30 * DAYS
    await sweeper.sweep()
    await sweeper.sweep()

    (swept,) = [e for e in await _events(journal) if e["event"] == "retention-swept"]
    assert (swept["payloads"], swept["node"]) == (120, "xa-a")


async def test_what_a_broken_sweep_did_is_in_the_next_entry(
    journal: SqliteJournal, make: Any, time: Time, tmp_path: Path, reopen: Any
) -> None:
    """The count stands in the transaction that did it; a crash loses neither."""
    for n in range(3):
        body = b"<edXML>%d</edXML>" % n
        await _admit(journal, make.admission(body, key=f"k{n}"), S.REFUSED, make.at)
    time.now += 30 * DAYS
    await _sweeper(journal, tmp_path, time)._walk(Part.PAYLOAD)
    await journal.close()
    again = await reopen()

    assert (await _sweeper(again, tmp_path, time).sweep())["payloads"] == 3
    await again.close()


# ---------------------------------------------------------------- older journals, free pages, the WAL


async def test_an_older_journal_is_swept_like_a_new_one(
    tmp_path: Path, make: Any, time: Time
) -> None:
    """Messages of before the migration that share bytes still keep them for each other."""
    journal = await SqliteJournal.open(
        tmp_path, NodeId("xa-a"), lambda _e, s, _r: b"%d" % s, on_fatal=lambda _: None
    )
    await _admit(journal, make.admission(key="a"), S.HANDED_OVER, make.at)
    waits = await _admit(journal, make.admission(key="b"), S.QUEUED, make.at)
    await journal.close()
    text = dict(migrations())[5]
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as older:
        older.executescript("DROP TABLE lingering; DROP TABLE payload_users; " + text)
    journal = await SqliteJournal.open(
        tmp_path, NodeId("xa-a"), lambda _e, s, _r: b"%d" % s, on_fatal=lambda _: None
    )
    sweeper = _sweeper(journal, tmp_path, time)
    time.now += 90 * DAYS
    await sweeper.sweep()
    assert await _has(journal, b"<edXML/>")

    await _end(journal, waits.message_row, S.HANDED_OVER, make.at)
    await sweeper.sweep()

    assert not await _has(journal, b"<edXML/>")
    await journal.close()


async def test_free_pages_go_back_to_the_disk_a_few_at_a_time(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time, monkeypatch: Any
) -> None:
    """All but the spare ones, and the journal is whole afterwards."""
    monkeypatch.setattr("relay.journal.sweeping.SPARE_PAGES", 16)
    for n in range(40):
        body = b"<edXML>%d" % n + b"x" * 40_000 + b"</edXML>"
        await _admit(journal, make.admission(body, key=f"k{n}"), S.HANDED_OVER, make.at)
    before = (await journal.rows("PRAGMA page_count"))[0][0]
    time.now += 90 * DAYS

    await sweeper.sweep()

    after = (await journal.rows("PRAGMA page_count"))[0][0]
    assert before - after > 300
    assert (await journal.rows("PRAGMA freelist_count"))[0][0] <= 16
    assert await journal.rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_journal_of_an_older_release_keeps_its_size_and_works(
    tmp_path: Path, make: Any, time: Time
) -> None:
    """It cannot give pages back one by one; its free ones are used again."""
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as older:
        older.execute("PRAGMA auto_vacuum = NONE")
        older.execute("CREATE TABLE first (x)")
    journal = await SqliteJournal.open(
        tmp_path, NodeId("xa-a"), lambda _e, s, _r: b"%d" % s, on_fatal=lambda _: None
    )
    sweeper = _sweeper(journal, tmp_path, time)
    body = b"<edXML>" + b"x" * 200_000 + b"</edXML>"
    await _admit(journal, make.admission(body), S.HANDED_OVER, make.at)
    time.now += 90 * DAYS

    await sweeper.tidy()
    await sweeper.sweep()

    assert (await journal.rows("PRAGMA freelist_count"))[0][0] >= 48
    await journal.close()


async def test_readers_do_not_make_the_wal_grow_without_end(
    journal: SqliteJournal, make: Any, tmp_path: Path
) -> None:
    """With reads at every moment the writer still begins the WAL anew."""
    stop = False

    async def read() -> None:
        while not stop:
            await journal.rows("SELECT count(*) FROM entries e JOIN entries f USING (entry_index)")

    reading = asyncio.create_task(read())
    sizes = []
    for n in range(160):
        content = b"<edXML>%d" % n + b"x" * 250_000 + b"</edXML>"
        await journal.admit(make.admission(content, key=f"k{n}"))
        sizes.append((tmp_path / f"{DATABASE}-wal").stat().st_size)
    stop = True
    await reading

    assert max(sizes) < 30 << 20, f"40 MB were written, {max(sizes) >> 20} MB stood at once"


async def test_an_auditor_at_work_does_not_make_the_wal_grow(
    journal: SqliteJournal, make: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Whoever reads the whole log of a running node holds no state of it for longer than a page."""
    monkeypatch.setattr("relay.journal.inspect.PAGE", 5)
    for n in range(10):
        await journal.admit(make.admission(b"<edXML>%d</edXML>" % n, key=f"a{n}"))
    sizes = []
    with stored_log(tmp_path) as stored:
        rows = iter(stored.epochs[0].rows)
        assert next(rows)[0] == 0
        for n in range(120):
            content = b"<edXML>%d" % n + b"x" * 250_000 + b"</edXML>"
            await journal.admit(make.admission(content, key=f"k{n}"))
            sizes.append((tmp_path / f"{DATABASE}-wal").stat().st_size)
        assert [index for index, _, _ in rows] == list(range(1, 10))

    assert max(sizes) < 20 << 20, "30 MB were written"


# ---------------------------------------------------------------- garbage


async def test_files_that_nothing_refers_to_are_removed(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time, tmp_path: Path, reopen: Any
) -> None:
    """At the start whatever their age; those that a message refers to never."""
    content, orphan = b"a" * 300_000, b"b" * 300_000
    kept = await _stored(journal, content)
    admission = make.admission(content)
    await journal.admit(replace(admission, message=replace(admission.message, payload=kept)))
    await _stored(journal, orphan)  # its process dies here
    await journal.close()
    (tmp_path / "payloads" / "coming" / "half").write_bytes(b"half")
    again = await reopen()

    time.now = datetime.now(time.now.tzinfo)
    await _sweeper(again, tmp_path, time).tidy()

    assert _files(tmp_path) == [digest_of(content)]
    assert (await _events(again))[-1]["orphans"] == 1
    await again.close()


async def test_what_is_held_is_never_garbage(
    journal: SqliteJournal, sweeper: Sweeper, time: Time, tmp_path: Path
) -> None:
    """Neither a file that is being admitted, however slowly, nor one that is still coming."""
    stored = await _stored(journal, b"a" * 300_000)
    coming = journal.begin(1 << 20)
    coming.write(b"b" * 300_000)
    time.now = datetime.now(time.now.tzinfo) + 10 * DAYS

    await sweeper.sweep()
    assert len(_files(tmp_path)) == 2

    await journal.release(stored)
    coming.abort()
    assert _files(tmp_path) == []


async def test_a_file_taken_up_while_it_was_judged_stays(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    """Its new holder came, stored and left between the question and its answer."""
    content = b"a" * 300_000
    await journal.release(await _stored_and_kept(journal, content))

    async def late_answer(digest: Digest) -> bool:
        again = await _stored(journal, content)
        await journal.perform(
            lambda tx: tx.run("INSERT INTO payloads VALUES (?, 1, NULL, ?, 0)", digest, digest)
        )
        await journal.release(again)
        return False

    assert not await journal.files.drop(digest_of(content), late_answer)
    assert _files(tmp_path) == [digest_of(content)]


async def _stored_and_kept(journal: SqliteJournal, content: bytes) -> Payload:
    payload = await _stored(journal, content)
    journal.files.hold(payload.digest)
    return payload


async def test_nothing_refers_to_what_is_not_there(
    journal: SqliteJournal, sweeper: Sweeper, make: Any, time: Time
) -> None:
    """After sweeps of every kind the references that are left are whole."""
    states = [S.HANDED_OVER, S.REFUSED, S.QUEUED, S.AVAILABLE]
    for n in range(40):
        body = b"<edXML>%d</edXML>" % (n % 30)
        admission = make.admission(body, ("G01", "G02"), key=f"k{n}")
        await _admit(journal, admission, states[n % 4], make.at)
    for days in (30, 60, 640, 700):
        time.now += days * DAYS
        await sweeper.sweep()

    wrong = Counter((row[0], row[2]) for row in await journal.rows("PRAGMA foreign_key_check"))
    assert set(wrong) <= {("receipts", "messages"), ("messages", "payloads")}
    assert json.loads((await journal.rows(retaining.SQL["state"]))[0][0])["counts"] == {}
