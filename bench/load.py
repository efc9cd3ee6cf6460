"""Send documents over a fixed number of kept connections, each as soon as the last was answered and
while not too many are on their way: what is measured is a pace the hop can keep, not how fast a
backlog grows.

Touches: one node's native face, over TLS.
Raises:  RuntimeError for an answer that is not 202: a benchmark of refusals measures nothing.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bench.documents import Template
from relay.signing.tls import face_client_context

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,6})\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Pace:
    """How many documents may be accepted and not yet settled, and how many have been settled."""

    most_under_way: int
    settled: int = 0
    begun: int = 0
    stopped: bool = False
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, settled: int) -> None:
        self.settled = settled
        self._moved.set()

    def stop(self) -> None:
        self.stopped = True
        self._moved.set()

    async def may_send(self) -> bool:
        """True once there is room for one more, False when the load is to end."""
        while not self.stopped and self.begun - self.settled >= self.most_under_way:
            self._moved.clear()
            await self._moved.wait()
        self.begun += 1
        return not self.stopped


@dataclass(slots=True)
class Sent:
    """When each POST was answered, in monotonic seconds, and how long it took."""

    answered: list[tuple[float, float]] = field(default_factory=list)

    def latencies(self, start: float, stop: float) -> list[float]:
        """Seconds, ascending, of what was answered between the two instants."""
        return sorted(took for at, took in self.answered if start <= at < stop)


async def send(
    url: str,
    token: str,
    root: Path,
    documents: Template,
    numbers: Iterator[int],
    connections: int,
    pace: Pace,
) -> Sent:
    """Until the pace says stop; every request that was begun is answered."""
    sent = Sent()
    request = (
        f"POST /v1/envelopes HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
    ).encode()

    async def one_after_another() -> None:
        reader, writer = await _connect(url, root)
        while await pace.may_send():
            body = documents.numbered(next(numbers))
            began = time.monotonic()
            writer.write(request % len(body) + body)
            await _accepted(reader)
            ended = time.monotonic()
            sent.answered.append((ended, ended - began))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one_after_another())
    return sent


async def _connect(url: str, root: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection by hand: an HTTP library would take from the nodes what it takes itself."""
    where = urlsplit(url)
    return await asyncio.open_connection(where.hostname, where.port, ssl=face_client_context(root))


async def _accepted(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    if not head.startswith(b"HTTP/1.1 202 "):
        raise RuntimeError(f"not accepted: {head.splitlines()[0]!r} {body[:300]!r}")


async def issue_token(control: Path, code: str) -> str:
    """A token for one agency, from the node's control socket."""
    asked = {"holder": "bench", "scopes": [f"agency:{code}"]}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(control))) as session,
        session.post("http://node/v1/tokens", json=asked) as response,
    ):
        response.raise_for_status()
        return str((await response.json())["secret"])
