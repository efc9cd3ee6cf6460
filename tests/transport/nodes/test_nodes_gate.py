"""Who is spoken to: mutual TLS 1.3, a neighbour's own certificate, and nobody else's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from relay.demo.network import Network
from relay.errors import PeerError, TransportError, UnansweredError
from relay.model import NodeId, TransferId
from relay.signing import pki
from relay.signing.tls import client_context, peer_node, server_context
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.connections import Connections

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
BUSY = b"HTTP/1.1 503 Busy\r\nDate: Mon, 23 Nov 2026 09:00:00 GMT\r\nContent-Length: 0\r\n\r\n"


async def _describe(hub: Any, tls: ssl.SSLContext) -> tuple[int, Any]:
    connector = aiohttp.TCPConnector(ssl=tls, force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{hub.url}/axis/v1/node") as response,
    ):
        return response.status, await response.json(content_type=None)


def _context(network: Network, name: str, purpose: str) -> ssl.SSLContext:
    folder = network.folder / "pki" / "nodes" / name
    return client_context(
        folder / f"{purpose}.pem",
        folder / f"{purpose}.key.pem",
        network.root,
        check_hostname=False,
    )


async def test_a_neighbour_is_told_who_answers(hub: Any) -> None:
    """Nodes of different age find out what they have in common."""
    status, told = await _describe(hub, hub.peers["xa"].tls)

    assert status == 200
    assert (told["node"], told["wire"]) == ("tinh", [1])
    assert "transfers" in told["capabilities"]


async def test_a_node_of_the_tree_that_is_no_neighbour_is_refused(hub: Any) -> None:
    """A certificate under the root is not enough: the configuration names the neighbours."""
    status, told = await _describe(hub, hub.peers["ngoai"].tls)

    assert status == 403
    assert "ngoai is not a neighbour" in told["detail"]


async def test_without_a_certificate_there_is_no_handshake(hub: Any) -> None:
    """Nothing of HTTP is ever spoken with a stranger."""
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.load_verify_locations(cafile=hub.network.root)

    with pytest.raises((aiohttp.ClientError, OSError, ssl.SSLError)):
        await _describe(hub, anonymous)


async def test_tls_1_2_is_refused(hub: Any) -> None:
    """Between nodes there are no old clients to be kind to."""
    old = hub.peers["xa"].tls.__class__(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    folder = hub.network.folder / "pki" / "nodes" / "xa"
    old.load_cert_chain(folder / "tls.pem", folder / "tls.key.pem")
    old.load_verify_locations(cafile=hub.network.root)
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises((aiohttp.ClientError, OSError, ssl.SSLError)):
        await _describe(hub, old)


async def test_a_certificate_of_another_authority_is_refused(hub: Any, tmp_path: Any) -> None:
    """The same names under another root open nothing."""
    other, now = tmp_path / "pki", datetime.now(UTC)
    key = pki.KeyType.P256
    pki.init(other, name="Other", key=key, now=now, days=1)
    pki.issue_branch(other, "tinh-h01", key=key, now=now, days=1)
    pki.issue_node(other, "xa", "tinh-h01", key=key, now=now, days=1)
    folder = other / "nodes" / "xa"
    tls = client_context(
        folder / "tls.pem", folder / "tls.key.pem", hub.network.root, check_hostname=False
    )

    with pytest.raises((aiohttp.ClientError, OSError, ssl.SSLError)):
        await _describe(hub, tls)


@pytest.mark.parametrize("purpose", ["sign", "log"])
async def test_a_neighbours_other_certificates_do_not_open_tls(hub: Any, purpose: str) -> None:
    """A key that signs receipts or checkpoints is not one to speak with."""
    try:
        status, _ = await _describe(hub, _context(hub.network, "xa", purpose))
    except (aiohttp.ClientError, OSError, ssl.SSLError):
        return
    assert 400 <= status < 500


# ---------------------------------------------------------------- the other way round


@asynccontextmanager
async def _listener(network: Network, name: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A TLS server with the certificate of node `name`: its URL, and every byte it is sent."""
    folder = network.folder / "pki" / "nodes" / name
    tls = server_context(folder / "tls.pem", folder / "tls.key.pem", network.root)
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                heard.append(chunk)
                writer.write(BUSY)
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    finally:
        server.close()


def _client(hub: Any, url: str, seen: Callable[[datetime], None] = lambda _: None) -> NodesClient:
    peer = hub.peers["xa"]
    return NodesClient(
        {HERE: url},
        peer.tls,
        peer.store,
        Connections(lambda chain: peer_node(chain[0])),
        2,
        timedelta(seconds=5),
        seen,
    )


async def test_nothing_is_sent_to_another_node_than_the_one_called(hub: Any) -> None:
    """Another node of the same tree that answers there hears not one byte of a transfer."""
    async with _listener(hub.network, "xb") as (url, heard):
        client = _client(hub, url)
        transfer = hub.peers["xa"].transfer()
        try:
            with pytest.raises(TransportError) as refused:
                await client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
        finally:
            await client.close()

    assert not isinstance(refused.value, UnansweredError)
    assert heard == []


async def test_the_node_that_was_called_is_spoken_to(hub: Any) -> None:
    """The same listener with the right certificate hears the transfer: the test above can fail. What
    time it is there, where it refuses, is told to whoever keeps ours."""
    seen: list[datetime] = []
    async with _listener(hub.network, "tinh") as (url, heard):
        client = _client(hub, url, seen.append)
        transfer = hub.peers["xa"].transfer()
        try:
            with pytest.raises(TransportError):
                await client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
        finally:
            await client.close()

    assert b"POST /axis/v1/transfers" in b"".join(heard)
    assert seen == [datetime(2026, 11, 23, 9, tzinfo=UTC)]


async def test_a_node_that_is_not_there_took_nothing(hub: Any) -> None:
    """A refused connection is no doubt: the delivery simply still waits."""
    client = _client(hub, "https://127.0.0.1:9")
    try:
        with pytest.raises(TransportError) as refused:
            await client.ask(HERE, TransferId("any"))
    finally:
        await client.close()

    assert not isinstance(refused.value, UnansweredError)


async def test_an_answer_that_breaks_off_leaves_doubt(hub: Any) -> None:
    """The neighbour may have taken it: the attempt has no outcome."""
    folder = hub.network.folder / "pki" / "nodes" / "tinh"
    tls = server_context(folder / "tls.pem", folder / "tls.key.pem", hub.network.root)

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<Receipts")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0, ssl=tls)
    client = _client(hub, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    transfer = hub.peers["xa"].transfer()
    try:
        with pytest.raises(UnansweredError):
            await client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
    finally:
        await client.close()
        server.close()


async def test_an_answer_that_is_no_receipt_is_refused(hub: Any) -> None:
    """A 200 with other bytes is the neighbour's fault, and proves nothing."""
    folder = hub.network.folder / "pki" / "nodes" / "tinh"
    tls = server_context(folder / "tls.pem", folder / "tls.key.pem", hub.network.root)

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(lie, "127.0.0.1", 0, ssl=tls)
    client = _client(hub, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    transfer = hub.peers["xa"].transfer()
    try:
        with pytest.raises(PeerError):
            await client.carry(HERE, transfer.signed, transfer.seal, transfer.payload)
    finally:
        await client.close()
        server.close()
