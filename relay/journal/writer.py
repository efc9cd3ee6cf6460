"""Group commit: one connection writes, one batch at a time, and everything waiting shares one fsync.

An operation is a plain function of the open `Transaction`, with no effect but on it. Operations run
one after the other; if one raises, the batch is rolled back and run again with a savepoint around
each, so that the one takes nothing of the others with it (savepoints for all would cost every
document for the sake of the few). Then the batch's audit entries advance the Merkle tree once, its head is signed once, and one COMMIT with one
fsync makes all of it durable. Only then does anybody get a result.

The statements of a batch run in the event loop, its COMMIT in a thread: a statement takes some ten
microseconds, and a thread that took turns with the loop at each of them would cost both more than
the work itself, while the fsync is the disk's time and must stop nobody. Operations that are `long`
(a circular to thousands) go to the thread whole, and their batch with them.

If the process dies before the COMMIT nothing of the batch has happened; after it, all of it has.
A COMMIT that fails cannot be tried again (the kernel may have dropped the pages): every caller gets
JournalError, the writer stops for good and `on_fatal` is told, so that the node exits and recovers
from the journal.

Touches: the database file. Trusts: the operations.
Raises:  JournalError once stopped; AuditError at the start, for a tree that cannot be added to.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from relay.audit.entries import Entry
from relay.audit.epochs import Epoch, first_index
from relay.audit.tree import Frontier, leaf_hash
from relay.errors import AuditError, JournalError

MAX_BATCH = 64
"""Operations in one transaction: some five milliseconds in which the loop does nothing else."""


class HeadSigner(Protocol):
    def __call__(self, epoch: Epoch, size: int, root: bytes) -> bytes:
        """The signed checkpoint note of a tree of `size` leaves, in this epoch of the log."""
        ...


EpochClose = Callable[[sqlite3.Connection, int], tuple[Entry, Epoch]]
"""Stores how the epoch of this number ended; the first entry of the one after it, and which that is."""


@dataclass(frozen=True, slots=True)
class _Turn:
    count: int
    """Entries of the batch that still belong to the old epoch."""
    close: EpochClose


@dataclass(slots=True)
class Transaction:
    """What an operation may use: the connection, and the audit log."""

    connection: sqlite3.Connection
    entries: list[Entry] = field(default_factory=list)
    turn: _Turn | None = None
    """Where among the entries a new epoch of the log begins, if one does."""

    def record(self, *entries: Entry) -> None:
        """Audit entries that become durable with this operation, or not at all (W16.8)."""
        self.entries.extend(entries)

    def end_epoch(self, close: EpochClose) -> None:
        """What is recorded from here on belongs to a new epoch of the log; one a batch."""
        if self.turn is None:
            self.turn = _Turn(len(self.entries), close)

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self.connection.execute(statement, values)


Operation = Callable[[Transaction], Any]


@dataclass(slots=True)
class _Job:
    operation: Operation
    future: asyncio.Future[Any]
    long: bool
    result: Any = None
    error: BaseException | None = None
    ended: bool = False
    """Its batch is over, whether or not anybody was left to be told."""


@dataclass(slots=True)
class _Batch:
    jobs: list[_Job]
    ran: bool = False
    """Whether its statements were executed, so that only the COMMIT is left."""
    frontier: Frontier | None = None
    """The log with the batch's entries, if it has any."""
    epoch: Epoch | None = None
    """The epoch they belong to, where it is a new one."""
    error: BaseException | None = None


