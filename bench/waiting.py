"""A node with a backlog for a neighbour that is down, and one like it with none: the stage of `backlog`,
`express` and `start`.

Touches: one folder, loopback ports, child processes.
Raises:  RuntimeError when the backlog is not what it should be.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import observe
from bench.documents import template
from bench.load import issue_token, post
from bench.queued import fill, queued
from bench.stage import data, disk_mib, down, stage, up
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.model import Tier

SIZE_BYTES = 5_000
RECIPIENT = "G22"
NEIGHBOUR = "central"
MOST_REAL_SEALS = 100_000
"""Up to here the copies keep the pattern's seal, 3.6 KB each, and can be carried; beyond, a stand-in."""
_SENDERS = {"full": "H01", "empty": "H02"}
_PLANS = (
    NodePlan(
        NEIGHBOUR, Tier.CENTRAL, None, "central", (AgencyPlan(RECIPIENT, "Bộ Mẫu", Tier.CENTRAL),)
    ),
    *(
        NodePlan(
            name,
            Tier.PROVINCE,
            NEIGHBOUR,
            name,
            (AgencyPlan(code, "UBND tỉnh Mẫu", Tier.PROVINCE, own_key=True),),
        )
        for name, code in _SENDERS.items()
    ),
)
_RETRY = "[delivery]\nretry_first = 1\nretry_cap = 1"
"""The neighbour is looked for once a second, so that nobody waits minutes for its coming back."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """None of the nodes runs."""

    network: Network
    count: int
    """Deliveries queued at `full`."""
    disk_mib: float
    """What its data folder takes."""

    @property
    def full(self) -> RunningNode:
        return self.network.nodes["full"]

    @property
    def empty(self) -> RunningNode:
        return self.network.nodes["empty"]

    @property
    def neighbour(self) -> RunningNode:
        return self.network.nodes[NEIGHBOUR]

    def queued(self, node: RunningNode) -> int:
        """Deliveries that wait at the node for the neighbour."""
        with observe.journal(data(node)) as journal:
            return queued(journal, NEIGHBOUR)


def sender(node: RunningNode) -> str:
    """The agency served there."""
    return _SENDERS[node.plan.name]


@asynccontextmanager
async def waiting(folder: Path, count: int, say: Callable[[str], None]) -> AsyncIterator[Waiting]:
    """`count` ≥ 1 documents of 5 KB, handed in by another system than the one that will measure."""
    async with stage(folder, _PLANS, extra=_RETRY) as network:
        full, empty = network.nodes["full"], network.nodes["empty"]
        await up(network, full, empty)
        token = await issue_token(full.control, sender(full), "bench-backlog")
        pattern = template(SIZE_BYTES, sender(full), RECIPIENT).numbered(0)
        await post(full.native_url, token, network.root, pattern)
        await down(full, empty)
        say(f"writing a backlog of {count:,}")
        for _ in fill(data(full), count - 1, real_seals=count <= MOST_REAL_SEALS):
            await asyncio.sleep(0)  # where an interrupt ends it
        found = Waiting(network, count, disk_mib(data(full)))
        if (stand := found.queued(full)) != count:
            raise RuntimeError(f"{stand} deliveries wait, not {count}")
        say(f"it takes {found.disk_mib:,.0f} MiB of disk until it is removed")
        yield found


def forget(node: RunningNode) -> None:
    """Its data, so that it starts with none."""
    shutil.rmtree(data(node))
