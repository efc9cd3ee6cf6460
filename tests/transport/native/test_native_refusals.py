"""What the face says of whom it refused: a line and an entry for callers it knows, a count of the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

Http = Callable[..., aiohttp.ClientSession]


def _said(logs: list[Any]) -> list[str]:
    return [str(one["event"]) for one in logs]


async def test_strangers_are_counted_and_make_no_line(http: Http, noted: Any) -> None:
    """No token, a token nobody has, a path there is not: anyone can do that all day."""
    with structlog.testing.capture_logs() as logs:
        for token, path in ((None, "/v1/deliveries"), ("wrong", "/v1/deliveries"), (None, "/odd")):
            async with http(token).get(path) as response:
                assert response.status in (401, 404)

    assert noted.strangers == [("native", word) for word in ("unauthenticated", "unauthenticated", "no-such-path")]  # fmt: skip
    assert _said(logs) == []


async def test_a_caller_that_is_refused_is_named_with_the_reason(
    http: Http, noted: Any, letter: Callable[..., bytes]
) -> None:
    """One line, one entry: who, and why in a stable word."""
    headers = {"Content-Type": "application/xml"}
    with structlog.testing.capture_logs() as logs:
        async with http("sender").post("/v1/envelopes", data=b"<x/>", headers=headers) as response:
            assert response.status == 422
        async with http("sender").get("/v1/audit") as response:
            assert response.status == 403

    assert noted.known_ones == [
        ("native", "sender", "bad-envelope", True),
        ("native", "sender", "forbidden", True),
    ]
    assert [(one["event"], one["method"], one["problem"]) for one in logs] == [
        ("request-refused", "POST", "bad-envelope"),
        ("request-refused", "GET", "forbidden"),
    ]


async def test_what_is_not_there_is_a_line_but_no_entry(http: Http, noted: Any) -> None:
    """Asking changes nothing and is how a client looks."""
    async with http("sender").get(f"/v1/messages/{'0' * 8}-0000-7000-8000-{'0' * 12}") as response:
        assert response.status == 404

    assert noted.known_ones == [("native", "sender", "not-found", False)]


async def test_beyond_its_share_a_caller_makes_no_more_lines(http: Http, noted: Any) -> None:
    """The answer stays the same."""
    noted.full = True
    with structlog.testing.capture_logs() as logs:
        async with http("sender").get("/v1/audit") as response:
            assert response.status == 403

    assert _said(logs) == []


async def _break_off(base: str, token: str, noted: Any) -> None:
    """The connection dies in the middle of the body."""
    host, port = base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /v1/envelopes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/xml\r\nContent-Length: 500000\r\n\r\n<?xml".encode()
    )
    await writer.drain()
    await asyncio.sleep(0.1)  # the body has begun to be read
    writer.transport.abort()
    async with asyncio.timeout(10):
        while not noted.known_ones + noted.strangers:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # whatever else would be said


async def test_a_client_that_breaks_off_is_one_line_and_nothing_is_stored(
    base: str, noted: Any, world: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody failed: no traceback, no 500."""
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG, "aiohttp"):
        await _break_off(base, "sender", noted)

    assert [(one["event"], one["method"], one["log_level"]) for one in logs] == [
        ("client-broke-off", "POST", "info")
    ]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
    assert noted.known_ones == [("native", "sender", "broke-off", False)]
    assert world.submissions == []


async def test_what_cannot_be_read_is_counted(base: str, noted: Any) -> None:
    """A request line or header that is no HTTP, or too long."""
    host, port = base.removeprefix("http://").split(":")
    with structlog.testing.capture_logs() as logs:
        for raw in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw)
            assert b"problem+json" in await reader.read()
            writer.close()

    assert (logs, noted.strangers) == ([], [("native", "unreadable")] * 2)
