"""W8 on the wire: what a restored neighbour may ask, and that it learns of nobody else's exchange."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.delivery.recovery.ports import CAPABILITY, OwnReceipts
from relay.envelope.limits import Limits
from relay.errors import PeerError, TransportError, WireError
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Payload,
    Receipt,
    TransferId,
    digest_of,
)
from relay.transport.nodes import parts
from relay.transport.nodes.recovering import RecoveryClient
from relay.wire.container import write_receipts

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


class Kept:
    """delivery.ports.PayloadStore in memory, for what a client fetches."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.aborted = False

    def begin(self, limit_bytes: int) -> Kept:
        del limit_bytes
        return Kept()

    def write(self, chunk: bytes) -> None:
        self.content += chunk

    async def finish(self) -> Payload:
        content = bytes(self.content)
        return Payload(hashlib.sha256(content).hexdigest(), len(content), content, None)  # type: ignore[arg-type]

    def abort(self) -> None:
        self.aborted = True


def _client(peer: Any) -> RecoveryClient:
    return RecoveryClient(peer.client, Kept(), Limits())  # type: ignore[arg-type]


async def _sent(hub: Any, name: str = "xa", **more: Any) -> Any:
    transfer = hub.peers[name].transfer(**more)
    await hub.peers[name].carry(transfer)
    return transfer


async def _named(client: RecoveryClient) -> set[TransferId]:
    found: set[TransferId] = set()
    cursor = None
    while True:
        page = await client.remind(HERE, SINCE, cursor)
        found.update(page.sent)
        cursor = page.cursor
        if cursor is None:
            return found


async def test_a_node_says_that_it_can_help(hub: Any) -> None:
    """And shows its neighbour the newest that neighbour signed: nobody else's."""
    transfer = await _sent(hub)

    told = await _client(hub.peers["xa"]).describe(HERE)
    other = await _client(hub.peers["tw"]).describe(HERE)

    assert CAPABILITY in told.capabilities
    assert told.newest.transfer == transfer.signed
    assert other.newest.transfer is None or other.newest.transfer != transfer.signed


@pytest.mark.parametrize("padding_bytes", [0, 1_500_000], ids=["small", "gone ahead"])
async def test_a_transfer_comes_back_as_it_came(hub: Any, padding_bytes: int) -> None:
    """Header, signature, seal and envelope, to the byte, also where the envelope went ahead."""
    xa = hub.peers["xa"]
    transfer = await _sent(hub, content=xa.document(padding_bytes=padding_bytes))
    client = _client(xa)

    assert transfer.header.transfer_id in await _named(client)
    found = await client.sent(HERE, transfer.header.transfer_id)

    assert (found.header, found.seal) == (transfer.signed, transfer.seal)
    assert found.payload.content == transfer.content
    assert found.envelope.digest == transfer.header.digest


@pytest.mark.parametrize("damaged", [False, True], ids=["gone", "damaged"])
async def test_a_transfer_that_the_disk_has_lost_is_no_longer_here(hub: Any, damaged: bool) -> None:
    """Said as such (404): a fault of ours would be asked about again for ever."""
    xa = hub.peers["xa"]
    transfer = await _sent(hub, content=xa.document(padding_bytes=400_000))
    digest = transfer.header.digest
    file = hub.node.folder / "data" / "payloads" / digest[:2] / digest
    content = file.read_bytes()
    file.unlink()
    if damaged:
        file.write_bytes(content[:-1] + b"!")

    with pytest.raises(PeerError, match="404"):
        await _client(xa).sent(HERE, transfer.header.transfer_id)


async def test_nobody_learns_of_anothers_exchange(hub: Any) -> None:
    """Another neighbour's transfer is neither named nor given, though its id is known."""
    transfer = await _sent(hub)
    other = _client(hub.peers["xb"])

    assert transfer.header.transfer_id not in await _named(other)
    with pytest.raises(PeerError, match="404"):
        await other.sent(HERE, transfer.header.transfer_id)


async def test_a_refused_transfer_has_nothing_to_give_back(hub: Any) -> None:
    """Its message was never taken over."""
    transfer = await _sent(hub, recipients=("H01.15",))

    with pytest.raises(PeerError, match="404"):
        await _client(hub.peers["xa"]).sent(HERE, transfer.header.transfer_id)


async def test_receipts_about_its_messages_wait_for_the_neighbour_again(hub: Any) -> None:
    """The same bytes as before; asked twice, they wait once."""
    transfer = await _sent(hub, recipients=("G22",))
    tw = hub.peers["tw"]
    header = transfer.header
    receipt = Receipt(
        tw.name, header.origin, header.message_id, header.digest, header.size_bytes, None, HERE,
        tw.clock.now(), (Evidence(Event.CONTENT_CONSIGNMENT, AgencyCode("G22")),),
    )  # fmt: skip
    signed = tw.notary.sign_receipt(receipt, receipt.at)
    await tw.client.hand_back(HERE, [signed])
    query = "SELECT count(*) FROM returns WHERE neighbour = 'xa' AND receipt = ?"

    for _ in range(2):
        await _named(_client(hub.peers["xa"]))

    assert hub.rows(query, signed.digest) == [(1,)]


