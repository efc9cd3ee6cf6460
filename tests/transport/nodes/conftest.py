"""A real node in this process, and neighbours of it that the tests play themselves.

Certificates, configuration and TLS sockets are real. `tinh` runs; `tw` (its uplink), `xa` and `xb`
(below it) are only keys and clients in a test's hand, and `ngoai` is in the tree but no neighbour.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.audit.entries import parse
from relay.audit.words import replaced
from relay.delivery.clock import Clock
from relay.demo.network import AgencyPlan, Network, NodePlan, RunningNode
from relay.envelope.writer import AttachmentContent, Document, Stamp, write_document
from relay.identity import load_keys
from relay.model import (
    AgencyCode,
    MessageId,
    MessageType,
    NodeId,
    Party,
    Payload,
    Priority,
    Receipt,
    Signed,
    Tier,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing import evidence
from relay.signing.notary import NodeNotary
from relay.signing.tls import client_context, peer_node
from relay.signing.xades import DocumentName
from relay.transport.nodes import parts
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.connections import Connections
from relay.wire.transfer import write_transfer

HERE = NodeId("tinh")
QUOTA_BYTES = 9 << 20
EXTRA = f"""
[limits]
envelope_bytes = {4 << 20}
uploads_ahead_bytes = {QUOTA_BYTES}
[delivery]
retry_first = 600
retry_cap = 600
"""
PLANS = (
    NodePlan("tw", Tier.CENTRAL, None, "trung-uong", (AgencyPlan("G22", "Bộ", Tier.CENTRAL),)),
    NodePlan(
        "tinh",
        Tier.PROVINCE,
        "tw",
        "tinh-h01",
        (
            AgencyPlan("H01", "UBND tỉnh", Tier.PROVINCE),
            AgencyPlan("H01.9", "Sở", Tier.PROVINCE, "000.00.09.H01"),
        ),
    ),
    NodePlan(
        "xa",
        Tier.COMMUNE,
        "tinh",
        "tinh-h01",
        (AgencyPlan("H01.15", "UBND xã", Tier.COMMUNE, own_key=True),),
    ),
    NodePlan(
        "xb", Tier.COMMUNE, "tinh", "tinh-h01", (AgencyPlan("H01.16", "UBND xã", Tier.COMMUNE),)
    ),
    NodePlan(
        "ngoai", Tier.COMMUNE, "xa", "tinh-h01", (AgencyPlan("H01.17", "UBND xã", Tier.COMMUNE),)
    ),
)


class Memory:
    """Payloads of a played neighbour: what it sends, it holds. Breaks off after `cut_at` bytes."""

    def __init__(self) -> None:
        self.read_bytes = 0

    async def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        content = payload.content or b""
        for start in range(start_bytes, len(content), 1 << 16):
            self.read_bytes += len(content[start : start + (1 << 16)])
            yield content[start : start + (1 << 16)]


@dataclass(frozen=True)
class Transfer:
    """A transfer as a neighbour holds it, ready to be sent or spoilt."""

    header: TransferHeader
    signed: Signed
    seal: bytes
    content: bytes

    @property
    def body(self) -> bytes:
        """The multipart body with the envelope in it."""
        before = parts.preamble(self.signed, self.seal, len(self.content))
        return before + self.content + parts.ending

    @property
    def short_body(self) -> bytes:
        """The multipart body of one whose envelope went ahead."""
        return parts.preamble(self.signed, self.seal, None)

    @property
    def payload(self) -> Payload:
        return Payload(digest_of(self.content), len(self.content), self.content, None)


@dataclass
class Peer:
    """A neighbour played by the test."""

    node: RunningNode
    notary: NodeNotary
    tls: ssl.SSLContext
    client: NodesClient
    store: Memory
    agency: AgencyCode
    clock: Clock = field(default_factory=Clock)

    @property
    def name(self) -> NodeId:
        return NodeId(self.node.plan.name)

    def document(self, number: str = "1", padding_bytes: int = 0) -> bytes:
        """A new document of this neighbour's agency."""
        now = self.clock.now()
        attachments = (
            (AttachmentContent("phu-luc.bin", "application/zip", bytes(padding_bytes)),)
            if padding_bytes
            else ()
        )
        return write_document(
            Document(
                sender=Party(self.agency, "Cơ quan gửi"),
                recipients=(Party("H01", "Cơ quan nhận"),),
                document_id=self.clock.mint(),
                code_number=number,
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject="V/v thử nghiệm",
                traces=(Stamp(self.agency, now),),
                attachments=attachments,
            )
        )

    def transfer(
        self,
        content: bytes | None = None,
        recipients: Sequence[str] = ("H01",),
        *,
        signer: Peer | None = None,
        seal: bytes | None = None,
        sealed_as: bytes | None = None,
        **changes: Any,
    ) -> Transfer:
        """A sound transfer to the node under test, but for `changes` of its header."""
        content = self.document() if content is None else content
        now = self.clock.now()
        header = TransferHeader(
            transfer_id=TransferId(self.clock.mint()),
            message_id=MessageId(self.clock.mint()),
            origin=self.name,
            sent_by=self.name,
            sent_to=HERE,
            message_type=MessageType.DOCUMENT,
            sender=self.agency,
            recipients=tuple(AgencyCode(code) for code in recipients),
            priority=Priority.NORMAL,
            digest=digest_of(content),
            size_bytes=len(content),
            created_at=now,
            expires_at=now + timedelta(days=1),
            trace=(TraceStep(self.name, now, digest_of(b"a receipt")),),
        )
        header = replace(header, **changes)
        signed = evidence._sign(
            write_transfer(header), DocumentName.TRANSFER, (signer or self).notary.signer, now
        )
        if seal is None:
            digest = digest_of(content if sealed_as is None else sealed_as)
            seal = self.notary.seal(digest, header.sender, now).signature
        return Transfer(header, signed, seal, content)

    async def carry(self, transfer: Transfer) -> Receipt:
        """As the product's own client does; the proven answer."""
        answer = await self.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
        return self.notary.check_receipt(answer, datetime.now(UTC))

    def session(self) -> aiohttp.ClientSession:
        """Bare HTTP with this neighbour's certificate, for requests no client of ours would make."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, force_close=True),
            headers={"Content-Type": parts.CONTENT_TYPE},
        )


@dataclass
class Hub:
    """The node under test and its neighbours."""

    network: Network
    node: RunningNode
    url: str
    peers: dict[str, Peer]
    running: Node

    def rows(self, statement: str, *values: object) -> list[Any]:
        path = self.node.folder / "data" / "journal.sqlite"
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(statement, values).fetchall()

    def states(self, message_id: str) -> dict[str, str]:
        """The state of each delivery of a message."""
        return dict(
            self.rows(
                "SELECT d.recipient, d.state FROM deliveries d JOIN messages m USING (message_row)"
                " WHERE m.message_id = ?",
                message_id,
            )
        )

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """With the words that stand beside them."""
        rows = self.rows(
            "SELECT leaf, coalesce(words, '{}') FROM entries LEFT JOIN entry_words USING (entry_index)"
            " WHERE entry_index >= ? ORDER BY entry_index",
            after,
        )
        return [replaced(parse(leaf), json.loads(words)) for leaf, words in rows]

    def size(self) -> int:
        """How many audit entries there are."""
        return int(self.rows("SELECT count(*) FROM entries")[0][0])

    def is_unknown(self, transfer: Transfer) -> bool:
        """Whether nothing of this transfer was stored."""
        found = (
            self.rows("SELECT 1 FROM messages WHERE message_id = ?", transfer.header.message_id),
            self.rows("SELECT 1 FROM arrivals WHERE transfer_id = ?", transfer.header.transfer_id),
            self.rows("SELECT 1 FROM payloads WHERE digest = ?", transfer.header.digest),
        )
        return not any(found)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network.build(
        tmp_path_factory.mktemp("nodes"), PLANS, now=datetime.now(UTC), extra=EXTRA
    )


def _pair(network: Network, name: str, purpose: str) -> tuple[Path, Path]:
    folder = network.folder / "pki" / "nodes" / name
    return folder / f"{purpose}.pem", folder / f"{purpose}.key.pem"


def _peer(network: Network, name: str, url: str) -> Peer:
    node = network.nodes[name]
    settings = load(node.config)
    directory = settings.make_directory()
    keys = load_keys(settings, directory)
    tls = client_context(*_pair(network, name, "tls"), network.root, check_hostname=False)
    store = Memory()
    client = NodesClient(
        {HERE: url},
        tls,
        store,  # type: ignore[arg-type]
        Connections(lambda chain: peer_node(chain[0])),
        4,
        timedelta(seconds=20),
    )
    notary = NodeNotary(NodeId(name), keys.sign, keys.agencies, keys.trust, directory.aliases)
    return Peer(node, notary, tls, client, store, AgencyCode(node.plan.agencies[0].code))


@pytest.fixture(scope="module")
def play() -> Any:
    """A neighbour of any network, played by a test."""
    return _peer


@pytest.fixture
def other_network(tmp_path: Path) -> Network:
    """One whose nodes a test starts itself."""
    return Network.build(tmp_path, PLANS, now=datetime.now(UTC), extra=EXTRA)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(network: Network) -> AsyncIterator[Hub]:
    running = network.nodes[HERE]
    node = Node(load(running.config))
    await node.start()
    url = f"https://127.0.0.1:{running.nodes_port}"
    peers = {name: _peer(network, name, url) for name in ("tw", "xa", "xb", "ngoai")}
    hub = Hub(network, running, url, peers, node)
    try:
        yield hub
        logged = {entry.get("receipt") for entry in hub.entries()}
        assert {digest for (digest,) in hub.rows("SELECT digest FROM receipts")} <= logged
    finally:
        for peer in peers.values():
            await peer.client.close()
        await node.stop()


@pytest.fixture
def hub_of() -> Any:
    """The look into a node that a test started itself."""

    def look(network: Network, running: RunningNode, node: Node) -> Hub:
        url = f"https://127.0.0.1:{running.nodes_port}"
        return Hub(network, running, url, {}, node)

    return look
