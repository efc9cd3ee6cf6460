"""From the start of a node's process to /readyz, with a backlog and without.

Touches: two nodes of the stage.
Raises:  RuntimeError for a node that does not get ready or a backlog that changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import observe
from bench.stage import down, pid
from bench.waiting import Waiting
from relay.demo.network import RunningNode

READY_SECONDS = 60.0
AFTER_SECONDS = 2.0
"""What a start leaves to its tasks is done by then."""
_LOOK_SECONDS = 0.005
_ASK = b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Start:
    queued: int
    ready_ms: float
    rss_mib: float
    """Two seconds after it was ready, as all that follows."""
    read_mib: float
    """By read calls, from the page cache too: program, configuration and journal."""
    cpu_seconds: float


async def starts(
    stage: Waiting, repeat: int, say: Callable[[str], None]
) -> tuple[list[Start], list[Start]]:
    """With an empty queue, with the backlog; in turns."""
    found: tuple[list[Start], list[Start]] = ([], [])
    for turn in range(repeat):
        for node, into in zip((stage.empty, stage.full), found, strict=True):
            into.append(await _start(stage, node))
            said = f"start with {into[-1].queued:,} queued, {turn + 1} of {repeat}"
            say(f"{said}: {into[-1].ready_ms:.0f} ms")
    return found


async def _start(stage: Waiting, node: RunningNode) -> Start:
    before = stage.queued(node)
    began = time.monotonic()
    await stage.network.spawn(node)
    await _ready(node, began + READY_SECONDS)
    ready_ms = (time.monotonic() - began) * 1000
    await asyncio.sleep(AFTER_SECONDS)
    usage = observe.usage(pid(node))
    await down(node)
    if (after := stage.queued(node)) != before:
        raise RuntimeError(f"{after} wait after a start, not {before}")
    return Start(before, ready_ms, usage.rss_mib, usage.read_mib, usage.cpu_seconds)


async def _ready(node: RunningNode, deadline: float) -> None:
    while not await _says_ready(node):
        pid(node)
        if time.monotonic() > deadline:
            raise RuntimeError(f"node {node.plan.name} is not ready after {READY_SECONDS:g} s")
        await asyncio.sleep(_LOOK_SECONDS)


async def _says_ready(node: RunningNode) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(node.control)
    except OSError:
        return False
    try:
        writer.write(_ASK)
        return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False
    finally:
        writer.close()
