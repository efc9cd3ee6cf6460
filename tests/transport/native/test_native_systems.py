"""Systems by HTTP: what the face takes, shows and never shows, over a desk in memory."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.delivery.operators.systems import KnownSystem, SystemSecret
from relay.delivery.ports import Caller
from relay.errors import ConflictError, NotFoundError
from relay.transport.native import native_runner

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
ADDED = {
    "systemid": "vxp.a",
    "agencies": ["H01"],
    "addresses": ["10.1.0.0/16"],
    "certificates": [base64.b64encode(b"der").decode()],
    "rest": True,
}


class Desk:
    """delivery.operators.systems.SystemsDesk that keeps everything."""

    def __init__(self) -> None:
        self.known: dict[str, KnownSystem] = {}

    async def list(self) -> list[KnownSystem]:
        return list(self.known.values())

    async def add(self, by: Caller, system: KnownSystem, secret: str | None) -> str:
        if system.systemid in self.known:
            raise ConflictError("there already")
        secrets = (SystemSecret("one", b"the-secret", AT),)
        self.known[system.systemid] = replace(system, secrets=secrets, created_at=AT)
        return secret or "the-secret"

    async def rotate(
        self, by: Caller, systemid: str, overlap: timedelta, secret: str | None
    ) -> tuple[KnownSystem, str]:
        system = self._of(systemid)
        old = tuple(replace(one, ends_at=AT + overlap) for one in system.secrets)
        fresh = SystemSecret("two", b"another-secret", AT)
        self.known[systemid] = replace(system, secrets=(*old, fresh))
        return self.known[systemid], "another-secret"

    async def revoke(self, by: Caller, systemid: str, why: str) -> KnownSystem:
        self.known[systemid] = replace(self._of(systemid), secrets=())
        return self.known[systemid]

    def _of(self, systemid: str) -> KnownSystem:
        if systemid not in self.known:
            raise NotFoundError("no such system")
        return self.known[systemid]


@pytest.fixture
async def base(build: Callable[..., web.Application]) -> AsyncIterator[str]:
    runner = native_runner(build(systems=Desk()), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


Http = Callable[..., aiohttp.ClientSession]


async def posted(http: Http, path: str, body: Any, token: str = "operator") -> tuple[int, Any]:
    async with http(token).post(path, json=body) as response:
        return response.status, await response.json()


async def test_a_secret_is_shown_when_it_is_made_and_never_again(http: Http) -> None:
    """Not in the list, nor when the system is revoked; certificates are shown by digest."""
    status, added = await posted(http, "/v1/systems", ADDED)
    assert (status, added["secret"]) == (201, "the-secret")
    assert added["system"]["addresses"] == ["10.1.0.0/16"]
    assert len(added["system"]["certificates"][0]) == 64
    status, rotated = await posted(
        http, "/v1/systems/rotate", {"systemid": "vxp.a", "overlap_seconds": 60}
    )
    assert (status, rotated["secret"]) == (200, "another-secret")
    ends = [one["ends_at"] for one in rotated["system"]["secrets"]]
    assert ends == ["2026-11-23T04:06:06.000Z", None]
    async with http("operator").get("/v1/systems") as response:
        text = await response.text()
    assert "secret_id" in text
    assert "the-secret" not in text
    status, revoked = await posted(
        http, "/v1/systems/revoke", {"systemid": "vxp.a", "why": "lộ khóa"}
    )
    assert (status, revoked["secrets"]) == (200, [])


@pytest.mark.parametrize("token", ["sender", "auditor"])
async def test_only_operators_may(http: Http, token: str) -> None:
    """Neither agencies nor auditors."""
    for path, body in (
        ("/v1/systems", ADDED),
        ("/v1/systems/rotate", {"systemid": "vxp.a"}),
        ("/v1/systems/revoke", {"systemid": "vxp.a", "why": "x"}),
    ):
        assert (await posted(http, path, body, token))[0] == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/systems", {}),
        ("/v1/systems", {**ADDED, "systemid": ""}),
        ("/v1/systems", {**ADDED, "systemid": "x" * 65}),
        ("/v1/systems", {**ADDED, "agencies": "H01"}),
        ("/v1/systems", {**ADDED, "agencies": [1]}),
        ("/v1/systems", {**ADDED, "certificates": ["not base64!"]}),
        ("/v1/systems", {**ADDED, "rest": "yes"}),
        ("/v1/systems", {**ADDED, "window_seconds": -1}),
        ("/v1/systems", {**ADDED, "unknown": 1}),
        ("/v1/systems/rotate", {"systemid": "vxp.a", "overlap_seconds": True}),
        ("/v1/systems/revoke", {"systemid": "vxp.a"}),
        ("/v1/systems/revoke", {"systemid": "vxp.a", "why": " "}),
    ],
)
async def test_a_malformed_request_is_refused(http: Http, path: str, body: Any) -> None:
    """400, and nothing is done."""
    assert (await posted(http, path, body))[0] == 400


async def test_what_is_there_and_what_is_not_have_their_status(http: Http) -> None:
    """409 for a second one, 404 for none."""
    assert (await posted(http, "/v1/systems", ADDED))[0] == 201
    assert (await posted(http, "/v1/systems", ADDED))[0] == 409
    assert (await posted(http, "/v1/systems/rotate", {"systemid": "vxp.b"}))[0] == 404
