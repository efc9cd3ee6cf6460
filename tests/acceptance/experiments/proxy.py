"""A line between two nodes that can be cut, silenced, delayed and narrowed.

It passes bytes on and reads none of them: what it counts are TLS records on their way. A fault is armed
once and done to the next connection that carries bytes, counted from then on; on a kept connection
these are the next request's and its answer's.

Touches: loopback sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK_BYTES = 1 << 16


class Way(StrEnum):
    THERE = "request"
    BACK = "answer"


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is reset once `after_bytes` went this way; 0: before the first of them."""

    way: Way
    after_bytes: int


class Loss(StrEnum):
    """What becomes of large requests: on a new connection they are told from questions by their size."""

    REQUEST = "the connection is reset before all of it has passed"
    ANSWER = "it passes, and its answer is swallowed"
    HELD = "it is kept until it is let go, long after the caller has given up"


LATE_SECONDS = 3.0
HELD_BYTES = 3_500
"""A handshake with a question or two: of a transfer no more than HTTP's own header has passed, for a node
that knows which transfer is arriving does not call it unknown."""
LARGE_BYTES = 20_000
"""More than a handshake with a few questions behind it."""


@dataclass(slots=True)
class Proxy:
    """From a port of its own to the node's."""

    target: int
    cut: Cut | None = None
    black_hole: bool = False
    """Bytes are taken and go nowhere, in both directions; connections stay open."""
    shut: bool = False
    """Whoever calls is turned away at once."""
    loss: Loss | None = None
    """Done to every connection while it is set; small requests are answered."""
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0
    """Of each connection and direction; 0 without limit."""
    cuts: int = 0
    connections: int = 0
    carried: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    """Bytes that passed each way."""
    port: int = 0
    _counted: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _held: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, cut: Cut) -> None:
        """Count from here."""
        self.cut = cut
        self._counted = dict.fromkeys(Way, 0)

    def lose(self, loss: Loss | None) -> None:
        """From here on, and on new connections, as this is judged by what a connection carried."""
        self.loss = loss
        self.shut = False
        self._released.clear()
        self.break_all()

    async def let_go(self) -> int:
        """What was held passes now, until all of it has been answered; how many requests it was."""
        count = self._held
        self.loss = None
        self._released.set()
        while self._held:
            await asyncio.sleep(0.05)
        return count

    def close(self) -> None:
        """Until `lose` opens it again."""
        self.shut = True
        self.break_all()

    def break_all(self) -> None:
        """Every connection is reset, so that the next request begins with a handshake."""
        for writer in tuple(self._open):
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.break_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.shut:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._open.discard(writer)
            return
        self._open.add(there[1])
        both = (writer, there[1])
        came = dict.fromkeys(Way, 0)
        tasks = (
            asyncio.create_task(self._pass(Way.THERE, reader, there[1], came)),
            asyncio.create_task(self._pass(Way.BACK, there[0], writer, came)),
        )
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for one in both:
            self._open.discard(one)
            one.transport.abort()

    async def _pass(
        self,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        came: dict[Way, int],
    ) -> None:
        """Until the end or the cut; `came` is of this connection, both ways."""
        with contextlib.suppress(ConnectionError, OSError):
            while chunk := await reader.read(self._most()):
                came[way] += len(chunk)
                large = came[Way.THERE] > LARGE_BYTES
                if large and self.loss is Loss.REQUEST:
                    return
                held = self.loss is Loss.HELD and came[Way.THERE] > HELD_BYTES
                if held and way is Way.THERE:
                    await self._hold(chunk, reader, writer)
                    return
                if self.black_hole or (large and way is Way.BACK and self.loss is Loss.ANSWER):
                    continue
                await self._hold_up(len(chunk))
                whole = self._before_cut(way, chunk)
                writer.write(whole)
                await writer.drain()
                self.carried[way] += len(whole)
                if len(whole) < len(chunk) or self._due(way):
                    self.cut = None
                    self.cuts += 1
                    return

    async def _hold(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Ends with the answer, which finds nobody, or after LATE_SECONDS."""
        said = [first]
        self._held += 1
        saying = asyncio.create_task(self._listen(reader, said))
        try:
            await (
                self._released.wait()
            )  # not its end: whoever gave it up may keep that open for half a minute
            writer.write(b"".join(said))
            await asyncio.sleep(LATE_SECONDS)
        finally:
            saying.cancel()
            self._held -= 1

    async def _listen(self, reader: asyncio.StreamReader, said: list[bytes]) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                said.append(chunk)

    def _most(self) -> int:
        """Small pieces where the line is narrow."""
        return CHUNK_BYTES if not self.bytes_per_second else 2048

    async def _hold_up(self, size_bytes: int) -> None:
        seconds = self.delay_seconds
        if self.bytes_per_second:
            seconds += size_bytes / self.bytes_per_second
        if seconds:
            await asyncio.sleep(seconds)

    def _before_cut(self, way: Way, chunk: bytes) -> bytes:
        if self.cut is None or self.cut.way is not way:
            return chunk
        left = self.cut.after_bytes - self._counted[way]
        self._counted[way] += len(chunk)
        return chunk[: max(left, 0)] if len(chunk) > left else chunk

    def _due(self, way: Way) -> bool:
        """Whether the cut comes exactly behind what has just passed."""
        cut = self.cut
        return cut is not None and cut.way is way and self._counted[way] >= cut.after_bytes > 0
