"""Group commit: what shares a transaction, what does not, and how it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.audit.entries import Entry
from relay.audit.epochs import Epoch
from relay.errors import JournalError
from relay.journal.store import SqliteJournal
from relay.journal.writer import MAX_BATCH, Transaction
from relay.model import NodeId


def _store(name: str) -> Any:
    def operation(tx: Transaction) -> str:
        tx.run("INSERT INTO meta VALUES (?, ?)", name, threading.current_thread().name)
        tx.record(Entry(name.encode()))
        return name

    return operation


def _fail(tx: Transaction) -> None:
    tx.run("INSERT INTO meta VALUES ('half', 'done')")
    tx.record(Entry(b"half"))
    raise KeyError("half")


async def _stored(journal: SqliteJournal) -> dict[str, str]:
    return dict(await journal.rows("SELECT name, value FROM meta WHERE name <> 'node'"))


async def test_more_than_a_batch_at_once_is_all_committed_in_order(journal: SqliteJournal) -> None:
    """Everyone gets their own result, and the log has the entries in the order they came."""
    names = [f"{n:04d}" for n in range(3 * MAX_BATCH)]

    results = await asyncio.gather(*(journal.perform(_store(name)) for name in names))

    assert results == names
    assert [e.leaf.decode() for e in await journal.entries(0, 1000)] == names


async def test_a_long_operation_leaves_the_event_loop_alone(journal: SqliteJournal) -> None:
    """It runs in the writer's thread; a short one by itself does not."""
    await journal.perform(_store("long"), rows=10_000)
    await journal.perform(_store("short"))

    stored = await _stored(journal)

    assert stored["long"] == "journal-writer"
    assert stored["short"] == threading.current_thread().name


@pytest.mark.parametrize("rows", [1, 10_000])
async def test_an_operation_that_raises_takes_nothing_of_the_others(
    journal: SqliteJournal, rows: int
) -> None:
    """Its rows and entries are gone, those of its batch are not, in the loop and in the thread."""
    results = await asyncio.gather(
        journal.perform(_store("before"), rows),
        journal.perform(_fail, rows),
        journal.perform(_store("after"), rows),
        return_exceptions=True,
    )

    assert [type(r) for r in results] == [str, KeyError, str]
    assert sorted(await _stored(journal)) == ["after", "before"]
    assert [e.leaf for e in await journal.entries(0, 10)] == [b"before", b"after"]


async def test_closing_finishes_what_waits_and_refuses_what_comes_later(
    journal: SqliteJournal, reopen: Any
) -> None:
    """Nobody is left waiting for an answer that never comes."""
    waiting = [asyncio.ensure_future(journal.perform(_store(str(n)))) for n in range(200)]
    await asyncio.sleep(0)

    await journal.close()

    assert await asyncio.gather(*waiting) == [str(n) for n in range(200)]
    with pytest.raises(JournalError):
        await journal.perform(_store("late"))
    await journal.close()
    again = await reopen()
    assert len(await _stored(again)) == 200
    await again.close()


async def test_a_caller_that_goes_away_does_not_undo_what_it_asked_for(
    journal: SqliteJournal,
) -> None:
    """Its operation is in the batch, and the others are answered."""
    gone = asyncio.ensure_future(journal.perform(_store("gone")))
    await asyncio.sleep(0)
    gone.cancel()

    await journal.perform(_store("here"))

    assert sorted(await _stored(journal)) == ["gone", "here"]


async def test_a_cancelled_caller_ends_only_once_its_operation_is_durable(
    journal: SqliteJournal,
) -> None:
    """However often it is cancelled: what it puts away afterwards, a commit may refer to."""
    seen: list[int] = []

    async def ask() -> None:
        try:
            await journal.perform(_store("asked"))
        finally:
            seen.append(len(await _stored(journal)))

    asking = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert seen == [1]


