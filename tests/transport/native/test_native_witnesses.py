"""Strangers at the witness's door: so many at once, and none for longer than a request may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from relay.transport import witnessing
from relay.transport.native import native_runner
from relay.witness.ports import WitnessAnswer

Build = Callable[..., web.Application]


class Door:
    """witness.ports.WitnessDoor, as far as strangers come."""

    async def add_checkpoint(self, body: bytes, by: str) -> WitnessAnswer:
        return WitnessAnswer(200, b"%d %s" % (len(body), by.encode()), "text/plain")


async def _trickling() -> AsyncIterator[bytes]:
    """Never still, never done."""
    while True:
        yield b"x"
        await asyncio.sleep(0.02)


async def test_who_hands_in_a_checkpoint_slowly_keeps_no_place_for_long(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond so many that are being read one is told to come again; each ends after its time though it
    moves, and then there is room."""
    monkeypatch.setattr(witnessing, "BODY_IN_ALL", timedelta(seconds=1))
    runner = native_runner(build(witnesses=Door()), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}/v1/witness/add-checkpoint"

    async def slow(session: aiohttp.ClientSession) -> int | str:
        try:
            async with session.post(url, data=_trickling()) as response:
                return response.status
        except aiohttp.ClientError:
            return "broken off"

    async with aiohttp.ClientSession() as session:
        slows = [asyncio.create_task(slow(session)) for _ in range(8)]
        for _ in range(200):
            async with session.post(url, data=b"old 0") as refused:
                if refused.status == 503:
                    break
            await asyncio.sleep(0.01)
        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert 200 not in await asyncio.wait_for(asyncio.gather(*slows), 10)
        async with session.post(url, data=b"old 0") as taken:
            assert (taken.status, await taken.read()) == (200, b"5 native")
    await runner.cleanup()
