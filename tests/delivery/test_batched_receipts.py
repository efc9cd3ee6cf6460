"""Receipts in batches on the way of a document: shared when the load is high, single where asked."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.delivery.arrivals import TransferDesk
from relay.delivery.records import Ready
from relay.envelope.reader import read
from relay.errors import SignatureError, TransportError
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Priority,
    Receipt,
    Signed,
    TraceStep,
    TransferHeader,
    TransferId,
    digest_of,
)
from relay.routing.next_hop import Place
from relay.signing.evidence import sign_receipts
from relay.signing.gathering import Gathering
from relay.signing.hand import Hand
from relay.signing.notary import NodeNotary
from relay.signing.verifier import prove
from relay.wire.receipt import write_receipt

HERE, UP, THON = NodeId("xa"), NodeId("tinh"), NodeId("thon")


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
        world.keys["tinh"].check_receipt(one, world.clock.now())
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


async def test_a_repeat_asks_for_what_the_first_attempt_asked_for(world: Any) -> None:
    """A neighbour with a slow key needs batches most after an outage, when everything is repeated."""
    world.wire.failing = lambda *_: TransportError("down") if len(world.wire.carried) < 4 else None
    old = [await world.submit("H01") for _ in range(2)]
    await world.journal.perform(
        lambda tx: tx.run(
            "UPDATE arrivals SET batched = 0 WHERE message_row ="
            " (SELECT message_row FROM messages WHERE message_id = ?)",
            old[1].message_id,
        )
    )
    world.build()
    async with world.run():
        for one in old:
            await world.reach(one.message_id, "relayed")
    asked: dict[str, list[bool]] = {}
    for header, batched in zip(world.wire.carried, world.wire.batched, strict=True):
        asked.setdefault(header.message_id, []).append(batched)
    assert set(asked[old[0].message_id]) == {True}
    assert set(asked[old[1].message_id]) == {False}
    assert sum(map(len, asked.values())) >= 5


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


# ---------------------------------------------------------------- travelling back


async def _consigned(world: Any, count: int) -> tuple[list[Any], list[Signed]]:
    """Messages that the neighbour took over, and its receipts in one batch that they are available."""
    accepted = [await world.submit("H01") for _ in range(count)]
    async with world.run():
        for one in accepted:
            await world.reach(one.message_id, "relayed")
    documents = []
    for one in accepted:
        view = await world.journal.message(one.message_id)
        receipt = Receipt(
            issuer=UP,
            origin=NodeId("xa"),
            message_id=one.message_id,
            digest=view.digest,
            size_bytes=view.size_bytes,
            transfer_id=None,
            sent_by=NodeId("xa"),
            at=world.clock.now(),
            evidence=(Evidence(Event.CONTENT_CONSIGNMENT, AgencyCode("H01"), one.receipt),),
        )
        documents.append(write_receipt(receipt))
    signer = world.keys["tinh"].signer
    return accepted, sign_receipts(documents, UP, signer, world.clock.now())


async def test_receipts_of_a_batch_travel_back_and_are_kept_with_their_proofs(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is proven once, each receipt by its path; each settles its delivery."""
    accepted, signed = await _consigned(world, 5)
    proofs = 0

    def counted(*args: Any, **named: Any) -> Any:
        nonlocal proofs
        proofs += 1
        return prove(*args, **named)

    monkeypatch.setattr("relay.signing.batches.prove", counted)
    await world.dispatcher.returns.take(UP, signed)

    assert proofs == 1
    for one, kept in zip(accepted, signed, strict=True):
        assert await world.states(one.message_id) == {"available"}
        assert (await world.journal.receipt(kept.digest))[0] == kept


async def test_one_that_is_not_of_the_batch_keeps_all_of_them_out(world: Any) -> None:
    """As any that does not verify: what the neighbour hands over is taken whole or not at all."""
    accepted, signed = await _consigned(world, 3)
    spoilt = [*signed[:2], Signed(signed[2].document, signed[1].signature)]

    with pytest.raises(SignatureError) as caught:
        await world.dispatcher.returns.take(UP, spoilt)

    assert caught.value.reason == "not-in-batch"
    for one in accepted:
        assert await world.states(one.message_id) == {"relayed"}


# ---------------------------------------------------------------- on the way through


@pytest.mark.parametrize("batched", [True, False])
async def test_what_passes_through_asks_onward_for_what_its_sender_takes(
    world: Any, batched: bool
) -> None:
    """An older node anywhere before this one is enough: it said nothing, so nothing is asked beyond."""
    offered: list[tuple[NodeId, Ready]] = []
    desk = TransferDesk(
        Place(HERE, UP, frozenset({UP, THON})),
        world.keys["directory"],
        world.journal,
        world.keys["xa"],
        world.clock,
        timedelta(minutes=5),
        1 << 20,
        lambda neighbour, ready: offered.append((neighbour, ready)),
    )
    content = world.document(["H01.16"], Priority.NORMAL, "H01")
    now = world.clock.now()
    above = world.keys["tinh"]
    header = TransferHeader(
        transfer_id=TransferId(world.clock.mint()),
        message_id=MessageId(world.clock.mint()),
        origin=UP,
        sent_by=UP,
        sent_to=HERE,
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01"),
        recipients=(AgencyCode("H01.16"),),
        priority=Priority.NORMAL,
        digest=digest_of(content),
        size_bytes=len(content),
        created_at=now,
        expires_at=now + timedelta(days=1),
        trace=(TraceStep(UP, now, digest_of(b"a receipt")),),
    )
    seal = above.seal(header.digest, header.sender, now)
    opened = await desk.open(UP, above.sign_transfer(header, now), batched=batched)
    assert not isinstance(opened, Signed)
    payload = Payload(header.digest, header.size_bytes, content, None)
    await desk.take(opened, seal.signature, read(content), payload)

    assert [(to, ready.batched) for to, ready in offered] == [(THON, batched)]
    (stored,) = await world.journal.ready(THON, Lane.NORMAL, 10)
    assert stored.batched is batched


async def test_each_receipt_of_a_batch_is_an_entry_of_the_log_by_its_digest(world: Any) -> None:
    """Issued or received, singly or with others: the log has them all, and each as often as it came."""
    key = _Key(world, slow=False)
    world.build(key.notary)
    content = [world.document(["H01"], Priority.NORMAL, "H01.15") for _ in range(5)]
    issued = await asyncio.gather(*(world.submit("H01", content=one) for one in content))
    assert key.signatures == 1
    world.build()
    accepted, received = await _consigned(world, 5)
    await world.dispatcher.returns.take(UP, received)

    leaves = [parse(one.leaf) for one in await world.journal.entries(0, 10_000)]
    logged = {one["receipt"]: one["event"] for one in leaves if "receipt" in one}

    assert {logged[one.receipt] for one in (*issued, *accepted)} == {"message-accepted"}
    assert {logged[one.digest] for one in received} == {"receipt-received"}
