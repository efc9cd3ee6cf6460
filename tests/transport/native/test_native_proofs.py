"""Proofs over HTTP: so many may be asked for at once, and who comes beyond that is told when to come again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from relay.node import proving
from relay.node.proving import ProofDesk
from relay.transport.native import native_runner

Build = Callable[..., web.Application]


class Slow:
    """A prover that is not done before it is told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.at_work = 0

    def entry(self, index: int, *, newer: bool) -> bytes:
        self.at_work += 1
        assert self.go.wait(30)
        return b"%d %d" % (index, newer)


async def test_beyond_so_many_proofs_is_told_to_come_again(build: Build, monkeypatch: Any) -> None:
    """503 with Retry-After, as an export is; those who wait get theirs, and then there is room again."""
    monkeypatch.setattr(proving, "ASKED", 4)
    prover = Slow()
    desk = ProofDesk(prover)  # type: ignore[arg-type]
    runner = native_runner(build(prover=desk), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}/v1/audit/entries/7/proof"
    headers = {"Authorization": "Bearer auditor"}

    async def asked(session: aiohttp.ClientSession) -> tuple[int, str]:
        async with session.get(url) as response:
            return response.status, await response.text()

    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            waiting = [asyncio.create_task(asked(session)) for _ in range(4)]
            while desk._asked < 4:
                await asyncio.sleep(0.01)
            async with session.get(url) as refused:
                assert refused.status == 503
                assert int(refused.headers["Retry-After"]) > 0
            assert prover.at_work <= proving.AT_ONCE
            prover.go.set()
            assert await asyncio.gather(*waiting) == [(200, "7 0")] * 4
            assert await asked(session) == (200, "7 0")
    finally:
        prover.go.set()
        await runner.cleanup()
