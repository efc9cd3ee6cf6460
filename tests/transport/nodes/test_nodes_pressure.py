"""Between nodes, back-pressure is a retryable 503 before anything is taken; receipts always pass."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from relay.delivery.pressure.quota import Quotas, Waiting, neighbour_party
from relay.errors import ConflictError, TransportError, UnansweredError
from relay.journal.space import Free
from relay.model import Event, Evidence, NodeId
from relay.transport.nodes.server import RECEIPTS_TYPE
from relay.wire.container import write_receipts

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20


@contextlib.contextmanager
def _short(hub: Any) -> Iterator[None]:
    """Nothing is free on the node's disk."""
    reserve = hub.running._reserve
    measure, reserve.measure = reserve.measure, lambda: Free(0, None)
    reserve.look()
    try:
        yield
    finally:
        reserve.measure = measure
        reserve.look()


@pytest.fixture
def short(hub: Any) -> Iterator[None]:
    with _short(hub):
        yield


def _payloads(hub: Any) -> list[Any]:
    data = hub.node.folder / "data"
    return [p for name in ("payloads", "ahead") for p in (data / name).rglob("*") if p.is_file()]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("padding_bytes", [0, 300_000, 3 * MIB])
async def test_under_the_reserve_a_transfer_is_put_off_and_not_in_doubt(
    hub: Any, padding_bytes: int
) -> None:
    """Whether its envelope is in its row, in a file or goes ahead; nothing of it is kept."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=padding_bytes))
    before = _payloads(hub)

    with pytest.raises(TransportError, match=r"HTTP 503 .*free space 0 bytes") as refused:
        await xa.carry(transfer)

    assert not isinstance(refused.value, UnansweredError)
    assert hub.is_unknown(transfer)
    assert _payloads(hub) == before


@pytest.mark.usefixtures("short")
async def test_an_upload_is_refused_before_it_is_read(hub: Any) -> None:
    """With Retry-After, and while the sender still has most of it in its hand."""
    xa = hub.peers["xa"]
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 400 * MIB:
            sent += MIB
            yield bytes(MIB)

    async with (
        xa.session() as session,
        session.patch(
            f"{hub.url}/axis/v1/payloads/{'a' * 64}", data=endless(), headers={"Upload-Offset": "0"}
        ) as response,
    ):
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
    assert sent < 400 * MIB


@pytest.mark.usefixtures("short")
async def test_under_the_reserve_receipts_and_questions_are_still_answered(hub: Any) -> None:
    """What was accepted before goes on: its receipts come in, and its answers are given again."""
    xa = hub.peers["xa"]
    signed = xa.notary.sign_receipt(_receipt(xa), xa.clock.now())
    async with xa.session() as session:
        async with session.post(
            f"{hub.url}/axis/v1/receipts",
            data=write_receipts([signed]),
            headers={"Content-Type": RECEIPTS_TYPE},
        ) as response:
            assert response.status == 204
        async with session.get(f"{hub.url}/axis/v1/transfers/{xa.clock.mint()}") as response:
            assert response.status == 404


def _receipt(xa: Any) -> Any:
    from relay.model import AgencyCode, MessageId, Receipt, digest_of

    return Receipt(
        issuer=xa.name,
        origin=NodeId("tinh"),
        message_id=MessageId(xa.clock.mint()),
        digest=digest_of(b"x"),
        size_bytes=1,
        transfer_id=None,
        sent_by=NodeId("tinh"),
        at=xa.clock.now(),
        evidence=(Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H01.15"), digest_of(b"y")),),
    )


async def test_once_there_is_room_the_same_transfer_is_taken(hub: Any) -> None:
    """After a refusal nothing stands in its way."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=2 * MIB))
    with _short(hub), pytest.raises(TransportError):
        await xa.carry(transfer)

    receipt = await xa.carry(transfer)

    assert {e.event for e in receipt.evidence} >= {Event.RELAY_ACCEPTANCE}


