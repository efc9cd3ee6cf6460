"""Keys too slow to keep a client waiting: accepted first, sealed afterwards, nothing leaves before."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from relay.delivery.ports import InboxQuery
from relay.errors import KeyUnavailableError, SignatureError
from relay.model import AgencyCode, Event, NodeId, Priority, SealKind, Signed

HERE = frozenset({AgencyCode("H01.18")})


@pytest.fixture
def slow(world: Any) -> Any:
    world.slow_key = True
    world.build()
    return world


@contextlib.asynccontextmanager
async def _sealing(world: Any) -> Any:
    task = asyncio.create_task(world.sealing.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_nothing_leaves_before_its_seal(slow: Any) -> None:
    """Accepted and durable, it waits in `sealing`: not sent, not in the inbox."""
    accepted = await slow.submit("H01", "H01.18")
    async with slow.run():
        await asyncio.sleep(0.05)

    assert slow.wire.carried == []
    assert await slow.states(accepted.message_id) == {"sealing"}
    assert await slow.journal.inbox(HERE, InboxQuery()) == []


async def test_once_sealed_it_goes_to_every_recipient(slow: Any) -> None:
    """On to the neighbour, and with a receipt of its own to who is served here."""
    async with slow.run(), _sealing(slow):
        accepted = await slow.submit("H01", "H01.18")
        await slow.reach(accepted.message_id, "relayed", "available")

    (item,) = await slow.journal.inbox(HERE, InboxQuery())
    assert item.seal_kind is SealKind.AGENCY
    view = await slow.journal.message(accepted.message_id)
    local = next(d for d in view.deliveries if d.recipient == "H01.18")
    assert [r.event for r in local.receipts] == [
        Event.SUBMISSION_ACCEPTANCE,
        Event.CONTENT_CONSIGNMENT,
    ]
    assert local.receipts[1].previous == accepted.receipt
    for receipt in local.receipts:
        signed, _ = await slow.journal.receipt(receipt.digest)
        slow.keys["tinh"].check_receipt(Signed(signed.document, signed.signature), slow.clock.now())


async def test_what_a_crash_left_unsealed_is_sealed_after_the_start(slow: Any) -> None:
    """The desk looks at the journal first; nobody need hand it in again."""
    accepted = await slow.submit("H01", "H01.18")
    slow.build()

    async with slow.run(), _sealing(slow):
        await slow.reach(accepted.message_id, "relayed", "available")


async def test_a_repeat_while_it_is_sealed_gets_the_first_answer(slow: Any) -> None:
    content = slow.document(["H01"], Priority.NORMAL, "H01.15")
    first = await slow.submit("H01", content=content)
    second = await slow.submit("H01", content=content)

    assert (second.message_id, second.receipt, second.repeated) == (
        first.message_id,
        first.receipt,
        True,
    )


async def test_what_is_sealed_for_a_neighbour_that_is_no_longer_linked_waits(slow: Any) -> None:
    """It was taken out of the configuration meanwhile: an operator decides, and all others go on."""
    lost, other = await slow.submit("H01.16"), await slow.submit("H01")
    slow.build()
    del slow.dispatcher.channels[NodeId("thon")]

    async with slow.run(), _sealing(slow):
        await slow.reach(other.message_id, "relayed")
        await slow.reach(lost.message_id, "queued")


async def test_what_waits_for_its_seal_waits_in_its_lane(slow: Any) -> None:
    """Express is sealed first, whatever a slow key has before it; an eighth is what waits longest."""
    normals = [await slow.submit("H01", "H01.18") for _ in range(8)]
    urgent = await slow.submit("H01", "H01.16", priority=Priority.URGENT)
    express = [await slow.submit("H01", priority=Priority.EXPRESS_AT_HOUR) for _ in range(7)]

    async def first(count: int) -> list[str]:
        return [one.message_id for one in await slow.journal.unsealed(count)]

    expected = [one.message_id for one in (*express, urgent, *normals)]
    assert await first(16) == expected
    assert await first(8) == [*expected[:7], normals[0].message_id]
    assert await slow.journal.unsealed(16, [AgencyCode("H01.15")]) == []


class _Broken:
    """The notary of the node, whose key for one agency fails."""

    def __init__(self, real: Any, agency: str, error: Exception | None = None) -> None:
        self._real = real
        self._agency = agency
        self.error = error or SignatureError("key-failed", "the token does not answer")
        self.asked: list[str] = []
        self.hung = asyncio.Event()
        self.hung.set()

    def sealed_at_once(self, sender: str) -> bool:
        return False

    async def issue_seal(self, digest: Any, sender: str, at: Any) -> Any:
        self.asked.append(sender)
        if sender == self._agency:
            await self.hung.wait()
            raise self.error
        return await self._real.issue_seal(digest, sender, at)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def test_a_key_that_fails_holds_up_only_its_own(world: Any) -> None:
    """However many of its messages wait in front of the others."""
    world.build(notary=_Broken(world.keys["xa"], "H01.15"))
    stuck = [await world.submit("H01") for _ in range(40)]
    free = await world.submit("H01", sender="H01.18")

    assert await world.sealing.sweep() == 1

    assert await world.states(free.message_id) == {"queued"}
    assert await world.states(stuck[0].message_id) == {"sealing"}
    world.build()
    assert await world.sealing.sweep() == 0
    assert await world.states(stuck[-1].message_id) == {"queued"}


async def test_while_a_token_is_out_documents_are_accepted_and_wait(world: Any) -> None:
    """Nothing is asked of the sender; once the token is back, what waited goes on."""
    world.build(notary=_Broken(world.keys["xa"], "H01.15", KeyUnavailableError("no-token")))
    waiting = [await world.submit("H01") for _ in range(3)]

    assert await world.sealing.sweep() == 1
    assert [await world.states(one.message_id) for one in waiting] == [{"sealing"}] * 3

    world.build()
    assert await world.sealing.sweep() == 0
    assert [await world.states(one.message_id) for one in waiting] == [{"queued"}] * 3


async def test_a_key_that_fails_is_asked_once_a_sweep(world: Any) -> None:
    """However many wait for it: a token that is out is not asked again for each."""
    broken = _Broken(world.keys["xa"], "H01.15")
    world.build(notary=broken)
    for _ in range(40):
        await world.submit("H01")

    await world.sealing.sweep()

    assert broken.asked == ["H01.15"]


async def test_a_key_that_hangs_holds_up_nobody_else(world: Any) -> None:
    """What comes for other agencies meanwhile is sealed and goes, though the key never answers."""
    broken = _Broken(world.keys["xa"], "H01.15")
    broken.hung.clear()
    world.build(notary=broken)
    stuck = await world.submit("H01")
    async with _sealing(world):
        await world.until(lambda: broken.asked)
        free = await world.submit("H01", sender="H01.18")
        await world.reach(free.message_id, "queued")
        assert await world.states(stuck.message_id) == {"sealing"}
