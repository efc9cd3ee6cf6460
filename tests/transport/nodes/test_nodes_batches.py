"""Answers signed in batches (W13.6): only for who asks, kept with the way they travel back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from relay.model import NodeId, Signed
from relay.transport.nodes.server import BATCHES_CAPABILITY, BATCHES_HEADER

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = NodeId("tinh")
MANY = 16


def _several(transfers: list[Any]) -> list[tuple[Any, ...]]:
    return [(one.signed, one.seal, one.payload) for one in transfers]


def _in_batches(answers: list[Signed]) -> int:
    return sum(one.signature.startswith(b"<BatchProof ") for one in answers)


async def test_the_answers_of_one_request_share_signatures(hub: Any) -> None:
    """Each is proven by itself or with the others, settles its own transfer, and is repeated to the
    letter, proof and all."""
    xa = hub.peers["xa"]
    transfers = [xa.transfer() for _ in range(MANY)]

    answers = list(await xa.client.carry_several(HERE, _several(transfers), batched=True))

    assert len({one.signature.partition(b"<Batch xmlns")[2] for one in answers}) < MANY
    assert _in_batches(answers) > 1
    check = xa.notary.checker(datetime.now(UTC))
    for transfer, answer in zip(transfers, answers, strict=True):
        assert check(answer) == xa.notary.check_receipt(answer, datetime.now(UTC))
        assert check(answer).transfer_id == transfer.header.transfer_id
    again = await xa.client.carry(
        HERE, transfers[-1].signed, transfers[-1].seal, transfers[-1].payload
    )
    assert again == answers[-1]


async def test_who_does_not_ask_gets_single_signatures(hub: Any) -> None:
    """A node of an earlier version says nothing, and understands nothing else."""
    xa = hub.peers["xa"]
    answers = list(
        await xa.client.carry_several(HERE, _several([xa.transfer() for _ in range(MANY)]))
    )
    assert _in_batches(answers) == 0


async def test_a_neighbour_may_demand_single_signatures(hub: Any) -> None:
    """By its own setting, whatever the way back would bear."""
    xa = hub.peers["xa"]
    client = replace(xa.client, batches=False, _sessions={})
    try:
        transfers = _several([xa.transfer() for _ in range(MANY)])
        answers = list(await client.carry_several(HERE, transfers, batched=True))
    finally:
        await client.close()
    assert _in_batches(answers) == 0


@pytest.mark.parametrize("batched", [True, False])
async def test_what_the_sender_said_is_kept_with_the_arrival(hub: Any, batched: bool) -> None:
    """Receipts that come later travel the same way back."""
    xa = hub.peers["xa"]
    transfer = xa.transfer()
    await xa.client.carry(HERE, transfer.signed, transfer.seal, transfer.payload, batched=batched)
    found = hub.rows(
        "SELECT batched FROM arrivals WHERE transfer_id = ?", transfer.header.transfer_id
    )
    assert found == [(int(batched),)]


@pytest.mark.parametrize("word", ["0", "yes", "", "1, 1"])
async def test_any_other_word_asks_for_nothing(hub: Any, word: str) -> None:
    xa = hub.peers["xa"]
    transfer = xa.transfer()
    async with (
        xa.session() as session,
        session.post(
            f"{hub.url}/axis/v1/transfers", data=transfer.body, headers={BATCHES_HEADER: word}
        ) as response,
    ):
        assert response.status == 200
    found = hub.rows(
        "SELECT batched FROM arrivals WHERE transfer_id = ?", transfer.header.transfer_id
    )
    assert found == [(0,)]


async def test_a_node_says_that_it_understands_batches(hub: Any) -> None:
    async with (
        hub.peers["xa"].session() as session,
        session.get(f"{hub.url}/axis/v1/node") as response,
    ):
        assert isinstance(response, aiohttp.ClientResponse)
        assert BATCHES_CAPABILITY in (await response.json())["capabilities"]
