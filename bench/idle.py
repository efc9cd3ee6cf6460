"""What nodes cost that have nothing to do, but have had: processor time and turns on a processor.

A document goes through the line before, so that every task and connection is there, and one
afterwards, so that what was measured was a node and not a corpse.

Touches: the nodes of a line.
Raises:  RuntimeError when a document does not get through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bench import observe
from bench.line import Line
from bench.stage import pid

QUIET_SECONDS = 3.0
"""What the document before left to do is done by then."""


@dataclass(frozen=True, slots=True)
class Idle:
    seconds: float
    cpu_per_second: dict[str, float]
    """Processor seconds of each node for a second of idling, in the order of the way."""
    turns_per_second: dict[str, float]
    rss_mib: dict[str, float]

    @property
    def one(self) -> float:
        """The dearest node's."""
        return max(self.cpu_per_second.values())

    @property
    def four(self) -> float:
        return sum(self.cpu_per_second.values())


async def idle(line: Line, seconds: float, say: Callable[[str], None]) -> Idle:
    await line.send_one()
    await asyncio.sleep(QUIET_SECONDS)
    say(f"nothing, {seconds:g} s")
    nodes = line.nodes
    before = [observe.turns(pid(node)) for node in nodes]
    await asyncio.sleep(seconds)
    after = [observe.turns(pid(node)) for node in nodes]
    rss = {node.plan.name: observe.usage(pid(node)).rss_mib for node in nodes}
    await line.send_one()
    spent = [(b.cpu_seconds - a.cpu_seconds) / seconds for a, b in zip(before, after, strict=True)]
    times = [(b.times - a.times) / seconds for a, b in zip(before, after, strict=True)]
    return Idle(
        seconds, dict(zip(rss, spent, strict=True)), dict(zip(rss, times, strict=True)), rss
    )
