"""W15.4 over mutual TLS: what a witness makes of bytes that are no checkpoint it can take, and of slow ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.audit.add_checkpoint import LIMIT_BYTES
from relay.transport.nodes.witnessing import ADD_PATH, OF_ONE, OPENING_HEADER
from tests.witness.conftest import Log

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _add(hub: Any, body: Any, peer: str = "xa", *openings: str) -> tuple[int, bytes]:
    headers = [(OPENING_HEADER, one) for one in openings]
    async with (
        hub.peers[peer].session() as session,
        session.post(f"{hub.url}{ADD_PATH}", data=body, headers=headers) as response,
    ):
        return response.status, await response.read()


async def test_who_is_no_neighbour_hands_in_nothing(hub: Any) -> None:
    """Whatever its certificate: a node of the tree that is none of this one's neighbours."""
    status, told = await _add(hub, Log(node="xa").grow(3).request(0), "ngoai")
    assert (status, b"ngoai is not a neighbour" in told) == (403, True)


@pytest.mark.parametrize(
    ("body", "openings", "status"),
    [
        (b"", (), 400),
        (b"old 0\n\nx\n\ny\n", (), 400),
        (Log(node="xa").grow(3).request(0)[:-20], (), 400),
        (Log(node="ngoai").grow(3).request(0), (), 404),
        (Log(node="tinh").grow(3).request(0), (), 404),
        (Log(name="log.example").grow(3).request(0), (), 404),
        (Log(node="xa").grow(3).request(0), ("AAAA", "AAAA"), 422),
        (Log(node="xa").grow(3).request(0), ("AAAA " * 64 + "AAAA",), 422),
        (Log(node="xa").grow(3).request(0), ("é",), 422),
        (bytes(LIMIT_BYTES + 1), (), 413),
    ],
    ids=lambda value: None if isinstance(value, int) else "",
)
async def test_what_is_no_checkpoint_of_a_log_known_here_is_refused(
    hub: Any, body: bytes, openings: tuple[str, ...], status: int
) -> None:
    """By the status of its fault; a header that proves no beginning is as good as none (W15.6)."""
    assert (await _add(hub, body, "xa", *openings))[0] == status


async def test_a_refused_checkpoint_is_an_entry_that_names_the_neighbour(hub: Any) -> None:
    before = hub.size()
    assert (await _add(hub, b"old 0\n"))[0] == 400
    refused = [one for one in hub.entries(before) if one["event"] == "peer-refused"]
    assert [(one["neighbour"], one["reason"]) for one in refused] == [
        ("xa", "checkpoint-malformed")
    ]


async def test_a_slow_neighbour_takes_no_place_of_another(hub: Any) -> None:
    """Of one neighbour so many are read at a time; one more is told to come again, another's is judged."""
    go = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"old 0\n"
        await go.wait()

    async with hub.peers["xa"].session() as session:
        slows = [
            asyncio.create_task(session.post(f"{hub.url}{ADD_PATH}", data=slow()))
            for _ in range(OF_ONE)
        ]
        async with asyncio.timeout(10):
            while (await _add(hub, b"old 0\n"))[0] != 503:
                await asyncio.sleep(0.02)
        assert (await _add(hub, b"old 0\n", "xb"))[0] == 400
        go.set()
        for one in asyncio.as_completed(slows):
            response: aiohttp.ClientResponse = await one
            assert response.status == 400
    assert (await _add(hub, b"old 0\n"))[0] == 400
