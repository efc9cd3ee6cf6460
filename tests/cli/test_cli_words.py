"""A whole node's log after a document's whole way: no leaf has a word of anybody's; those beside it may go."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from relay.audit.words import replaced
from relay.demo.native import NativeClient, at_socket, over_tls
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.envelope.documents import AttachmentContent, Document, Signer, Stamp
from relay.envelope.writer import write_document
from relay.model import Party, Tier
from relay.node.node import Node
from relay.settings.reading import load

MARK = "DẤU"
FROM, TO = "000.00.00.H01", "000.00.15.H01"
PLAN = NodePlan(
    "tinh",
    Tier.PROVINCE,
    None,
    "tinh-h01",
    (
        AgencyPlan("H01", f"{MARK} UBND tỉnh", Tier.PROVINCE, FROM, own_key=True),
        AgencyPlan("H01.15", f"{MARK} Sở Mẫu", Tier.PROVINCE, TO),
    ),
)


@dataclass
class Place:
    network: Network
    node: RunningNode
    operator: NativeClient
    """By a token whose holder has a marked name."""
    office: NativeClient

    async def call(
        self, client: NativeClient, method: str, path: str, body: Any = None
    ) -> dict[str, Any]:
        given = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with client.session.request(method, client.base_url + path, **given) as answer:
            content = await answer.read()
            assert answer.status < 300, content
            found: dict[str, Any] = {}
            if answer.content_type == "application/json":
                found = json.loads(content)
            return found

    def rows(self, statement: str) -> list[Any]:
        path = self.node.folder / "data" / "journal.sqlite"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(statement).fetchall()

    def leaves(self) -> list[dict[str, Any]]:
        return [json.loads(leaf) for (leaf,) in self.rows("SELECT leaf FROM entries")]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    network = Network.build(
        tmp_path / "n", (PLAN,), now=datetime.now(UTC), extra="[delivery]\ndrain = 1\n"
    )
    running = network.nodes["tinh"]
    node = Node(load(running.config))
    await node.start()
    async with at_socket(running.control) as local:
        agencies = [f"agency:{FROM}", f"agency:{TO}"]
        boss = await local.issue_token(f"{MARK} Vận Hành", ["operator"])
        clerk = await local.issue_token(f"{MARK} Văn Thư", agencies)
    async with (
        over_tls(running.native_url, network.root, boss) as operator,
        over_tls(running.native_url, network.root, clerk) as office,
    ):
        yield Place(network, running, operator, office)
    await node.stop()


def document() -> bytes:
    """Whose every text is marked."""
    return write_document(
        Document(
            sender=Party(FROM, f"{MARK} Cơ quan gửi"),
            recipients=(
                Party(
                    TO,
                    f"{MARK} nhận",
                    organ_add=f"{MARK} số 1",
                    email="dau@vidu.example",
                    telephone="0900000000",
                ),
            ),
            document_id=f"{FROM},2026/11/23,123456",
            code_number="123456",
            code_notation=f"CV-{MARK}",
            promulgation_place=f"{MARK} Mẫu",
            promulgation_date=date(2026, 11, 23),
            document_type="Công văn",
            subject=f"{MARK} V/v thử nghiệm",
            content=f"{MARK} nội dung",
            traces=(Stamp(FROM, datetime.now(UTC)),),
            signer=Signer(f"{MARK} TM", f"{MARK} Chủ tịch", f"{MARK} Người Ký"),
            sphere_of_promulgation=f"{MARK} lĩnh vực",
            typer_notation=f"{MARK}NS",
            appendixes=(f"{MARK} phụ lục",),
            to_places=(f"{MARK} nơi nhận",),
            attachments=(
                AttachmentContent(
                    f"{MARK}.txt", "text/plain", f"{MARK} tệp".encode(), f"{MARK} mô tả"
                ),
            ),
        )
    )


async def _whole_way(place: Place) -> None:
    """Sent, fetched, acknowledged, exported; and each thing that an operator does to it with a reason."""
    why = {"why": f"{MARK} lý do"}
    sent = await place.call(place.office, "POST", "/v1/envelopes", document())
    view = await place.call(place.operator, "GET", f"/v1/messages/{sent['message_id']}")
    delivery = view["deliveries"][0]["delivery_id"]
    for _ in range(200):
        view = await place.call(place.operator, "GET", f"/v1/messages/{sent['message_id']}")
        if view["deliveries"][0]["state"] == "available":
            break
        await asyncio.sleep(0.05)
    await place.call(place.office, "GET", f"/v1/deliveries/{delivery}/envelope")
    said = {"status": "done"}
    await place.call(place.office, "POST", f"/v1/deliveries/{delivery}/ack", said)
    path = f"/v1/messages/{sent['message_id']}/evidence?why={why['why']}"
    await place.call(place.operator, "GET", path)
    await place.call(place.operator, "POST", "/v1/trust/reload", why)
    token = {"holder": f"{MARK} Người Mới", "scopes": ["auditor"]}
    issued = await place.call(place.operator, "POST", "/v1/tokens", token)
    await place.call(place.operator, "DELETE", f"/v1/tokens/{issued['token']['token_id']}")
    async with place.office.session.get(f"{place.office.base_url}/v1/audit") as refused:
        assert refused.status == 403


async def relay(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return process.returncode or 0, out.decode()


async def test_no_leaf_holds_a_word_of_anybody_and_those_beside_it_may_go(place: Place) -> None:
    """What marks the texts of a document, the names of holders and the reasons of operators is in no leaf. It
    is beside the entries of who did something, until it is forgotten; and the log verifies before and after."""
    await _whole_way(place)

    leaves = [leaf.decode() for (leaf,) in place.rows("SELECT leaf FROM entries")]
    events = {one["event"] for one in place.leaves()}
    assert events >= {
        "message-accepted", "delivery-available", "delivery-fetched",
        "delivery-acknowledged", "evidence-exported", "token-issued", "trust-changed",
        "token-revoked", "peer-refused", "directory-changed", "node-started",
    }  # fmt: skip
    for text in (MARK, "V/v", "Người", "0900000000", "dau@vidu", "CV-", ".txt", "-----BEGIN"):
        assert not [leaf for leaf in leaves if text in leaf]
    started = next(one for one in place.leaves() if one["event"] == "node-started")
    assert len(started["config"]) == 64

    page = await place.call(place.operator, "GET", "/v1/audit?limit=500")
    told = [replaced(one["entry"], one.get("words", {})) for one in page["entries"]]
    named = {one["event"] for one in told if MARK in str(one)}
    assert named >= {"delivery-fetched", "evidence-exported", "token-issued"}
    config = str(place.node.config)
    _, tail = await relay("audit", "tail", "--config", config, "-n", "200")
    assert f"why={MARK} lý do" in tail
    await relay("audit", "verify", config)

    await relay("audit", "forget", "--config", config, "--older-than-days", "0", "--why", "hết hạn")
    _, tail = await relay("audit", "tail", "--config", config, "-n", "200")
    assert MARK not in tail
    assert "why=hết hạn" in tail
    await relay("audit", "verify", config)
    assert [leaf.decode() for (leaf,) in place.rows("SELECT leaf FROM entries")][
        : len(leaves)
    ] == leaves


async def test_a_stream_sends_the_words_before_their_entry(place: Place) -> None:
    """An event of its own, so that the entry's data stays the leaf to the byte."""
    token = {"holder": f"{MARK} Mới", "scopes": ["auditor"]}
    await place.call(place.operator, "POST", "/v1/tokens", token)
    index, leaf = place.rows("SELECT entry_index, leaf FROM entries ORDER BY entry_index")[-1]
    url = f"{place.operator.base_url}/v1/audit?after={index}"
    async with place.operator.session.get(url, headers={"Accept": "text/event-stream"}) as stream:
        first = await stream.content.readuntil(b"\n\n")
        second = await stream.content.readuntil(b"\n\n")

    kind, data = first.decode().strip().split("\n")
    assert kind == "event: words"
    assert json.loads(data[6:])["words"]["holder"] == f"{MARK} Mới"
    assert second == b"id: %d\ndata: %s\n\n" % (index, leaf)
