"""A node process killed again and again between a document system and a remote without evidence.

The remote loses nothing and takes every repeat for a new package, as foreign ones do; it is the node
that has to know what it may repeat.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.demo.native import at_socket
from relay.demo.network import AgencyPlan, BridgePlan, Network, NodePlan, RunningNode
from relay.demo.offices import Desk
from relay.demo.plan import Office
from relay.demo.waiting import NotYetError, until
from relay.envelope.writer import Document, Stamp, write_document
from relay.model import MessageType, Party, Tier
from relay.offline import verify_whole_log
from relay.signing.tls import face_client_context
from relay.transport.axis.client import AxisClient

pytestmark = pytest.mark.slow

FAST = '[log]\nlevel = "error"\n[delivery]\nretry_first = 0.1\nretry_cap = 0.4\n'
PROVINCE = AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE)
HERE = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (PROVINCE,),
    (AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL),),
    BridgePlan("truc", "bo"),
)
FAR = NodePlan("bo", Tier.CENTRAL, None, "tinh-h01", (), tree="bo")
DOCUMENTS, KILLS = 30, 6


@dataclass
class Border:
    network: Network
    node: RunningNode
    remote: Any
    desk: Desk

    async def kill_and_start(self) -> None:
        await self.network.kill(self.node)
        await self.network.spawn(self.node)
        await self.network.ready(self.node)


@pytest_asyncio.fixture
async def border(tmp_path: Path) -> AsyncIterator[Border]:
    remote = _fake_remote().FakeRemote()
    await remote.start()
    network = Network.build(tmp_path, (HERE, FAR), now=datetime.now(UTC), extra=FAST)
    node = network.nodes.pop("tinh")
    network.nodes = {"tinh": node}
    text = node.config.read_text(encoding="utf-8")
    start = text.index("[[bridges]]")
    section = (
        f'[[bridges]]\nid = "truc"\nurl = "{remote.url}"\nsystemid = "vxp.remote.01"\n'
        'secret = "remote-secret"\nagencies = ["G22"]\npoll = 0.2\nanswer_within = 5\nsettles = 0.2\n'
    )
    node.config.write_text(text[:start] + section + text[text.index("\n\n", start) :], "utf-8")
    await network.start()
    connector = aiohttp.TCPConnector(ssl=face_client_context(network.root))
    async with aiohttp.ClientSession(connector=connector) as session:
        client = AxisClient(
            node.axis_url, node.systemid, node.secret.encode(), session, now=datetime.now(UTC)
        )
        office = Office("tinh", PROVINCE, "H01")
        yield Border(network, node, remote, Desk(office, client, lambda: datetime.now(UTC)))
    await network.stop()
    await remote.stop()


async def test_kills_lose_nothing_and_double_nothing_either_way(border: Border) -> None:
    """Every document crosses once, each way, and the log verifies."""
    sent = [_document(n, "H01", "G22") for n in range(DOCUMENTS)]
    offered = [_document(n, "G22", "H01") for n in range(DOCUMENTS)]
    ids = []
    for number in range(KILLS):
        for at in range(number, DOCUMENTS, KILLS):
            ids.append(await border.desk.send(sent[at]))
            border.remote.offer(offered[at], "G22", "H01")
        await asyncio.sleep(0.05 * number)
        await border.kill_and_start()
    await until("all documents out", lambda: _all_relayed(border, ids), border.network.check_alive)
    await until("all documents in", lambda: _all_in(border), border.network.check_alive)
    assert Counter(one.content for one in border.remote.taken) == Counter(sent)
    assert Counter(one.content for one in border.desk.fetched.values()) == Counter(offered)
    for one in border.remote.waiting:
        assert one.status == "done"
        assert one.told[-1] == "done"
    await border.network.stop()
    assert verify_whole_log(border.node.config).verdicts


async def _all_relayed(border: Border, ids: list[str]) -> None:
    async with at_socket(border.node.control) as operator:
        for message_id in ids:
            (delivery,) = (await operator.message(message_id))["deliveries"]
            if delivery["state"] != "relayed":
                raise NotYetError(f"{delivery['state']}: {delivery['last_error']}")


async def _all_in(border: Border) -> None:
    await border.desk.collect(MessageType.DOCUMENT)
    told = sum(one.status == "done" for one in border.remote.waiting)
    if len(border.desk.fetched) < DOCUMENTS or told < DOCUMENTS:
        raise NotYetError(f"{len(border.desk.fetched)} fetched, {told} acknowledged")


def _document(number: int, sender: str, to: str) -> bytes:
    return write_document(
        Document(
            sender=Party(sender, "Nơi gửi"),
            recipients=(Party(to, "Nơi nhận"),),
            document_id=f"{sender},{number}",
            code_number=str(number),
            code_notation="VP-TH",
            promulgation_place="Hà Nội",
            promulgation_date=date(2026, 11, 22),
            document_type="Công văn",
            subject=f"V/v thử lần thứ {number}",
            traces=(Stamp(sender, datetime(2026, 11, 22, 3, tzinfo=UTC)),),
        )
    )


def _fake_remote() -> Any:
    place = Path(__file__).parent.parent / "delivery" / "bridges" / "fake_remote.py"
    spec = importlib.util.spec_from_file_location("fake_remote_of_kills", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
