"""A node of the demo as it is planned, and as it runs.

Touches: nothing.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from relay.model import Tier

CONTROL = Path("data", "control.sock")
SERVE = (sys.executable, "-m", "relay", "serve")


@dataclass(frozen=True, slots=True)
class AgencyPlan:
    """An agency with its own DMS; `own_key`: its key lives at its node, so seals are its own."""

    code: str
    name: str
    tier: Tier
    old_code: str | None = None
    own_key: bool = False


@dataclass(frozen=True, slots=True)
class BridgePlan:
    """A route of kind `axis` to the axis face of a node in another tree."""

    name: str
    to: str


@dataclass(frozen=True, slots=True)
class NodePlan:
    name: str
    tier: Tier
    parent: str | None
    branch: str
    agencies: tuple[AgencyPlan, ...]
    reached: tuple[AgencyPlan, ...] = ()
    """Agencies of the other tree: its directory has them at this node."""
    bridge: BridgePlan | None = None
    tree: str = ""
    """Nodes of one tree share a directory, and know nothing of another's."""


@dataclass(slots=True)
class RunningNode:
    """A planned node and its process."""

    plan: NodePlan
    folder: Path
    config: Path
    axis_port: int
    native_port: int
    nodes_port: int
    systemid: str
    secret: str = field(repr=False)
    gateway_secret: str = field(default="", repr=False)
    """With which a bridge of the other tree comes to its axis face."""
    serve: tuple[str, ...] = SERVE
    """The command, behind which stands the path of the configuration."""
    process: asyncio.subprocess.Process | None = None
    killed: int = 0

    @property
    def gateway_systemid(self) -> str:
        return f"vxp.gateway.{self.plan.name}"

    @property
    def directory_name(self) -> str:
        return f"directory-{self.plan.tree}.toml" if self.plan.tree else "directory.toml"

    @property
    def axis_url(self) -> str:
        return f"https://127.0.0.1:{self.axis_port}"

    @property
    def native_url(self) -> str:
        return f"https://127.0.0.1:{self.native_port}"

    @property
    def control(self) -> Path:
        return self.folder / CONTROL

    @property
    def log(self) -> Path:
        return self.folder / "node.log"

    @property
    def pid(self) -> int:
        """Of the running process; 0 when there is none."""
        return 0 if self.process is None else self.process.pid
