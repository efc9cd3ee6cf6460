"""The way between the two judged nodes, which breaks what it is told to.

A TCP proxy: the nodes' TLS goes through it from end to end, so it sees and changes nothing of what they say. What
it can do is what networks do: be slow, be gone, break off, and lose answers.

Touches: two listening ports, and connections to the judged nodes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from relay.conformance.verdicts import InconclusiveError

CHUNK_BYTES = 1 << 16
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
    _server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(self._taken, host, port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.break_off()
        await asyncio.gather(*self._open, return_exceptions=True)

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

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
        self.connections += 1
        try:
            if self.weather is not Weather.DOWN:
                await self._between(reader, writer)
        except asyncio.CancelledError:
            pass  # broken off on purpose: nobody waits for this task
        except (OSError, ExceptionGroup) as error:
            if not _went_away(error):
                raise
        finally:
            if task is not None:
                self._open.discard(task)
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


def _went_away(error: OSError | ExceptionGroup[Exception]) -> bool:
    """An end went away, as ends do: in one direction, or in both."""
    return isinstance(error, OSError) or error.split(OSError)[1] is None
