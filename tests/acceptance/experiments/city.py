"""A network of node processes that are killed and start again, as a supervisor would have them.

Touches: one folder, loopback ports, child processes.
Raises:  TransportError when a node does not come up in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.errors import TransportError
from relay.model import Tier

SCRIPT = Path(__file__).parents[1] / "crashing_node.py"
FAST = '[log]\nlevel = "warning"\n[delivery]\nretry_first = 0.1\nretry_cap = 0.4\n'
"""What an experiment adds comes behind it, so its first lines are of [delivery], too."""
START_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

CENTRAL = NodePlan(
    "tw", Tier.CENTRAL, None, "trung-uong", (AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL),)
)
PROVINCE = NodePlan(
    "tinh",
    Tier.PROVINCE,
    "tw",
    "tinh-h01",
    (
        AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE, own_key=True),
        AgencyPlan("H01.151", "UBND xã Ba Cấp", Tier.COMMUNE),
    ),
)
COMMUNE = NodePlan(
    "xa",
    Tier.COMMUNE,
    "tinh",
    "tinh-h01",
    (AgencyPlan("H01.15.02", "UBND xã Mẫu", Tier.COMMUNE, own_key=True),),
)
OTHER_COMMUNE = NodePlan(
    "xb", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.16", "UBND xã Khác", Tier.COMMUNE),)
)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a node's process is started: `before` its command line, and with what environment."""

    script: Path = SCRIPT
    before: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class LaunchedNetwork(Network):
    """The same, but every node runs through a script that faults can be ordered from."""

    launches: dict[str, Launch] = field(default_factory=dict)

    async def spawn(self, node: RunningNode) -> None:
        launch = self.launches.get(node.plan.name, Launch())
        with node.log.open("ab") as log:
            node.process = await asyncio.create_subprocess_exec(
                *launch.before,
                sys.executable,
                str(launch.script),
                str(node.config),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **launch.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class City:
    """A running network under a supervisor: what ends is started again, unless it is to stay down."""

    network: LaunchedNetwork
    down: set[str] = field(default_factory=set)
    deaths: list[tuple[str, int]] = field(default_factory=list)
    """(node, exit code, negative for a signal) of every end that nobody ordered by `stop`."""

    def node(self, name: str) -> RunningNode:
        return self.network.nodes[name]

    @property
    def names(self) -> list[str]:
        return list(self.network.nodes)

    @property
    def running(self) -> list[str]:
        """Those that are not to stay down."""
        return [name for name in self.names if name not in self.down]

    def launch(self, name: str, launch: Launch) -> None:
        """How the node is started from the next start on."""
        self.network.launches[name] = launch

    async def supervise(self) -> None:
        """Until cancelled."""
        while True:
            for name, node in self.network.nodes.items():
                if name not in self.down and self._ended(node):
                    await self.network.spawn(node)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _ended(self, node: RunningNode) -> bool:
        if node.process is None:
            return True
        if node.process.returncode is None:
            return False
        self.deaths.append((node.plan.name, node.process.returncode))
        node.process = None
        return True

    async def kill(self, name: str, *, stay_down: bool = False) -> None:
        """SIGKILL; the supervisor starts it again unless it is to stay down."""
        if stay_down:
            self.down.add(name)
        await self.network.kill(self.node(name))

    async def up(self, name: str) -> None:
        """It may start again, and has."""
        self.down.discard(name)
        await self.ready(name)

    async def ready(self, name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(TransportError):
                if self.node(name).process is not None:
                    return await self.network.ready(self.node(name))
            if time.monotonic() > deadline:
                raise TransportError(f"node {name} did not start in {START_SECONDS:g} s")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def restart_all(self) -> None:
        """Every node killed at once and up again: what they tell afterwards was on the disk."""
        await asyncio.gather(*(self.kill(name) for name in self.names))
        await asyncio.gather(*(self.ready(name) for name in self.running))

    def arm(self, name: str, point: str) -> None:
        """The node dies at the next passing of a named point (crashing_node.py)."""
        order = self.node(name).folder / "crash-at"
        draft = order.with_suffix(".new")
        draft.write_text(point, encoding="utf-8")
        draft.rename(order)

    def disarm(self, name: str) -> bool:
        """Whether the node had not passed the point."""
        order = self.node(name).folder / "crash-at"
        left = order.exists()
        order.unlink(missing_ok=True)
        return left

    def way(self, origin: str, recipient: str) -> list[str]:
        """The nodes that a document for an agency passes, the first and the last included."""
        plans = {name: node.plan for name, node in self.network.nodes.items()}
        last = next(n for n, p in plans.items() if recipient in {a.code for a in p.agencies})
        up, down = _line(plans, origin), _line(plans, last)
        meeting = next(name for name in up if name in down)
        return up[: up.index(meeting) + 1] + down[: down.index(meeting)][::-1]

    def told(self) -> str:
        """Every node's log, in one text."""
        logs = (node.log for node in self.network.nodes.values())
        return "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in logs)


def _line(plans: Mapping[str, NodePlan], name: str) -> list[str]:
    """A node and those above it."""
    parent = plans[name].parent
    return [name] if parent is None or parent not in plans else [name, *_line(plans, parent)]


@contextlib.asynccontextmanager
async def founded(
    folder: Path,
    plans: Sequence[NodePlan],
    *,
    extra: str = "",
    now: datetime | None = None,
    prepare: Callable[[City], None] = lambda _: None,
) -> AsyncIterator[City]:
    """A city that is up; `prepare` may change configurations and launches before the first start."""
    names = {plan.name for plan in plans}
    plans = [p if p.parent in names else replace(p, parent=None) for p in plans]
    network = LaunchedNetwork.build(folder, plans, now=now or datetime.now(UTC), extra=FAST + extra)
    city = City(network)  # type: ignore[arg-type]
    prepare(city)
    supervisor = asyncio.create_task(city.supervise())
    try:
        await asyncio.gather(*(city.ready(name) for name in city.running))
        yield city
    finally:
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        await network.stop()


def link(city: City, name: str, neighbour: str) -> None:
    """From its next start on, the node has a link to this one, too, beside those of the tree."""
    url = f"https://127.0.0.1:{city.node(neighbour).nodes_port}"
    with city.node(name).config.open("a", encoding="utf-8") as config:
        config.write(f'\n[[neighbours]]\nid = "{neighbour}"\nurl = "{url}"\nrelation = "peer"\n')


def rewire(city: City, name: str, neighbour: str, port: int) -> None:
    """From its next start on, `name` calls this neighbour at another port: a proxy's."""
    config = city.node(name).config
    true = city.node(neighbour).nodes_port
    text = config.read_text(encoding="utf-8")
    changed = text.replace(f'url = "https://127.0.0.1:{true}"', f'url = "https://127.0.0.1:{port}"')
    assert changed != text, f"{name} does not call {neighbour}"
    config.write_text(changed, encoding="utf-8")
