"""E8: answers that are lost or late, until the delivery expires on one side.

Each case has its own node that dies and its own outcome:

    taken      the next node has it durably and dies before it answers; it stays away until the
               delivery has expired as outcome-unknown here, and comes back
    not taken  the same, but it died before it committed
    never      it was away all the time: nothing was ever sent, the delivery expires
    late       the answer is swallowed by the line and asked for in time

In the end both sides say the same, or the one says outcome-unknown of what the other never had. What
operators do to deliveries in doubt (cancel, redirect) belongs into CASES, too: a case is how the next
node came to have it or not, and what is done here while it is away.

Touches: a city of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.experiments.city import COMMUNE, PROVINCE, City, founded, rewire
from tests.acceptance.experiments.desks import insist
from tests.acceptance.experiments.judging import judge
from tests.acceptance.experiments.proxy import Proxy
from tests.acceptance.experiments.tally import Tally
from tests.acceptance.experiments.traffic import Relation, Traffic, at_work

TITLE = "E8 lost answers"
UP = Relation("xa", "H01.15.02", ("H01",))
EXPIRY_SECONDS = 5
EXTRA = f"expiry_normal = {EXPIRY_SECONDS}\nanswer_within = 1\n"
CASES = {"taken": "take_in:committed", "not taken": "take_in:uncommitted", "never": ""}
PATIENCE_SECONDS = 60.0


async def run(folder: Path, quick: bool) -> Tally:
    problems: list[str] = []
    async with Proxy(0).running() as line:

        def prepare(city: City) -> None:
            line.target = city.node("tinh").nodes_port
            rewire(city, "xa", "tinh", line.port)

        async with (
            founded(folder, (PROVINCE, COMMUNE), extra=EXTRA, prepare=prepare) as city,
            at_work(city, seed=8) as traffic,
        ):
            for name, point in CASES.items():
                for _ in range(1 if quick else 3):
                    problems += await _away(city, traffic, name, point)
            await _late(traffic, line)
            tally = await judge(traffic)
    tally.problems += problems
    return tally


async def _away(city: City, traffic: Traffic, name: str, point: str) -> list[str]:
    """The next node dies at the point and is back when the delivery has expired at the first."""
    if point:
        city.down.add("tinh")
        city.arm("tinh", point)
    else:
        await city.kill("tinh", stay_down=True)
    first = await traffic.send(UP, traffic.write(UP))
    await _until(traffic, [first.message_id], "expired")
    reason = "outcome-unknown" if point else "expired"
    (row,) = [r for r in await traffic.desks["xa"].sent() if r["message_id"] == first.message_id]
    problems = [] if row["reason"] == reason else [f"{name}: {row['reason']}, not {reason}"]
    await city.up("tinh")
    if name == "taken":
        await _until(traffic, [first.message_id], "handed-over")
    return problems


async def _late(traffic: Traffic, line: Proxy) -> None:
    """The line swallows a request and its answer; another attempt is answered in time."""
    line.black_hole = True
    first = await traffic.send(UP, traffic.write(UP))
    await asyncio.sleep(1.5)
    line.black_hole = False
    line.break_all()
    await _until(traffic, [first.message_id], "handed-over", "expired")


async def _until(traffic: Traffic, messages: Sequence[str], *states: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        rows = await insist(traffic.desks["xa"].sent)
        if all(r["state"] in states for r in rows if r["message_id"] in messages):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{messages} are not {', '.join(states)} after {PATIENCE_SECONDS:g} s")
