"""One hop: two node processes, a load, a steady window, and the proof that nothing was lost.

A province's node takes documents of an agency whose key it holds and carries them to the central
node, which serves the recipient.

Touches: one folder, loopback ports, child processes.
Raises:  RuntimeError when the run is invalid: something was lost, doubled or never settled.
         AuditError when a log does not hold.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench import observe
from bench.documents import template
from bench.load import Pace, fills, issue_token, keeps_on, send
from bench.observe import quantile
from bench.stage import data, down, pid, stage
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import Tier
from relay.signing.pki import KeyType

SENDER = "H01"
RECIPIENT = "G22"
DRAIN_SECONDS = 60.0
MOST_UNDER_WAY = 512
"""Documents accepted and not yet settled: enough that neither node ever waits for the load."""
_LOOK_SECONDS = 0.02
_PLANS = (
    NodePlan(
        "central", Tier.CENTRAL, None, "central", (AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL),)
    ),
    NodePlan(
        "province",
        Tier.PROVINCE,
        "central",
        "province",
        (AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE, own_key=True),),
    ),
)


@dataclass(frozen=True, slots=True)
class Load:
    """What to run: `warm` seconds that do not count, then `seconds` that do."""

    size_bytes: int
    key: KeyType
    connections: int
    warm: float
    seconds: float
    batches: bool = True
    """False: each receipt is signed by itself."""


@dataclass(frozen=True, slots=True)
class Result:
    """One valid run. Processor time is of the whole run, latencies and rates of the window."""

    accepted: int
    accepted_per_second: float
    settled_per_second: float
    p50_ms: float
    p99_ms: float
    settle_p50_ms: float
    settle_p99_ms: float
    first_cpu_us: float
    second_cpu_us: float
    load_cpu_us: float
    """Of the load generator, which shares the machine with the nodes."""
    first_rss_mib: tuple[float, ...]
    """At the first, second and last third of the window, and the peak."""
    second_rss_mib: tuple[float, ...]
    shared: tuple[float, float]
    """Receipts for each signature that a node made for its receipts: the first node's, the second's."""


async def run(folder: Path, load: Load, say: Callable[[str], None]) -> Result:
    """One run in a new folder below `folder`, which is removed afterwards."""
    say("certificates and nodes")
    extra = "" if load.batches else '[keys]\nbatches = "never"\n'
    async with stage(folder, _PLANS, load.key, extra) as network:
        first, second = network.nodes["province"], network.nodes["central"]
        await network.start()
        result = await _measure(network, first, second, load, say)
        say("checking")
        await down(first, second)
        if found := observe.faults(data(first), data(second), result.accepted):
            raise RuntimeError("; ".join(found))
        shared = observe.shared(data(first), "province"), observe.shared(data(second), "central")
        return replace(result, shared=shared)


async def _measure(
    network: Network,
    first: RunningNode,
    second: RunningNode,
    load: Load,
    say: Callable[[str], None],
) -> Result:
    documents = template(load.size_bytes, SENDER, RECIPIENT)
    token = await issue_token(first.control, SENDER)
    before = [observe.usage(pid(node)) for node in (first, second)]
    load_before = time.process_time()
    pace = Pace(MOST_UNDER_WAY)
    sending = asyncio.create_task(
        send(
            first.native_url,
            token,
            network.root,
            documents,
            itertools.count(),
            load.connections,
            pace,
        )
    )
    async with _watched(data(first), pace) as journal:
        say(f"warming up, {load.warm:g} s")
        await keeps_on(sending, load.warm)
        await fills(sending, pace)
        started, settled_before = time.monotonic(), observe.settled(journal)
        say(f"measuring, {load.seconds:g} s")
        memory = []
        for _ in range(3):
            await keeps_on(sending, load.seconds / 3)
            memory.append([observe.usage(pid(node)).rss_mib for node in (first, second)])
        ended, settled_after = time.monotonic(), observe.settled(journal)
        pace.stop()
        sent = await sending
        say("letting it finish")
        await _drained(pace, len(sent.answered))
        after = [observe.usage(pid(node)) for node in (first, second)]
        load_cpu = (time.process_time() - load_before) / len(sent.answered) * 1e6
        settle = observe.settle_latencies(journal, settled_before, settled_after)
    posts = sent.latencies(started, ended)
    cpu = [
        (b.cpu_seconds - a.cpu_seconds) / len(sent.answered) * 1e6
        for a, b in zip(before, after, strict=True)
    ]
    return Result(
        accepted=len(sent.answered),
        accepted_per_second=len(posts) / (ended - started),
        settled_per_second=(settled_after - settled_before) / (ended - started),
        p50_ms=quantile(posts, 0.50) * 1000,
        p99_ms=quantile(posts, 0.99) * 1000,
        settle_p50_ms=quantile(settle, 0.50) * 1000,
        settle_p99_ms=quantile(settle, 0.99) * 1000,
        first_cpu_us=cpu[0],
        second_cpu_us=cpu[1],
        load_cpu_us=load_cpu,
        first_rss_mib=(*(m[0] for m in memory), after[0].rss_peak_mib),
        second_rss_mib=(*(m[1] for m in memory), after[1].rss_peak_mib),
        shared=(0.0, 0.0),
    )


@asynccontextmanager
async def _watched(data: Path, pace: Pace) -> AsyncIterator[sqlite3.Connection]:
    """The first node's journal, while the pace is told from it what has been settled."""
    with observe.journal(data) as journal:

        async def tell() -> None:
            while True:
                pace.tell(observe.settled(journal))
                await asyncio.sleep(_LOOK_SECONDS)

        telling = asyncio.create_task(tell())
        try:
            yield journal
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


async def _drained(pace: Pace, accepted: int) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while pace.settled < accepted:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"{pace.settled} of {accepted} settled after {DRAIN_SECONDS:g} s more"
            )
        await asyncio.sleep(_LOOK_SECONDS)
