"""GET /v1/audit/export on the wire: which periods are none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.audit.exporting import Period
from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native import native_runner


class Exports:
    """transport.native.log_export.LogExporter of an empty log."""

    async def export(self, caller: Caller, period: Period, why: str) -> Any:
        raise NotFoundError("the log has no entry in that period")


@pytest.fixture
async def base(build: Callable[..., web.Application]) -> AsyncIterator[str]:
    runner = native_runner(build(log_exports=Exports()), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("since", "until", "status"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", 404),
        ("2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z", 400),
        ("2026-11-23T07:00:00+07:00", "2026-11-23T00:00:00Z", 400),
        ("2026-11-24T00:00:00", "2026-11-25T00:00:00Z", 400),
    ],
)
async def test_a_period_the_wrong_way_round_is_no_period_without_entries(
    http: Callable[..., aiohttp.ClientSession], since: str, until: str, status: int
) -> None:
    """Whoever asks for one asked wrongly."""
    period = {"since": since, "until": until}
    async with http("auditor").get("/v1/audit/export", params=period) as response:
        found = await response.json(content_type=None)
    assert (response.status, found.get("parameter") in {"since", "until"}) == (
        status,
        status == 400,
    )
