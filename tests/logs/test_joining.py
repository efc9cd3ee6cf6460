"""From a request to its message, from a message to its lines, its entries and its trace; and no secret on the way."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog

from relay.demo.network import AgencyPlan, Network, NodePlan
from relay.envelope.writer import AttachmentContent, Document, Stamp, write_document
from relay.logs import configure, make_outputs
from relay.model import Party, Tier
from relay.node.node import Node
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
)
MARKS = ("DAU-TRICH-YEU", "DAU-TEN-TEP", "DAU-NOI-DUNG", "DAU-CO-QUAN", "DAU-NGUOI")
EXTRA = """
[log]
level = "debug"
[logging]
[[logging.outputs]]
kind = "file"
path = "relay.jsonl"
entries = true
"""


@pytest_asyncio.fixture
async def lines(tmp_path: Path) -> AsyncIterator[tuple[Network, Callable[[], list[Any]]]]:
    """Two nodes in this process, whose lines come by the first one's outputs."""
    network = Network.build(tmp_path, PLANS, now=datetime.now(UTC), extra=EXTRA)
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    settings = {name: load(network.nodes[name].config) for name in ("tinh", "xa")}
    outputs = make_outputs(settings["xa"])
    configure(outputs, cache=False)
    nodes = [Node(settings["tinh"]), Node(settings["xa"], outputs=outputs)]
    for node in nodes:
        await node.start()

    def said() -> list[Any]:
        outputs.flush(10)
        content = (network.nodes["xa"].folder / "relay.jsonl").read_text(encoding="utf-8")
        return [json.loads(one) for one in content.splitlines()]

    yield network, said
    for node in nodes:
        await node.stop()
    structlog.configure(**before)
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    outputs.close(5)


async def _sent(network: Network, request: str) -> str:
    node = network.nodes["xa"]
    content = write_document(
        Document(
            sender=Party("H01.15.02", "DAU-CO-QUAN gửi"),
            recipients=(Party("H01", "DAU-CO-QUAN nhận"),),
            document_id="H01.15.02,1",
            code_number="1",
            code_notation="CV-M",
            promulgation_place="Mẫu",
            promulgation_date=date(2026, 11, 23),
            document_type="Công văn",
            subject="V/v DAU-TRICH-YEU",
            content="DAU-NOI-DUNG",
            traces=(Stamp("H01.15.02", datetime.now(UTC)),),
            attachments=(AttachmentContent("DAU-TEN-TEP.txt", "text/plain", b"DAU-NOI-DUNG"),),
        )
    )
    connector = aiohttp.TCPConnector(ssl=face_client_context(network.root), force_close=True)
    headers = {"X-Request-ID": request}
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        dms = AxisClient(
            node.axis_url, node.systemid, node.secret.encode(), session, now=datetime.now(UTC)
        )
        await dms.send(content, sender="H01.15.02")
        with pytest.raises(AxisFailure):
            await dms.send(content.replace(b"H01.15.02", b"H01.99.99"), sender="H01.15.02")
        async with session.get(
            f"{node.native_url}/v1/sent", headers={"Authorization": "Bearer DAU-NGUOI"}
        ):
            pass
    return node.secret


async def test_a_request_leads_to_its_message_and_a_message_to_everything(lines: Any) -> None:
    """And nothing that was marked is in any line."""
    network, said = lines
    secret = await _sent(network, "ho-so-17")
    (accepted,) = [one for one in said() if one["event"] == "message-accepted"]
    assert accepted["request"] == "ho-so-17"
    message = accepted["message"]
    async with asyncio.timeout(20):
        while not [
            one for one in said() if one.get("entry", {}).get("event") == "receipt-received"
        ] and not [
            one for one in said() if one.get("entry", {}).get("event") == "transfer-answered"
        ]:
            await asyncio.sleep(0.05)
    mine = [one for one in said() if one.get("message") == message]
    assert {"message-accepted", "transfer-answered", "transfer-received", "audit-entry"} <= {
        one["event"] for one in mine
    }
    entries = [one["entry"]["event"] for one in mine if one["event"] == "audit-entry"]
    assert "message-accepted" in entries
    indexes = [one["index"] for one in said() if "index" in one]
    assert indexes == list(range(len(indexes)))
    written = json.dumps(said(), ensure_ascii=False)
    assert [mark for mark in (*MARKS, secret) if mark in written] == []
