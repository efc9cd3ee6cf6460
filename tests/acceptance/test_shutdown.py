"""SIGTERM to a real node in the middle of something: nothing new, what is under way, an end in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.journal.store import DATABASE
from relay.model import DeliveryState, digest_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HERE, BELOW = "H01", "H01.15.02"
DRAIN_SECONDS = 4
PATIENCE_SECONDS = 12.0
"""The drain, and what a busy machine needs to end a process. Far under the watchdog's exit code 70."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tinh", "xa"], f"drain = {DRAIN_SECONDS}\n") as town:
        yield town


@pytest.fixture
def node(town: Any) -> Any:
    return town.node("tinh")


async def _up(town: Any) -> None:
    """Both nodes run, however the test before left them."""
    for name in ("tinh", "xa"):
        process = town.node(name).process
        if process is None or process.returncode is not None:
            await town.up(name)
        await town.network.ready(town.node(name))
    town.down.add("tinh")


def _tell(node: Any, number: int = signal.SIGTERM) -> None:
    node.process.send_signal(number)


async def _ended(node: Any) -> int:
    return int(await asyncio.wait_for(node.process.wait(), PATIENCE_SECONDS))


@contextlib.asynccontextmanager
async def _half_sent(
    node: Any, token: str, content: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A submission whose second half has not come yet."""
    reader, writer = await asyncio.open_unix_connection(str(node.control))
    head = (
        f"POST /v1/envelopes HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/xml\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content[: len(content) // 2])
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _token(node: Any) -> str:
    connector = aiohttp.UnixConnector(path=str(node.control))
    body = json.dumps({"holder": "vanthu", "scopes": [f"agency:{HERE}"]})
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(
            "http://node/v1/tokens", data=body, headers={"Content-Type": "application/json"}
        ) as response,
    ):
        assert response.status == 201, await response.text()
        return str((await response.json())["secret"])


async def _stopping(node: Any) -> None:
    """Until it takes no connection any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", node.nodes_port)
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_what_is_under_way_is_finished_and_nothing_new_is_taken(town: Any, node: Any) -> None:
    """The half that still comes is accepted and durable; who connects is refused."""
    await _up(town)
    content = town.document(HERE, [BELOW], padding_bytes=400_000)
    async with _half_sent(node, await _token(node), content) as (reader, writer):
        await asyncio.sleep(0.3)
        _tell(node)
        await _stopping(node)
        assert node.process.returncode is None
        writer.write(content[len(content) // 2 :])
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_SECONDS)
        assert b" 202 " in answer
    assert await _ended(node) == 0

    await town.up("tinh")
    assert len(await town.delivered("xa", content)) == 1


async def test_a_body_that_trickles_a_follower_and_a_black_hole_do_not_keep_it(
    town: Any, node: Any
) -> None:
    """It ends in order all the same: nothing is kept of the body, what the black hole swallowed is
    repeated, and the follower's stream ends."""
    await _up(town)
    trickled = town.document(HERE, [BELOW], padding_bytes=400_000)
    carried = town.document(HERE, [BELOW])
    port = town.node("xa").nodes_port
    await town.kill("xa")
    async with _black_hole(port) as hole, _follower(node) as follower:
        message_id = await town.send("tinh", carried, HERE)
        await asyncio.wait_for(hole.wait(), PATIENCE_SECONDS)
        async with _half_sent(node, await _token(node), trickled) as (_, writer):
            trickling = asyncio.create_task(_trickle(writer))
            await asyncio.sleep(0.3)
            _tell(node)
            assert await _ended(node) == 0
            trickling.cancel()
        assert await asyncio.wait_for(follower.read(), PATIENCE_SECONDS)

    await town.up("xa")
    await town.up("tinh")
    await town.settled("tinh", message_id, DeliveryState.AVAILABLE)
    assert len(await town.delivered("xa", carried)) == 1
    payloads = node.folder / "data" / "payloads"
    assert not town.rows("tinh", "SELECT 1 FROM messages WHERE digest = ?", digest_of(trickled))
    assert not list(payloads.glob(f"*/{digest_of(trickled)}"))
    town.logs_hold()


@contextlib.asynccontextmanager
async def _black_hole(port: int) -> AsyncIterator[asyncio.Event]:
    """Takes connections and never says a word; the event is set by the first."""
    met, gone = asyncio.Event(), asyncio.Event()

    async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", port)
    try:
        yield met
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def _follower(node: Any) -> AsyncIterator[asyncio.StreamReader]:
    """Somebody who watches the live log."""
    reader, writer = await asyncio.open_unix_connection(str(node.control))
    writer.write(b"GET /v1/audit HTTP/1.1\r\nHost: node\r\nAccept: text/event-stream\r\n\r\n")
    assert b" 200 " in await reader.readuntil(b"\r\n")
    try:
        yield reader
    finally:
        writer.close()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)


async def test_a_second_signal_ends_it_at_once(town: Any, node: Any) -> None:
    """Without the drain; what was acknowledged is there after the start."""
    await _up(town)
    content = town.document(HERE, [BELOW])
    message_id = await town.send("tinh", content, HERE)
    trickled = town.document(HERE, [BELOW], padding_bytes=400_000)
    async with _half_sent(node, await _token(node), trickled):
        await asyncio.sleep(0.3)
        _tell(node)
        await _stopping(node)
        _tell(node)
        assert await _ended(node) == 128 + signal.SIGTERM

    await town.up("tinh")
    await town.settled("tinh", message_id, DeliveryState.AVAILABLE)
    assert len(town.inbox("xa", content)) == 1


async def test_a_stop_under_load_loses_nothing_it_acknowledged(town: Any, node: Any) -> None:
    """Large documents that go through files, cut off at any point of their way: three times over."""
    await _up(town)
    secret = await _token(node)
    ledger: dict[str, bytes] = {}
    for _ in range(3):
        senders = [asyncio.create_task(_send_on(town, node, secret, ledger)) for _ in range(6)]
        before = len(ledger)
        async with asyncio.timeout(30):
            while len(ledger) < before + 5:
                await asyncio.sleep(0.01)
        _tell(node)
        assert await _ended(node) == 0
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        await town.up("tinh")

    for message_id, content in ledger.items():
        await town.settled("tinh", message_id, DeliveryState.AVAILABLE)
        assert len(town.inbox("xa", content)) == 1
    folder = node.folder / "data" / "payloads"
    for (name,) in town.rows("tinh", "SELECT path FROM payloads WHERE path IS NOT NULL"):
        assert (folder / name[:2] / name).exists()
    town.logs_hold()


async def _send_on(town: Any, node: Any, secret: str, ledger: dict[str, bytes]) -> None:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/xml"}
    connector = aiohttp.UnixConnector(path=str(node.control))
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        while True:
            content = town.document(HERE, [BELOW], padding_bytes=300_000)
            try:
                async with session.post("http://node/v1/envelopes", data=content) as response:
                    if response.status == 202:
                        ledger[(await response.json())["message_id"]] = content
                    else:
                        assert response.status == 503, await response.text()
                        assert int(response.headers["Retry-After"]) > 0
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.05)


