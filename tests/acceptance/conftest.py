"""Networks of real node processes on loopback, and what a test asks of them.

A `Town` has the nodes, a client for each node's document-management system, and read-only eyes on
each node's journal. Nodes run through crashing_node.py, so that a test can have one killed at a
named point; a node that died is started again by whoever waits for something (`until`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.delivery.ports import Acknowledgement
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.envelope.writer import (
    AttachmentContent,
    Document,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.errors import RelayError
from relay.identity import load_keys
from relay.model import (
    DeliveryState,
    MessageType,
    Party,
    Priority,
    Receipt,
    ResponseFor,
    Signed,
    Tier,
    digest_of,
)
from relay.offline import verify_whole_log
from relay.settings.reading import load
from relay.signing.evidence import verify_receipt
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient

PATIENCE_SECONDS = 40.0
SCRIPT = Path(__file__).with_name("crashing_node.py")
FAST = '[log]\nlevel = "warning"\n[delivery]\nretry_first = 0.1\nretry_cap = 0.4\n'
"""What a town adds comes behind it, so its first lines are of [delivery], too."""

CENTRAL = NodePlan(
    "tw", Tier.CENTRAL, None, "trung-uong", (AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL),)
)
PROVINCE = NodePlan(
    "tinh",
    Tier.PROVINCE,
    "tw",
    "tinh-h01",
    (
        AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE),
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
    "xb",
    Tier.COMMUNE,
    "tinh",
    "tinh-h01",
    (
        AgencyPlan("H01.16", "UBND xã Khác", Tier.COMMUNE),
        AgencyPlan("H01.17", "UBND xã Nữa", Tier.COMMUNE),
    ),
)


class CrashingNetwork(Network):
    """The same, but each node runs through the script that can kill it."""

    async def spawn(self, node: RunningNode) -> None:
        with node.log.open("ab") as log:
            node.process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(SCRIPT),
                str(node.config),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )


@dataclass
class Town:
    """A running network and its clients."""

    network: CrashingNetwork
    session: aiohttp.ClientSession
    crashed: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    """Nodes that stay down until `up`."""
    _number: int = 0

    def node(self, name: str) -> RunningNode:
        return self.network.nodes[name]

    def dms(self, name: str) -> AxisClient:
        node = self.node(name)
        return AxisClient(
            node.axis_url, node.systemid, node.secret.encode(), self.session, now=datetime.now(UTC)
        )

    # ------------------------------------------------------------ what is sent

    def document(
        self,
        sender: str,
        recipients: Sequence[str],
        *,
        priority: Priority = Priority.NORMAL,
        padding_bytes: int = 0,
        document_id: str = "",
        number: str = "",
    ) -> bytes:
        """A new document, different from all others of this town."""
        self._number += 1
        now = datetime.now(UTC)
        attachments = (
            (AttachmentContent("phu-luc.pdf", "application/pdf", os.urandom(padding_bytes)),)
            if padding_bytes
            else ()
        )
        return write_document(
            Document(
                sender=Party(sender, "Cơ quan gửi"),
                recipients=tuple(Party(code, "Cơ quan nhận") for code in recipients),
                document_id=document_id or f"{sender},2026/11/23,{self._number}/CV-M",
                code_number=number or str(self._number),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject=f"V/v thử nghiệm số {self._number}",
                traces=(Stamp(sender, now),),
                priority=priority,
                attachments=attachments,
            )
        )

    def status(self, sender: str, about: ResponseFor, code: str) -> bytes:
        self._number += 1
        return write_status(
            StatusMessage(
                Party(sender, "Cơ quan nhận"),
                about,
                code,
                f"Trạng thái số {self._number}",
                datetime.now(UTC),
            )
        )

    async def send(
        self,
        node: str,
        content: bytes,
        sender: str,
        recipients: Sequence[str] | None = None,
        kind: MessageType = MessageType.DOCUMENT,
    ) -> str:
        """As a DMS sends: again and again until there is an answer."""

        async def attempt() -> str:
            return await self.dms(node).send_stream(
                _pieces(content),
                digest=bytes.fromhex(digest_of(content)),
                size_bytes=len(content),
                sender=sender,
                recipients=recipients,
                message_type=kind,
            )

        return str(await self.until(attempt))

    # ------------------------------------------------------------ waiting

    async def until(self, look: Callable[[], Awaitable[Any]]) -> Any:
        """The first true thing `look` finds. Meanwhile what died is started again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        last: BaseException | None = None
        while time.monotonic() < deadline:
            try:
                if found := await look():
                    return found
            except RelayError as error:
                last = error
            await self.revive()
            await asyncio.sleep(0.02)
        raise AssertionError(f"nothing came in {PATIENCE_SECONDS:.0f} s") from last

    async def revive(self) -> None:
        for name, node in self.network.nodes.items():
            if name in self.down or node.process is None or node.process.returncode is None:
                continue
            self.crashed.append(name)
            await self.network.spawn(node)
            await self.network.ready(node)

    async def kill(self, name: str) -> None:
        """SIGKILL, and down until `up`."""
        self.down.add(name)
        await self.network.kill(self.node(name))

    @contextlib.asynccontextmanager
    async def outage(self, name: str) -> AsyncIterator[None]:
        """The node is killed, and up again afterwards."""
        await self.kill(name)
        try:
            yield
        finally:
            await self.up(name)

    async def up(self, name: str) -> None:
        self.down.discard(name)
        await self.network.spawn(self.node(name))
        await self.network.ready(self.node(name))

    def arm(self, name: str, point: str) -> None:
        """The node dies at the next passing of `point`."""
        order = self.node(name).folder / "crash-at"
        draft = order.with_suffix(".new")
        draft.write_text(point, encoding="utf-8")
        draft.rename(order)

    async def delivered(self, name: str, content: bytes, times: int = 1) -> list[Any]:
        """Wait until so many deliveries of these bytes stand in the node's inbox."""

        async def look() -> list[Any] | None:
            rows = self.inbox(name, content)
            return rows if len(rows) >= times else None

        return list(await self.until(look))

    async def settled(self, name: str, message_id: str, *states: DeliveryState) -> list[Any]:
        """Wait until all deliveries of a message are in one of these states."""

        async def look() -> list[Any] | None:
            rows = self.deliveries(name, message_id)
            return rows if rows and {r["state"] for r in rows} <= set(states) else None

        return list(await self.until(look))

    async def acknowledge(self, name: str, delivery_id: str) -> None:
        async def attempt() -> bool:
            await self.dms(name).update_status(delivery_id, Acknowledgement.DONE)
            return True

        await self.until(attempt)

    # ------------------------------------------------------------ eyes on the journals

    def rows(self, name: str, statement: str, *values: object) -> list[sqlite3.Row]:
        path = self.node(name).folder / "data" / "journal.sqlite"
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, values).fetchall()

    def inbox(self, name: str, content: bytes) -> list[sqlite3.Row]:
        return self.rows(
            name,
            "SELECT d.* FROM deliveries d JOIN messages m USING (message_row)"
            " WHERE m.digest = ? AND d.inbox_cursor IS NOT NULL",
            digest_of(content),
        )

    def deliveries(self, name: str, message_id: str) -> list[sqlite3.Row]:
        return self.rows(
            name,
            "SELECT d.* FROM deliveries d JOIN messages m USING (message_row)"
            " WHERE m.message_id = ? ORDER BY d.delivery_row",
            message_id,
        )

    def transfers(self, name: str, message_id: str) -> list[sqlite3.Row]:
        return self.rows(
            name,
            "SELECT t.* FROM transfers t JOIN messages m USING (message_row) WHERE m.message_id = ?",
            message_id,
        )

    def events(self, name: str, message_id: str) -> list[tuple[str, str]]:
        """(issuer, event) of every stored receipt about a message."""
        return sorted(
            (receipt.issuer, evidence.event.value)
            for receipt in self.receipts(name, message_id)
            for evidence in receipt.evidence
        )

    def receipts(self, name: str, message_id: str) -> list[Receipt]:
        """Every stored receipt about a message, each proven anew."""
        settings = load(self.node(name).config)
        trust = load_keys(settings, settings.make_directory()).trust
        found = self.rows(
            name,
            "SELECT r.document, r.signature FROM receipts r JOIN messages m USING (message_row)"
            " WHERE m.message_id = ?",
            message_id,
        )
        return [verify_receipt(Signed(r["document"], r["signature"]), trust, None) for r in found]

    def logs_hold(self) -> None:
        """Every node's audit log agrees with its signed head."""
        for node in self.network.nodes.values():
            verify_whole_log(node.config)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1 << 18):
        yield content[start : start + (1 << 18)]


