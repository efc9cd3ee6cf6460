"""Group commit: one thread owns the writing connection, and everything waiting shares one fsync.

An operation is a plain function of the open `Transaction`. Operations run one after the other, each
in a savepoint of its own, so that one which raises takes nothing of the others with it; then the
batch's audit entries advance the Merkle tree once, its head is signed once, and one COMMIT with one
fsync makes all of it durable. Only then does anybody get a result.

If the process dies before the COMMIT nothing of the batch has happened; after it, all of it has.
A COMMIT that fails cannot be tried again (the kernel may have dropped the pages): every caller gets
JournalError, the writer stops for good and `on_fatal` is told, so that the node exits and recovers
from the journal.

Touches: the database file. Trusts: the operations. Raises: JournalError once stopped.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from relay.audit.tree import Frontier, leaf_hash
from relay.errors import JournalError, RelayError
from relay.lifecycle import IllegalStepError

MAX_BATCH = 256
GATHER_SECONDS = 0.001
"""How long a busy writer waits for company before it commits."""


class HeadSigner(Protocol):
    def __call__(self, size: int, root: bytes) -> bytes:
        """The signed checkpoint note of a tree of `size` leaves."""
        ...


@dataclass(slots=True)
class Transaction:
    """What an operation may use: the connection, and the audit log."""

    connection: sqlite3.Connection
    entries: list[bytes] = field(default_factory=list)

    def record(self, *leaves: bytes) -> None:
        """Audit entries that become durable with this operation, or not at all."""
        self.entries.extend(leaves)

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self.connection.execute(statement, values)


Operation = Callable[[Transaction], Any]


@dataclass(slots=True)
class _Job:
    operation: Operation
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class Writer:
    """The one writer of a journal."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        sign_head: HeadSigner,
        *,
        on_fatal: Callable[[BaseException], None],
        on_commit: Callable[[int], None],
    ) -> None:
        """`on_commit` gets the log's size after each batch, in the writer's thread."""
        self._connection = connection
        self._sign_head = sign_head
        self._on_fatal = on_fatal
        self._on_commit = on_commit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopped: BaseException | None = None
        self._frontier = self._load_frontier()
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Operations not yet begun."""
        return self._jobs.qsize()

    async def perform(self, operation: Operation) -> Any:
        """Run in the next batch; return its result once durable, or raise what it raised."""
        if self._stopped is not None:
            raise JournalError("the journal has stopped") from self._stopped
        loop = asyncio.get_running_loop()
        job = _Job(operation, loop.create_future(), loop)
        self._jobs.put(job)
        return await job.future

    def close(self) -> None:
        """Finish what waits, checkpoint the WAL, close. Blocks; safe to repeat."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _load_frontier(self) -> Frontier:
        row = self._connection.execute("SELECT frontier FROM log_head WHERE one = 1").fetchone()
        return Frontier() if row is None else Frontier.from_bytes(row[0])

    def _work(self) -> None:
        busy = False
        while (batch := self._gather(busy)) is not None:
            busy = len(batch) > 1
            try:
                size = self._commit(batch)
            except BaseException as error:  # noqa: BLE001  a failed commit ends the writer, loudly
                self._stop(batch, error)
                return
            if size is not None:
                self._on_commit(size)
            _answer(batch)
        self._connection.close()

    def _gather(self, busy: bool) -> list[_Job] | None:
        """The next batch: at least one job, company if it comes soon; None to end."""
        first = self._jobs.get()
        if first is None:
            return None
        if busy:
            time.sleep(GATHER_SECONDS)
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)  # the end comes after this batch
                break
            batch.append(job)
        return batch

    def _commit(self, batch: list[_Job]) -> int | None:
        """Run and commit the batch; the log's new size if it grew."""
        transaction = Transaction(self._connection)
        self._connection.execute("BEGIN IMMEDIATE")
        for job in batch:
            self._run(job, transaction)
        if not transaction.entries:
            self._connection.execute("COMMIT")
            return None
        frontier = self._append(transaction.entries)
        self._connection.execute("COMMIT")
        self._frontier = frontier
        return frontier.size

    def _run(self, job: _Job, transaction: Transaction) -> None:
        before = len(transaction.entries)
        self._connection.execute("SAVEPOINT operation")
        try:
            job.result = job.operation(transaction)
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if not isinstance(error, sqlite3.IntegrityError):
                raise
            job.error = error
        except (RelayError, IllegalStepError, Exception) as error:  # noqa: BLE001  the caller's to judge
            job.error = error
        if job.error is not None:
            del transaction.entries[before:]
            self._connection.execute("ROLLBACK TO operation")
        self._connection.execute("RELEASE operation")

    def _append(self, leaves: list[bytes]) -> Frontier:
        frontier = self._frontier.copy()
        rows = []
        for leaf in leaves:
            hashed = leaf_hash(leaf)
            rows.append((frontier.size, leaf, hashed))
            frontier.append(hashed)
        self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        note = self._sign_head(frontier.size, frontier.root())
        self._connection.execute(
            "INSERT INTO log_head VALUES (1, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET frontier = excluded.frontier, note = excluded.note",
            (frontier.to_bytes(), note),
        )
        return frontier

    def _stop(self, batch: list[_Job], error: BaseException) -> None:
        self._stopped = error
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                batch.append(job)
        for job in batch:
            job.result, job.error = None, JournalError(f"the journal cannot write: {error}")
        _answer(batch)
        self._on_fatal(error)


def _answer(batch: list[_Job]) -> None:
    """Hand out results, one wake-up of the loop for each loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, jobs)


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue  # the caller went away; what it asked for is durable all the same
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
