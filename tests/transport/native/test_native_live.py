"""A live answer and a reader who does not take it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay.transport.native import live


async def test_a_reader_who_takes_nothing_loses_its_connection_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closed politely it would hold what waits for it until it reads."""
    monkeypatch.setattr(live, "SLOW_SECONDS", 0.01)
    aborted: list[bool] = []
    transport = SimpleNamespace(abort=lambda: aborted.append(True))
    request = cast("Any", SimpleNamespace(path="/v1/audit", transport=transport))
    response = cast("Any", SimpleNamespace(write=lambda _: asyncio.sleep(60)))
    with pytest.raises(ConnectionResetError):
        await live._written(request, response, b"event")
    assert aborted == [True]
