"""A real node with a real journal, keys and faces, and a bridge from it to a remote that a test spoils."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.demo.native import at_socket
from relay.demo.network import AgencyPlan, BridgePlan, Network, NodePlan, RunningNode
from relay.envelope.writer import (
    AttachmentContent,
    Document,
    Stamp,
    StatusMessage,
    write_document,
    write_status,
)
from relay.errors import RelayError
from relay.model import MessageType, Party, ResponseFor, Tier
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient

PATIENCE_SECONDS = 20.0
BRIDGE = "truc-qg"
NODES = (
    NodePlan(
        "tinh",
        Tier.PROVINCE,
        None,
        "tinh-h01",
        (AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE, "000.00.00.H01"),),
        reached=(
            AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL, "000.00.00.G22"),
            AgencyPlan("G05", "Bộ Khác", Tier.CENTRAL),
        ),
    ),
)
EXTRA = """
[log]
level = "error"
[delivery]
retry_first = 0.05
retry_cap = 0.2
drain = 1.0
"""


def _fake() -> Any:
    place = Path(__file__).with_name("fake_remote.py")
    spec = importlib.util.spec_from_file_location("fake_remote", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fake_remote = _fake()


@dataclass
class Crossing:
    """The node, its document-management system, and the remote."""

    running: RunningNode
    remote: Any
    session: aiohttp.ClientSession
    root: Path
    node: Node | None = None
    number: int = field(default=0)

    async def start(self) -> None:
        self.node = Node(load(self.running.config))
        await self.node.start()

    async def stop(self) -> None:
        if self.node is not None:
            await self.node.stop()
            self.node = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    @property
    def dms(self) -> AxisClient:
        one = self.running
        secret = one.secret.encode()
        return AxisClient(one.axis_url, one.systemid, secret, self.session, now=datetime.now(UTC))

    async def message(self, message_id: str) -> dict[str, Any]:
        async with at_socket(self.running.control) as operator:
            return await operator.message(message_id)

    async def delivery(self, message_id: str, code: str = "G22") -> dict[str, Any]:
        message = await self.message(message_id)
        return next(dict(d) for d in message["deliveries"] if d["recipient"] == code)

    async def until(self, look: Callable[[], Awaitable[Any]]) -> Any:
        return await until(look)

    async def until_state(self, message_id: str, state: str, code: str = "G22") -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            delivery = await self.delivery(message_id, code)
            assert delivery["state"] == state, f"{delivery['state']}: {delivery['last_error']}"
            return delivery

        return dict(await until(look))

    async def listed(self, kind: MessageType = MessageType.DOCUMENT) -> list[Any]:
        return [row for row in await self.dms.received_list(kind) if row.status == "initial"]

    async def until_listed(self, count: int, kind: MessageType = MessageType.DOCUMENT) -> list[Any]:
        async def look() -> list[Any]:
            rows = await self.listed(kind)
            assert len(rows) == count, f"{len(rows)} listed"
            return rows

        return list(await until(look))

    def document(
        self,
        sender: str = "000.00.00.H01",
        to: tuple[str, ...] = ("000.00.00.G22",),
        *,
        content: bytes = b"%PDF-1.7 mot trang",
        zipped: bool = False,
        number: str = "",
    ) -> bytes:
        self.number += 1
        now = datetime.now(UTC)
        return write_document(
            Document(
                sender=Party(sender, "Nơi gửi"),
                recipients=tuple(Party(code, "Nơi nhận") for code in to),
                document_id=f"{sender},{self.number}",
                code_number=number or str(self.number),
                code_notation="VP-TH",
                promulgation_place="Hà Nội",
                promulgation_date=date(2026, 11, 22),
                document_type="Công văn",
                subject="V/v thử liên thông đường bộ",
                traces=(Stamp(sender, now),),
                attachments=(
                    AttachmentContent(
                        "Công văn.pdf", "application/pdf", content, "", zipped=zipped
                    ),
                ),
            )
        )

    def status(self, sender: str, to: str, document_id: str, code: str = "03") -> bytes:
        about = ResponseFor(to, "1/VP-TH", document_id, "2026/11/22")
        return write_status(
            StatusMessage(Party(sender, "Nơi gửi"), about, code, "Đã tiếp nhận", datetime.now(UTC))
        )

    def asked(self, call: str) -> int:
        return int(self.remote.count(call))


async def until(look: Callable[[], Awaitable[Any]], seconds: float = PATIENCE_SECONDS) -> Any:
    """What `look` gives once it fails no more."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await look()
        except (AssertionError, RelayError, StopIteration):
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Certificates, once for all tests."""
    plan = NODES[0]
    far = NodePlan("xa-la", Tier.COMMUNE, None, "tinh-h01", (), tree="xa-la")
    bridged = NodePlan(
        plan.name,
        plan.tier,
        plan.parent,
        plan.branch,
        plan.agencies,
        plan.reached,
        BridgePlan(BRIDGE, far.name),
    )
    folder = tmp_path_factory.mktemp("b")
    return Network.build(folder, (bridged, far), now=datetime.now(UTC), extra=EXTRA)


@pytest_asyncio.fixture
async def crossing(paper: Network, request: pytest.FixtureRequest) -> AsyncIterator[Crossing]:
    """Started but for the node: tests spoil the remote first. An indirect parameter is TOML added to
    the bridge's section."""
    remote = fake_remote.FakeRemote()
    await remote.start()
    running = paper.nodes["tinh"]
    text = _config(running.config.read_text(encoding="utf-8"), remote, request)
    home = running.folder.parent / f"t{time.monotonic_ns()}"
    home.mkdir()
    config = home / "relay.toml"
    config.write_text(text, encoding="utf-8")
    config.chmod(0o600)
    here = RunningNode(
        running.plan,
        home,
        config,
        running.axis_port,
        running.native_port,
        running.nodes_port,
        running.systemid,
        running.secret,
    )
    connector = aiohttp.TCPConnector(ssl=face_client_context(paper.root))
    async with aiohttp.ClientSession(connector=connector) as session:
        found = Crossing(here, remote, session, paper.root)
        yield found
        with suppress(RelayError):
            await found.stop()
    await remote.stop()


def _config(text: str, remote: Any, request: pytest.FixtureRequest) -> str:
    """The bridge of the plan, turned to the remote."""
    start = text.index("[[bridges]]")
    end = text.index("\n\n", start)
    more = getattr(request, "param", "")
    settles = "" if "settles" in more else "\nsettles = 0.2\n"
    section = (
        f'[[bridges]]\nid = "{BRIDGE}"\nurl = "{remote.url}"\nsystemid = "{fake_remote.SYSTEMID}"\n'
        f'secret = "{fake_remote.SECRET.decode()}"\nagencies = ["G22", "G05"]\npoll = 0.1\n'
        f"answer_within = 2.0\n{more}{settles}"
    )
    return text[:start] + section + text[end:]