async def test_a_neighbour_over_its_quota_is_put_off_and_others_are_not(hub: Any) -> None:
    """By the journal's own count, which the gate has not seen yet; then by the gate's."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    journal, pressure = hub.running._journal, hub.running._pressure
    quotas = journal.quotas
    journal.quotas = Quotas(1, 1, 1 << 30, 1 << 30)
    try:
        first = xa.transfer(recipients=("G22",))  # waits for the uplink, which nobody plays
        await xa.carry(first)
        with pytest.raises(TransportError, match=r"HTTP 503 .*waiting_per_neighbour"):
            await xa.carry(xa.transfer(recipients=("G22",)))
        assert await xa.carry(first)
        assert await xa.carry(xa.transfer(recipients=("H01",)))
        assert await xb.carry(xb.transfer(recipients=("G22",)))
    finally:
        journal.quotas = quotas
    counted, pressure.waiting = (
        pressure.waiting,
        {neighbour_party(NodeId("xa")): Waiting(10**9, 1)},
    )
    with pytest.raises(TransportError, match=r"HTTP 503 .*waiting_per_neighbour"):
        await xa.carry(xa.transfer(recipients=("H01",)))
    pressure.waiting = counted


async def test_bodies_of_one_neighbour_are_bounded(hub: Any) -> None:
    """One that holds all its slots with bodies that do not come is refused; another is not."""
    xa, xb = hub.peers["xa"], hub.peers["xb"]
    pressure = hub.running._pressure
    each, pressure.at_once_each = pressure.at_once_each, 3
    gate = asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield b"--"
        await gate.wait()

    async def stall() -> None:
        async with (
            xa.session() as session,
            session.post(f"{hub.url}/axis/v1/transfers", data=held()) as response,
        ):
            await response.read()

    stalled = [asyncio.create_task(stall()) for _ in range(3)]
    try:
        async with asyncio.timeout(10):
            while pressure._coming[neighbour_party(NodeId("xa"))] < 3:
                await asyncio.sleep(0.01)
        with pytest.raises(TransportError, match=r"HTTP 503 .*limit 3"):
            await xa.carry(xa.transfer())
        assert await xb.carry(xb.transfer())
    finally:
        gate.set()
        pressure.at_once_each = each
        for task in stalled:
            with contextlib.suppress(Exception):
                await task
    assert await xa.carry(xa.transfer())


@pytest.mark.parametrize("padding_bytes", [0, 300_000, 3 * MIB])
async def test_under_the_reserve_a_repeat_gets_its_first_answer(
    hub: Any, padding_bytes: int
) -> None:
    """To the byte, by its header alone: nothing of the envelope is read, and none need go ahead again."""
    xa = hub.peers["xa"]
    transfer = xa.transfer(xa.document(padding_bytes=padding_bytes))
    named = (NodeId("tinh"), transfer.signed, transfer.seal, transfer.payload)
    first, before = await xa.client.carry(*named), _payloads(hub)

    with _short(hub):
        assert await xa.client.carry(*named) == first

    assert _payloads(hub) == before


async def test_a_neighbour_over_its_quota_gets_the_answers_it_was_given(hub: Any) -> None:
    """And for one that is new behind it, in the same request, none: that goes again by itself."""
    xa = hub.peers["xa"]
    known, new = xa.transfer(), xa.transfer()
    first = await xa.client.carry(NodeId("tinh"), known.signed, known.seal, known.payload)
    both = [(one.signed, one.seal, one.payload) for one in (known, new)]
    pressure = hub.running._pressure
    quotas, pressure.quotas = pressure.quotas, Quotas(0, 0, 0, 0)
    try:
        assert await xa.client.carry_several(NodeId("tinh"), both) == (first,)
        with pytest.raises(TransportError, match=r"HTTP 503 .*waiting_per_neighbour"):
            await xa.client.carry_several(NodeId("tinh"), both[::-1])
        assert hub.is_unknown(new)
    finally:
        pressure.quotas = quotas
    assert await xa.carry(new)


async def test_under_the_reserve_a_known_id_with_another_header_is_a_conflict(hub: Any) -> None:
    """As at any other time."""
    xa = hub.peers["xa"]
    first = xa.transfer()
    await xa.carry(first)
    other = xa.transfer(transfer_id=first.header.transfer_id)

    with _short(hub), pytest.raises(ConflictError):
        await xa.carry(other)
