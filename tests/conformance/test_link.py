"""The proxy between the judged nodes does what networks do, and only when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from relay.conformance.link import Way, Weather
from relay.conformance.verdicts import InconclusiveError
from relay.demo.ports import free_ports

HELLO = b"hello"


class Echo:
    """Whoever is at the far end: says back what it is told, and remembers it."""

    def __init__(self) -> None:
        self.heard = bytearray()

    async def taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                self.heard += chunk
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    far = Echo()
    server = await asyncio.start_server(far.taken, "127.0.0.1", 0)
    yield far, server.sockets[0].getsockname()[1]
    server.close()


@dataclass(frozen=True, slots=True)
class Near:
    """The near end of a way."""

    way: Way
    port: int

    async def say(self, content: bytes) -> bytes:
        """What comes back until the connection ends, or as much as was said."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(content)
            async with asyncio.timeout(5):
                return await reader.readexactly(len(content))
        except asyncio.IncompleteReadError as error:
            return error.partial
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def near(echo: tuple[Echo, int]) -> AsyncIterator[Near]:
    way, port = Way("127.0.0.1", echo[1], break_seconds=0.05), free_ports(1)[0]
    await way.listen("127.0.0.1", port)
    yield Near(way, port)
    await way.close()


async def test_in_clear_weather_everything_goes_over_and_back(near: Near) -> None:
    assert await near.say(HELLO * 100_000) == HELLO * 100_000
    assert near.way.over_bytes == 500_000


async def test_what_is_down_takes_nothing_over(near: Near, echo: tuple[Echo, int]) -> None:
    near.way.become(Weather.DOWN)
    assert await near.say(HELLO) == b""
    assert not echo[0].heard
    near.way.become(Weather.CLEAR)
    assert await near.say(HELLO) == HELLO


async def test_what_is_cut_goes_over_to_the_byte_and_no_further(
    near: Near, echo: tuple[Echo, int]
) -> None:
    near.way.become(Weather.CUT, cut_bytes=100_003)
    await near.say(HELLO * 100_000)
    assert len(echo[0].heard) == 100_003


async def test_lost_answers_were_asked_for(near: Near, echo: tuple[Echo, int]) -> None:
    """The far end heard it all; the near one hears nothing, and the connection ends."""
    near.way.become(Weather.NO_ANSWERS)
    assert await near.say(HELLO) == b""
    assert echo[0].heard == HELLO


async def test_answers_to_a_handshake_go_through(near: Near) -> None:
    """As many bytes as a handshake takes: without it there is no request whose answer could be lost."""
    near.way.become(Weather.NO_ANSWERS, cut_bytes=1_000)
    assert await near.say(HELLO) == HELLO


async def test_a_change_of_weather_ends_what_is_open(near: Near) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", near.port)
    writer.write(HELLO)
    assert await reader.readexactly(5) == HELLO
    near.way.become(Weather.DOWN)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()


async def test_a_far_end_that_is_gone_is_a_connection_that_ends(echo: tuple[Echo, int]) -> None:
    gone, port = free_ports(2)
    near = Near(Way("127.0.0.1", gone), port)
    await near.way.listen("127.0.0.1", port)
    assert await near.say(HELLO) == b""
    await near.way.close()


async def test_a_way_that_nobody_uses_again_tells_nothing(near: Near) -> None:
    with pytest.raises(InconclusiveError, match="did not come again"):
        await near.way.used_again(0.1)


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_as_a_way_is_closed_is_closed(turns: int) -> None:
    """However far it is looked at by then, and though nothing else goes on."""

    far = socket.create_server(("127.0.0.1", 0))

    async def closed(port: int) -> socket.socket:
        way = Way("127.0.0.1", far.getsockname()[1])
        await way.listen("127.0.0.1", port)
        near = socket.create_connection(("127.0.0.1", port))
        for _ in range(turns):
            await asyncio.sleep(0)
        await way.close()
        return near

    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        near = asyncio.run(closed(free_ports(1)[0]))
        gc.collect()
    near.close()
    far.close()
    assert [str(one.message) for one in left] == []