class Writer:
    """The one writer of a journal; belongs to the event loop it was made in."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        sign_head: HeadSigner,
        *,
        epoch: Epoch,
        on_fatal: Callable[[BaseException], None],
        on_commit: Callable[[int], None],
    ) -> None:
        """`on_commit` gets the log's size after each batch that had entries, in the event loop."""
        self._connection = connection
        self._sign_head = sign_head
        self._epoch = epoch
        self._on_fatal = on_fatal
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Job] = deque()
        self._under_way = False
        self._before: list[Callable[[], None]] = []
        self._stopped: BaseException | None = None
        self._frontier = self._load_frontier()
        self._to_commit: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Operations not yet begun."""
        return len(self._waiting)

    def before_next(self, work: Callable[[], None]) -> None:
        """Call it once, before the next batch begins: what it brings about in the loop's next turn can
        be of that batch. While nothing is under way, that is at once."""
        if self._under_way and self._stopped is None:
            self._before.append(work)
        else:
            self._loop.call_soon(work)

    async def perform(self, operation: Operation, *, long: bool = False) -> Any:
        """Run in the next batch; return its result once durable, or raise what it raised.

        Cancelled, it ends only with its batch: what was asked for happens all the same, and whoever
        puts things away afterwards must find it done.
        """
        if self._stopped is not None:
            raise JournalError("the journal has stopped") from self._stopped
        job = self._enqueue(operation, long=long)
        try:
            return await job.future
        except asyncio.CancelledError:
            await self._ended(job)
            raise

    async def perform_all(
        self, operations: Sequence[Operation], *, long: bool = False
    ) -> list[Any]:
        """As `perform`, of operations that belong together only in that they wait together. In their
        order: the result of each, or the exception it raised."""
        if self._stopped is not None:
            raise JournalError("the journal has stopped") from self._stopped
        jobs = [self._enqueue(operation, long=long) for operation in operations]
        try:
            return [await _outcome(job) for job in jobs]
        except asyncio.CancelledError:
            for job in jobs:
                await self._ended(job)
            raise

    async def _ended(self, job: _Job) -> None:
        """Wait for a job whose caller was cancelled, however often it is cancelled again.

        Its batch may have ended between the cancellation and the caller's turn: then nobody answers
        any more.
        """
        if job.ended:
            return
        if job.future.cancelled():  # by the caller: nobody has answered it yet
            job.future = self._loop.create_future()
        while not job.future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({job.future})
        job.future.exception()  # looked at: there is nobody else to tell

    async def close(self) -> None:
        """Finish what waits, checkpoint the WAL, close. Safe to repeat."""
        if self._stopped is None:
            last = self._enqueue(lambda _: None)
            self._stopped = JournalError("the journal is closed")
            await last.future
        self._to_commit.put(None)
        await asyncio.to_thread(self._thread.join)

    def _load_frontier(self) -> Frontier:
        row = self._connection.execute("SELECT frontier FROM log_head WHERE one = 1").fetchone()
        if row is None:
            return Frontier()
        if not isinstance(row[0], bytes):
            raise AuditError("the stored right edge of the log's tree is no BLOB: it was edited")
        return Frontier.from_bytes(row[0])

    def _enqueue(self, operation: Operation, *, long: bool = False) -> _Job:
        job = _Job(operation, self._loop.create_future(), long)
        self._waiting.append(job)
        if not self._under_way:
            self._under_way = True
            self._loop.call_soon(self._begin)
        return job

    # ------------------------------------------------------------ in the event loop

    def _begin(self) -> None:
        """Start the next batch: whatever waits by now. The one before is committed."""
        batch = _Batch([self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))])
        if not batch.jobs:
            self._under_way = False
            self._prepare_next()
            return
        if not any(job.long for job in batch.jobs):
            self._run(batch)
        self._to_commit.put(batch)

    def _finished(self, batch: _Batch) -> None:
        """Answer everyone of a batch, then see who came meanwhile."""
        if batch.error is not None:
            self._stop(batch, batch.error)
            return
        if batch.epoch is not None:
            self._epoch = batch.epoch
        if batch.frontier is not None:
            self._frontier = batch.frontier
            self._on_commit(batch.frontier.size)
        _answer(batch.jobs)
        try:
            self._prepare_next()
        finally:
            self._loop.call_soon(self._begin)

    def _prepare_next(self) -> None:
        works, self._before = self._before, []
        for work in works:
            work()

    def _stop(self, batch: _Batch, error: BaseException) -> None:
        self._stopped = error
        jobs = [*batch.jobs, *self._waiting]
        self._waiting.clear()
        for job in jobs:
            job.result, job.error = None, JournalError(f"the journal cannot write: {error}")
        _answer(jobs)
        self._prepare_next()
        self._on_fatal(error)

    # ------------------------------------------------------------ in the thread

    def _work(self) -> None:
        while (batch := self._to_commit.get()) is not None:
            if not batch.ran:
                self._run(batch)
            if batch.error is None:
                self._commit(batch)
            with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                self._loop.call_soon_threadsafe(self._finished, batch)
        self._connection.close()

    def _commit(self, batch: _Batch) -> None:
        try:
            self._connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001  handed to _finished, loudly
            batch.error = error

    # ------------------------------------------------------------ in either, never in both at once

    def _run(self, batch: _Batch) -> None:
        """All of the batch but its COMMIT. An error here is of the disk or a bug: it ends the writer."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            ran = self._run_plainly(batch)
            if ran is None:
                self._connection.execute("ROLLBACK")
                self._connection.execute("BEGIN IMMEDIATE")
                ran = self._run_apart(batch)
            self._log(batch, ran)
        except BaseException as error:  # noqa: BLE001  handed to _finished, loudly
            batch.error = error
        batch.ran = True

    def _log(self, batch: _Batch, ran: Transaction) -> None:
        """The batch's entries, those before and those after a new epoch's beginning."""
        epoch, frontier, entries = self._epoch, self._frontier, ran.entries
        if ran.turn is not None:
            if entries[: ran.turn.count]:
                self._append(epoch, frontier, entries[: ran.turn.count])
            first, epoch = ran.turn.close(self._connection, epoch.number)
            entries, frontier = [first, *entries[ran.turn.count :]], Frontier()
            batch.epoch = epoch
        if entries:
            batch.frontier = self._append(epoch, frontier, entries)

    def _run_plainly(self, batch: _Batch) -> Transaction | None:
        """What the batch did; None when an operation raised, and all must be run apart."""
        transaction = Transaction(self._connection)
        try:
            for job in batch.jobs:
                job.result = job.operation(transaction)
        except Exception as error:
            if _is_of_the_disk(error):
                raise
            return None
        return transaction

    def _run_apart(self, batch: _Batch) -> Transaction:
        """Each operation in a savepoint; what it raises is its caller's to judge."""
        transaction = Transaction(self._connection)
        for job in batch.jobs:
            before, turn = len(transaction.entries), transaction.turn
            self._connection.execute("SAVEPOINT operation")
            try:
                job.result = job.operation(transaction)
            except Exception as error:
                if _is_of_the_disk(error):
                    raise
                job.result, job.error = None, error
                del transaction.entries[before:]
                transaction.turn = turn
                self._connection.execute("ROLLBACK TO operation")
            self._connection.execute("RELEASE operation")
        return transaction

    def _append(self, epoch: Epoch, before: Frontier, entries: list[Entry]) -> Frontier:
        frontier = before.copy()
        first = first_index(epoch.number)
        rows, words = [], []
        for entry in entries:
            hashed = leaf_hash(entry.leaf)
            index = first + frontier.size
            rows.append((index, entry.leaf, hashed))
            if entry.words:
                words.append((index, entry.salt, entry.words))
            frontier.append(hashed)
        self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        if words:
            # What an editor put there before the entry was is not the entry's, and must not stop it.
            self._connection.executemany(
                "INSERT OR REPLACE INTO entry_words VALUES (?, ?, ?)", words
            )
        note = self._sign_head(epoch, frontier.size, frontier.root())
        self._connection.execute(
            "INSERT INTO log_head VALUES (1, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET frontier = excluded.frontier, note = excluded.note",
            (frontier.to_bytes(), note),
        )
        return frontier


async def _outcome(job: _Job) -> Any:
    try:
        return await job.future
    except Exception as error:  # noqa: BLE001  whoever asked judges it
        return error


def _is_of_the_disk(error: Exception) -> bool:
    """A broken constraint is the operation's matter; any other word of SQLite ends the writer."""
    return isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError)


def _answer(jobs: list[_Job]) -> None:
    for job in jobs:
        job.ended = True
        if job.future.done():
            continue  # the caller went away; what it asked for is durable all the same
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
