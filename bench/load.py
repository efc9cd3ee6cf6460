"""Send documents over a fixed number of kept connections, as the pace says: each as soon as the last
was answered and while not too many are on their way (`Pace`: what is measured is a pace the hop can
keep, not how fast a backlog grows), or at fixed instants, whatever becomes of those before (`Beat`).

Touches: one node's native face, over TLS.
Raises:  RuntimeError for an answer that is not 202: a benchmark of refusals measures nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from bench.documents import Template
from relay.signing.tls import face_client_context

FILL_SECONDS = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,6})\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Pace:
    """How many documents may be accepted and not yet settled, and how many have been settled."""

    most_under_way: int
    settled: int = 0
    begun: int = 0
    stopped: bool = False
    filled_at: float | None = None
    """When there was no room for the first time, in monotonic seconds: from then on what comes in is
    what goes out."""
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, settled: int) -> None:
        self.settled = settled
        self._moved.set()

    def stop(self) -> None:
        self.stopped = True
        self._moved.set()

    async def begin(self) -> float | None:
        """Once there is room for one more: when it begins. None when the load is to end."""
        while not self.stopped and self.begun - self.settled >= self.most_under_way:
            self.filled_at = self.filled_at or time.monotonic()
            self._moved.clear()
            await self._moved.wait()
        self.begun += 1
        return None if self.stopped else time.monotonic()


@dataclass(slots=True)
class Beat:
    """So many a second from the first on. A document counts from when it was due, even where no
    connection was free by then: what comes late because others were slow is slow itself."""

    per_second: float
    begun: int = 0
    stopped: bool = False
    _first: float | None = None

    def stop(self) -> None:
        self.stopped = True

    async def begin(self) -> float | None:
        if self._first is None:
            self._first = time.monotonic()
        due = self._first + self.begun / self.per_second
        self.begun += 1
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        return None if self.stopped else due


class Answered(NamedTuple):
    """One document: its number, and when it began and was answered, in monotonic seconds."""

    number: int
    began: float
    ended: float


@dataclass(slots=True)
class Sent:
    answered: list[Answered] = field(default_factory=list)

    def latencies(self, start: float, stop: float) -> list[float]:
        """Seconds, ascending, of what was answered between the two instants."""
        return sorted(one.ended - one.began for one in self.answered if start <= one.ended < stop)


async def send(
    url: str,
    token: str,
    root: Path,
    documents: Template,
    numbers: Iterator[int],
    connections: int,
    pace: Pace | Beat,
) -> Sent:
    """Until the pace says stop; every request that was begun is answered."""
    sent = Sent()
    request = _head(url, token)

    async def one_after_another() -> None:
        reader, writer = await _connect(url, root)
        while (began := await pace.begin()) is not None:
            number = next(numbers)
            body = documents.numbered(number)
            writer.write(request % len(body) + body)
            await _accepted(reader)
            sent.answered.append(Answered(number, began, time.monotonic()))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one_after_another())
    return sent


async def fills(sending: asyncio.Task[object], pace: Pace) -> None:
    """Until the pace is filled, or not in time: on a slow or busy machine that takes longer than a
    warm-up, and what is measured before is how fast a backlog grows."""
    deadline = time.monotonic() + FILL_SECONDS
    while pace.filled_at is None and time.monotonic() < deadline:
        await keeps_on(sending, 0.02)


async def post(url: str, token: str, root: Path, body: bytes) -> str:
    """One document over a connection of its own; its message id."""
    reader, writer = await _connect(url, root)
    try:
        writer.write(_head(url, token) % len(body) + body)
        return str(json.loads(await _accepted(reader))["message_id"])
    finally:
        writer.close()


def _head(url: str, token: str) -> bytes:
    return (
        f"POST /v1/envelopes HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
    ).encode()


async def keeps_on(sending: asyncio.Task[object], seconds: float) -> None:
    """So long, or until the load breaks off, which is an error."""
    done, _ = await asyncio.wait({sending}, timeout=seconds)
    for task in done:
        task.result()
        raise RuntimeError("the load ended by itself")


async def _connect(url: str, root: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection by hand: an HTTP library would take from the nodes what it takes itself."""
    where = urlsplit(url)
    return await asyncio.open_connection(where.hostname, where.port, ssl=face_client_context(root))


async def _accepted(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    if not head.startswith(b"HTTP/1.1 202 "):
        raise RuntimeError(f"not accepted: {head.splitlines()[0]!r} {body[:300]!r}")
    return body


async def issue_token(control: Path, code: str, holder: str = "bench") -> str:
    """A token for one agency, from the node's control socket."""
    asked = {"holder": holder, "scopes": [f"agency:{code}"]}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(control))) as session,
        session.post("http://node/v1/tokens", json=asked) as response,
    ):
        response.raise_for_status()
        return str((await response.json())["secret"])
