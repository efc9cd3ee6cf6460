"""Thin and broken links: slow is no failure, a cut costs what was under way, silence ends in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.errors import TransportError, UnansweredError
from relay.model import Event, NodeId
from relay.transport.nodes.client import NodesClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = NodeId("tinh")

LOST_AT_A_CUT = 160 << 10
"""What the other side may have read and not taken when its connection breaks: aiohttp lets a body's buffer
fill to 128 KiB while a busy machine is elsewhere, and drops it with the connection; and each handshake."""


@pytest.fixture
def over(hub: Any, thin_link: Any) -> Callable[..., Any]:
    """`async with over(answer_within, rate=…) as (peer, link)`: a neighbour behind a thin link."""

    @asynccontextmanager
    async def behind(answer_within: float, **link: Any) -> AsyncIterator[tuple[Any, Any]]:
        peer = hub.peers["xa"]
        async with thin_link(hub.node.nodes_port, **link) as thin:
            client = NodesClient(
                {HERE: f"https://127.0.0.1:{thin.listening}"},
                peer.tls,
                peer.store,
                peer.client.connections,
                4,
                timedelta(seconds=answer_within),
            )
            try:
                yield replace(peer, client=client), thin
            finally:
                await client.close()

    return behind


@pytest.mark.parametrize(("padding_bytes", "rate"), [(600_000, 80_000), (1_200_000, 160_000)])
async def test_slow_is_no_failure(over: Any, padding_bytes: int, rate: int) -> None:
    """In one request or ahead: a body may take many times as long as an answer may, while it moves."""
    async with over(6.0, rate=rate) as (peer, link):
        transfer = peer.transfer(peer.document(padding_bytes=padding_bytes))

        receipt = await peer.carry(transfer)

    assert receipt.evidence[0].event is Event.RELAY_ACCEPTANCE
    assert link.connections == 1
    assert link.up_bytes < 1.1 * len(transfer.content)


async def test_an_upload_makes_progress_across_cuts(over: Any) -> None:
    """One attempt goes on after each cut, from where the other side is; nothing begins at zero."""
    async with over(5.0, cut_after=300_000) as (peer, link):
        transfer = peer.transfer(peer.document(padding_bytes=1_500_000))

        receipt = await peer.carry(transfer)

    assert receipt.evidence[0].event is Event.RELAY_ACCEPTANCE
    assert link.cuts >= 6
    assert link.up_bytes - len(transfer.content) < link.cuts * LOST_AT_A_CUT


async def test_a_link_on_which_nothing_gets_through_is_a_failure(over: Any) -> None:
    """Cut before an upload has brought a byte over: the neighbour's turn is over, not in doubt."""
    async with over(5.0, cut_after=6_000) as (peer, link):
        transfer = peer.transfer(peer.document(padding_bytes=1_500_000))

        with pytest.raises((TransportError, UnansweredError)):
            await peer.carry(transfer)

    assert link.cuts < 10


async def test_a_body_that_stands_still_ends_in_time(over: Any) -> None:
    """A link that takes no bytes and says nothing holds its slot no longer than an answer may take."""
    async with over(0.5) as (peer, link):
        await peer.carry(peer.transfer())
        transfer = peer.transfer(peer.document(padding_bytes=900_000))
        link.standing = True

        async with asyncio.timeout(10):
            with pytest.raises(UnansweredError):
                await peer.carry(transfer)