MIGRATES = """
import sys
from pathlib import Path
from relay.journal import migrate
from relay.node.process import serve

known = migrate.migrations()
long = (
    "CREATE TABLE half (value INTEGER); INSERT INTO half WITH RECURSIVE c (x) AS"
    " (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 50000000) SELECT x FROM c;"
)
migrate.migrations = lambda: [*known, (known[-1][0] + 1, long)]
sys.exit(serve(Path(sys.argv[1])))
"""
"""A node of a later release, whose migration writes half a gigabyte."""


async def test_a_node_that_migrates_ends_in_time_and_the_next_start_is_whole(
    town: Any, node: Any
) -> None:
    """The migration is undone with all it wrote, and the exit is in order."""
    await _up(town)
    _tell(node)
    assert await _ended(node) == 0
    wal = node.folder / "data" / f"{DATABASE}-wal"
    with node.log.open("ab") as log:
        node.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATES, str(node.config), stdout=log, stderr=log
        )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not wal.exists() or wal.stat().st_size < 4 << 20:
            await asyncio.sleep(0.02)
    _tell(node)
    assert await _ended(node) == 0

    await town.up("tinh")
    assert town.rows("tinh", "SELECT count(*) FROM sqlite_master WHERE name = 'half'")[0][0] == 0
    content = town.document(BELOW, [HERE])
    await town.send("xa", content, BELOW)
    await town.delivered("tinh", content)
