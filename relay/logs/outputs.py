"""Where lines and entries go: each output has a thread, a bounded queue and, for entries, a cursor.

A line is put into the queues and that is all its writer waits for. What an output cannot write now it tries
again, for as long as it takes; meanwhile its queue fills, and what finds it full is dropped and counted,
which the output says once it is back. Outputs know nothing of each other.

Entries are not queued: they stand in the journal. One slice at a time is written, and the cursor goes on
once the slice has arrived. At least once: what is in doubt is written again, known again by its index.

Touches: threads, the cursor files. Raises: nothing into whoever writes a line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from relay.delivery.ports import LogEntry
from relay.lines import Line
from relay.logs.forms import Form
from relay.logs.record import Record, text

AT_ONCE: Final = 256
"""Lines joined in one write."""
GATHER_SECONDS: Final = 0.02
"""How long a line waits for company: a thread that wakes for each takes turns with the event loop each time."""
_CURSOR_BYTES: Final = 4096
"""More than a cursor's file ever holds."""
LOOK_SECONDS: Final = 1.0
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 30.0
log = structlog.get_logger("relay.logs")


class Sink(Protocol):
    settles_seconds: float
    """How long after a write it may still turn out that it did not arrive."""

    def write(self, lines: Sequence[bytes], *, durable: bool) -> None:
        """All of them, or OSError."""

    def look(self) -> None:
        """Raises OSError where what was written may be lost."""

    def reopen(self) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Cursor:
    """Which entry comes next, in a file that is replaced whole."""

    path: Path
    first: int = 0
    """Where an output without a cursor begins."""
    next: int = 0

    def load(self) -> None:
        """What cannot be read is as good as nothing: all of it is written again, and nothing lost."""
        try:
            with self.path.open("rb") as file:
                found = json.loads(file.read(_CURSOR_BYTES))["next"]
            self.next = found if type(found) is int and found >= 0 else self.first
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            self.next = self.first

    def store(self) -> None:
        """A full disk may keep it old."""
        half = self.path.with_name(f".{self.path.name}")
        with suppress(OSError):
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            with half.open("wb") as file:
                file.write(b'{"next":%d}\n' % self.next)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self.path)


@dataclass(frozen=True, slots=True)
class _Slice:
    entries: Sequence[LogEntry]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


_Item = Record | _Slice | Callable[[], None]


