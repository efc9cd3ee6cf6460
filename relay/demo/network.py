"""Nodes on loopback: their certificates, configurations and processes, in one folder.

Used by `relay demo`, by the acceptance tests and by the benchmark: real processes, real TLS, real
certificates of a development PKI made for the occasion.

Touches: one folder, loopback ports, child processes.
Raises:  TransportError when a node does not come up in time.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from relay.errors import TransportError
from relay.model import Tier
from relay.signing import pki

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AgencyPlan:
    """An agency with its own DMS; `own_key`: its key lives at its node, so seals are its own."""

    code: str
    name: str
    tier: Tier
    old_code: str | None = None
    own_key: bool = False


@dataclass(frozen=True, slots=True)
class NodePlan:
    name: str
    tier: Tier
    parent: str | None
    branch: str
    agencies: tuple[AgencyPlan, ...]


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
    process: asyncio.subprocess.Process | None = None
    killed: int = 0

    @property
    def axis_url(self) -> str:
        return f"https://127.0.0.1:{self.axis_port}"

    @property
    def native_url(self) -> str:
        return f"https://127.0.0.1:{self.native_port}"

    @property
    def control(self) -> Path:
        return self.folder / "data" / "control.sock"

    @property
    def log(self) -> Path:
        return self.folder / "node.log"


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
    ) -> Network:
        """Certificates and configurations of all nodes; nothing runs yet.

        `extra` is TOML appended to every configuration (limits, delivery, log).
        """
        authority = folder / "pki"
        pki.init(authority, name="Trục Relay demo", key=pki.KeyType.P256, now=now, days=30)
        for branch in dict.fromkeys(plan.branch for plan in plans):
            pki.issue_branch(authority, branch, key=pki.KeyType.P256, now=now, days=30)
        for plan in plans:
            pki.issue_node(authority, plan.name, plan.branch, key=key, now=now, days=30)
            for agency in plan.agencies:
                if agency.own_key:
                    codes = [agency.code, *([agency.old_code] if agency.old_code else [])]
                    pki.issue_agency(authority, codes, plan.branch, key=key, now=now, days=30)
        (folder / "directory.toml").write_text(_directory(plans), encoding="utf-8")
        nodes = {plan.name: _place(folder, plan) for plan in plans}
        for node in nodes.values():
            node.config.write_text(_config(node, nodes, extra), encoding="utf-8")
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
                sys.executable,
                "-m",
                "relay",
                "serve",
                str(node.config),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
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

    def _require_alive(self, node: RunningNode) -> None:
        if node.process is not None and node.process.returncode is not None:
            tail = node.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise TransportError(f"node {node.plan.name} ended: {tail}")

    async def kill(self, node: RunningNode) -> None:
        """SIGKILL: no goodbye, no flush."""
        if node.process is not None and node.process.returncode is None:
            node.process.send_signal(signal.SIGKILL)
            await node.process.wait()
            node.killed += 1

    async def stop(self) -> None:
        """SIGTERM to all; whoever does not end in time is killed."""
        alive = [n.process for n in self.nodes.values() if n.process and n.process.returncode is None]
        for process in alive:
            process.terminate()
        for process in alive:
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


def _place(folder: Path, plan: NodePlan) -> RunningNode:
    home = folder / plan.name
    home.mkdir()
    axis, native, nodes = _free_ports(3)
    return RunningNode(
        plan=plan,
        folder=home,
        config=home / "relay.toml",
        axis_port=axis,
        native_port=native,
        nodes_port=nodes,
        systemid=f"vxp.demo.{plan.name}",
        secret=secrets.token_hex(16),
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _directory(plans: Sequence[NodePlan]) -> str:
    lines: list[str] = []
    for plan in plans:
        lines += ["[[nodes]]", f'id = "{plan.name}"', f'tier = "{plan.tier}"']
        lines += [f'parent = "{plan.parent}"'] if plan.parent else []
        lines.append("")
    for plan in plans:
        for agency in plan.agencies:
            lines += [
                "[[agencies]]",
                f'code = "{agency.code}"',
                f'name = "{agency.name}"',
                f'tier = "{agency.tier}"',
                f'node = "{plan.name}"',
            ]
            lines += [f'old_code = "{agency.old_code}"'] if agency.old_code else []
            lines.append("")
    return "\n".join(lines)


def _config(node: RunningNode, nodes: dict[str, RunningNode], extra: str) -> str:
    plan = node.plan
    codes = ", ".join(f'"{agency.code}"' for agency in plan.agencies)
    parts = [
        f'[node]\nid = "{plan.name}"\ndata_dir = "data"',
        f'[listen]\naxis = ["127.0.0.1:{node.axis_port}", "[::1]:{node.axis_port}"]\n'
        f'native = ["127.0.0.1:{node.native_port}", "[::1]:{node.native_port}"]\n'
        f'nodes = ["127.0.0.1:{node.nodes_port}"]',
        '[trust]\nroots = ["../pki/root/root.pem"]',
        '[directory]\nfiles = ["../directory.toml"]',
        *(
            f'[keys.{purpose}]\ncertificate = "../pki/nodes/{plan.name}/{purpose}.pem"\n'
            f'key = "../pki/nodes/{plan.name}/{purpose}.key.pem"'
            for purpose in ("tls", "sign", "log")
        ),
        *(
            f'[[keys.agencies]]\ncertificate = "../pki/agencies/{agency.code}.pem"\n'
            f'key = "../pki/agencies/{agency.code}.key.pem"'
            for agency in plan.agencies
            if agency.own_key
        ),
        *(
            f'[[neighbours]]\nid = "{other.plan.name}"\nurl = "https://127.0.0.1:{other.nodes_port}"\n'
            f'relation = "{"uplink" if other.plan.name == plan.parent else "downlink"}"'
            for other in nodes.values()
            if other.plan.name == plan.parent or other.plan.parent == plan.name
        ),
        f'[[systems]]\nsystemid = "{node.systemid}"\nsecret = "{node.secret}"\nagencies = [{codes}]',
        extra,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