@contextlib.asynccontextmanager
async def _town(
    folder: Path, plans: Sequence[NodePlan], extra: str, after_build: Callable[[Network], None]
) -> AsyncIterator[Town]:
    network = CrashingNetwork.build(folder, plans, now=datetime.now(UTC), extra=extra)
    after_build(network)
    connector = aiohttp.TCPConnector(ssl=face_client_context(network.root), force_close=True)
    try:
        await network.start()
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Town(network, session)  # type: ignore[arg-type]
    finally:
        await network.stop()
    for node in network.nodes.values():
        told = node.log.read_text(encoding="utf-8", errors="replace")
        assert "Traceback" not in told, told[-4000:]


@pytest.fixture(scope="module")
def found_town(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A maker of towns: `async with found_town(["xa", "tinh", "tw"], extra="…") as town`."""
    plans = {p.name: p for p in (CENTRAL, PROVINCE, COMMUNE, OTHER_COMMUNE)}

    def found(
        names: Sequence[str],
        extra: str = "",
        after_build: Callable[[Network], None] = lambda _: None,
    ) -> contextlib.AbstractAsyncContextManager[Town]:
        chosen = []
        for name in names:
            plan = plans[name]
            if plan.parent not in names:
                plan = NodePlan(plan.name, plan.tier, None, plan.branch, plan.agencies)
            chosen.append(plan)
        return _town(tmp_path_factory.mktemp("town"), chosen, FAST + extra, after_build)

    return found
