"""The client believes an answer only when it is whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.delivery.ports import Acknowledgement
from relay.errors import PeerError, TransportError, UnansweredError, WireError
from relay.transport.axis.client import AxisClient, AxisFailure

NOW = datetime(2026, 11, 22, 3, 5, 25, 519_000, tzinfo=UTC)
OK = {"status": "OK", "ErrorCode": "0", "ErrorDesc": ""}


class Canned:
    """A server that gives the answer it was told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[], web.StreamResponse] = web.Response
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers), await request.read()))
        return self.answer()

    def says(self, content: object, status: int = 200, content_type: str = "text/html") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answer = lambda: web.Response(status=status, body=body, content_type=content_type)


@pytest.fixture
async def canned() -> AsyncIterator[tuple[Canned, AxisClient]]:
    server = Canned()
    app = web.Application(client_max_size=1 << 23)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session:
        yield (
            server,
            AxisClient(
                f"http://127.0.0.1:{port}/base/", "vxp.test.01", b"s3cret-key", session, now=NOW
            ),
        )
    await runner.cleanup()


async def test_a_large_document_is_sent_in_pieces(canned: tuple[Canned, AxisClient]) -> None:
    """To the byte and with its length, and no warning that one write holds up all others."""
    server, client = canned
    server.says({**OK, "DocId": "d"})
    content = bytes(range(256)) * 12_000

    assert await client.send(content, sender="H01") == "d"

    ((_, headers, received),) = server.asked
    assert (received, headers["Content-Length"]) == (content, str(len(content)))


def every_call(client: AxisClient) -> list[Any]:
    return [
        client.send(b"<a/>", sender="H01"),
        client.received_list(),
        client.sent_list(),
        client.get("d1"),
        client.count_documents(),
        client.count_statuses(),
        client.update_status("d1", Acknowledgement.DONE),
    ]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 200),
        (b"<html>proxy error</html>", 502),
        (b"[" * 100_000, 200),
        ([], 200),
        ({}, 200),
        ({"status": "OK"}, 200),
        ({"status": "OK", "ErrorCode": 0}, 200),
        ({"status": "OK", "ErrorCode": "20", "ErrorDesc": ""}, 200),
        ({"status": "PERHAPS", "ErrorCode": "0", "ErrorDesc": ""}, 200),
        ({"status": "FAIL", "ErrorCode": "20"}, 200),
        (b"\xff\xfe", 200),
    ],
)
async def test_what_is_no_answer_is_never_an_empty_result(
    canned: tuple[Canned, AxisClient], content: object, status: int
) -> None:
    """Empty, not JSON, without its fields: in doubt, for every call."""
    server, client = canned
    server.says(content, status)
    for attempt in every_call(client):
        with pytest.raises(UnansweredError):
            await attempt


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": "x", "DocId": "", "count": "3"},
        {"data": None, "DocId": None, "count": None},
        {"data": [{}], "DocId": 7, "count": -1},
        {"data": [{"docId": 3}], "DocId": [], "count": True},
        {"data": ["row"], "DocId": {}, "count": 1.5},
    ],
)
async def test_a_success_without_its_own_field_is_no_answer(
    canned: tuple[Canned, AxisClient], fields: dict[str, object]
) -> None:
    """An OK that lacks DocId, data or count, or has them in another type."""
    server, client = canned
    server.says({**OK, **fields})
    *attempts, update = every_call(client)
    for attempt in attempts:
        with pytest.raises(UnansweredError):
            await attempt
    await update


async def test_fail_is_a_failure_with_its_code(canned: tuple[Canned, AxisClient]) -> None:
    """Code and text as answered, made plain; code 20 may pass."""
    server, client = canned
    server.says({"status": "FAIL", "ErrorCode": "18", "ErrorDesc": "không có\n"})
    for attempt in every_call(client):
        with pytest.raises(AxisFailure) as caught:
            await attempt
        assert isinstance(caught.value, PeerError)
        assert (caught.value.code, caught.value.text) == ("18", "khong co?")
        assert not caught.value.passing
    server.says({"status": "FAIL", "ErrorCode": "20", "ErrorDesc": "busy"}, 500)
    with pytest.raises(AxisFailure) as caught:
        await client.count_documents()
    assert caught.value.passing


