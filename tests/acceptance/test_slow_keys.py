"""A key too slow to keep a client waiting: accepted first, sealed afterwards, crash or no crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from relay.model import DeliveryState

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
SENDER, LOCAL, BELOW = "H01", "H01.151", "H01.15.02"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tinh", "xa"], extra="[keys]\nslow = true\n") as town:
        yield town


@pytest.mark.parametrize(
    "point", ["", "admit:committed", "store_seal:uncommitted", "store_seal:committed"]
)
async def test_what_is_accepted_is_sealed_and_delivered_once(town: Any, point: str) -> None:
    """To a recipient at the node itself and to one further on, wherever the node dies meanwhile."""
    content = town.document(SENDER, [LOCAL, BELOW])
    town.crashed.clear()
    if point:
        town.arm("tinh", point)

    message_id = await town.send("tinh", content, SENDER)
    await town.settled("tinh", message_id, DeliveryState.AVAILABLE)

    assert town.crashed == (["tinh"] if point else [])
    assert [len(town.inbox(name, content)) for name in ("tinh", "xa")] == [1, 1]
    assert town.events("tinh", message_id) == [
        ("tinh", "ContentConsignment"),
        ("tinh", "SubmissionAcceptance"),
        ("tinh", "SubmissionAcceptance"),
        ("xa", "ContentConsignment"),
        ("xa", "RelayAcceptance"),
    ]
    assert await town.dms("xa").get(town.inbox("xa", content)[0]["delivery_id"]) == content
    town.logs_hold()
