"""Three real nodes in this process (central, province, commune), each with sockets and a journal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.audit.entries import parse
from relay.audit.words import replaced
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.envelope.writer import Document, Stamp, write_document
from relay.model import NodeId, Party, Tier
from relay.node.node import Node
from relay.settings.reading import load
from relay.transport.axis.signature import sign

PLANS = (
    NodePlan("tw", Tier.CENTRAL, None, "trung-uong", (AgencyPlan("G22", "Bộ", Tier.CENTRAL),)),
    NodePlan(
        "tinh",
        Tier.PROVINCE,
        "tw",
        "tinh-h01",
        (
            AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE, "000.00.00.H01"),
            AgencyPlan("H01.15", "UBND huyện", Tier.DISTRICT, "000.00.15.H01"),
            AgencyPlan("H01.151", "UBND xã", Tier.COMMUNE),
        ),
    ),
    NodePlan(
        "xa", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.16", "UBND xã", Tier.COMMUNE),)
    ),
)
PATIENCE_SECONDS = 30.0


@dataclass
class Village:
    """The nodes, and what a test does with them."""

    network: Network
    running: dict[str, Node] = field(default_factory=dict)
    _number: int = 0

    def plan(self, name: str) -> RunningNode:
        return self.network.nodes[name]

    async def up(self, name: str) -> None:
        node = Node(load(self.plan(name).config))
        await node.start()
        self.running[name] = node

    async def down(self, name: str) -> None:
        await self.running.pop(name).stop()

    # ------------------------------------------------------------ native, as an operator of the machine

    async def native(
        self,
        name: str,
        method: str,
        path: str,
        document: object = None,
        *,
        content: bytes | None = None,
        kind: str = "application/json",
    ) -> tuple[int, dict[str, Any]]:
        body = json.dumps(document).encode() if document is not None else content or b""
        connector = aiohttp.UnixConnector(path=str(self.plan(name).control))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(
                method, f"http://node{path}", data=io.BytesIO(body), headers={"Content-Type": kind}
            ) as response,
        ):
            return response.status, await response.json(content_type=None)

    async def take_over(self, name: str, *rows: dict[str, Any], nodes: Sequence[Any] = ()) -> Any:
        table = {"agencies": list(rows), "nodes": list(nodes)}
        status, told = await self.native(name, "POST", "/v1/directory/import?why=a%20decree", table)
        assert status == 200, told
        return told

    async def agency(self, name: str, code: str) -> dict[str, Any] | None:
        status, told = await self.native(name, "GET", f"/v1/directory/{code}")
        return told if status == 200 else None

    # ------------------------------------------------------------ axis, as a system

    async def call(
        self,
        name: str,
        call: str,
        *parameters: tuple[str, str],
        body: bytes = b"",
    ) -> dict[str, Any]:
        node = self.plan(name)
        signed = [
            ("systemid", node.systemid),
            *parameters,
            ("timestamp", "22112026T100525+0563"),
            ("Content-Type", "application/json"),
        ]
        headers = {**sign(signed, node.secret.encode()), "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{node.axis_url}/{call}", data=body, headers=headers, ssl=False
            ) as response,
        ):
            content = await response.read()
            assert response.status == 200
            assert content.isascii()
            return dict(json.loads(content))

    def document(self, sender: str, *recipients: str) -> bytes:
        self._number += 1
        return write_document(
            Document(
                sender=Party(sender, "Cơ quan gửi"),
                recipients=tuple(Party(code, "Cơ quan nhận") for code in recipients),
                document_id=f"{sender},2026/11/23,{self._number}/CV-M",
                code_number=str(self._number),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject=f"V/v thử nghiệm số {self._number}",
                traces=(Stamp(sender, datetime.now(UTC)),),
            )
        )

    async def send(self, name: str, sender: str, *recipients: str) -> dict[str, Any]:
        import hashlib

        content = self.document(sender, *recipients)
        return await self.call(
            name,
            "sendEdoc",
            ("from", sender),
            ("servicetype", "eDoc"),
            ("messagetype", "edoc"),
            ("hash-file", hashlib.sha256(content).hexdigest()),
            body=content,
        )

    async def inbox(self, name: str) -> list[dict[str, Any]]:
        told = await self.call(
            name, "getReceivedEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc")
        )
        return list(told["data"])

    # ------------------------------------------------------------ what is there

    def rows(self, name: str, statement: str, *values: object) -> list[Any]:
        path: Path = self.plan(name).folder / "data" / "journal.sqlite"
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(statement, values).fetchall()

    def entries(self, name: str, event: str) -> list[dict[str, Any]]:
        leaves = self.rows(
            name,
            "SELECT leaf, coalesce(words, '{}') FROM entries LEFT JOIN entry_words USING (entry_index)"
            " ORDER BY entry_index",
        )
        found = [replaced(parse(leaf), json.loads(words)) for leaf, words in leaves]
        return [one for one in found if one["event"] == event]

    async def until(self, look: Callable[[], Awaitable[Any]]) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := await look():
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"nothing came in {PATIENCE_SECONDS:.0f} s")

    async def until_known(self, at: str, code: str, **facts: object) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found = await self.agency(at, code)
            wanted = found is not None and all(found[key] == value for key, value in facts.items())
            return found if wanted else None

        return dict(await self.until(look))


FAST = '[log]\nlevel = "warning"\n[delivery]\nretry_first = 0.1\nretry_cap = 0.4\ndrain = 1\n'


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Village]:
    """`directory` are lines of the section [directory] at every node."""

    def made(directory: str = "") -> Village:
        network = Network.build(tmp_path / "n", PLANS, now=datetime.now(UTC), extra=FAST)
        for node in network.nodes.values():
            text = node.config.read_text(encoding="utf-8")
            node.config.write_text(
                text.replace("[directory]\n", f"[directory]\n{directory}\n"), encoding="utf-8"
            )
        return Village(network)

    return made


@pytest.fixture
async def raised(build: Callable[..., Village]) -> AsyncIterator[Callable[..., Awaitable[Village]]]:
    villages: list[Village] = []

    async def up(directory: str = "", names: Sequence[str] = ("tw", "tinh", "xa")) -> Village:
        village = build(directory)
        villages.append(village)
        for name in names:
            await village.up(name)
        return village

    yield up
    for village in villages:
        for name in list(village.running):
            await village.down(name)


@pytest.fixture
async def village(raised: Callable[..., Awaitable[Village]]) -> Village:
    return await raised()


HERE = NodeId("tinh")
