"""A link between two processes as a test wants it: thin, cut after so many bytes, or standing still."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import Self

PIECE_BYTES = 4096
CATCH_UP_SECONDS = 1.0


@dataclass
class ThinLink:
    """A TCP proxy on loopback to `port`. Rates are bytes a second in each direction."""

    port: int
    rate: float = 0.0
    """0: as fast as it goes."""
    cut_after: int = 0
    """Each connection is reset once so many bytes went up (or down); 0: never. What went through before
    arrives: a machine that is slow to read it has not lost it."""
    standing: bool = False
    up_bytes: int = 0
    """Towards `port`, of all connections together."""
    down_bytes: int = 0
    connections: int = 0
    cuts: int = 0
    listening: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _far: list[asyncio.StreamWriter] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        # Little room: what waits for the link waits at its sender.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        listener.bind(("127.0.0.1", self.listening))
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=PIECE_BYTES)
        self.listening = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for far in self._far:
            far.transport.abort()  # it may still hold what its end never read
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=PIECE_BYTES
            )
        except asyncio.CancelledError:
            writer.transport.abort()  # the link is taken down
            return
        self._far.append(far_writer)
        # What was passed is on its way, not held here.
        far_writer.transport.set_write_buffer_limits(0)
        both = [
            asyncio.create_task(self._pass(reader, far_writer, up=True)),
            asyncio.create_task(self._pass(far_reader, writer, up=False)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # the link is taken down
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.transport.abort()
            far_writer.close()
            self._tasks.discard(task)

    async def _wait(self, due: float, size_bytes: int) -> float:
        """Until the link has carried so many more bytes. A moment in which the machine did something else
        makes it no thinner."""
        now = asyncio.get_running_loop().time()
        due = max(due, now - CATCH_UP_SECONDS) + size_bytes / self.rate
        await asyncio.sleep(due - now)
        return due

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        passed = 0
        due = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                while self.standing:
                    await asyncio.sleep(0.05)
                if self.rate:
                    due = await self._wait(due, len(piece))
                writer.write(piece)
                await writer.drain()
                passed += len(piece)
                if up:
                    self.up_bytes += len(piece)
                else:
                    self.down_bytes += len(piece)
                if self.cut_after and passed >= self.cut_after:
                    self.cuts += 1
                    return
