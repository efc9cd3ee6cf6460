"""What it takes to read the log: from a commit to the line on the tail's screen, and a page of what is
wanted out of a long log.

A watcher looks into the journal every fifth of a millisecond: what it sees is committed. The line is
taken from a pseudo-terminal that `relay audit tail -f` writes on.

Touches: a node, its journal (reading), a process, a pseudo-terminal; a journal of its own for the pages.
Raises:  RuntimeError when a line does not come.
"""

from __future__ import annotations

import asyncio
import os
import pty
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.observe import journal, quantile
from bench.stage import data, stage, up
from relay.audit.entries import AuditEvent, entry
from relay.audit.tree import leaf_hash
from relay.cli.client import NativeClient, reach
from relay.cli.connect import Connection
from relay.delivery.wanted import EVERYTHING, Wanted
from relay.demo.network import AgencyPlan, NodePlan, RunningNode
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import NodeId, Tier

_PLAN = NodePlan(
    "ward", Tier.PROVINCE, None, "ward", (AgencyPlan("H01", "UBND Mẫu", Tier.PROVINCE),)
)
_LOOK_SECONDS = 0.0002
_PAUSE_SECONDS = 0.1
_LINE_SECONDS = 10.0
_INDEX = re.compile(rb"^ *([0-9]+) ", re.MULTILINE)
_BATCH = 20_000
_RARE = 5_000
"""One entry in so many is the one that is asked for."""


@dataclass(frozen=True, slots=True)
class Tail:
    screens_ms: list[float]
    """From the commit to the line, ascending."""
    entries: int
    """In the log that is paged through."""
    pages_ms: dict[str, float]
    """What is asked for → the time of all pages it takes, or of the one."""
    longest_ms: float
    """The longest that another reader of the journal waited meanwhile."""

    def screen_ms(self, part: float) -> float:
        return quantile(self.screens_ms, part)


@dataclass(slots=True)
class _Seen:
    """Index → when it was first seen; by a thread of its own."""

    times: dict[int, float] = field(default_factory=dict)
    over: bool = False


async def tail(folder: Path, count: int, entries: int, say: Callable[[str], None]) -> Tail:
    say(f"{count} entries one by one, on a tail's screen")
    screens = await _screens(folder, count)
    say(f"{entries} entries to page through")
    pages, longest = await _pages(folder, entries)
    return Tail(sorted(screens), entries, pages, longest)


async def _screens(folder: Path, count: int) -> list[float]:
    async with stage(folder, [_PLAN]) as network:
        (node,) = network.nodes.values()
        await up(network, node)
        with _watched(data(node)) as committed:
            async with reach(Connection("http://localhost", node.control)) as client:
                return await _measured(client, node, count, committed)


async def _measured(
    client: NativeClient, node: RunningNode, count: int, committed: _Seen
) -> list[float]:
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "relay", "audit", "tail", "-f", "--config", str(node.config)]
    process = await asyncio.create_subprocess_exec(*command, stdout=terminal)
    shown = _Seen()
    threading.Thread(target=_read, args=(screen, shown), daemon=True).start()
    try:
        await _issue(client, shown, committed)  # it follows from here on
        before = max(shown.times)
        for _ in range(count):
            await _issue(client, shown, committed)
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        process.terminate()
        await process.wait()
        os.close(terminal)
    both = [index for index in shown.times if index > before and index in committed.times]
    return [(shown.times[index] - committed.times[index]) * 1000 for index in both]


async def _issue(client: NativeClient, shown: _Seen, committed: _Seen) -> None:
    """An entry, until its line is there."""
    await client.post("/v1/tokens", {"holder": "bench", "scopes": ["auditor"]})
    newest, end = max(committed.times), time.perf_counter() + _LINE_SECONDS
    while max(shown.times, default=-1) < newest:
        if time.perf_counter() > end:
            raise RuntimeError(f"entry {newest} is not on the screen after {_LINE_SECONDS:g} s")
        await asyncio.sleep(0.01)


