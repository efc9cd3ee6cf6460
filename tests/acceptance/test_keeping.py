"""Retention at real nodes: what is done with leaves, and whoever asks is told so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from relay.model import DeliveryState, digest_of
from relay.signing.archives import archive_files, evidence_in
from relay.transport.axis.client import AxisFailure

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SENDER, PROVINCE = "H01.15.02", "H01"
SHORT = """expiry_normal = 20
expiry_urgent = 20
expiry_express = 20
[retention]
payload_settled = 1
payload_failed = 1
uploads = 1
orphans = 1
every = 0.5
[archive]
enabled = true
every = 0.5
"""
"""A tenth of the shortest expiry is what nothing leaves after a start."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tinh", "xa"], SHORT) as town:
        yield town


@pytest.mark.parametrize("padding_bytes", [0, 600_000])
async def test_what_was_handed_over_leaves_every_node(town: Any, padding_bytes: int) -> None:
    """Beside its row or in a file; the rest of what is known stays, and a repeat gets its answer."""
    content = town.document(SENDER, [PROVINCE], padding_bytes=padding_bytes)
    message_id = await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tinh", content)
    await town.acknowledge("tinh", delivered["delivery_id"])
    await town.settled("xa", message_id, DeliveryState.HANDED_OVER)

    await town.until(lambda: _gone(town, content))

    with pytest.raises(AxisFailure, match="retention time here is over") as refused:
        await town.dms("tinh").get(delivered["delivery_id"])
    assert refused.value.code == "21"
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(town.node("tinh").control))
        ) as operator,
        operator.get(f"http://node/v1/deliveries/{delivered['delivery_id']}/envelope") as response,
    ):
        assert response.status == 410
        assert (await response.json(content_type=None))["type"].endswith(":gone")
    assert len(town.receipts("xa", message_id)) >= 3
    assert await town.send("xa", content, SENDER) == message_id
    assert await _gone(town, content), "the repeat brought nothing back"
    town.logs_hold()


async def test_evidence_of_what_left_comes_out_of_the_archive(town: Any) -> None:
    """By the same request as before, to the byte what the archive's file holds."""
    content = town.document(SENDER, [PROVINCE])
    message_id = await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tinh", content)
    await town.acknowledge("tinh", delivered["delivery_id"])
    await town.until(lambda: _gone(town, content))

    async with (
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(town.node("xa").control))
        ) as operator,
        operator.get(f"http://node/v1/messages/{message_id}/evidence") as response,
        operator.get("http://node/v1/archive") as listed,
    ):
        assert response.status == 200
        evidence = await response.read()
        files = (await listed.json())["files"]
    folder = town.node("xa").folder / "data" / "archive"
    found = [evidence_in(path, message_id) for path in archive_files(folder)]
    (held,) = [b"".join(one) for one in found if one is not None]
    assert held == evidence
    assert files[0]["previous"] is None
    town.logs_hold()


@pytest.mark.parametrize("point", ["step:uncommitted", "drop:begin"])
async def test_a_crash_in_the_sweep_leaves_nothing_half_done(town: Any, point: str) -> None:
    """Before the commit all of it is there still, after it the file is garbage of the next start."""
    content = town.document(SENDER, [PROVINCE], padding_bytes=600_000)
    message_id = await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tinh", content)
    town.crashed.clear()
    town.arm("xa", point)
    await town.acknowledge("tinh", delivered["delivery_id"])

    await town.settled("xa", message_id, DeliveryState.HANDED_OVER)
    await town.until(lambda: _gone(town, content))

    assert town.crashed == ["xa"]
    assert len(town.receipts("xa", message_id)) >= 3
    town.logs_hold()


async def _gone(town: Any, content: bytes) -> bool:
    digest = digest_of(content)
    kept = [
        town.node(name).folder / "data" / "payloads" / digest[:2] / digest
        for name in ("xa", "tinh")
    ]
    rows = [
        row
        for name in ("xa", "tinh")
        for row in town.rows(name, "SELECT 1 FROM payloads WHERE digest = ?", digest)
    ]
    return not rows and not any(path.exists() for path in kept)


async def test_what_still_waits_for_its_recipient_stays(town: Any) -> None:
    """However often is swept."""
    content = town.document(SENDER, [PROVINCE])
    await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tinh", content)
    later = town.document(SENDER, [PROVINCE])
    await town.send("xa", later, SENDER)
    (done,) = await town.delivered("tinh", later)
    await town.acknowledge("tinh", done["delivery_id"])
    await town.until(lambda: _gone(town, later))

    assert await town.dms("tinh").get(delivered["delivery_id"]) == content


async def test_an_upload_that_no_transfer_names_expires(town: Any) -> None:
    """While the node runs, and its neighbour's quota is free again."""
    folder = town.node("tinh").folder / "data" / "ahead" / "xa"
    folder.mkdir(parents=True, exist_ok=True)
    left = folder / ("a" * 64)
    left.write_bytes(b"half of a document")

    async def expired() -> bool:
        return not left.exists()

    await town.until(expired)
