"""Where nothing new is taken in, a repeat still gets its first answer, and what is no repeat costs the disk nothing.

A real node; its neighbours are not started, so what is sent to them waits.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.delivery.pressure.quota import Quotas
from relay.demo.native import at_socket
from relay.demo.network import Network, RunningNode
from relay.envelope.writer import AttachmentContent, Document, Stamp, write_document
from relay.journal.space import Free
from relay.model import Party, digest_of
from relay.node.node import Node
from relay.settings.reading import load
from relay.signing.tls import face_client_context
from relay.transport.axis.answered import AxisFailure
from relay.transport.axis.client import AxisClient
from relay.transport.intake_stream import digest_forms, digest_starts, is_named
from tests.transport.nodes.conftest import EXTRA, PLANS

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENDER, AWAY = "H01", "G22"
SMALL, LARGE = 0, 2 << 20
XML = {"Content-Type": "application/xml"}


@dataclass
class Office:
    """The node, and a document-management system and a token of one agency."""

    node: RunningNode
    running: Node
    session: aiohttp.ClientSession
    token: str
    count: int = 0
    folders: tuple[Path, ...] = field(init=False)

    def __post_init__(self) -> None:
        data = self.node.folder / "data"
        self.folders = (data / "payloads", data / "ahead")

    @property
    def dms(self) -> AxisClient:
        node = self.node
        return AxisClient(
            node.axis_url, node.systemid, node.secret.encode(), self.session, now=datetime.now(UTC)
        )

    def document(self, padding_bytes: int = 0) -> bytes:
        self.count += 1
        padding = AttachmentContent("phu-luc.bin", "application/zip", os.urandom(padding_bytes))
        return write_document(
            Document(
                sender=Party(SENDER, "Cơ quan gửi"),
                recipients=(Party(AWAY, "Cơ quan nhận"),),
                document_id=f"{SENDER},{self.count}",
                code_number=str(self.count),
                code_notation="CV-M",
                promulgation_place="Mẫu",
                promulgation_date=date(2026, 11, 23),
                document_type="Công văn",
                subject="V/v thử nghiệm",
                traces=(Stamp(SENDER, datetime.now(UTC)),),
                attachments=(padding,) if padding_bytes else (),
            )
        )

    async def send(self, content: bytes) -> str:
        """By the dialect, which writes the digest without its bytes' leading zeros."""
        return await self.dms.send_stream(
            _pieces(content),
            digest=hashlib.sha256(content).digest(),
            size_bytes=len(content),
            sender=SENDER,
        )

    async def upload(self, content: bytes) -> dict[str, Any]:
        """By the REST variant, which names no digest."""
        form = aiohttp.FormData()
        form.add_field("edocFile", BytesIO(content), filename="vb.edxml")
        told = {"X-SystemId": self.node.systemid, "X-SecretKey": self.node.secret}
        url = f"{self.node.axis_url}/lgsp/v1/sendEdoc"
        async with self.session.post(url, data=form, headers=told) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def post(
        self, content: bytes, query: str = "", method: str = "POST", **headers: str
    ) -> tuple[int, bytes]:
        path = query if query.startswith("/") else f"/v1/envelopes{query}"
        told = {"Authorization": f"Bearer {self.token}", **headers}
        async with self.session.request(
            method, f"{self.node.native_url}{path}", data=BytesIO(content), headers=told
        ) as response:
            return response.status, await response.read()

    def files(self) -> set[Path]:
        return {p for folder in self.folders for p in folder.rglob("*") if p.is_file()}


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("repeats")
    network = Network.build(folder, PLANS, now=datetime.now(UTC), extra=EXTRA)
    node = network.nodes["tinh"]
    config = node.config.read_text(encoding="utf-8")
    node.config.write_text(config.replace("[[systems]]", "[[systems]]\nrest = true"), "utf-8")
    running = Node(load(node.config))
    await running.start()
    try:
        async with at_socket(node.control) as operator:
            token = await operator.issue_token("Lê Thị Mẫu", [f"agency:{SENDER}"])
        tls = face_client_context(network.root)
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Office(node, running, session, token)
    finally:
        await running.stop()


