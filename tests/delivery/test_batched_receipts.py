"""Receipts in batches on the way of a document: shared when the load is high, single where asked."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

from relay.model import NodeId, Priority, Signed
from relay.signing.evidence import sign_receipts
from relay.signing.gathering import Gathering
from relay.signing.hand import Hand
from relay.signing.notary import NodeNotary

UP = NodeId("tinh")


class _Key:
    """The node's own key, which signs only when the test lets it."""

    def __init__(self, world: Any, *, slow: bool) -> None:
        real: NodeNotary = world.keys["xa"]
        self.real_sign = real.signer.sign
        self.signatures = 0
        self.free = threading.Event()
        self.free.set()
        self.asked = threading.Event()
        hand = Hand("slow") if slow else None
        signer = replace(real.signer, sign=self.sign, hand=hand)

        def gathered(receipts: Any) -> list[Signed]:
            return sign_receipts(receipts, real.node, signer, world.clock.now())

        self.gathering = Gathering(gathered, world.journal.before_next, hand)
        self.notary = replace(real, signer=signer, gathering=self.gathering)

    def sign(self, content: bytes) -> bytes:
        self.asked.set()
        assert self.free.wait(30)
        self.signatures += 1
        return self.real_sign(content)


async def _receipts(world: Any, accepted: list[Any]) -> list[Signed]:
    found = [await world.journal.receipt(one.receipt) for one in accepted]
    signed = [one for one, _ in found]
    for one in signed:
        world.keys["tinh"].check_receipt(one)
    return signed


async def test_three_hundred_documents_are_accepted_with_a_few_signatures(world: Any) -> None:
    """The key is held while they come in: what a key of three signatures a second does all the time."""
    key = _Key(world, slow=True)
    world.build(key.notary)
    key.free.clear()
    content = [world.document(["H01"], Priority.NORMAL, "H01.15") for _ in range(300)]
    tasks = [asyncio.create_task(world.submit("H01", content=content[0]))]
    await world.until(key.asked.is_set)
    tasks += [asyncio.create_task(world.submit("H01", content=one)) for one in content[1:]]
    await world.until(lambda: len(key.gathering._waiting) == 299)
    assert not any(task.done() for task in tasks)

    key.free.set()
    accepted = await asyncio.gather(*tasks)

    assert key.signatures == 2  # the agency's own key seals
    assert len({one.message_id for one in accepted}) == 300
    assert len(await _receipts(world, list(accepted))) == 300


async def test_documents_that_come_at_once_share_a_signature(world: Any) -> None:
    """With a key in a file, too: those that wait for the same commit."""
    key = _Key(world, slow=False)
    world.build(key.notary)
    content = [world.document(["H01"], Priority.NORMAL, "H01.15") for _ in range(20)]

    accepted = await asyncio.gather(*(world.submit("H01", content=one) for one in content))

    assert key.signatures == 1
    signed = await _receipts(world, list(accepted))
    assert all(one.signature.startswith(b"<BatchProof ") for one in signed)


async def test_one_alone_is_signed_by_itself(world: Any) -> None:
    key = _Key(world, slow=False)
    world.build(key.notary)

    accepted = await world.submit("H01")

    (signed,) = await _receipts(world, [accepted])
    assert signed.signature.startswith(b"<ds:Signature ")


async def test_a_repeat_gets_the_same_receipt_with_the_same_proof(world: Any) -> None:
    key = _Key(world, slow=False)
    world.build(key.notary)
    content = [world.document(["H01"], Priority.NORMAL, "H01.15") for _ in range(3)]
    first = await asyncio.gather(*(world.submit("H01", content=one) for one in content))
    before = await _receipts(world, list(first))

    again = await asyncio.gather(*(world.submit("H01", content=one) for one in content))

    assert all(one.repeated for one in again)
    assert await _receipts(world, list(again)) == before


async def test_a_neighbour_may_answer_in_batches_where_the_whole_way_back_knows_them(
    world: Any,
) -> None:
    """What came in here has its way back here; of what an older version took in nobody knows."""
    accepted = await world.submit("H01")
    async with world.run():
        await world.reach(accepted.message_id, "relayed")
    assert world.wire.batched == [True]

    world.build()
    old = [await world.submit("H01") for _ in range(3)]
    await world.journal.perform(
        lambda tx: tx.run(
            "UPDATE arrivals SET batched = 0 WHERE message_row ="
            " (SELECT message_row FROM messages WHERE message_id = ?)",
            old[1].message_id,
        )
    )
    world.build()  # as after a restart: what is ready is read from the journal
    async with world.run():
        for one in old:
            await world.reach(one.message_id, "relayed")
    asked = {
        header.message_id: batched
        for header, batched in zip(world.wire.carried, world.wire.batched, strict=True)
    }
    assert [asked[one.message_id] for one in old] == [True, False, True]


async def test_one_that_must_be_answered_singly_speaks_for_its_whole_request(world: Any) -> None:
    old = [await world.submit("H01") for _ in range(4)]
    await world.journal.perform(
        lambda tx: tx.run(
            "UPDATE arrivals SET batched = 0 WHERE message_row ="
            " (SELECT message_row FROM messages WHERE message_id = ?)",
            old[2].message_id,
        )
    )
    world.build()
    world.wire.a_request = 16
    world.dispatcher.channels[UP].window = 32
    async with world.run():
        for one in old:
            await world.reach(one.message_id, "relayed")
    assert world.wire.requests == [4]
    assert world.wire.batched == [False] * 4
