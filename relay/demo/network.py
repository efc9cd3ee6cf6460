"""Nodes on loopback: their certificates, configurations and processes, in one folder.

Used by `relay demo`, by the acceptance tests and by the benchmark: real processes, real TLS, real
certificates of a development PKI made for the occasion. On Linux the nodes are told to stop when the
process that started them dies.

Touches: one folder, loopback ports, child processes.
Raises:  TransportError when a node does not come up in time; SettingsError for a folder that cannot
         hold nodes.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from relay.demo.configuration import config_text, directory_text
from relay.demo.nodes import CONTROL, AgencyPlan, BridgePlan, NodePlan, RunningNode
from relay.demo.ports import free_ports
from relay.errors import SettingsError, TransportError
from relay.signing import pki

__all__ = ["AgencyPlan", "BridgePlan", "Network", "NodePlan", "RunningNode"]

START_SECONDS = 30.0
STOP_SECONDS = 30.0
SOCKET_NAME_LIMIT_BYTES = 107 if sys.platform == "linux" else 103
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(slots=True)
class Network:
    """Nodes that know each other."""

    folder: Path
    nodes: dict[str, RunningNode]

    @property
    def root(self) -> Path:
        return self.folder / "pki" / "root" / "root.pem"

    @classmethod
    def build(
        cls,
        folder: Path,
        plans: Sequence[NodePlan],
        *,
        now: datetime,
        key: pki.KeyType = pki.KeyType.P256,
        extra: str = "",
        publish: str = "",
    ) -> Network:
        """Certificates and configurations of all nodes; nothing runs yet.

        `publish` is the URL at which certificates say they are revoked (authority.py). `extra` is TOML appended to every configuration (limits, delivery, log).
        """
        _require_short([folder / plan.name for plan in plans])
        authority = folder / "pki"
        pki.init(
            authority,
            name="Trục Relay demo",
            key=pki.KeyType.P256,
            now=now,
            days=30,
            publish=publish,
        )
        for branch in dict.fromkeys(plan.branch for plan in plans):
            tops = _tops(plans, branch)
            pki.issue_branch(authority, branch, key=pki.KeyType.P256, now=now, days=30, nodes=tops)
        for plan in plans:
            pki.issue_node(authority, plan.name, plan.branch, key=key, now=now, days=30)
            if plan.bridge is not None:
                pki.issue_gateway(authority, plan.name, plan.branch, key=key, now=now, days=30)
            for agency in plan.agencies:
                if agency.own_key:
                    codes = [agency.code, *([agency.old_code] if agency.old_code else [])]
                    pki.issue_agency(authority, codes, plan.branch, key=key, now=now, days=30)
        ports = iter(free_ports(3 * len(plans)))  # at once: two nodes must not draw the same
        nodes = {plan.name: _place(folder, plan, *islice(ports, 3)) for plan in plans}
        for node in nodes.values():
            tree = [plan for plan in plans if plan.tree == node.plan.tree]
            (folder / node.directory_name).write_text(directory_text(tree), encoding="utf-8")
        for node in nodes.values():
            node.config.write_text(config_text(node, nodes, extra), encoding="utf-8")
            node.config.chmod(0o600)  # it holds the secret of the node's document-management system
        return cls(folder, nodes)

    async def start(self) -> None:
        """All nodes, until each is ready."""
        for node in self.nodes.values():
            await self.spawn(node)
        for node in self.nodes.values():
            await self.ready(node)

    async def spawn(self, node: RunningNode) -> None:
        with node.log.open("ab") as log:
            node.process = await asyncio.create_subprocess_exec(
                *node.serve,
                str(node.config),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is for whoever started the nodes to pass on
                preexec_fn=_end_with_parent,
            )

    async def ready(self, node: RunningNode) -> None:
        """Until /readyz says so; a process that ended meanwhile is an error at once."""
        retrying = AsyncRetrying(
            stop=stop_after_delay(START_SECONDS),
            wait=wait_fixed(0.05),
            retry=retry_if_exception_type((aiohttp.ClientError, OSError)),
            reraise=True,
        )
        connector = aiohttp.UnixConnector(path=str(node.control))
        async with aiohttp.ClientSession(connector=connector) as session:
            try:
                async for attempt in retrying:
                    with attempt:
                        self._require_alive(node)
                        async with session.get("http://node/readyz") as response:
                            response.raise_for_status()
            except (aiohttp.ClientError, OSError) as error:
                raise TransportError(f"node {node.plan.name} is not ready: {error}") from error

    def check_alive(self) -> None:
        """Raise when a node ended by itself."""
        for node in self.nodes.values():
            self._require_alive(node)

    def _require_alive(self, node: RunningNode) -> None:
        if node.process is not None and node.process.returncode is not None:
            tail = node.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise TransportError(f"node {node.plan.name} ended: {tail}")

    async def kill(self, node: RunningNode) -> None:
        """SIGKILL: no goodbye, no flush."""
        if node.process is not None and node.process.returncode is None:
            node.process.send_signal(signal.SIGKILL)
            await node.process.wait()
            node.process = None
            node.killed += 1

    async def stop(self) -> None:
        """SIGTERM to all; whoever does not end in time is killed."""
        alive = [
            n.process for n in self.nodes.values() if n.process and n.process.returncode is None
        ]
        for process in alive:
            process.terminate()
        for process in alive:
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


def _tops(plans: Sequence[NodePlan], branch: str) -> list[str]:
    """The nodes of a branch whose parent is of another: it may certify what lies below them."""
    inside = {plan.name for plan in plans if plan.branch == branch}
    return [plan.name for plan in plans if plan.branch == branch and plan.parent not in inside]


def _require_short(folders: Sequence[Path]) -> None:
    """The system's bound on the name of a unix socket is a small one."""
    longest = max((folder / CONTROL for folder in folders), key=lambda path: len(os.fsencode(path)))
    size = len(os.fsencode(longest))
    if size > SOCKET_NAME_LIMIT_BYTES:
        limit = f"limit {SOCKET_NAME_LIMIT_BYTES}: use a folder with a shorter name"
        raise SettingsError([f"the control socket {longest} has a name of {size} bytes, {limit}"])


def _place(folder: Path, plan: NodePlan, axis: int, native: int, nodes: int) -> RunningNode:
    home = folder / plan.name
    home.mkdir()
    return RunningNode(
        plan=plan,
        folder=home,
        config=home / "relay.toml",
        axis_port=axis,
        native_port=native,
        nodes_port=nodes,
        systemid=f"vxp.demo.{plan.name}",
        secret=secrets.token_hex(16),
        gateway_secret=secrets.token_hex(16),
    )


def _end_with_parent() -> None:
    """In the child, before it becomes a node: be told to stop if whoever started it dies (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