async def test_own_words_are_read_page_by_page(hub: Any) -> None:
    """A page may hold none and still lead on; the last names no further one. Of a neighbour that was
    sent nothing there is nothing to read."""
    tw = hub.peers["tw"]
    receipt = Receipt(
        tw.name, HERE, _uuid(tw), digest_of(b"x"), 1, None, HERE, tw.clock.now(),
        (Evidence(Event.CONTENT_HANDOVER, AgencyCode("G22")),),
    )  # fmt: skip
    signed = tw.notary.sign_receipt(receipt, receipt.at)
    last, last_client = await _answering(write_receipts([signed]))
    more, more_client = await _answering(b"", {"Recovery-Cursor": "5"}, 204)

    assert await last_client.own_receipts(HERE, SINCE, None) == OwnReceipts((signed,), None)
    assert await more_client.own_receipts(HERE, SINCE, 9) == OwnReceipts((), 5)
    with pytest.raises(WireError):
        await more_client.own_receipts(HERE, SINCE, 5)
    assert await _client(hub.peers["xb"]).own_receipts(HERE, SINCE, 1) == OwnReceipts((), None)
    await last.close()
    await more.close()


def _uuid(peer: Any) -> MessageId:
    return MessageId(peer.clock.mint())


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?since=yesterday",
        "?since=2026-11-23T04:05:06Z",
        "?since=2020-01-01T00:00:00.000Z&cursor=0",
        "?since=2020-01-01T00:00:00.000Z&cursor=-1",
        "?since=2020-01-01T00:00:00.000Z&cursor=" + "9" * 30,
        "?since=2020-01-01T00:00:00.000Z&cursor=%C2%B2",
    ],
)
async def test_a_question_of_the_wrong_shape_is_refused(hub: Any, query: str) -> None:
    """With a problem document, by all that take one."""
    async with hub.peers["xa"].session() as session:
        for method, path in (("POST", "recovery"), ("GET", "recovery/receipts")):
            url = f"{hub.url}/axis/v1/{path}{query}"
            async with session.request(method, url) as response:
                assert response.status == 422
                assert response.content_type == "application/problem+json"


async def test_a_stranger_is_told_nothing(hub: Any) -> None:
    """A node of the tree that is no neighbour."""
    with pytest.raises(PeerError, match="403"):
        await _client(hub.peers["ngoai"]).remind(HERE, SINCE, None)


# ---------------------------------------------------------------- answers of a bad neighbour


class _Played:
    """NodesClient.call against a plain server that says what it likes."""

    def __init__(self, server: TestServer) -> None:
        self._server = server

    @asynccontextmanager
    async def call(
        self, neighbour: NodeId, method: str, path: str, **query: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        del neighbour
        url = self._server.make_url(path)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(method, url, params=query) as response,
        ):
            yield response


async def _answering(
    body: bytes, headers: dict[str, str] | None = None, status: int = 200
) -> tuple[TestServer, RecoveryClient]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body or None, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    return server, RecoveryClient(_Played(server), Kept(), Limits())  # type: ignore[arg-type]


_GOOD = '"transfers":1,"receipts":1,"gone":0'


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        "{}",
        "{" + _GOOD + ',"sent":"all","cursor":null}',
        "{" + _GOOD + ',"sent":["../../etc"],"cursor":null}',
        "{" + _GOOD + ',"sent":[],"cursor":-5}',
        "{" + _GOOD + ',"sent":[],"cursor":7}',
        "{" + _GOOD + ',"sent":[],"cursor":"x"}',
        '{"transfers":true,"receipts":1,"gone":0,"sent":[],"cursor":null}',
        '{"transfers":-1,"receipts":1,"gone":0,"sent":[],"cursor":null}',
        "[" * 100_000,
    ],
)
async def test_a_reminder_of_the_wrong_shape_is_refused(body: str) -> None:
    """Among them a page that does not lead backwards: nobody is led round for ever."""
    server, client = await _answering(body.encode())
    with pytest.raises(WireError):
        await client.remind(HERE, SINCE, 7)
    await server.close()


async def test_an_answer_without_end_is_cut_off() -> None:
    """Nothing is held that is larger than an answer can be."""
    server, client = await _answering(b" " * (5 << 20))
    with pytest.raises(TransportError, match="over"):
        await client.describe(HERE)
    await server.close()


@pytest.mark.parametrize("with_envelope", [True, False])
async def test_a_transfer_that_is_cut_or_lacks_its_envelope_is_refused(
    hub: Any, with_envelope: bool
) -> None:
    """A cut one may come whole the next time; one without its envelope proves nothing."""
    transfer = hub.peers["xa"].transfer()
    body = transfer.body[:-200] if with_envelope else transfer.short_body
    server, client = await _answering(body, {"Content-Type": parts.CONTENT_TYPE})
    with pytest.raises(TransportError if with_envelope else WireError):
        await client.sent(HERE, transfer.header.transfer_id)
    await server.close()


async def test_a_newest_document_that_is_no_base64_is_refused() -> None:
    """Nothing else of the answer is believed either."""
    body = b'{"capabilities":[],"newest":{"receipt":{"document":"\\u00e9","signature":""}}}'
    server, client = await _answering(body)
    with pytest.raises(WireError):
        await client.describe(HERE)
    await server.close()


async def test_since_is_asked_to_the_millisecond() -> None:
    """As the clause has it."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["since"])
        return web.json_response(
            {"transfers": 0, "receipts": 0, "gone": 0, "sent": [], "cursor": None}
        )

    app = web.Application()
    app.router.add_post("/axis/v1/recovery", answer)
    server = TestServer(app)
    await server.start_server()
    client = RecoveryClient(_Played(server), Kept(), Limits())  # type: ignore[arg-type]

    await client.remind(HERE, SINCE + timedelta(milliseconds=7), None)
    await server.close()

    assert asked == ["2020-01-01T00:00:00.007Z"]
