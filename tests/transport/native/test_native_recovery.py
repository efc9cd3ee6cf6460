"""How an operator sees a recovery, and goes on without a neighbour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

Http = Callable[..., aiohttp.ClientSession]


async def test_an_operator_sees_how_far_it_is(http: Http) -> None:
    """Each neighbour with what came of it, and why it cannot be asked."""
    async with http("operator").get("/v1/recovery") as response:
        found = await response.json()

    assert (response.status, found["state"], found["finished_at"]) == (200, "recovering", None)
    tw, xa = found["neighbours"]
    assert (tw["neighbour"], tw["step"], tw["last_error"]) == ("tw", "receipts", "cannot connect")
    assert (xa["step"], xa["documents"], xa["transfers"], xa["receipts"]) == ("answered", 3, 1, 2)


@pytest.mark.parametrize("token", ["sender", "auditor"])
async def test_only_operators_do(http: Http, token: str) -> None:
    async with http(token).get("/v1/recovery") as response:
        assert response.status == 403
    body = {"neighbour": "tw", "why": "why"}
    async with http(token).post("/v1/recovery/skip", json=body) as response:
        assert response.status == 403


async def test_going_on_without_a_neighbour_names_who_and_why(http: Http, world: Any) -> None:
    """And answers with how it stands now."""
    body = {"neighbour": "tw", "why": "trạm bị ngập"}
    async with http("operator").post("/v1/recovery/skip", json=body) as response:
        found = await response.json()

    assert (response.status, found["state"]) == (200, "finished")
    skipped = found["neighbours"][0]
    assert (skipped["step"], skipped["skipped_by"], skipped["why"]) == (
        "skipped",
        "operator",
        "trạm bị ngập",
    )
    assert world.recovery.skipped["tw"][0].operator


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"neighbour": "ngoai", "why": "why"}, 404, "not-found"),
        ({"neighbour": "xa", "why": "why"}, 409, "conflict"),
        ({"neighbour": "tw"}, 400, "bad-request"),
        ({"neighbour": "tw", "why": "  "}, 400, "bad-request"),
        ({"neighbour": "", "why": "why"}, 400, "bad-request"),
        ({"neighbour": "t" * 65, "why": "why"}, 400, "bad-request"),
        ({"neighbour": "tw", "why": "a\nb"}, 400, "bad-request"),
        ({"neighbour": ["tw"], "why": "why"}, 400, "bad-request"),
    ],
)
async def test_what_cannot_be_skipped_is_refused(
    http: Http, world: Any, body: dict[str, Any], status: int, word: str
) -> None:
    """Nothing is given up by it."""
    async with http("operator").post("/v1/recovery/skip", json=body) as response:
        found = await response.json(content_type=None)

    assert (response.status, found["type"].rpartition(":")[2]) == (status, word)
    assert world.recovery.skipped == {}
