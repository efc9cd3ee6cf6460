"""The way between the two judged nodes, which breaks what it is told to.

A TCP proxy: the nodes' TLS goes through it from end to end, so it sees and changes nothing of what they say. What
it can do is what networks do: be slow, be gone, break off, and lose answers.

Touches: two listening ports, and connections to the judged nodes.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from relay.conformance.verdicts import InconclusiveError

CHUNK_BYTES = 1 << 16
ACCEPT_AGAIN_SECONDS = 0.1
SETTLE_SECONDS = 2.0


class Weather(StrEnum):
    CLEAR = "clear"
    DOWN = "down"
    """Connections are closed as they come."""
    NO_ANSWERS = "no answers"
    """Everything goes over, and nothing comes back; broken off after `break_seconds`."""
    CUT = "cut"
    """Broken off after `cut_bytes` of what goes over on a connection."""


@dataclass(slots=True)
class Way:
    """One direction: to whom it leads, and what it does to connections."""

    host: str
    port: int
    weather: Weather = Weather.CLEAR
    cut_bytes: int = 0
    break_seconds: float = 0.5
    over_bytes: int = 0
    """What went over since it was last set to 0, in every weather."""
    connections: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _listening: socket.socket | None = None
    _accepting: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family)
        self._listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._listening))

    async def close(self) -> None:
        if self._accepting is not None and self._listening is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
            self._listening.close()
        self.break_off()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        """By itself: a server of asyncio leaves open what it has just accepted when it is closed."""
        while True:
            try:
                near, _ = await asyncio.get_running_loop().sock_accept(listening)
            except OSError:  # too many files are open: soon there are fewer
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
                continue
            task = asyncio.create_task(self._taken(near))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            task.add_done_callback(partial(_shut, near))

    def become(self, weather: Weather, *, cut_bytes: int = 0) -> None:
        """From now on, and for the connections that are open: those end."""
        self.weather, self.cut_bytes = weather, cut_bytes
        self.break_off()

    async def used_again(self, seconds: float) -> None:
        """Until something went over since now, and what went over with it is done. INCONCLUSIVE after so long."""
        end, before = asyncio.get_running_loop().time() + seconds, self.connections
        while self.connections == before:
            if asyncio.get_running_loop().time() > end:
                raise InconclusiveError(f"the node did not come again within {seconds:g} s")
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_SECONDS)

    def break_off(self) -> None:
        for task in self._open:
            task.cancel()

    async def _taken(self, near: socket.socket) -> None:
        self.connections += 1
        if self.weather is Weather.DOWN:
            return
        reader, writer = await asyncio.open_connection(sock=near)
        try:
            await self._between(reader, writer)
        except asyncio.CancelledError:
            pass  # broken off on purpose: nobody waits for this task
        except (OSError, ExceptionGroup) as error:
            if not _went_away(error):
                raise
        finally:
            writer.transport.abort()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        gone_over = [0]  # what went over on this connection, for both directions to see
        try:
            async with asyncio.TaskGroup() as both:
                over = both.create_task(self._over(reader, back, gone_over))
                home = both.create_task(self._home(there, writer, gone_over))
                await asyncio.wait({over, home}, return_when=asyncio.FIRST_COMPLETED)
                over.cancel()
                home.cancel()
        except* OSError:
            pass  # an end went away, as ends do
        finally:
            back.transport.abort()

    async def _over(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone_over: list[int]
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self.weather is Weather.CUT:
                chunk = chunk[: max(0, self.cut_bytes - gone_over[0])]
            gone_over[0] += len(chunk)
            self.over_bytes += len(chunk)
            writer.write(chunk)
            with suppress(ConnectionError):
                await writer.drain()
            if self.weather is Weather.CUT and gone_over[0] >= self.cut_bytes:
                await asyncio.sleep(self.break_seconds)
                return

    async def _home(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone_over: list[int]
    ) -> None:
        """Answers are lost once more than a handshake went over: that must go through before there can be any."""
        with suppress(ConnectionError):  # a node that crashed
            while chunk := await reader.read(CHUNK_BYTES):
                if self.weather is Weather.NO_ANSWERS and gone_over[0] >= self.cut_bytes:
                    await asyncio.sleep(self.break_seconds)
                    return
                writer.write(chunk)
                await writer.drain()


def _shut(near: socket.socket, _: asyncio.Task[None]) -> None:
    """Also of a task that was cancelled before its first step."""
    near.close()


def _went_away(error: OSError | ExceptionGroup[Exception]) -> bool:
    """An end went away, as ends do: in one direction, or in both."""
    return isinstance(error, OSError) or error.split(OSError)[1] is None
