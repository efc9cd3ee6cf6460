"""Two nodes of this release for the kit to judge: a district and its province, with the kit below each.

Touches: one folder, loopback ports, child processes.
Raises:  TransportError when a node does not come up.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from relay.conformance.credentials import Authority
from relay.conformance.stand import Restoring
from relay.conformance.subject import Kit, Second, Subject, TimestampsAt
from relay.demo.native import at_socket
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.demo.nodes import SERVE
from relay.demo.ports import free_ports
from relay.errors import TransportError
from relay.model import Tier
from relay.signing.pki_tsa import POLICY

PROVINCE, DISTRICT = "tinh-h98", "huyen-h98-11"
KIT_PROVINCE, KIT_DISTRICT = "kit-h98", "kit-h98-11"
SECOND_PROVINCE, SECOND_DISTRICT = "kit2-h98", "kit2-h98-11"
PLANS = (
    NodePlan(
        PROVINCE,
        Tier.PROVINCE,
        None,
        "tinh-h98",
        (AgencyPlan("H98", "Tỉnh Mẫu", Tier.PROVINCE, old_code="000.00.00.H98"),),
    ),
    NodePlan(
        DISTRICT,
        Tier.DISTRICT,
        PROVINCE,
        "tinh-h98",
        (AgencyPlan("H98.11", "Huyện Mẫu", Tier.DISTRICT, old_code="000.00.11.H98"),),
    ),
    NodePlan(
        KIT_PROVINCE,
        Tier.DISTRICT,
        PROVINCE,
        "tinh-h98",
        (AgencyPlan("H98.91", "Bộ kiểm tra của tỉnh", Tier.DISTRICT),),
    ),
    NodePlan(
        KIT_DISTRICT,
        Tier.COMMUNE,
        DISTRICT,
        "tinh-h98",
        (AgencyPlan("H98.11.91", "Bộ kiểm tra của huyện", Tier.COMMUNE),),
    ),
    NodePlan(
        SECOND_PROVINCE,
        Tier.DISTRICT,
        PROVINCE,
        "tinh-h98",
        (AgencyPlan("H98.92", "Bộ kiểm tra thứ hai của tỉnh", Tier.DISTRICT),),
    ),
    NodePlan(
        SECOND_DISTRICT,
        Tier.COMMUNE,
        DISTRICT,
        "tinh-h98",
        (AgencyPlan("H98.11.92", "Bộ kiểm tra thứ hai của huyện", Tier.COMMUNE),),
    ),
)
RELAY = (sys.executable, "-m", "relay")
QUICK = """\
[revocation]
check = true

[log]
public = true
publish_every = 0.5
witnesses_answer_within = 1.0
passages_after = 2.0

[delivery]
retry_first = 0.2
retry_cap = 1.0
answer_within = 5.0
drain = 3.0
expiry_express = 60.0

