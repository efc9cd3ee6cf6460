"""Real nodes in this process, over TLS on loopback, each with a system clock that the test sets.

`xa` is where documents are handed in; `tinh` is its uplink and serves the recipient; `xb` is another
neighbour of `tinh`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from relay.audit.entries import parse
from relay.delivery.steady import SteadyTime
from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.envelope.writer import Document, Stamp, write_document
from relay.model import Party, Tier
from relay.node.node import Node
from relay.offline import verify_whole_log
from relay.settings.reading import load
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient, AxisFailure

PLANS = (
    NodePlan(
        "tinh", Tier.PROVINCE, None, "tinh-h01", (AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE),)
    ),
    NodePlan(
        "xa", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.15.02", "UBND xã", Tier.COMMUNE),)
    ),
    NodePlan(
        "xb", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.16", "UBND xã", Tier.COMMUNE),)
    ),
)
SENDER, RECIPIENT = "H01.15.02", "H01"
RIGHT = timedelta()
PATIENCE_SECONDS = 30.0


@dataclass
class Pair:
    """Nodes, and by how much each machine's clock is off."""

    network: Network
    session: aiohttp.ClientSession
    off: dict[str, timedelta] = field(default_factory=dict)
    running: dict[str, Node] = field(default_factory=dict)
    _number: int = 0

    async def start(self, name: str, off: timedelta = RIGHT) -> None:
        self.off[name] = off
        steady = SteadyTime(lambda: datetime.now(UTC) + self.off[name])
        node = Node(load(self.network.nodes[name].config), steady=steady)
        await node.start()
        self.running[name] = node

    async def stop(self, name: str) -> None:
        await self.running.pop(name).stop()

    async def submit(self) -> str:
        """Once; AxisFailure when it is turned away."""
        node = self.network.nodes["xa"]
        secret = node.secret.encode()
        dms = AxisClient(node.axis_url, node.systemid, secret, self.session, now=datetime.now(UTC))
        self._number += 1
        content = write_document(
            Document(
                sender=Party(SENDER, "Cơ quan gửi"),
                recipients=(Party(RECIPIENT, "Cơ quan nhận"),),
                document_id=f"{SENDER},{self._number}",
                code_number=str(self._number),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject="V/v đồng hồ",
                traces=(Stamp(SENDER, datetime.now(UTC)),),
            )
        )
        return await dms.send(content, sender=SENDER)

    def rows(self, name: str, statement: str, *values: object) -> list[Any]:
        path = self.network.nodes[name].folder / "data" / "journal.sqlite"
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(statement, values).fetchall()

    def ends(self, message_id: str) -> list[tuple[str, str | None]]:
        return self.rows(
            "xa",
            "SELECT d.state, d.reason FROM deliveries d JOIN messages USING (message_row)"
            " WHERE message_id = ?",
            message_id,
        )

    def doubts(self) -> list[int]:
        leaves = [parse(leaf) for (leaf,) in self.rows("xa", "SELECT leaf FROM entries")]
        return [leaf["seconds"] for leaf in leaves if leaf["event"] == "clock-doubted"]

    async def until(self, look: Callable[[], Awaitable[bool] | bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = look()
                if await found if isinstance(found, Awaitable) else found:
                    return
                await asyncio.sleep(0.05)

    async def takes(self) -> bool:
        with contextlib.suppress(AxisFailure):
            return bool(await self.submit())
        return False


@contextlib.asynccontextmanager
async def founded(folder: Path, extra: str) -> AsyncIterator[Pair]:
    """Nothing runs yet; what was started is stopped, and its log verified, in the end."""
    backdated = datetime.now(UTC) - timedelta(days=5)
    network = Network.build(folder, PLANS, now=backdated, extra=extra)
    connector = aiohttp.TCPConnector(ssl=face_client_context(network.root), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        found = Pair(network, session)
        try:
            yield found
        finally:
            for name in list(found.running):
                await found.stop(name)
    for name in found.off:
        verify_whole_log(network.nodes[name].config)
