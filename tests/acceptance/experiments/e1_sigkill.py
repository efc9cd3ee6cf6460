"""E1: nodes are killed at random under load, and at named points before and after each arrow.

A small network of four nodes: documents go from each to each other, one of them in two branches at
once, small and large ones. One node after another gets SIGKILL, at no chosen instant, and starts again.
Then each named point of crashing_node.py is armed in turn, still under load: before and after each arrow
of the flow, at the nodes at which it is a different step. One commune's keys are slow, so that there a
document is sealed after it was accepted; that an attempt fails needs a neighbour that is away.

Touches: a city of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from tests.acceptance.experiments.city import (
    CENTRAL,
    COMMUNE,
    OTHER_COMMUNE,
    PROVINCE,
    City,
    founded,
)
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.papers import BOOK_BYTES, LETTER_BYTES, SCAN_BYTES
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E1 sigkill"
PLANS = (CENTRAL, PROVINCE, COMMUNE, OTHER_COMMUNE)
RELATIONS = (
    Relation("xa", "H01.15.02", ("G22",)),
    Relation("xa", "H01.15.02", ("G22", "H01", "H01.16")),
    Relation("tinh", "H01", ("H01.15.02", "H01.16", "H01.151")),
    Relation("tw", "G22", ("H01.15.02",)),
    Relation("xb", "H01.16", ("H01.15.02", "G22")),
)
SIZES = (*(LETTER_BYTES,) * 12, *(SCAN_BYTES,) * 3, BOOK_BYTES)
ROUNDS = 32
QUICK_ROUNDS = 2
SLOW = "xb"
PROVOKED = {
    "xa": ("tinh", Relation("xa", "H01.15.02", ("G22",))),
    "tinh": ("tw", Relation("tinh", "H01", ("G22",))),
}
"""Node → who is away while it tries to carry what goes there."""
POINTS = tuple(
    (node, point)
    for point, nodes in {
        "admit:uncommitted": ("xa", "xb"),
        "admit:committed": ("xa", "xb"),
        "store_seal:uncommitted": (SLOW,),
        "store_seal:committed": (SLOW,),
        "freeze:uncommitted": ("xa", "tinh"),
        "freeze:committed": ("xa", "tinh"),
        "carry:begin": ("xa", "tinh"),
        "carry:answered": ("xa", "tinh"),
        "postpone:uncommitted": ("xa", "tinh"),
        "postpone:committed": ("xa", "tinh"),
        "take_in:uncommitted": ("tinh", "tw"),
        "take_in:committed": ("tinh", "tw"),
        "settle:uncommitted": ("xa", "tinh"),
        "settle:committed": ("xa", "tinh"),
        "hand_back:begin": ("tinh", "tw"),
        "hand_back:answered": ("tinh", "tw"),
        "returned:uncommitted": ("tinh",),
        "returned:committed": ("tinh",),
        "record_receipts:uncommitted": ("xa", "tinh"),
        "record_receipts:committed": ("xa", "tinh"),
        "mark_fetched:uncommitted": ("tw",),
        "mark_fetched:committed": ("tw",),
        "acknowledge:uncommitted": ("tw",),
        "acknowledge:committed": ("tw",),
    }.items()
    for node in nodes
)
QUICK_POINTS = (("tinh", "take_in:committed"), ("xa", "settle:uncommitted"))
ORDERED = -9


async def run(folder: Path, quick: bool) -> Tally:
    async with founded(folder, PLANS, prepare=_slow_keys) as city, at_work(city, seed=1) as traffic:
        async with traffic.load(RELATIONS, SIZES, at_once=4, pause=0.1):
            await _random_kills(city, traffic, QUICK_ROUNDS if quick else ROUNDS)
            passed = [
                await _named_kill(traffic, *one) for one in (QUICK_POINTS if quick else POINTS)
            ]
        killed = sum(node.killed for node in city.network.nodes.values())
        tally = await judge(traffic)
        tally.problems += [f"nobody passed {one}" for one in passed if one]
        tally.problems += _odd_ends(city)
        tally.notes.append(f"{killed} kills at random, {len(passed)} at named points")
    return tally


def _slow_keys(city: City) -> None:
    with city.node(SLOW).config.open("a", encoding="utf-8") as config:
        config.write("\n[keys]\nslow = true\n")


async def _random_kills(city: City, traffic: Traffic, rounds: int) -> None:
    """Two at once in each fourth round."""
    for number in range(rounds):
        await asyncio.sleep(traffic.random.random() * 0.6)
        victims = traffic.random.sample(city.names, 2 if number % 4 == 3 else 1)
        await asyncio.gather(*(city.kill(name) for name in victims))
        await asyncio.gather(*(city.ready(name) for name in victims))


async def _named_kill(traffic: Traffic, node: str, point: str) -> str:
    """The point's name when nobody passed it in time."""
    city, before = traffic.city, len(traffic.city.deaths)
    city.arm(node, point)
    async with _provoked(traffic, node) if point.startswith("postpone") else nullcontext():
        passed = await _died(city, before)
    if passed:
        await city.ready(node)
    return "" if passed or not city.disarm(node) else f"{point} at {node}"


@asynccontextmanager
async def _provoked(traffic: Traffic, node: str) -> AsyncIterator[None]:
    """Inside, what the node carries finds nobody."""
    away, relation = PROVOKED[node]
    await traffic.city.kill(away, stay_down=True)
    sending = asyncio.create_task(traffic.send(relation, traffic.write(relation)))
    try:
        yield
    finally:
        await traffic.city.up(away)
        await sending


async def _died(city: City, before: int) -> bool:
    for _ in range(400):
        await asyncio.sleep(0.05)
        if len(city.deaths) > before:
            return True
    return False


def _odd_ends(city: City) -> list[str]:
    ends = Counter(end for end in city.deaths if end[1] != ORDERED)
    odd = [f"{name} ended {count} times with {code}" for (name, code), count in ends.items()]
    return odd + (["a node's log has a traceback"] if "Traceback" in city.told() else [])
