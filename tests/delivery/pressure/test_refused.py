"""Refusals: an entry for a caller we know, within its share of a minute; the rest counted and summed up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
import structlog

from relay.audit.entries import AuditEvent, entry, parse
from relay.audit.words import replaced
from relay.delivery.clock import Clock
from relay.delivery.pressure.refused import ENTRIES, MOST_KINDS, RefusedCallersDesk
from relay.errors import JournalError
from relay.model import NodeId


class Written:
    """The journal, as far as a note goes: each is a leaf, so that what no leaf may hold is noticed."""

    def __init__(self) -> None:
        self.leaves: list[dict[str, Any]] = []
        self.fails = False

    async def note(self, event: str, at: datetime, fields: Mapping[str, object]) -> None:
        if self.fails:
            raise JournalError("the journal has stopped")
        made = entry(AuditEvent(event), at, NodeId("tinh"), **fields)
        self.leaves.append(replaced(parse(made.leaf), json.loads(made.words or "{}")))


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def desk(written: Written) -> RefusedCallersDesk:
    return RefusedCallersDesk(written, Clock())  # type: ignore[arg-type]


async def test_strangers_are_summed_up_by_face_and_reason(
    desk: RefusedCallersDesk, written: Written
) -> None:
    """One entry and one line for all of a minute."""
    for _ in range(1000):
        desk.stranger("axis", "bad-signature")
    desk.stranger("nodes", "tls")

    with structlog.testing.capture_logs() as logs:
        await desk.sum_up()

    (leaf,) = written.leaves
    assert (leaf["event"], leaf["count"]) == ("refused-summary", 1001)
    assert leaf["refusals"] == [
        {"face": "axis", "reason": "bad-signature", "count": 1000},
        {"face": "nodes", "reason": "tls", "count": 1},
    ]
    assert [(one["event"], one["count"], one["kinds"]) for one in logs] == [
        ("refused-summary", 1001, "axis bad-signature 1000, nodes tls 1")
    ]


async def test_a_minute_without_refusals_leaves_nothing(
    desk: RefusedCallersDesk, written: Written
) -> None:
    """Nor does the minute after one that had some."""
    await desk.sum_up()
    desk.stranger("axis", "bad-signature")
    with structlog.testing.capture_logs() as logs:
        await desk.sum_up()
        await desk.sum_up()

    assert (len(written.leaves), len(logs)) == (1, 1)


async def test_a_known_caller_has_an_entry_for_each_up_to_its_share(
    desk: RefusedCallersDesk, written: Written
) -> None:
    """Beyond it the caller is counted by name; others are not touched by that, and a minute ends."""
    told = [await desk.known("axis", "system:a", "no-route") for _ in range(ENTRIES + 5)]
    assert told == [True] * ENTRIES + [False] * 5
    assert await desk.known("native", "token:1:b", "bad-envelope")
    assert written.leaves[0].items() >= {"event": "peer-refused", "face": "axis", "by": "system:a", "reason": "no-route"}.items()  # fmt: skip

    await desk.sum_up()

    assert len(written.leaves) == ENTRIES + 2
    assert written.leaves[-1]["refusals"] == [
        {"face": "axis", "reason": "no-route", "by": "system:a", "count": 5}
    ]
    assert await desk.known("axis", "system:a", "no-route")


async def test_a_neighbour_is_called_one(desk: RefusedCallersDesk, written: Written) -> None:
    """As in the other entries about it."""
    await desk.known("nodes", "xa", "forbidden")

    assert written.leaves[0]["neighbour"] == "xa"


async def test_a_refusal_may_leave_a_line_alone(desk: RefusedCallersDesk, written: Written) -> None:
    """It still counts against the caller's share."""
    told = [await desk.known("axis", "a", "not-found", entry=False) for _ in range(ENTRIES + 1)]

    assert (told[-2:], written.leaves) == ([True, False], [])


async def test_the_kinds_of_a_minute_are_bounded(
    desk: RefusedCallersDesk, written: Written
) -> None:
    """However many callers there are, memory and the entry stay small."""
    for number in range(10 * MOST_KINDS):
        desk.stranger("axis", f"reason-{number}")

    await desk.sum_up()

    assert len(written.leaves[0]["refusals"]) == MOST_KINDS + 1
    assert written.leaves[0]["count"] == 10 * MOST_KINDS


async def test_a_journal_that_stopped_does_not_change_the_answer(
    desk: RefusedCallersDesk, written: Written
) -> None:
    """Whoever is refused is refused all the same."""
    written.fails = True
    desk.stranger("axis", "x")

    assert await desk.known("axis", "system:a", "no-route")
    await desk.sum_up()