async def test_a_caller_that_is_cancelled_as_its_batch_ends_is_let_go(
    journal: SqliteJournal,
) -> None:
    """The commit's word is in the loop's queue already, before the caller's own turn: whoever then
    waited for another word waited for ever, and no cancellation reached it."""
    asking = asyncio.ensure_future(journal.perform(_store("late")))
    await asyncio.sleep(0)
    while journal._writer._waiting:
        await asyncio.sleep(0)
    time.sleep(0.3)

    asking.cancel()

    done, _ = await asyncio.wait({asking}, timeout=5)
    assert done == {asking}
    assert asking.cancelled()
    assert "late" in await _stored(journal)


async def test_a_cancelled_submission_keeps_the_payload_that_its_commit_refers_to(
    journal: SqliteJournal, make: Any
) -> None:
    """As at a shutdown, when a handler is cut off while it waits for the commit."""
    upload = journal.begin(1 << 30)
    content = bytes(1 << 20)
    upload.write(content)
    payload = await upload.finish()
    admission = make.admission(content)
    admission = replace(admission, message=replace(admission.message, payload=payload))

    async def handler() -> None:
        try:
            await journal.admit(admission)
        finally:
            await journal.release(payload)

    handling = asyncio.ensure_future(handler())
    await asyncio.sleep(0)
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling

    stored = await journal.payload(payload.digest)
    assert b"".join([chunk async for chunk in journal.read(stored)]) == content


async def test_a_cancelled_caller_of_a_writer_that_failed_is_let_go(tmp_path: Path) -> None:
    """The batch never commits, and nobody waits for it for ever."""
    failures: list[BaseException] = []

    def no_head(epoch: Epoch, size: int, root: bytes) -> bytes:
        raise OSError("no signer")

    journal = await SqliteJournal.open(tmp_path, NodeId("xa-a"), no_head, on_fatal=failures.append)
    asking = asyncio.ensure_future(journal.perform(_store("asked")))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert failures
    await journal.close()


# ---------------------------------------------------------------- what is done before a batch


async def test_what_is_to_be_done_before_a_batch_is_done_at_once_when_none_is_under_way(
    journal: SqliteJournal,
) -> None:
    """So a receipt that comes alone is signed in the loop's next turn."""
    done: list[str] = []
    journal.before_next(lambda: done.append("once"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert done == ["once"]
    await journal.perform(_store("a"))
    assert done == ["once"]


async def test_what_it_brings_about_is_of_the_very_next_batch(journal: SqliteJournal) -> None:
    """What is signed while a commit is under way is committed with the next: nothing was lost by
    waiting for company."""
    begun: list[list[str]] = []
    real = journal._writer._run

    def run(batch: Any) -> None:
        begun.append([job.operation.__name__ for job in batch.jobs])
        real(batch)

    journal._writer._run = run  # type: ignore[method-assign]
    first = asyncio.ensure_future(journal.perform(_store("first")))
    await asyncio.sleep(0)
    signed = asyncio.get_running_loop().create_future()

    async def asks(name: str) -> None:
        await signed
        await journal.perform(_store(name))

    waiting = [asyncio.ensure_future(asks(name)) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    journal.before_next(lambda: signed.set_result(None))
    assert not signed.done()
    await asyncio.gather(first, *waiting)

    assert [len(batch) for batch in begun] == [1, 3]


async def test_what_waits_for_a_writer_that_failed_is_done_all_the_same(tmp_path: Path) -> None:
    """Whoever waits for it then hears from the journal that it has stopped."""
    failures: list[BaseException] = []

    def no_head(epoch: Epoch, size: int, root: bytes) -> bytes:
        raise OSError("no signer")

    journal = await SqliteJournal.open(tmp_path, NodeId("xa-a"), no_head, on_fatal=failures.append)
    done: list[str] = []
    asking = asyncio.ensure_future(journal.perform(_store("a")))
    await asyncio.sleep(0)
    journal.before_next(lambda: done.append("waiting"))
    with pytest.raises(JournalError):
        await asking
    assert done == ["waiting"]

    journal.before_next(lambda: done.append("later"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == ["waiting", "later"]
    assert failures
    await journal.close()
