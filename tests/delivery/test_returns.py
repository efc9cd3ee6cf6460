"""The way back: receipts leave in batches, each until it is durable at the neighbour."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.audit.words import replaced
from relay.delivery.clock import Clock
from relay.delivery.inbox import InboxDesk
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.ports import Acknowledgement, Caller, InboxQuery
from relay.errors import AccessError, ConflictError, PeerError, TransportError, UnansweredError
from relay.journal import carrying
from relay.model import AgencyCode, Event, Evidence, MessageType, NodeId, Priority, Receipt, Signed
from relay.signing import pki
from relay.signing.evidence import receipt_document, sign_receipt, sign_receipts
from relay.signing.keys import Signer
from relay.signing.pki_words import KeyType

UP = NodeId("tinh")
ALL = Caller("operator", frozenset(), operator=True)
OWN = Caller("token:1:own", frozenset({AgencyCode("H01.18")}))
LOCAL = Caller("local:root", frozenset(), operator=True, local=True)


@pytest.fixture
async def waiting(world: Any) -> list[Signed]:
    """Three receipts about messages of this node, queued for its uplink by hand."""
    return [await _queued(world) for _ in range(3)]


async def _queued(world: Any, priority: Priority = Priority.NORMAL) -> Signed:
    receipt = await _receipt(world, priority)
    signed: Signed = world.keys["tinh"].sign_receipt(receipt, receipt.at)
    await world.journal.record_receipts(UP, [(signed, receipt)], receipt.at)
    await world.journal.perform(
        lambda tx: tx.run(carrying.SQL["add_return"], "tinh", signed.digest)
    )
    return signed


async def _receipt(world: Any, priority: Priority = Priority.NORMAL) -> Receipt:
    """By the uplink, about a new message of this node's."""
    accepted = await world.submit("H01", priority=priority)
    view = await world.journal.message(accepted.message_id)
    return Receipt(
        issuer=UP,
        origin=NodeId("xa"),
        message_id=accepted.message_id,
        digest=view.digest,
        size_bytes=view.size_bytes,
        transfer_id=None,
        sent_by=None,
        at=world.clock.now(),
        evidence=(Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H01")),),
    )


async def _until_none_waits(world: Any) -> None:
    async def none() -> bool:
        return not await world.journal.returns(UP, 10)

    await world.until(none)


async def test_what_waits_is_handed_back_and_forgotten(world: Any, waiting: list[Signed]) -> None:
    """As it was signed, in the order it came."""
    async with world.run():
        await _until_none_waits(world)
    assert world.wire.handed == waiting


async def test_receipts_go_back_in_the_lane_of_their_document(world: Any) -> None:
    """Express overtakes what waits, urgent after it; an eighth of a batch is what waits longest."""
    normals = [await _queued(world) for _ in range(10)]
    urgent = await _queued(world, Priority.URGENT)
    express = [await _queued(world, Priority.EXPRESS) for _ in range(9)]

    async def first(count: int) -> list[str]:
        return [one.receipt.digest for one in await world.journal.returns(UP, count)]

    digests = [signed.digest for signed in (*express, urgent, *normals)]
    assert await first(20) == digests
    assert await first(8) == [*digests[:7], normals[0].digest]
    assert await first(1) == digests[:1]


async def test_an_unreachable_neighbour_gets_them_later(world: Any, waiting: list[Signed]) -> None:
    """None is dropped, and the wait grows like that of transfers."""
    left = 3

    def handing(_: Sequence[Signed]) -> Exception | None:
        nonlocal left
        left -= 1
        return TransportError("down") if left >= 0 else None

    world.wire.handing = handing
    async with world.run():
        await world.until(lambda: len(world.wire.handed) == 3)


async def test_receipts_the_neighbour_chokes_on_do_not_stop_documents(
    world: Any, waiting: list[Signed]
) -> None:
    """A dead neighbour's one probe is not theirs each time: new documents and old have their turns."""
    world.wire.handing = lambda _: UnansweredError("cut")
    broken = [UnansweredError("cut")]
    world.wire.failing = lambda *_: broken.pop() if broken else None
    old = await world.submit("H01")
    async with world.run():
        await world.until(lambda: world.dispatcher.channels[UP].dead)
        late = await world.submit("H01")
        await world.reach(old.message_id, "relayed")
        await world.reach(late.message_id, "relayed")
    assert (world.wire.handed, broken) == ([], [])


async def test_a_neighbour_that_does_not_know_us_gets_them_once_it_does(
    world: Any, waiting: list[Signed]
) -> None:
    """A wrong list of neighbours over there is repaired some day; until then nothing is parked."""
    left = 3

    def handing(_: Sequence[Signed]) -> Exception | None:
        nonlocal left
        left -= 1
        return AccessError("HTTP 403: not a neighbour") if left >= 0 else None

    world.wire.handing = handing
    async with world.run():
        await world.until(lambda: len(world.wire.handed) == 3)


async def test_none_is_parked_for_a_neighbour_that_forgets_us_in_between(
    world: Any, waiting: list[Signed]
) -> None:
    """It refuses the batch for one of them, and then no longer knows who asks: that says nothing of the
    others."""
    bad, left = waiting[1], 2

    def handing(receipts: Sequence[Signed]) -> Exception | None:
        nonlocal left
        if len(receipts) == 1 and left:
            left -= 1
            return AccessError("HTTP 403: not a neighbour")
        return PeerError("HTTP 422") if bad in receipts else None

    world.wire.handing = handing
    async with world.run():
        await _until_none_waits(world)

    assert world.wire.handed == [waiting[0], waiting[2]]
    parked = await world.journal.rows("SELECT receipt FROM returns WHERE parked = 1")
    assert parked == [(bad.digest,)]


async def test_one_that_is_refused_stops_no_other(world: Any, waiting: list[Signed]) -> None:
    """The neighbour refuses a batch as a whole; one by one only the bad one stays behind."""
    bad = waiting[1]
    world.wire.handing = lambda receipts: PeerError("HTTP 422") if bad in receipts else None
    async with world.run():
        await _until_none_waits(world)

    assert world.wire.handed == [waiting[0], waiting[2]]


async def test_an_acknowledgement_leaves_at_once_and_once(world: Any) -> None:
    """`done` makes one handover receipt however often it is said, and nothing takes it back."""
    world.policy = RetryPolicy(timedelta(minutes=1))
    accepted = await world.submit("H01.18")
    told: list[Any] = []
    desk = InboxDesk(NodeId("xa"), world.journal, world.keys["xa"], world.clock, told.append)
    (item,) = await desk.list(ALL, InboxQuery(MessageType.DOCUMENT))

    for said in (Acknowledgement.DONE, Acknowledgement.DONE, Acknowledgement.PROCESSING):
        assert (
            await desk.acknowledge(OWN, item.delivery_id, said)
        ).acknowledgement is Acknowledgement.DONE
    with pytest.raises(ConflictError, match="already acknowledged done"):
        await desk.acknowledge(OWN, item.delivery_id, Acknowledgement.FAIL)

    view = await world.journal.message(accepted.message_id)
    events = [r.event for r in view.deliveries[0].receipts]
    assert events.count(Event.CONTENT_HANDOVER) == 1
    assert Event.CONTENT_HANDOVER_FAILURE not in events


async def test_an_operator_acknowledges_for_no_agency(world: Any) -> None:
    """A receipt of handover is the recipient's word: with a token never, on the node itself only with a
    reason, which the log keeps."""
    world.policy = RetryPolicy(timedelta(minutes=1))
    await world.submit("H01.18")
    desk = InboxDesk(NodeId("xa"), world.journal, world.keys["xa"], world.clock, lambda _: None)
    (item,) = await desk.list(ALL, InboxQuery(MessageType.DOCUMENT))

    for caller, why in ((ALL, ""), (ALL, "the DMS is down"), (LOCAL, "")):
        with pytest.raises(AccessError, match="must say why"):
            await desk.acknowledge(caller, item.delivery_id, Acknowledgement.DONE, why=why)
    assert (await desk.find(ALL, item.delivery_id)).acknowledgement is Acknowledgement.INITIAL

    await desk.acknowledge(LOCAL, item.delivery_id, Acknowledgement.DONE, why="the DMS is down")
    leaves = [replaced(parse(one.leaf), one.words) for one in await world.journal.entries(0, 1000)]
    (told,) = [leaf for leaf in leaves if leaf["event"] == "delivery-acknowledged"]
    assert (told["by"], told["why"]) == ("local:root", "the DMS is down")


# ---------------------------------------------------------------- signed for a day to come


@pytest.fixture
def early(world: Any, keys: dict[str, Any], tmp_path: Path) -> tuple[Signer, datetime]:
    """The uplink's next `sign` certificate, and the day it begins."""
    begins = world.clock.now() + timedelta(days=2)
    folder = shutil.copytree(keys["pki"], tmp_path / "pki")
    shutil.rmtree(folder / "nodes" / "tinh")
    pki.issue_node(folder, "tinh", "tinh-h01", key=KeyType.P256, now=begins, days=1)
    files = folder / "nodes" / "tinh"
    return Signer.load(files / "sign.pem", files / "sign.key.pem"), begins


async def test_a_receipt_by_a_certificate_that_is_not_valid_yet_is_put_off_whatever_time_it_claims(
    world: Any, early: tuple[Signer, datetime]
) -> None:
    """Its own claim would make it valid (W3.8). Refused as it is, it would be parked over there and never come
    again, though only a clock may be wrong."""
    signer, begins = early
    receipt, later = await _receipt(world), begins + timedelta(minutes=1)
    signed = sign_receipt(receipt, signer, later)

    with pytest.raises(TransportError, match=r"valid from .*; come again"):
        await world.dispatcher.returns.take(UP, [signed])

    then = replace(world.dispatcher.returns, clock=Clock(wall=lambda: later))
    await then.take(UP, [signed])
    kept, _ = await world.journal.receipt(signed.digest)
    assert kept == signed


async def test_one_that_shares_its_signature_is_put_off_likewise(
    world: Any, early: tuple[Signer, datetime]
) -> None:
    signer, begins = early
    documents = [receipt_document(await _receipt(world), signer) for _ in range(2)]

    signed = sign_receipts(documents, UP, signer, begins + timedelta(minutes=1))

    with pytest.raises(TransportError, match=r"valid from .*; come again"):
        await world.dispatcher.returns.take(UP, signed)


async def test_an_odd_time_alone_is_no_reason(world: Any) -> None:
    """A node whose clock is ahead signs with a certificate that is valid now as well: what it says settles."""
    receipt = await _receipt(world)
    signed = world.keys["tinh"].sign_receipt(receipt, receipt.at + timedelta(days=2))

    await world.dispatcher.returns.take(UP, [signed])

    kept, _ = await world.journal.receipt(signed.digest)
    assert kept == signed
