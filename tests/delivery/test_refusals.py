"""Senders told of a refusal by a status, where the node is set to do so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery import refusals
from relay.delivery.ports import Accepted, InboxQuery, Intake, Submission
from relay.delivery.recovery.recovering import GuardedIntake
from relay.delivery.refusals import RefusalDesk
from relay.delivery.saying import Speaker
from relay.envelope.reader import read
from relay.errors import OverloadError, QuotaError, ReserveError, TransportError, UnansweredError
from relay.journal.refusals import Refusals
from relay.model import AgencyCode, MessageType, NodeId, Priority

SENDER = frozenset({AgencyCode("H01.15")})
SPEAKER = AgencyCode("H01.18")
UP = NodeId("tinh")


@pytest.fixture
def desk(world: Any) -> RefusalDesk:
    return _desk(world)


def _desk(world: Any) -> RefusalDesk:
    speaks = Speaker(NodeId("xa"), world.intake, world.journal, world.clock)
    return RefusalDesk(SPEAKER, Refusals(world.journal), speaks)


async def _statuses(world: Any) -> list[Any]:
    listed = await world.journal.inbox(SENDER, InboxQuery(message_type=MessageType.STATUS))
    return [read((await world.journal.payload(item.digest)).content) for item in listed]


async def test_a_refused_recipient_is_told_of_by_a_status(world: Any, desk: RefusalDesk) -> None:
    """In the sender's own list, about its document, in the node's words, once."""
    content = world.document(["H01", "H99.9"], Priority.NORMAL, "H01.15")
    await world.submit("H01", "H99.9", content=content)

    assert await desk.sweep(SPEAKER) == 1
    assert await desk.sweep(SPEAKER) == 0

    (status,) = await _statuses(world)
    assert status.sender.organ_id == SPEAKER
    assert status.status.status_code == "02"
    assert "không phải của đơn vị nhận" in status.status.description
    assert "H99.9" in status.status.description
    assert status.response_for[0].document_id == read(content).document_id


async def test_told_once_though_the_process_died_before_it_noted_so(
    world: Any, desk: RefusalDesk
) -> None:
    """The intake knows the status again by its idempotency key, though its time differs."""

    class Forgetful(Refusals):
        async def told(self, row: Any) -> None:
            pass

    await world.submit("H01", "H99.9")
    await replace(desk, book=Forgetful(world.journal)).sweep(SPEAKER)
    world.late = timedelta(minutes=1)

    await desk.sweep(SPEAKER)

    assert len(await _statuses(world)) == 1


async def test_an_unknown_outcome_is_not_told_until_it_is_certain(world: Any) -> None:
    """The recipient may have it: a "refused" could be false."""
    world.policy = replace(world.policy, normal_expiry=timedelta(minutes=3))
    world.build()
    world.wire.failing = lambda *_: UnansweredError("cut")
    accepted = await world.submit("H01")
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
    world.wire.asking = TransportError("down")
    world.late = timedelta(minutes=4)
    await world.expiry.sweep()
    desk = _desk(world)
    assert await desk.sweep(SPEAKER) == 0

    world.wire.asking = None
    await world.expiry.ask_again(UP)

    assert await desk.sweep(SPEAKER) == 1
    assert len(await _statuses(world)) == 1


async def test_a_status_that_is_refused_is_not_answered_by_another(
    world: Any, desk: RefusalDesk
) -> None:
    """Only documents are told of, or two nodes could talk for ever."""
    await world.submit("H01", "H99.9")
    await desk.sweep(SPEAKER)

    assert await desk.sweep(SPEAKER) == 0


async def test_what_ended_while_nobody_was_to_be_told_is_not_told_later(world: Any) -> None:
    await world.submit("H01", "H99.9")

    await Refusals(world.journal).forget_all()

    assert await _desk(world).sweep(SPEAKER) == 0


# ---------------------------------------------------------------- while nothing is taken in


@dataclass
class _Narrow:
    """An intake that takes so many and then is full."""

    intake: Intake
    room: int
    error: OverloadError

    async def submit(self, submission: Submission) -> Accepted:
        if self.room <= 0:
            raise self.error
        self.room -= 1
        return await self.intake.submit(submission)


@pytest.mark.parametrize(
    "error",
    [OverloadError("busy"), QuotaError("waiting", "full"), ReserveError("the disk is full")],
)
async def test_what_finds_no_room_waits_and_is_told_once_there_is(
    world: Any, desk: RefusalDesk, error: OverloadError
) -> None:
    """Those before it are told and not told again; none is forgotten, whatever the bound was."""
    for _ in range(3):
        await world.submit("H01", "H99.9")
    narrow = _Narrow(world.intake, 1, error)
    waiting = replace(desk, speaker=replace(desk.speaker, intake=narrow))

    assert await waiting.sweep(SPEAKER) == 0
    assert len(await _statuses(world)) == 1
    assert await waiting.sweep(SPEAKER) == 0
    assert len(await desk.book.waiting(10)) == 2

    narrow.room = 9
    assert await waiting.sweep(SPEAKER) == 2
    assert len(await _statuses(world)) == 3
    assert await desk.book.waiting(10) == []


async def test_a_node_that_recovers_tells_nobody_until_it_is_done(
    world: Any, desk: RefusalDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk looks again by itself, and does not go round and round meanwhile."""
    monkeypatch.setattr(refusals, "LOOK_SECONDS", 0.02)
    asked: list[str | None] = []
    reason: str | None = "recovering"

    def waits_for() -> str | None:
        asked.append(reason)
        return reason

    await world.submit("H01", "H99.9")
    running = asyncio.create_task(
        replace(
            desk, speaker=replace(desk.speaker, intake=GuardedIntake(world.intake, waits_for))
        ).run()
    )
    await world.until(lambda: len(asked) > 2)
    assert len(asked) < 50
    assert await _statuses(world) == []

    reason = None
    await world.until(lambda: _statuses(world))

    assert not running.done()
    running.cancel()