async def test_a_download_that_is_an_answer_is_no_document(
    canned: tuple[Canned, AxisClient],
) -> None:
    """FAIL as JSON, an error page, an OK without a document."""
    server, client = canned
    server.says({"status": "FAIL", "ErrorCode": "21", "ErrorDesc": "gone"}, 200, "application/json")
    with pytest.raises(AxisFailure):
        async with client.download("d1"):
            pass
    for content, status in ((OK, 200), (b"<html>", 200), (b"<html>", 503)):
        server.says(content, status, "application/json" if status == 200 else "text/html")
        with pytest.raises(UnansweredError):
            async with client.download("d1"):
                pass


async def test_a_node_that_is_not_there_was_sent_nothing() -> None:
    """TransportError, not in doubt; and a broken address too."""
    async with aiohttp.ClientSession() as session:
        for url in ("http://127.0.0.1:1", "nowhere://"):
            client = AxisClient(url, "a", b"k", session, now=NOW)
            with pytest.raises(TransportError) as caught:
                await client.count_documents()
            assert not isinstance(caught.value, UnansweredError)


async def test_a_lost_answer_is_in_doubt(canned: tuple[Canned, AxisClient]) -> None:
    """The connection closed before, or in the middle of, the answer."""
    server, client = canned

    def vanish() -> web.StreamResponse:
        raise ConnectionResetError

    server.answer = vanish
    with pytest.raises(UnansweredError):
        await client.send(b"<a/>", sender="H01")
    server.answer = lambda: web.Response(body=b"{}", headers={"Content-Encoding": "gzip"})
    with pytest.raises(UnansweredError):
        await client.count_documents()


async def test_redirects_are_not_followed(canned: tuple[Canned, AxisClient]) -> None:
    """Signed headers go to nobody else."""
    server, client = canned
    server.answer = lambda: web.Response(status=302, headers={"Location": "/elsewhere"})
    with pytest.raises(UnansweredError):
        await client.count_documents()
    assert len(server.asked) == 1


async def test_the_client_signs_like_the_java_client(canned: tuple[Canned, AxisClient]) -> None:
    """The recorded sends, member for member: order, unpadded hash, fixed timestamp, no CR LF added."""
    server, client = canned
    server.says({**OK, "DocId": "p1"})
    assert await client.send(b"abc", sender="000.00.20.H13", recipients=["28.22.H17"]) == "p1"
    path, headers, body = server.asked[0]
    assert (path, body) == ("/base/sendEdoc", b"abc")
    assert headers["XroadVnpt-sign-header-key"] == (
        "systemid;servicetype;messagetype;hash-file;from;to;timestamp;Content-Type"
    )
    assert headers["XroadVnpt-sign-header"] == (
        '{"XroadVnpt-systemid":"vxp.test.01","XroadVnpt-servicetype":"eDoc",'
        '"XroadVnpt-messagetype":"edoc",'
        '"XroadVnpt-hash-file":"ba7816bf8f1cfea414140de5dae2223b0361a396177a9cb410ff61f2015ad",'
        '"XroadVnpt-from":"000.00.20.H13","XroadVnpt-to":"[\\"28.22.H17\\"]",'
        '"XroadVnpt-timestamp":"22112026T100525+0519",'
        '"XroadVnpt-Content-Type":"application/octet-stream"}'
    )
    server.says(OK)
    await client.update_status("d1", Acknowledgement.DONE)
    _, headers, body = server.asked[1]
    assert headers["XroadVnpt-sign-header-key"] == "systemid;docId;timestamp;Content-Type;status"
    assert headers["XroadVnpt-timestamp"] == "22112026T100525+0519"
    assert body == b"{}"


@pytest.mark.parametrize("code", ["H01\r\nX: 1", "đơn vị", "a\x00"])
async def test_what_no_header_can_carry_is_refused_unsent(
    canned: tuple[Canned, AxisClient], code: str
) -> None:
    """No header is injected, nothing is sent."""
    server, client = canned
    with pytest.raises(WireError):
        await client.send(b"<a/>", sender=code)
    with pytest.raises(WireError):
        await client.send(b"<a/>", sender="H01", recipients=[code])
    assert server.asked == []
