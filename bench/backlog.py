"""Intake at a node with a backlog for a neighbour that is down, against one with an empty queue.

The neighbour is down for both: what is accepted stays, so the empty queue is one of the documents of
the run itself. Runs alternate, so that what disturbs the machine disturbs both.

Touches: two nodes of the stage.
Raises:  RuntimeError when something accepted does not wait.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import observe
from bench.documents import template
from bench.load import Pace, Sent, issue_token, keeps_on, send
from bench.observe import quantile
from bench.stage import down, pid, up
from bench.waiting import RECIPIENT, SIZE_BYTES, Waiting, forget, sender
from relay.demo.network import RunningNode


@dataclass(frozen=True, slots=True)
class Intake:
    """One valid run. Processor time is of the whole load, rates and latencies of the window."""

    queued: int
    """Before it."""
    accepted: int
    accepted_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    written_kib: float
    """To the disk, for each document: write-ahead log and checkpoints."""
    rss_start_mib: float
    rss_mib: float
    rss_peak_mib: float


@dataclass(frozen=True, slots=True)
class Window:
    connections: int
    warm: float
    seconds: float


async def backlog(
    stage: Waiting, repeat: int, window: Window, say: Callable[[str], None]
) -> tuple[list[Intake], list[Intake]]:
    """With an empty queue, with the backlog; `repeat` runs of each."""
    empty: list[Intake] = []
    full: list[Intake] = []
    numbers = itertools.count(1)
    for turn in range(repeat):
        for node, found in ((stage.empty, empty), (stage.full, full)):
            if node is stage.empty:
                forget(node)
            found.append(await _run(stage, node, numbers, window))
            said = f"{found[-1].queued:,} queued, {turn + 1} of {repeat}"
            say(f"{said}: {found[-1].accepted_per_second:.0f} accepted a second")
    return empty, full


async def _run(stage: Waiting, node: RunningNode, numbers: Iterator[int], window: Window) -> Intake:
    before = stage.queued(node) if node is stage.full else 0
    await up(stage.network, node)
    token = await issue_token(node.control, sender(node))
    start = observe.usage(pid(node))
    documents = template(SIZE_BYTES, sender(node), RECIPIENT)
    url, root, pace = node.native_url, stage.network.root, Pace(sys.maxsize)
    sending = asyncio.create_task(
        send(url, token, root, documents, numbers, window.connections, pace)
    )
    await keeps_on(sending, window.warm)
    began = time.monotonic()
    await keeps_on(sending, window.seconds)
    ended, mid = time.monotonic(), observe.usage(pid(node))
    pace.stop()
    sent = await sending
    end = observe.usage(pid(node))
    await down(node)
    if (stand := stage.queued(node)) != before + len(sent.answered):
        raise RuntimeError(f"{stand} wait, not {before} and {len(sent.answered)} accepted")
    return _result(before, sent, (began, ended), (start, mid, end))


def _result(
    before: int,
    sent: Sent,
    window: tuple[float, float],
    usage: tuple[observe.Usage, observe.Usage, observe.Usage],
) -> Intake:
    (began, ended), (start, mid, end) = window, usage
    posts = sent.latencies(began, ended)
    accepted = len(sent.answered)
    return Intake(
        queued=before,
        accepted=accepted,
        accepted_per_second=len(posts) / (ended - began),
        p50_ms=quantile(posts, 0.50) * 1000,
        p99_ms=quantile(posts, 0.99) * 1000,
        cpu_us=(end.cpu_seconds - start.cpu_seconds) / accepted * 1e6,
        written_kib=(end.written_mib - start.written_mib) / accepted * 1024,
        rss_start_mib=start.rss_mib,
        rss_mib=mid.rss_mib,
        rss_peak_mib=end.rss_peak_mib,
    )