class Output:
    def __init__(
        self, name: str, sink: Sink, form: Form, *, level: int, limit: int, cursor: Cursor | None
    ) -> None:
        self.name = name
        self.level = level
        self.cursor = cursor
        """None: it gets no entries."""
        self.generation = 0
        """Counts how often what was written last came into doubt."""
        self.doubted: Callable[[], None] = lambda: None
        """Told of each time, in the output's thread."""
        self.dropped = 0
        self._sink = sink
        self._form = form
        self._limit = limit
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._unsettled: deque[tuple[float, int]] = deque()
        self._failures = 0
        self._again = 0.0
        self._ending = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"log-{name}", daemon=True)

    # ------------------------------------------------------------ from any thread

    def start(self) -> None:
        if self.cursor is not None:
            self.cursor.load()
        self._thread.start()

    def put(self, record: Record) -> None:
        if record.number < self.level:
            return
        if self._queue.qsize() >= self._limit:
            self.dropped += 1
        else:
            self._queue.put(record)

    async def deliver(self, entries: Sequence[LogEntry]) -> None:
        """Write them. Raises OSError; then go on where the cursor stands."""
        loop = asyncio.get_running_loop()
        one = _Slice(entries, loop, loop.create_future())
        self._queue.put(one)
        await one.done

    def reopen(self) -> None:
        self._queue.put(self._sink.reopen)

    def flush(self) -> threading.Event:
        """Set once all that was put before is written or given up."""
        done = threading.Event()
        self._queue.put(done.set)
        return done

    def end(self) -> None:
        """Write what waits, but try nothing again."""
        self._ending.set()
        self._queue.put(self._end)

    def ended(self, seconds: float) -> None:
        self._thread.join(max(0.0, seconds))

    # ------------------------------------------------------------ in the thread

    def _run(self) -> None:
        while not self._stopping:
            try:
                item: _Item | None = self._queue.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._look()
                continue
            if isinstance(item, Record) and item.number < logging.WARNING:
                self._ending.wait(GATHER_SECONDS)
            while item is not None:
                item = self._take(item)
            self._settle()

    def _take(self, item: _Item) -> _Item | None:
        """What came after the lines that were joined, if anything did."""
        if isinstance(item, _Slice):
            self._write_slice(item)
        elif isinstance(item, Record):
            return self._write_lines(item)
        else:
            with suppress(OSError):
                item()
        return None

    def _write_lines(self, first: Record) -> _Item | None:
        lines, after = [self._form.record(first)], None
        while len(lines) < AT_ONCE and after is None and self._queue.qsize():
            found = self._queue.get()
            if isinstance(found, Record):
                lines.append(self._form.record(found))
            else:
                after = found
        while not self._written(lines, durable=False):
            if self._ending.is_set():
                self.dropped += len(lines)
                break
            self._ending.wait(max(0.0, self._again - time.monotonic()))
        return after

    def _write_slice(self, one: _Slice) -> None:
        lines = [self._form.entry(entry) for entry in one.entries]
        written = self._written(lines, durable=True)
        if written:
            self._unsettled.append((time.monotonic(), one.entries[-1].index + 1))
        with suppress(RuntimeError):  # the loop is gone
            one.loop.call_soon_threadsafe(_answer, one.done, written)

    def _written(self, lines: Sequence[bytes], *, durable: bool) -> bool:
        if time.monotonic() < self._again and not self._ending.is_set():
            return False
        try:
            self._sink.write(lines, durable=durable)
            self._is_back()
        except OSError as error:
            self._failed(error)
            return False
        return True

    def _is_back(self) -> None:
        if self._failures:
            self._failures, self._again = 0, 0.0
            log.info(Line.OUTPUT_IS_BACK, output=self.name)
        if self.dropped:
            count = self.dropped
            self._sink.write([self._form.record(_dropped(self.name, count))], durable=False)
            self.dropped -= count

    def _failed(self, error: OSError) -> None:
        self._failures += 1
        wait = min(FIRST_WAIT_SECONDS * 2 ** min(self._failures - 1, 6), LONGEST_WAIT_SECONDS)
        self._again = time.monotonic() + wait
        self._doubt()
        if self._failures == 1:
            log.error(Line.OUTPUT_FAILED, output=self.name, error=text(str(error), 300))

    def _look(self) -> None:
        try:
            self._sink.look()
        except OSError:
            self._doubt()
        self._settle()

    def _doubt(self) -> None:
        self._unsettled.clear()
        self.generation += 1
        self.doubted()

    def _settle(self) -> None:
        """What has been written for long enough has arrived."""
        if self.cursor is None:
            return
        before, due = self.cursor.next, time.monotonic() - self._sink.settles_seconds
        while self._unsettled and self._unsettled[0][0] <= due:
            self.cursor.next = self._unsettled.popleft()[1]
        if self.cursor.next != before:
            self.cursor.store()

    def _end(self) -> None:
        self._settle()
        self._sink.close()
        self._stopping = True


class Outputs:
    """All of a process."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.all = tuple(outputs)

    @property
    def level(self) -> int:
        """Beneath it nobody wants a line."""
        return min(one.level for one in self.all)

    def start(self) -> None:
        for one in self.all:
            one.start()

    def put(self, record: Record) -> None:
        for one in self.all:
            one.put(record)

    def reopen(self) -> None:
        for one in self.all:
            one.reopen()

    def flush(self, seconds: float) -> None:
        """Wait so long at most until what was said is written."""
        end = time.monotonic() + seconds
        for done in [one.flush() for one in self.all]:
            done.wait(max(0.0, end - time.monotonic()))

    def close(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for one in self.all:
            one.end()
        for one in self.all:
            one.ended(end - time.monotonic())


def _answer(done: asyncio.Future[None], written: bool) -> None:
    if done.done():
        return
    if written:
        done.set_result(None)
    else:
        done.set_exception(OSError("not written"))


def _dropped(name: str, count: int) -> Record:
    fields = {"output": name, "count": count}
    return Record(time.time_ns(), "warning", 30, Line.LINES_DROPPED.value, "relay.logs", fields)
