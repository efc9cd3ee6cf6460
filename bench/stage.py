"""Nodes for the time of a measurement, in a folder of their own that is gone afterwards.

Touches: one folder, loopback ports, child processes.
Raises:  RuntimeError for a node that ended by itself. However it ends, an interrupt included, the
         nodes are stopped and the folder is removed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from relay.demo.network import Network, NodePlan, RunningNode
from relay.offline import verify_whole_log
from relay.signing.pki import KeyType

STOP_SECONDS = 60.0


@asynccontextmanager
async def stage(
    folder: Path, plans: Sequence[NodePlan], key: KeyType = KeyType.P256, extra: str = ""
) -> AsyncIterator[Network]:
    """Nodes in a new folder below `folder`, none of them started."""
    with _emptied(folder) as place:
        network = Network.build(place, plans, now=datetime.now(UTC), key=key, extra=extra)
        try:
            yield network
        finally:
            await network.stop()


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-") as place:
        yield Path(place)


async def up(network: Network, *nodes: RunningNode) -> None:
    """These nodes, until each is ready."""
    for node in nodes:
        await network.spawn(node)
    for node in nodes:
        await network.ready(node)


async def down(*nodes: RunningNode) -> None:
    """These nodes, by SIGTERM; the logs that they leave behind are recomputed."""
    processes = [node.process for node in nodes if node.process is not None]
    for process in processes:
        if process.returncode is None:
            process.terminate()
    async with asyncio.timeout(STOP_SECONDS):
        for process in processes:
            await process.wait()
    for node in nodes:
        verify_whole_log(node.config)


def data(node: RunningNode) -> Path:
    """Its data folder."""
    return node.control.parent


def pid(node: RunningNode) -> int:
    if node.process is None or node.process.returncode is not None:
        last = node.log.read_text(encoding="utf-8", errors="replace")[-500:]
        raise RuntimeError(f"node {node.plan.name} has ended: {last}")
    return node.process.pid


def disk_mib(folder: Path) -> float:
    """What the files below `folder` take; one that goes meanwhile takes nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total / (1 << 20)
