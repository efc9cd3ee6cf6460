"""Operators at the terminal of real nodes: what they do at one node is known at the origin."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from relay.model import DeliveryState, Reason

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
SENDER, ABOVE = "H01.15.02", "G22"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tw", "tinh", "xa"]) as town:
        yield town


async def _relay(town: Any, node: str, *args: str) -> tuple[int, str, str]:
    """As an operator on the node's machine: over its control socket."""
    config = str(town.node(node).config)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *args, "--config", config,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_what_is_cancelled_on_its_way_is_cancelled_at_the_origin(town: Any) -> None:
    """The province's own receipt travels back; the node above never gets the document."""
    town.down.add("tw")
    await town.network.kill(town.node("tw"))
    content = town.document(SENDER, [ABOVE])
    message = await town.send("xa", content, SENDER)
    await town.settled("xa", message, DeliveryState.RELAYED)
    await town.settled("tinh", message, DeliveryState.QUEUED, DeliveryState.IN_DOUBT)

    code, told, _ = await _relay(town, "tinh", "why", message)
    assert code == 0
    assert "tw" in told

    async def cancelled() -> bool:
        code, out, _ = await _relay(town, "tinh", "cancel", message, "--why", "gửi nhầm nơi nhận")
        return code == 0 and out == "1 cancelled\n"

    await town.until(cancelled)

    (row,) = await town.settled("xa", message, DeliveryState.CANCELLED)
    assert (row["reason"], row["failed_at_node"]) == (Reason.CANCELLED, "tinh")
    await town.up("tw")
    beside = town.document(SENDER, [ABOVE])
    await town.send("xa", beside, SENDER)
    await town.delivered("tw", beside)
    assert town.inbox("tw", content) == []
    town.logs_hold()


async def test_what_is_held_survives_kill_and_goes_once_released(town: Any) -> None:
    """Held at the origin before anything was sent; SIGKILL changes nothing of it."""
    async with town.outage("tinh"):
        content = town.document(SENDER, [ABOVE])
        message = await town.send("xa", content, SENDER)

        async def held() -> bool:
            return (await _relay(town, "xa", "hold", message, "--why", "chờ duyệt"))[0] == 0

        await town.until(held)
    await town.kill("xa")
    await town.up("xa")
    beside = town.document(SENDER, [ABOVE])
    await town.send("xa", beside, SENDER)
    await town.delivered("tw", beside)
    assert town.inbox("tw", content) == []

    assert (await _relay(town, "xa", "release", message, "--why", "đã duyệt"))[0] == 0

    await town.delivered("tw", content)
    code, told, _ = await _relay(town, "xa", "why", message, "--json")
    assert code == 0
    (one,) = json.loads(told)["deliveries"]
    assert one["intervention"]["why"] == "đã duyệt"
    assert one["intervention"]["by"].startswith("local:")
    town.logs_hold()


async def test_doubt_is_asked_of_the_real_neighbour(town: Any) -> None:
    """It took the document and died before it answered: cancelling finds that out, and cancels not."""
    town.down.add("tinh")
    town.arm("tinh", "take_in:committed")
    content = town.document(SENDER, ["H01"])
    message = await town.send("xa", content, SENDER)
    await town.settled("xa", message, DeliveryState.IN_DOUBT)

    async def silent() -> bool:
        _, _, told = await _relay(town, "xa", "cancel", message, "--why", "x")
        return "tinh may have it" in told

    await town.until(silent)
    await town.up("tinh")
    code, _, told = await _relay(town, "xa", "cancel", message, "--why", "x")

    assert code in {0, 65}, told
    await town.settled("xa", message, DeliveryState.AVAILABLE, DeliveryState.RELAYED)
    assert len(town.inbox("tinh", content)) == 1


async def test_the_neighbours_certificate_is_seen(town: Any) -> None:
    """From the connection that carried the last document."""
    content = town.document(SENDER, ["H01"])
    message = await town.send("xa", content, SENDER)
    await town.delivered("tinh", content)

    code, told, _ = await _relay(town, "xa", "why", message, "--json")

    assert code == 0
    (one,) = json.loads(told)["deliveries"]
    assert "tinh" in one["neighbour"]["certificate"]["subject"]
    code, told, _ = await _relay(town, "xa", "queue", "shape")
    assert code == 0
    assert "tinh" in told