def _read(screen: int, shown: _Seen) -> None:
    while True:
        try:
            came = os.read(screen, 65_536)
        except OSError:
            return
        now = time.perf_counter()
        for index in _INDEX.findall(came.replace(b"\r", b"")):
            shown.times.setdefault(int(index), now)


@contextmanager
def _watched(folder: Path) -> Iterator[_Seen]:
    seen = _Seen()

    def watch() -> None:
        with journal(folder) as connection:
            while not seen.over:
                newest = connection.execute("SELECT max(entry_index) FROM entries").fetchone()[0]
                if newest is not None:
                    seen.times.setdefault(newest, time.perf_counter())
                time.sleep(_LOOK_SECONDS)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        seen.over = True
        thread.join()


async def _pages(folder: Path, entries: int) -> tuple[dict[str, float], float]:
    with TemporaryDirectory(dir=folder, prefix="bench-") as place:
        opened = await SqliteJournal.open(
            Path(place), NodeId("ward"), lambda *_: b"none", on_fatal=_fatal
        )
        try:
            await _filled(opened, entries)
            return await _asked(opened, entries)
        finally:
            await opened.close()


async def _filled(log: SqliteJournal, entries: int) -> None:
    """A second apart; rows as the writer makes them, without the tree."""
    start = datetime.now(UTC) - timedelta(seconds=entries)
    for first in range(0, entries, _BATCH):
        rows = [_row(start, index) for index in range(first, min(entries, first + _BATCH))]
        await log.perform(partial(_insert, rows=rows), _BATCH)


def _insert(tx: Transaction, rows: list[tuple[int, bytes, bytes]]) -> None:
    tx.connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)


def _row(start: datetime, index: int) -> tuple[int, bytes, bytes]:
    event = AuditEvent.DELIVERY_FAILED if index % _RARE == 0 else AuditEvent.DELIVERY_AVAILABLE
    leaf = entry(
        event,
        start + timedelta(seconds=index),
        NodeId("ward"),
        message=f"0190f0a0-0000-7000-8000-{index:012x}",
        recipient="000.00.15.H51",
        delivery=f"0190f0a0-0000-7000-8001-{index:012x}",
        receipt=f"{index:064x}",
    ).leaf
    return index, leaf, leaf_hash(leaf)


async def _asked(log: SqliteJournal, entries: int) -> tuple[dict[str, float], float]:
    rare = Wanted(events=frozenset({str(AuditEvent.DELIVERY_FAILED)}))
    found: dict[str, float] = {}
    waited = [0.0]
    other = asyncio.create_task(_other_reader(log, waited))
    at = time.perf_counter()
    after, came = 0, 0
    while after < entries:
        page = await log.log_page(rare, after, 1000)
        after, came = page.next, came + len(page.entries)
    found["all of one event"] = _since(at)
    if came != (entries + _RARE - 1) // _RARE:
        raise RuntimeError(f"{came} entries of one event came")
    at = time.perf_counter()
    await log.log_page(rare, entries // 2, 10)
    found["ten of one event"] = _since(at)
    at = time.perf_counter()
    await log.log_page(EVERYTHING, entries // 2, 1000)
    found["a thousand of all"] = _since(at)
    at = time.perf_counter()
    await log.log_since(datetime.now(UTC) - timedelta(seconds=entries // 3), 0)
    found["where an instant is"] = _since(at)
    other.cancel()
    return found, waited[0]


async def _other_reader(log: SqliteJournal, waited: list[float]) -> None:
    while True:
        at = time.perf_counter()
        await log.entries(0, 1)
        waited[0] = max(waited[0], _since(at))
        await asyncio.sleep(0.001)


def _since(at: float) -> float:
    return (time.perf_counter() - at) * 1000


def _fatal(error: BaseException) -> None:
    raise RuntimeError("the journal has stopped") from error
