"""Send documents over a fixed number of kept connections, each as soon as the last was answered and
while not too many are on their way: what is measured is a pace the hop can keep, not how fast a
backlog grows.

Touches: one node's native face, over TLS.
Raises:  RuntimeError for an answer that is not 202: a benchmark of refusals measures nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.documents import Template
from relay.signing.tls import face_client_context


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
    connector = aiohttp.TCPConnector(
        ssl=face_client_context(root), limit=connections, keepalive_timeout=60
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/xml"}
    target = f"{url}/v1/envelopes"
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one_after_another() -> None:
            while await pace.may_send():
                body = documents.numbered(next(numbers))
                began = time.monotonic()
                async with session.post(target, data=body) as response:
                    answer = await response.read()
                    if response.status != 202:
                        raise RuntimeError(f"HTTP {response.status}: {answer[:300]!r}")
                ended = time.monotonic()
                sent.answered.append((ended, ended - began))

        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(one_after_another())
    return sent


async def issue_token(control: Path, code: str) -> str:
    """A token for one agency, from the node's control socket."""
    asked = {"holder": "bench", "scopes": [f"agency:{code}"]}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(control))) as session,
        session.post("http://node/v1/tokens", json=asked) as response,
    ):
        response.raise_for_status()
        return str((await response.json())["secret"])
