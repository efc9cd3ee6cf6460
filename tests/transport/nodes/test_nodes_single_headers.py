"""A node that demands single signatures (W13.9): it says nothing, and so nobody shares one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relay.model import NodeId
from relay.transport.nodes.server import SHARED_CAPABILITY

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")


@pytest.fixture(scope="module")
def network(network: Any) -> Any:
    config = network.nodes[HERE].config
    text = config.read_text()
    config.write_text(text.replace("[delivery]\n", "[delivery]\nbatched_transfers = false\n"))
    return network


async def test_a_neighbour_learns_with_the_next_answer_that_it_is_to_sign_each(hub: Any) -> None:
    """Whatever it thought before."""
    xa = hub.peers["xa"]
    client = replace(xa.client, _sessions={}, _together={}, _shared={HERE})
    one = xa.transfer()
    try:
        await client.carry(HERE, one.signed, one.seal, one.payload)
        assert not client.takes_batches(HERE)
    finally:
        await client.close()
    async with (
        xa.session() as session,
        session.get(f"{hub.url}/axis/v1/node") as response,
    ):
        assert SHARED_CAPABILITY not in (await response.json())["capabilities"]
