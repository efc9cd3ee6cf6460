"""From one end of four nodes to the other: commune, district, province, central.

First as many documents as the line carries, for a few seconds: its own rate on this machine, where
four nodes share what one hop has for two. Then documents at fixed instants, half as many (or `rate`),
each timed from when it was due to when it is seen committed and available in the central node's
journal; both instants by the benchmark's own clock, the journal looked at every 5 ms.

Touches: one folder, loopback ports, child processes.
Raises:  RuntimeError when anything was lost, doubled or never settled back at the commune.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench import observe
from bench.documents import template
from bench.load import Beat, Pace, Sent, fills, issue_token, keeps_on, post, send
from bench.observe import quantile
from bench.stage import data, down, pid, stage, up
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import Tier

SIZE_BYTES = 5_000
SENDER, RECIPIENT = "H01.15.02", "G22"
NAMES = ("commune", "district", "province", "central")
MOST_UNDER_WAY = 128
CONNECTIONS = 32
DRAIN_SECONDS = 120.0
_LOOK_SECONDS = 0.005
_SWEEPS = "[delivery]\nexpiry_express = 20"
"""Nothing expires in a tenth of the shortest span after a start, ten minutes at the most; so short that
nodes sweep for what is overdue while they are measured. No document here is express."""
_PLANS = (
    NodePlan(
        "central", Tier.CENTRAL, None, "central", (AgencyPlan(RECIPIENT, "Bộ Mẫu", Tier.CENTRAL),)
    ),
    NodePlan(
        "province",
        Tier.PROVINCE,
        "central",
        "province",
        (AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE),),
    ),
    NodePlan(
        "district",
        Tier.DISTRICT,
        "province",
        "province",
        (AgencyPlan("H01.15", "UBND huyện Mẫu", Tier.DISTRICT),),
    ),
    NodePlan(
        "commune",
        Tier.COMMUNE,
        "district",
        "province",
        (AgencyPlan(SENDER, "UBND xã Mẫu", Tier.COMMUNE, own_key=True),),
    ),
)


@dataclass(frozen=True, slots=True)
class Latency:
    """One valid run. `line_per_second` is what the line carried when it was given all it would take."""

    line_per_second: float | None
    rate: float
    documents: int
    post_p50_ms: float
    post_p99_ms: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    rss_mib: dict[str, float]
    """Of each node at the end, in the order of the way."""


@dataclass(slots=True)
class Line:
    """Documents go in at its one end, and are watched for at the other."""

    network: Network
    token: str
    accepted: int = 0
    arrived: dict[int, float] = field(default_factory=dict)
    """By number of the document: when it was seen at the other end, in monotonic seconds."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def nodes(self) -> list[RunningNode]:
        return [self.network.nodes[name] for name in NAMES]

    async def send(self, pace: Pace | Beat, seconds: float) -> Sent:
        """So long, a pace once it is filled."""
        documents = template(SIZE_BYTES, SENDER, RECIPIENT)
        url, root = self.nodes[0].native_url, self.network.root
        sending = asyncio.create_task(
            send(url, self.token, root, documents, self._numbers, CONNECTIONS, pace)
        )
        if isinstance(pace, Pace):
            await fills(sending, pace)
        await keeps_on(sending, seconds)
        pace.stop()
        sent = await sending
        self.accepted += len(sent.answered)
        return sent

    async def send_one(self) -> None:
        """One document, until it has arrived."""
        body = template(SIZE_BYTES, SENDER, RECIPIENT).numbered(next(self._numbers))
        await post(self.nodes[0].native_url, self.token, self.network.root, body)
        self.accepted += 1
        await self.drained()

    async def drained(self) -> None:
        """Until all have arrived, and the first node knows."""
        deadline = time.monotonic() + DRAIN_SECONDS
        with observe.journal(data(self.nodes[0])) as journal:
            while len(self.arrived) < self.accepted or _unsettled(journal):
                if time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{len(self.arrived)} of {self.accepted} arrived, "
                        f"{_unsettled(journal)} not known to be"
                    )
                await asyncio.sleep(_LOOK_SECONDS * 10)


@asynccontextmanager
async def line(folder: Path) -> AsyncIterator[Line]:
    """Four nodes, running; in the end their logs are recomputed."""
    async with stage(folder, _PLANS, extra=_SWEEPS) as network:
        await up(network, *network.nodes.values())
        found = Line(network, await issue_token(network.nodes[NAMES[0]].control, SENDER))
        async with _watched(found):
            yield found
        await down(*network.nodes.values())


@asynccontextmanager
async def _watched(line: Line) -> AsyncIterator[None]:
    with observe.journal(data(line.nodes[-1])) as journal:

        async def look() -> None:
            cursor = 0
            while True:
                cursor = _note(journal, cursor, line.arrived)
                await asyncio.sleep(_LOOK_SECONDS)

        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


def _note(journal: sqlite3.Connection, cursor: int, arrived: dict[int, float]) -> int:
    rows = journal.execute(
        "SELECT inbox_cursor, document_id FROM deliveries JOIN messages USING (message_row)"
        " WHERE inbox_cursor > ? ORDER BY inbox_cursor",
        (cursor,),
    ).fetchall()
    now = time.monotonic()
    for _, document_id in rows:
        number = int(document_id.rpartition(",")[2])
        if number in arrived:
            raise RuntimeError(f"document {number} arrived twice")
        arrived[number] = now
    return int(rows[-1][0]) if rows else cursor


def _unsettled(journal: sqlite3.Connection) -> int:
    asked = "SELECT count(*) FROM deliveries WHERE state <> 'available'"
    return int(journal.execute(asked).fetchone()[0])


async def latency(
    line: Line, *, rate: float | None, saturate: float, seconds: float, say: Callable[[str], None]
) -> Latency:
    """At `rate` a second, or at half of what the line carries in `saturate` seconds."""
    most = None
    if rate is None:
        say(f"as much as four nodes carry, {saturate:g} s")
        most = await _most(line, saturate)
        rate = max(1.0, most / 2)
    say(f"{rate:.0f} a second through four nodes, {seconds:g} s")
    sent = await line.send(Beat(rate), seconds)
    await line.drained()
    took = sorted(line.arrived[one.number] - one.began for one in sent.answered)
    posts = sorted(one.ended - one.began for one in sent.answered)
    return Latency(
        line_per_second=most,
        rate=rate,
        documents=len(took),
        post_p50_ms=quantile(posts, 0.50) * 1000,
        post_p99_ms=quantile(posts, 0.99) * 1000,
        p50_ms=quantile(took, 0.50) * 1000,
        p99_ms=quantile(took, 0.99) * 1000,
        most_ms=took[-1] * 1000,
        rss_mib={node.plan.name: observe.usage(pid(node)).rss_mib for node in line.nodes},
    )


async def _most(line: Line, seconds: float) -> float:
    """Arrivals a second, of the last two thirds of the time."""
    pace, before = Pace(MOST_UNDER_WAY), len(line.arrived)

    async def tell() -> None:
        while True:
            pace.tell(len(line.arrived) - before)
            await asyncio.sleep(_LOOK_SECONDS)

    telling = asyncio.create_task(tell())
    began = time.monotonic()
    try:
        await line.send(pace, seconds)
    finally:
        telling.cancel()
    filled = pace.filled_at or began
    since, ended = filled + seconds / 3, filled + seconds
    await line.drained()
    return sum(since <= at < ended for at in line.arrived.values()) / (ended - since)
