"""E6: every node's clock jumps by another amount, by minutes and by a day, again and again.

Documents go all the while; expiry is half a day, so a node that followed a jump of a day would expire
what waits. During one round the province's uplink is away, so that something does wait, and the attempts
at it are counted: neither none nor more than the back-off allows. One node is started with a clock that
is ahead by nearly the tolerance, and comes right when its clock does. (What a node does whose clock is
wrong by more than that when it starts, docs/delivery.md says; here nodes start with clocks that agree.)

Touches: a city of its own. Needs: libfaketime.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relay.lines import Line
from tests.acceptance.experiments.city import (
    CENTRAL,
    COMMUNE,
    PROVINCE,
    City,
    Launch,
    founded,
    rewire,
)
from tests.acceptance.experiments.clocks import set_clock, under_clock
from tests.acceptance.experiments.desks import operator_desk
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import LETTER_BYTES, SCAN_BYTES
from tests.acceptance.experiments.proxy import Proxy
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, at_work

TITLE = "E6 clocks"

PLANS = (CENTRAL, PROVINCE, COMMUNE)
EXTRA = "expiry_normal = 43200\nexpiry_urgent = 43200\nexpiry_express = 43200\n"
RELATIONS = (
    Relation("xa", "H01.15.02", ("G22", "H01")),
    Relation("tw", "G22", ("H01.15.02",)),
    Relation("tinh", "H01", ("G22", "H01.15.02")),
)
SIZES = (LETTER_BYTES, LETTER_BYTES, LETTER_BYTES, SCAN_BYTES)
DAY, MINUTES = timedelta(days=1), timedelta(minutes=5)
ROUNDS = (
    (DAY, -DAY, MINUTES),
    (-MINUTES, DAY, -DAY),
    (timedelta(), MINUTES, DAY),
    (-DAY, -MINUTES, -MINUTES),
    (MINUTES, -DAY, DAY),
    (DAY, timedelta(), -MINUTES),
)
QUICK_ROUNDS = ((DAY, -DAY, MINUTES), (-DAY, MINUTES, -DAY))
WITHIN_TOLERANCE = timedelta(minutes=4)
ROUND_SECONDS = 4.0
STALL_SECONDS = 30.0
"""Many times retry_cap: who has not tried by then has stalled."""
LEAST_WAIT_SECONDS = 0.05
"""Half of retry_first: nothing is tried again sooner."""


async def run(folder: Path, quick: bool) -> Tally:
    async with Proxy(0).running() as line:

        def prepare(city: City) -> None:
            for node in city.network.nodes.values():
                set_clock(node, timedelta())
                city.launch(node.plan.name, under_clock(node))
            line.target = city.node("tw").nodes_port
            rewire(city, "tinh", "tw", line.port)

        backdated = datetime.now(UTC) - timedelta(days=5)
        async with (
            founded(folder, PLANS, extra=EXTRA, now=backdated, prepare=prepare) as city,
            at_work(city, seed=6) as traffic,
        ):
            unnoticed: list[str] = []
            async with traffic.load(RELATIONS, SIZES, at_once=4, pause=0.2):
                for round_ in QUICK_ROUNDS if quick else ROUNDS:
                    before = _news(city)
                    _jump(city, round_)
                    await asyncio.sleep(ROUND_SECONDS / 2 if quick else ROUND_SECONDS)
                    unnoticed += await _unnoticed(city, round_, before)
                attempts, seconds = await _uplink_away(city, line)
                _jump(city, (timedelta(),) * 3)
                await _started_wrong(city)
            for name in city.names:
                city.launch(
                    name, Launch()
                )  # the library makes each turn of a thread take a millisecond
            tally = await judge(traffic)
            tally.problems += [*unnoticed, *await _unmoved(city)]
    if tally.refused:
        tally.problems.append(f"{tally.refused} deliveries ended early")
    if not 1 <= attempts <= 10 + 2 * seconds / LEAST_WAIT_SECONDS:
        tally.problems.append(f"{attempts} attempts in {seconds:.0f} s at a neighbour that is away")
    tally.notes.append(f"{attempts} connections in {seconds:.0f} s to a neighbour that was away")
    return tally


def _news(city: City) -> list[int]:
    """How many jumps each node told of in its own log: asked for, it answers too slowly here."""
    logs = (city.node(name).log.read_text(encoding="utf-8") for name in city.names)
    return [log.count(Line.CLOCK_JUMPED) for log in logs]


async def _unnoticed(city: City, round_: Sequence[timedelta], before: Sequence[int]) -> list[str]:
    """Nodes that told of no jump, though they had time to. The next comes when all did: of two within a look only
    the sum is seen."""
    end = asyncio.get_running_loop().time() + STALL_SECONDS
    moved = [n for n, off in enumerate(round_) if off]
    while silent := [n for n in moved if _news(city)[n] == before[n]]:
        if asyncio.get_running_loop().time() > end:
            break
        await asyncio.sleep(0.1)
    return [
        f"{city.names[n]} told of no jump to {round_[n].total_seconds():+.0f} s" for n in silent
    ]


async def _unmoved(city: City) -> list[str]:
    """Nodes in whose audit log there is no jump to one side: without them nothing was tried."""
    problems = []
    for name in city.names:
        async with operator_desk(city.node(name)) as desk:
            told = [e["seconds"] async for e in desk.entries("clock-jumped")]
        if not (any(s > 0 for s in told) and any(s < 0 for s in told)):
            problems.append(f"the clock of {name} jumped by {told} s")
    return problems


def _jump(city: City, by: tuple[timedelta, ...]) -> None:
    for name, off in zip(city.names, by, strict=True):
        set_clock(city.node(name), off)


async def _uplink_away(city: City, line: Proxy) -> tuple[int, float]:
    """Its neighbour's clock jumps to and fro meanwhile; connections made, in how many seconds."""
    drawn = random.Random(66)
    await city.kill("tw", stay_down=True)
    before, began = line.connections, asyncio.get_running_loop().time()
    for _ in range(3):
        for name in ("tinh", "xa"):
            set_clock(city.node(name), drawn.choice((DAY, -DAY, MINUTES, -MINUTES)))
        await asyncio.sleep(1.5)
    while line.connections == before and asyncio.get_running_loop().time() - began < STALL_SECONDS:
        await asyncio.sleep(0.1)
    attempts = line.connections - before
    seconds = asyncio.get_running_loop().time() - began
    set_clock(city.node("tw"), timedelta())
    await city.up("tw")
    return attempts, seconds


async def _started_wrong(city: City) -> None:
    """Ahead from its start on; then somebody sets its clock right."""
    set_clock(city.node("xa"), WITHIN_TOLERANCE)
    await city.kill("xa")
    await city.ready("xa")
    await asyncio.sleep(3)
    set_clock(city.node("xa"), timedelta())
    await asyncio.sleep(3)