@pytest.fixture(params=["reserve", "quota"])
def closed(office: Office, request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Inside, the gate takes nothing new: for want of room, or for what waits of everybody."""
    reserve, pressure = office.running._reserve, office.running._pressure

    @contextmanager
    def shut() -> Iterator[None]:
        measure, quotas = reserve.measure, pressure.quotas
        if request.param == "reserve":
            reserve.measure = lambda: Free(0, None)
            reserve.look()
        else:
            pressure.quotas = Quotas(0, 0, 0, 0)
        try:
            yield
        finally:
            reserve.measure, pressure.quotas = measure, quotas
            reserve.look()

    return shut


def _digest_header(content: bytes) -> dict[str, str]:
    text = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Repr-Digest": f"sha-256=:{text}:"}


def _key(office: Office) -> dict[str, str]:
    return {"Idempotency-Key": f"k-{office.count}"}


@pytest.mark.parametrize("padding_bytes", [SMALL, LARGE])
async def test_by_the_dialect_a_repeat_gets_its_docid_and_a_new_one_error_20(
    office: Office, closed: Any, padding_bytes: int
) -> None:
    content, new = office.document(padding_bytes), office.document(padding_bytes)
    first, before = await office.send(content), office.files()

    with closed():
        assert await office.send(content) == first
        with pytest.raises(AxisFailure) as refused:
            await office.send(new)
        assert (refused.value.code, office.files()) == ("20", before)

    assert await office.send(new) != first


async def test_by_the_rest_variant_a_small_repeat_gets_its_docid(
    office: Office, closed: Any
) -> None:
    """It names no digest, so a large one is not looked at."""
    content, large = office.document(), office.document(LARGE)
    first = await office.upload(content)
    assert {first["ErrorCode"], (await office.upload(large))["ErrorCode"]} == {"0"}

    with closed():
        before = office.files()
        assert await office.upload(content) == first
        assert (await office.upload(office.document()))["ErrorCode"] == "20"
        assert (await office.upload(large))["ErrorCode"] == "20"
        assert office.files() == before


@pytest.mark.parametrize("padding_bytes", [SMALL, LARGE])
async def test_on_the_native_face_a_repeat_gets_the_same_bytes(
    office: Office, closed: Any, padding_bytes: int
) -> None:
    content, new = office.document(padding_bytes), office.document(padding_bytes)
    first, before = await office.post(content, **XML, **_digest_header(content)), office.files()

    with closed():
        assert await office.post(content, **XML, **_digest_header(content)) == first
        assert (await office.post(new, **XML, **_digest_header(new)))[0] == 503
        assert office.files() == before

    assert first[0] == 202
    assert (await office.post(new, **XML))[0] == 202


async def test_a_large_repeat_without_a_name_is_refused_unread(office: Office, closed: Any) -> None:
    """Whether it is one could only be learnt by reading all of it: the sender names the digest, or the key
    under which it was handed in."""
    content = office.document(LARGE)
    key, another = _key(office), {"Idempotency-Key": "another"}
    first = await office.post(content, **XML, **key)

    with closed():
        assert (await office.post(content, **XML))[0] == 503
        assert (await office.post(content, **XML, **another))[0] == 503
        assert await office.post(content, **XML, **key) == first
    assert first[0] == 202


async def test_a_key_says_nothing_for_other_content(office: Office, closed: Any) -> None:
    """As at any other time: it is a conflict, and the disk is spared."""
    content, other = office.document(), office.document()
    key = _key(office)
    assert (await office.post(content, **XML, **key))[0] == 202

    with closed():
        before = office.files()
        status, _ = await office.post(other, **XML, **key)
        assert (status, office.files()) == (409, before)


async def test_other_bytes_under_a_known_digest_are_damaged(office: Office, closed: Any) -> None:
    """What is named is compared, and nothing of it is kept."""
    content, other = office.document(LARGE), office.document(LARGE)
    await office.post(content, **XML)

    with closed():
        before = office.files()
        status, _ = await office.post(other, **XML, **_digest_header(content))
        assert (status, office.files()) == (422, before)


async def test_an_upload_that_is_still_here_is_answered_again(office: Office, closed: Any) -> None:
    """Its bytes need not be brought once more; more of another is refused."""
    content, new = office.document(LARGE), office.document(LARGE)
    digest = digest_of(content)
    piece = {"Upload-Offset": "0", "Content-Type": "application/partial-upload"}
    await office.post(content, f"/v1/uploads/{digest}", "PATCH", **piece)
    first = await office.post(b"", f"?upload={digest}")

    with closed():
        assert await office.post(b"", f"?upload={digest}") == first
        path = f"/v1/uploads/{digest_of(new)}"
        assert (await office.post(new, path, "PATCH", **piece))[0] == 503


async def test_what_another_agency_handed_in_is_no_repeat(office: Office, closed: Any) -> None:
    """Whoever knows a digest does not learn by it that the document was here."""
    content = office.document(LARGE)
    await office.post(content, **XML)
    async with at_socket(office.node.control) as operator:
        stranger = await operator.issue_token("Trần Thị Mẫu", ["agency:H01.9"])

    with closed():
        told = {**XML, **_digest_header(content), "Authorization": f"Bearer {stranger}"}
        assert (await office.post(content, **told))[0] == 503


async def test_a_node_that_stops_answers_no_repeat_either(office: Office) -> None:
    """It ends in a bounded time."""
    content = office.document()
    await office.post(content, **XML)
    pressure = office.running._pressure
    pressure.stopping = True
    try:
        assert (await office.post(content, **XML))[0] == 503
    finally:
        pressure.stopping = False


async def test_a_digest_is_found_in_either_form() -> None:
    """Without its zeros it may begin in eight ways at most; the right one is among them."""
    for number in range(300):
        digest = hashlib.sha256(b"%d" % number).digest()
        padded, unpadded = digest_forms(digest)
        assert digest_starts(padded) == [padded]
        starts = digest_starts(unpadded)
        assert len(starts) <= 8
        assert any(padded.startswith(start) for start in starts)
        assert is_named(unpadded, digest)
    assert [digest_starts(text) for text in ("", "abc", "g" * 64, "a" * 65)] == [[]] * 4
