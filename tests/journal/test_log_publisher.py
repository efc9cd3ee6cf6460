"""The publisher at work: it catches up, waits for witnesses only so long, and outlives a failing disk."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.audit.checkpoint import head_of
from relay.audit.proofs import verify_consistency
from relay.delivery.operators.published import Consistency, NoWitnesses, Trouble, Witnesses
from relay.errors import JournalError, ReserveError
from relay.journal.backup import _set_aside
from relay.journal.verifying import PUBLISHED
from relay.node.publishing import LogHand, LogPublisher
from tests.journal.published_log import ORIGIN, PUBLIC, Log, believed, publish

SOON = timedelta(milliseconds=20)
LINE = "— xa.example/witness c29tZXRoaW5nIHRoYXQgaXMgYSBzaWduYXR1cmU=\n".encode()


class Hand(LogHand):
    """The test's own signature in the place of Ed25519."""

    believed = staticmethod(believed)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def publisher_of(
    log: Log, witnesses: Witnesses | None = None, room: Callable[[int], None] = lambda _: None
) -> LogPublisher:
    return LogPublisher(
        log.path.parent,
        Hand(PUBLIC),
        every=SOON,
        patience=timedelta(seconds=0.2),
        witnesses=witnesses,
        room=room,
    )


@pytest.fixture
async def working() -> AsyncIterator[Callable[[LogPublisher], LogPublisher]]:
    tasks: list[asyncio.Task[None]] = []

    def run(publisher: LogPublisher) -> LogPublisher:
        tasks.append(asyncio.create_task(publisher.run()))
        return publisher

    yield run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Working = Callable[[LogPublisher], LogPublisher]