[timestamps]
seals_an_hour = 0
look_every = 0.3
retry_first = 0.3"""
"""What a real node waits minutes for is over in a second here; a tenth of the shortest expiry after a start
nothing expires (W22.5). Seals are stamped whose evidence is asked for, and no others."""


@dataclass(frozen=True, slots=True)
class Own:
    """The two nodes, and the authority of the kit's certificates, which is theirs."""

    subjects: tuple[Subject, Subject]
    authority: Authority
    network: Network

    @property
    def crashes(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What ends each without warning, and starts it again."""
        return {one.id: partial(self._crash, one.id) for one in self.subjects}

    @property
    def restores(self) -> dict[str, Restoring]:
        """What makes a backup of each, and brings it back."""
        return {
            one.id: Restoring(partial(self._back_up, one.id), partial(self._restore, one.id))
            for one in self.subjects
        }

    async def _back_up(self, name: str) -> None:
        await self._relay("backup", name)

    async def _restore(self, name: str) -> None:
        node = self.network.nodes[name]
        await self.network.kill(node)
        await asyncio.to_thread(shutil.rmtree, node.folder / "data")
        await self._relay("restore", name)
        await self.network.spawn(node)

    async def _relay(self, command: str, name: str) -> None:
        """`relay backup` or `relay restore` of that node."""
        folder = self.network.folder / f"backup-{name}"
        if command == "backup" and folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder)
        config = self.network.nodes[name].config
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "relay",
            command,
            str(config),
            str(folder),
            stdout=DEVNULL,
            stderr=PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            raise TransportError(f"relay {command}: {said[-300:]!r}")

    async def _crash(self, name: str) -> None:
        node = self.network.nodes[name]
        await self.network.kill(node)
        await self.network.spawn(node)
        await self.network.ready(node)


@asynccontextmanager
async def own_nodes(
    folder: Path,
    now: datetime,
    serve: Sequence[str] = SERVE,
    relay: Sequence[str] = RELAY,
) -> AsyncIterator[Own]:
    """`serve` starts the district's node, the path of its configuration behind it, and `relay` judges files for it:
    a mutant may stand there."""
    network = Network.build(folder, PLANS, now=now, extra=QUICK)
    district, province = network.nodes[DISTRICT], network.nodes[PROVINCE]
    district.serve = tuple(serve)
    there, back, *authorities = free_ports(4)
    _through(district, province, there)
    _through(province, district, back)
    _speaking(district)
    _speaking(province)
    for node, port in zip((district, province), authorities, strict=True):
        _stamped_at(node, port)
    try:
        for node in (province, district):
            await network.spawn(node)
        for node in (province, district):
            await network.ready(node)
        kits = network.nodes[KIT_DISTRICT], network.nodes[KIT_PROVINCE]
        seconds = network.nodes[SECOND_DISTRICT], network.nodes[SECOND_PROVINCE]
        yield Own(
            (
                judging(
                    await _subject(network, district, kits[0], seconds[0], (there, authorities[0])),
                    relay,
                ),
                judging(
                    await _subject(network, province, kits[1], seconds[1], (back, authorities[1])),
                    RELAY,
                ),
            ),
            Authority(folder / "pki"),
            network,
        )
    finally:
        await network.stop()


def _through(node: RunningNode, other: RunningNode, port: int) -> None:
    """The node's way to the other goes through the kit's proxy."""
    text = node.config.read_text(encoding="utf-8")
    straight = f"https://127.0.0.1:{other.nodes_port}"
    node.config.write_text(text.replace(straight, f"https://127.0.0.1:{port}"), encoding="utf-8")


def _speaking(node: RunningNode) -> None:
    """The node says 01 for its agency, so that W10.1 can be judged."""
    code = node.plan.agencies[0].code
    with node.config.open("a", encoding="utf-8") as file:
        file.write(f'\n[business]\narrived_status_for = ["{code}"]\n')


def _stamped_at(node: RunningNode, port: int) -> None:
    """The node asks the kit for timestamps (W14.9)."""
    section = {"name": "conformance-kit", "url": f"http://127.0.0.1:{port}/", "policy": POLICY}
    lines = [f'{key} = "{value}"' for key, value in section.items()]
    with node.config.open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "[[timestamps.authorities]]", *lines, ""]))


def judging(subject: Subject, relay: Sequence[str]) -> Subject:
    """With the commands by which files are judged."""
    commands = {
        "verify": (*relay, "evidence", "verify", "--lines"),
        "check_export": (*relay, "audit", "check-export", "--lines"),
        "check_log": (*relay, "audit", "fsck", "--lines"),
    }
    return subject.model_copy(update=commands)


async def _subject(
    network: Network,
    node: RunningNode,
    kit: RunningNode,
    second: RunningNode,
    ports: tuple[int, int],
) -> Subject:
    """`ports` are those of the way to the other node, and of the timestamp authority."""
    agency = node.plan.agencies[0].code
    async with at_socket(node.control) as operator:
        token = await operator.issue_token("conformance kit", [f"agency:{agency}"])
        auditor = await operator.issue_token("conformance kit reading", ["auditor"])
        operating = await operator.issue_token("conformance kit operating", ["operator"])
    return Subject(
        id=node.plan.name,
        nodes=f"https://127.0.0.1:{node.nodes_port}",
        axis=node.axis_url,
        native=node.native_url,
        roots=network.root,
        agency=agency,
        also=node.plan.agencies[0].old_code,
        systemid=node.systemid,
        secret=node.secret,
        token=token,
        auditor=auditor,
        operator=operating,
        crash=("started-here",),
        backup=("started-here",),
        restore=("started-here",),
        kit=Kit(
            node=kit.plan.name,
            agency=kit.plan.agencies[0].code,
            listen=f"127.0.0.1:{kit.nodes_port}",
            via=f"127.0.0.1:{ports[0]}",
            second=Second(
                node=second.plan.name,
                agency=second.plan.agencies[0].code,
                listen=f"127.0.0.1:{second.nodes_port}",
            ),
            authority=TimestampsAt(listen=f"127.0.0.1:{ports[1]}", policy=POLICY),
        ),
    )