async def test_more_than_a_page_is_told_without_a_pause(
    world: Any, desk: RefusalDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was full is followed by the next at once; the pause comes behind the last."""
    monkeypatch.setattr(refusals, "AT_ONCE", 2)
    for _ in range(5):
        await world.submit("H01", "H99.9")
    running = asyncio.create_task(desk.run())

    async def all_told() -> bool:
        return len(await _statuses(world)) == 5

    await world.until(all_told)
    running.cancel()


async def test_one_that_cannot_be_told_holds_up_nobody(world: Any, desk: RefusalDesk) -> None:
    """A sender that has no route any more is passed over, with a line in the log."""
    for _ in range(2):
        await world.submit("H01", "H99.9")
    first, _second = await desk.book.waiting(10)

    class Renamed(Refusals):
        async def waiting(self, limit: int) -> list[Any]:
            found = await super().waiting(limit)
            return [replace(one, sender="H77.7") if one.row == first.row else one for one in found]

    assert await replace(desk, book=Renamed(world.journal)).sweep(SPEAKER) == 2

    assert len(await _statuses(world)) == 1
    assert await desk.book.waiting(10) == []


async def test_a_refusal_that_turned_out_otherwise_meanwhile_is_not_told(
    world: Any, desk: RefusalDesk
) -> None:
    """It expired, and then the recipient's own word came: the sender is told nothing false."""
    await world.submit("H01", "H99.9")
    (waiting,) = await desk.book.waiting(10)
    await world.journal.perform(
        lambda tx: tx.run(
            "UPDATE deliveries SET state = 'available', reason = NULL WHERE delivery_row = ?",
            waiting.row,
        )
    )

    assert await desk.sweep(SPEAKER) == 1

    assert await _statuses(world) == []
    assert await desk.book.waiting(10) == []


async def test_a_node_without_a_voice_forgets_what_it_would_tell(world: Any) -> None:
    """So that nothing old is told once it gets one."""
    await world.submit("H01", "H99.9")
    desk = replace(_desk(world), agency=None)
    running = asyncio.create_task(desk.run())

    async def forgotten() -> bool:
        return not await desk.book.waiting(10)

    await world.until(forgotten)
    running.cancel()
