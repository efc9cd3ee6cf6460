"""W16.3: a neighbour reads checkpoints and hash tiles of the log, and no entries."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.audit.checkpoint import head_of
from relay.audit.tiles import Tile, hashes_of, right_edge, root_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
PREFIX = "/axis/v1/log"


async def _get(hub: Any, path: str) -> tuple[int, bytes]:
    async with (
        hub.peers["xa"].session() as session,
        session.get(f"{hub.url}{PREFIX}/{path}") as response,
    ):
        return response.status, await response.read()


async def test_a_neighbour_can_check_the_root_of_the_published_log(hub: Any) -> None:
    async with asyncio.timeout(20):
        while (found := await _get(hub, "0/checkpoint"))[0] != 200:
            await asyncio.sleep(0.05)
    head = head_of(found[1])

    async def hashes(tile: Tile) -> list[bytes]:
        status, content = await _get(hub, f"0/{tile.path}")
        assert status == 200
        return hashes_of(content, tile)

    assert head.size > 0
    assert root_of([await hashes(tile) for tile in right_edge(head.size)]) == head.root


@pytest.mark.parametrize(
    "path", ["0/tile/entries/000.p/1", "0/tile/entries/000", "0/progress", "1/checkpoint", "0/tile"]
)
async def test_nothing_else_of_it_is_there_for_a_neighbour(hub: Any, path: str) -> None:
    assert (await _get(hub, path))[0] == 404


async def test_a_node_says_that_it_has_tiles(hub: Any) -> None:
    async with (
        hub.peers["xa"].session() as session,
        session.get(f"{hub.url}/axis/v1/node") as response,
    ):
        assert "log-tiles" in (await response.json())["capabilities"]
