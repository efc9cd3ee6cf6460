"""What stays unknown whatever is asked never keeps the rest from being asked about."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery import expiry
from relay.errors import TransportError, UnansweredError
from relay.model import NodeId, TransferId
from tests.delivery.test_expiry import LATE

UP = NodeId("tinh")


@pytest.fixture
async def unknown(hasty: Any, monkeypatch: pytest.MonkeyPatch) -> list[TransferId]:
    """Seven transfers that ended with an unknown outcome, the oldest first; two make a page."""
    for name, value in (
        ("AT_ONCE", 2),
        ("ASK_SOON_SECONDS", 0.02),
        ("SWEEP_SECONDS", 0.01),
    ):
        monkeypatch.setattr(expiry, name, value)
    hasty.wire.failing = lambda *_: UnansweredError("cut")
    hasty.dispatcher.channels[UP].window = 8
    hasty.wire.gate.clear()
    many = [await hasty.submit("H01") for _ in range(7)]
    async with hasty.run():
        await hasty.until(lambda: hasty.wire.under_way == 7)
        hasty.wire.gate.set()
        for one in many:
            await hasty.reach(one.message_id, "in-doubt")
    hasty.wire.asking = TransportError("down")
    hasty.late = LATE
    while await hasty.expiry.sweep():
        pass
    hasty.wire.asking = None
    hasty.wire.asked.clear()
    return sorted({header.transfer_id for header in hasty.wire.carried})


def _answers_wrongly(world: Any, wrong: list[TransferId]) -> None:
    """With what proves nothing of any of these: the answer to another transfer."""
    other = next(h for h in world.wire.carried if h.transfer_id not in wrong)
    answer = world.wire.answer(UP, other)
    del world.wire.answers[other.transfer_id]
    world.wire.answers |= dict.fromkeys(wrong, answer)


async def _left(world: Any) -> list[TransferId]:
    found = await world.journal.unknown_outcomes(UP, 100)
    return [waiting.transfer.transfer_id for waiting in found]


async def test_what_cannot_be_proven_does_not_keep_the_rest_from_being_asked(
    hasty: Any, unknown: list[TransferId]
) -> None:
    """More of it than a page holds, and older: one sign of life is enough for the others, and each is
    asked about once."""
    _answers_wrongly(hasty, unknown[:5])
    running = asyncio.create_task(hasty.expiry.run())
    hasty.dispatcher.contact(UP)

    async def only_those() -> bool:
        return await _left(hasty) == unknown[:5]

    await hasty.until(only_those)
    await asyncio.sleep(0.2)
    running.cancel()
    assert Counter(hasty.wire.asked) == Counter(unknown)


async def test_no_word_of_the_neighbour_hurries_what_cannot_be_proven(
    hasty: Any, unknown: list[TransferId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page, then a pause, however often it speaks meanwhile."""
    monkeypatch.setattr(expiry, "ASK_SOON_SECONDS", 60.0)
    _answers_wrongly(hasty, unknown[:6])
    running = asyncio.create_task(hasty.expiry.run())
    for _ in range(20):
        hasty.dispatcher.contact(UP)
        await asyncio.sleep(0.01)

    running.cancel()
    assert hasty.wire.asked == unknown[:2]


async def test_one_over_which_the_neighbour_falls_silent_is_asked_about_last(
    hasty: Any, unknown: list[TransferId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next turn begins behind it and comes round to it: neither are the others kept from their turn by
    it, nor does it lose its own."""
    honest, chokes_on = hasty.wire.ask, unknown[2]

    async def ask(neighbour: NodeId, transfer_id: TransferId) -> Any:
        if transfer_id == chokes_on:
            hasty.wire.asked.append(transfer_id)
            raise TransportError("no answer")
        return await honest(neighbour, transfer_id)

    monkeypatch.setattr(hasty.wire, "ask", ask)
    _answers_wrongly(hasty, unknown[:2])
    running = asyncio.create_task(hasty.expiry.run())
    hasty.dispatcher.contact(UP)

    await hasty.until(lambda: len(hasty.wire.asked) == len(unknown) + 3)
    running.cancel()

    # The turn that broke off; the whole one after it, from there on round to where it broke off.
    assert hasty.wire.asked == [*unknown[:3], *unknown[3:], *unknown[:3]]
    assert await _left(hasty) == unknown[:3]


async def test_a_page_that_is_all_certain_goes_on_at_once(
    hasty: Any, unknown: list[TransferId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to wait for."""
    monkeypatch.setattr(expiry, "ASK_SOON_SECONDS", timedelta(hours=1).total_seconds())
    running = asyncio.create_task(hasty.expiry.run())
    hasty.dispatcher.contact(UP)

    async def none_left() -> bool:
        return not await _left(hasty)

    await hasty.until(none_left)
    running.cancel()
    assert hasty.wire.asked == unknown
