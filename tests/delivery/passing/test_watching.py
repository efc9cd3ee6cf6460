"""What is told of a wait, and how often: pure, with the time as an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.clock import Clock
from relay.delivery.passing.ports import DeliveryRow, Kept, Standing, Watch
from relay.delivery.passing.watching import PassageWatcher, looked_at, reason_of
from relay.model import AgencyCode, DeliveryState, Digest, NodeId
from relay.wire.passage import MOST_WAITS, Passage, WaitReason

S, W = DeliveryState, WaitReason
AT = datetime(2026, 11, 23, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def standing(state: DeliveryState = S.QUEUED, **changes: Any) -> Standing:
    plain = Standing(
        DeliveryRow(1),
        state,
        AT,
        NodeId("xa"),
        Digest("a" * 64),
        AT,
        "0199aaaa-0000-7000-8000-000000000000",
        NodeId("xa"),
        AgencyCode("H01"),
        "node",
        (),
        0,
        False,
        False,
        None,
    )
    return replace(plain, **changes)


def watched(one: Standing, now: datetime) -> tuple[Watch, bool]:
    kept = looked_at(one, now)
    assert kept is not None
    assert kept.watch is not None
    return kept.watch, kept.tell


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (standing(S.HELD, neighbour_failing=True), W.HELD),
        (standing(S.IN_DOUBT, neighbour_failing=True, tried=True), W.ANSWER_MISSING),
        (standing(neighbour_failing=True, tried=True), W.NEIGHBOUR_UNAVAILABLE),
        (standing(S.IN_FLIGHT, neighbour_failing=True), W.NEIGHBOUR_UNAVAILABLE),
        (standing(tried=True), W.NEIGHBOUR_REFUSES_NOW),
        (standing(), W.LANE_WAITS),
        (standing(S.IN_FLIGHT), None),
    ],
)
def test_each_state_has_its_word(one: Standing, reason: WaitReason | None) -> None:
    assert reason_of(one) is reason


def test_it_is_told_after_a_minute_then_for_a_new_reason_at_growing_pauses() -> None:
    """And not again while nothing is new."""
    one = standing(neighbour_failing=True)
    watch, tell = watched(one, AT + MINUTE / 2)
    assert (tell, watch.waits[0].since) == (False, AT)
    one = replace(one, watch=watch)
    assert looked_at(one, AT + MINUTE * 0.9) is None
    watch, tell = watched(one, AT + MINUTE)
    assert tell
    one = replace(one, watch=watch)
    assert looked_at(one, AT + MINUTE * 600) is None

    told = []
    for minute in range(1, 100):
        one = replace(one, neighbour_failing=minute % 2 == 0, tried=True)
        kept = looked_at(one, AT + MINUTE * (minute + 1))
        assert kept is not None
        told += [minute + 1] if kept.tell else []
        one = replace(one, watch=kept.watch)
    assert told == [2, 6, 22, 86]
    assert one.watch is not None
    assert len(one.watch.waits) == MOST_WAITS
    assert one.watch.waits[0].since == AT
    assert [wait.until for wait in one.watch.waits[:-1]].count(None) == 0
    assert one.watch.waits[-1].until is None


class Book:
    """PassBook of what a test puts in."""

    def __init__(self, waits: list[Standing], over: list[Standing]) -> None:
        self.waits, self.over = waits, over
        self.told: list[Passage] = []

    async def waiting(self, *_: Any) -> tuple[list[Standing], None]:
        return self.waits, None

    async def held(self) -> list[Standing]:
        return []

    async def ended(self) -> list[Standing]:
        found, self.over = self.over, []
        return found

    async def keep(self, changed: Sequence[Kept], told: Sequence[Passage], at: datetime) -> None:
        self.told += told


async def test_what_came_together_and_waited_alike_is_one_passage() -> None:
    """What ended without going on has no departure."""
    first = standing(neighbour_failing=True)
    both = [first, replace(first, row=DeliveryRow(2), recipient=AgencyCode("H02"))]
    held = replace(first, row=DeliveryRow(3), recipient=AgencyCode("H03"), state=S.HELD)
    watch, _ = watched(first, AT + MINUTE)
    later = AT + 2 * MINUTE
    went = replace(first, state=S.RELAYED, watch=watch, changed=later)
    expired = replace(went, state=S.EXPIRED)
    book = Book([*both, held], [went, expired])
    await PassageWatcher(NodeId("huyen"), book, Clock(wall=lambda: AT + 3 * MINUTE)).look()

    told = [(one.recipients, one.waits[-1].reason, one.departed) for one in book.told]
    assert told == [
        (("H01",), W.NEIGHBOUR_UNAVAILABLE, later),
        (("H01",), W.NEIGHBOUR_UNAVAILABLE, None),
        (("H01", "H02"), W.NEIGHBOUR_UNAVAILABLE, None),
        (("H03",), W.HELD, None),
    ]
    assert [one.waits[-1].until for one in book.told] == [later, later, None, None]
