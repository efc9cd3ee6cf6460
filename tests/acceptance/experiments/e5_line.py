"""E5: the line between two nodes is cut at every kind of place, silenced, delayed and narrowed.

Every connection of a commune's node to its province's and back goes through a proxy. A letter and a
book (uploaded ahead, so several requests) are measured undisturbed; then the line is cut after each of
a row of offsets from nothing to all of those bytes, in the request and in the answer, on kept
connections and on new ones, where the handshake comes first. A cut behind the last byte of the request
is one before the answer. The same is done to the line on which the receipts come back. Then it swallows everything for a while, delays, and is narrowed to 64 kbit/s.

In the end one of the province's neighbours is a black hole: how long documents to the other one take is
told beside the same without.

Touches: a city of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.model import digest_of
from tests.acceptance.experiments.city import (
    COMMUNE,
    OTHER_COMMUNE,
    PROVINCE,
    City,
    founded,
    rewire,
)
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import BOOK_BYTES, LETTER_BYTES
from tests.acceptance.experiments.proxy import Cut, Proxy, Way
from tests.acceptance.experiments.quiet import quiesce
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import COLLECT_SECONDS, Relation, Traffic, at_work

TITLE = "E5 line"
UP = Relation("xa", "H01.15.02", ("H01",))
DOWN = Relation("tinh", "H01", ("H01.15.02",))
ASIDE = Relation("tinh", "H01", ("H01.16",))
PARTS = (0.0, 0.001, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
"""Of the bytes that a document takes one way: before the first, in the header, the seal and the
envelope, short of the end and behind it."""
QUICK_PARTS = (0.0, 0.5, 1.0)
HANDSHAKE_BYTES = (1, 300, 1500, 2500)
ARRIVAL_SECONDS = 60.0
SILENT_SECONDS = 4.0
NARROW = 64_000 / 8
LATENCIES = 60
EXTRA = "answer_within = 3\n"


@dataclass(frozen=True, slots=True)
class Line:
    """The commune's calls to the province's node, and those the other way."""

    traffic: Traffic
    up: Proxy
    down: Proxy

    async def carry(self, relation: Relation, size_bytes: int) -> float:
        """Until the recipient has it; seconds from handing it in."""
        content = self.traffic.write(relation, size_bytes)
        digest = digest_of(content)
        await self.traffic.send(relation, content)
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while digest not in self.traffic.collected:
                await asyncio.sleep(0.01)
        return self.traffic.arrived[digest] - self.traffic.sent_at[digest]

    async def measure(self, proxy: Proxy, size_bytes: int) -> dict[Way, int]:
        """What an undisturbed document takes each way on one of the lines, until all has come back."""
        before = dict(proxy.carried)
        await self.carry(UP, size_bytes)
        await quiesce(self.traffic)
        return {way: proxy.carried[way] - before[way] for way in Way}

    async def cut(self, proxy: Proxy, cut: Cut, size_bytes: int, *, anew: bool) -> bool:
        """Whether the cut came; the document arrives all the same, and its receipts come back."""
        cuts = proxy.cuts
        if anew:
            proxy.break_all()
        proxy.arm(cut)
        await self.carry(UP, size_bytes)
        if proxy is self.down:
            await quiesce(self.traffic)
        proxy.cut = None
        return proxy.cuts > cuts


async def run(folder: Path, quick: bool) -> Tally:
    notes: list[str] = []
    async with contextlib.AsyncExitStack() as exits:
        up, down, aside = [await exits.enter_async_context(Proxy(0).running()) for _ in range(3)]

        def prepare(city: City) -> None:
            for proxy, name, neighbour in (
                (up, "xa", "tinh"),
                (down, "tinh", "xa"),
                (aside, "tinh", "xb"),
            ):
                proxy.target = city.node(neighbour).nodes_port
                rewire(city, name, neighbour, proxy.port)

        plans = (PROVINCE, COMMUNE, OTHER_COMMUNE)
        city = await exits.enter_async_context(founded(folder, plans, extra=EXTRA, prepare=prepare))
        traffic = await exits.enter_async_context(at_work(city, seed=5))
        line = Line(traffic, up, down)
        await line.carry(DOWN, LETTER_BYTES)
        notes.append(await _cuts(line, quick))
        await _disturbances(line, quick)
        notes.append(await _one_silent(line, aside, quick))
        tally = await judge(traffic)
    tally.notes += notes
    return tally


async def _cuts(line: Line, quick: bool) -> str:
    done = came = 0
    up = ((line.up, LETTER_BYTES), (line.up, BOOK_BYTES))
    for proxy, size in up if quick else (*up, (line.down, LETTER_BYTES)):
        await line.carry(UP, size)
        whole = await line.measure(proxy, size)
        for cut, anew in _places(whole, quick):
            came += await line.cut(proxy, cut, size, anew=anew)
            done += 1
    if came < done * 0.8:
        raise AssertionError(f"{came} of {done} cuts came")
    return f"{came} cuts at {done} places"


def _places(whole: dict[Way, int], quick: bool) -> Iterator[tuple[Cut, bool]]:
    """Each with whether the connection is to be a new one."""
    for way in Way:
        for part in QUICK_PARTS if quick else PARTS:
            yield Cut(way, int(whole[way] * part)), False
        for size in HANDSHAKE_BYTES[1:2] if quick else HANDSHAKE_BYTES:
            yield Cut(way, size), True


async def _disturbances(line: Line, quick: bool) -> None:
    """Swallowed, delayed, narrowed, each with documents in both directions."""
    line.up.black_hole = line.down.black_hole = True
    papers = [
        asyncio.create_task(line.carry(relation, LETTER_BYTES))
        for relation in (UP, DOWN) * (1 if quick else 5)
    ]
    await asyncio.sleep(SILENT_SECONDS)
    _require_waiting(papers)
    line.up.black_hole = line.down.black_hole = False
    line.up.break_all()
    line.down.break_all()
    await asyncio.gather(*papers)
    line.up.delay_seconds = line.down.delay_seconds = 0.3
    await asyncio.gather(*(line.carry(relation, LETTER_BYTES) for relation in (UP, DOWN)))
    line.up.delay_seconds = line.down.delay_seconds = 0.0
    line.up.bytes_per_second = NARROW
    sizes = (LETTER_BYTES,) if quick else (LETTER_BYTES, LETTER_BYTES * 20)
    await asyncio.gather(*(line.carry(UP, size) for size in sizes))
    line.up.bytes_per_second = 0.0


def _require_waiting(papers: Sequence[asyncio.Task[float]]) -> None:
    """What is to go through a black hole does not: or nothing was tried."""
    if any(paper.done() for paper in papers):
        raise AssertionError("a document came through a line that swallows everything")


async def _one_silent(line: Line, aside: Proxy, quick: bool) -> str:
    """Documents to one neighbour, without and with a black hole where the other was; its list is looked
    at so often that this does not count."""
    line.traffic.collect_seconds = 0.003
    count = LATENCIES // 6 if quick else LATENCIES
    undisturbed = [await line.carry(DOWN, LETTER_BYTES) for _ in range(count)]
    aside.black_hole = True
    waiting = [
        asyncio.create_task(line.carry(ASIDE, LETTER_BYTES)) for _ in range(5 if quick else 50)
    ]
    await asyncio.sleep(0.5)
    beside = [await line.carry(DOWN, LETTER_BYTES) for _ in range(count)]
    _require_waiting(waiting)
    aside.black_hole = False
    aside.break_all()
    line.traffic.collect_seconds = COLLECT_SECONDS
    await asyncio.gather(*waiting)
    return f"p50, p99 to a neighbour: {_shown(undisturbed)}; beside a black hole: {_shown(beside)}"


def _shown(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"{middle * 1000:.0f}, {late * 1000:.0f} ms"