async def until(look: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            found = look()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


def published(log: Log) -> int:
    path = log.folder / "0/checkpoint"
    return head_of(path.read_bytes()).size if path.exists() else 0


async def test_what_grows_is_published_and_what_was_there_too(log: Log, working: Working) -> None:
    log.grow(700)
    publisher = working(publisher_of(log))
    await until(lambda: published(log) == 700)
    log.grow(5)
    publisher.grown()
    await until(lambda: published(log) == 705)
    assert log.check_published() == 705


class Cosigning:
    """Asks for a proof, as a witness that has seen 100 entries."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, list[bytes]]] = []

    async def cosign(self, note: bytes, consistency: Consistency) -> tuple[bytes, ...]:
        self.asked.append((note, await consistency(100)))
        return (LINE,)


async def test_a_checkpoint_carries_what_its_witnesses_sign_after_a_proof_that_holds(
    log: Log, working: Working
) -> None:
    old = head_of(log.grow(100))
    log.grow(500)
    witnesses = Cosigning()
    working(publisher_of(log, witnesses))
    await until(lambda: published(log) == 600)
    ((note, proof),) = witnesses.asked
    head = head_of(note)
    verify_consistency(100, old.root, 600, head.root, proof)
    assert (log.folder / "0/checkpoint").read_bytes() == note + LINE
    assert log.check_published() == 600


class Silent:
    async def cosign(self, _note: bytes, _consistency: Consistency) -> tuple[bytes, ...]:
        await asyncio.sleep(3600)
        return ()


class Lying:
    async def cosign(self, _note: bytes, _consistency: Consistency) -> tuple[bytes, ...]:
        return (b"no signature\x00line\n",)


class Failing:
    async def cosign(self, _note: bytes, _consistency: Consistency) -> tuple[bytes, ...]:
        raise ValueError("of a bug")


@pytest.mark.parametrize("witnesses", [Silent(), Lying(), Failing(), NoWitnesses()])
async def test_no_witness_keeps_a_checkpoint_from_being_published(
    log: Log, working: Working, witnesses: Witnesses
) -> None:
    note = log.grow(10)
    working(publisher_of(log, witnesses))
    await until(lambda: published(log) == 10)
    assert (log.folder / "0/checkpoint").read_bytes() == note


async def test_a_disk_that_fails_is_told_once_and_caught_up_with_later(
    log: Log, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.grow(300)
    publisher = publisher_of(log)
    real = os.fsync
    for error in (errno.ENOSPC, errno.EIO):

        def broken(_handle: int, error: int = error) -> None:
            raise OSError(error, os.strerror(error))

        with capture_logs() as lines:
            monkeypatch.setattr(os, "fsync", broken)
            for _ in range(3):
                assert not await publisher._round()
            (one,) = await publisher.logs()
            assert one.trouble is Trouble.CANNOT_WRITE
            size = published(log)
            monkeypatch.setattr(os, "fsync", real)
            assert await publisher._round()
        assert size < log.check_published() == len(log.leaves)
        told = [line["event"] for line in lines]
        assert told == ["log-not-published", "log-is-published-again"]
        (one,) = await publisher.logs()
        assert one.trouble is None
        log.grow(300)


async def test_the_reserve_of_the_disk_is_not_for_tiles(log: Log) -> None:
    full = [True]

    def room(size_bytes: int) -> None:
        if full[0]:
            raise ReserveError(f"no room for {size_bytes}")

    log.grow(10)
    publisher = publisher_of(log, room=room)
    assert not await publisher._round()
    full[0] = False
    assert await publisher._round()
    assert log.check_published() == 10


async def test_a_journal_that_contradicts_what_is_published_is_told_loudly(log: Log) -> None:
    publish(log.publisher(), log.grow(600))
    log.db.execute("UPDATE entries SET leaf = x'00' WHERE entry_index = 5")
    publisher = publisher_of(log)
    publisher._publisher(ORIGIN).doubt()
    log.grow(1)
    with capture_logs() as lines:
        assert not await publisher._round()
    assert [line["log_level"] for line in lines] == ["critical"]
    (one,) = await publisher.logs()
    assert (one.trouble, one.size) == (Trouble.CONTRADICTION, 600)


async def test_a_log_that_ended_is_completed_and_kept_beside_the_new_one(log: Log) -> None:
    note = log.grow(300)
    log.db.execute("INSERT INTO epochs VALUES (0, ?)", (note,))
    log.db.execute("INSERT INTO meta VALUES ('epoch', '1'), ('epoch-tag', '00112233aabbccdd')")
    log.db.execute("DELETE FROM log_head")
    witnesses = Cosigning()
    publisher = publisher_of(log, witnesses)
    assert await publisher._round()
    (one,) = await publisher.logs()
    assert (one.epoch, one.size, one.closed) == ("0", 300, True)
    assert log.check_published() == 300
    assert witnesses.asked == [], "nobody is asked for an end that others may know better"


@pytest.mark.parametrize(("kept", "lines"), [(300, LINE), (299, b"")])
async def test_the_end_of_a_log_is_published_with_the_cosignatures_kept_of_it(
    log: Log, kept: int, lines: bytes
) -> None:
    """After a restore all files of an ended epoch are made from the journal; one of another head is no
    cosignature of this."""
    before = log.grow(299)
    note = log.grow(1)
    signed = note if kept == 300 else before
    log.db.execute(
        "INSERT INTO cosignatures VALUES ('xa', ?, ?, ?, ?, 0)", (ORIGIN, kept, signed, LINE)
    )
    log.db.execute("INSERT INTO epochs VALUES (0, ?)", (note,))
    log.db.execute("INSERT INTO meta VALUES ('epoch', '1'), ('epoch-tag', '00112233aabbccdd')")
    log.db.execute("DELETE FROM log_head")
    assert await publisher_of(log)._round()
    assert (log.folder / "0/checkpoint").read_bytes() == note + lines
    assert log.check_published() == 300


async def test_a_tree_to_prove_from_is_of_the_published_checkpoint(log: Log) -> None:
    log.grow(1000)
    publisher = publisher_of(log)
    await publisher._round()
    log.grow(10)
    note, nodes = await publisher.tree(ORIGIN)
    assert (head_of(note).size, nodes.size) == (1000, 1000)
    assert len(nodes.inclusion(999)) > 5


async def test_the_loop_goes_on_while_a_large_log_catches_up(log: Log) -> None:
    """No promise in milliseconds on a busy machine; but the loop has its turns all along."""
    log.grow(20_000)
    publisher = publisher_of(log)
    turns = 0
    under_way = asyncio.create_task(publisher._round())
    while not under_way.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert await under_way
    assert turns > 50


def test_what_was_published_before_a_restore_is_set_aside(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / PUBLISHED / "0").mkdir(parents=True)
        _set_aside(tmp_path)
        assert (tmp_path / f"log.before-{number}/0").is_dir()
    _set_aside(tmp_path)


def test_a_log_on_a_disk_of_its_own_is_not_set_aside_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount has no other name; once nothing is published there a restore goes on."""

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", busy)
    (tmp_path / PUBLISHED / "lost+found").mkdir(parents=True)
    _set_aside(tmp_path)
    (tmp_path / PUBLISHED / "0").mkdir()
    with pytest.raises(JournalError, match="a disk of its own: move what was published there away"):
        _set_aside(tmp_path)
