"""A node's own part of a timeline, out of its journal and log: found without reading the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relay.delivery.ports import Caller
from relay.delivery.timeline.desk import TimelineDesk
from relay.delivery.timeline.ports import Line, Source, Step, Timeline
from relay.delivery.tracking import TrackingDesk
from relay.errors import NotFoundError, TransportError, UnansweredError
from relay.journal import timeline as table
from relay.journal.timeline import TimelineTable
from relay.model import AgencyCode, MessageId, NodeId
from relay.signing.verifier import signer_named

HERE, UP = NodeId("xa"), NodeId("tinh")
SENDER = Caller("system:test", frozenset({AgencyCode("H01.15")}))


def desk(world: Any) -> TimelineDesk:
    journal = world.journal
    return TimelineDesk(HERE, TrackingDesk(journal), TimelineTable(journal), signer_named)


async def told(world: Any, accepted: Any) -> Timeline:
    return await desk(world).timeline(SENDER, accepted.message_id)


def own(found: Timeline) -> tuple[Line, ...]:
    (root,) = found.way
    assert root.node == HERE
    return root.lines


@asynccontextmanager
async def failing(world: Any, error: Exception) -> AsyncIterator[None]:
    world.wire.failing = lambda *_: error
    yield
    world.wire.failing = lambda *_: None


async def test_what_waited_here_and_went_on(world: Any) -> None:
    """Refused once, taken over then: each line of it with the entry that says so, and the signers by name."""
    async with world.run():
        async with failing(world, TransportError("down")):
            accepted = await world.submit("H01", "H01.16")
            await world.until(lambda: _postponed(world))
        await world.reach(accepted.message_id, "relayed")
    found = await told(world, accepted)
    by_event = {line.event: line for line in own(found)}
    assert {"SubmissionAcceptance", "seal", "transfer-frozen", "transfer-postponed"} <= set(
        by_event
    )
    assert "transfer-answered" in by_event
    for line in by_event.values():
        if line.source is Source.LOG or line.source is Source.RECEIPT:
            (leaf,) = await world.journal.rows(
                "SELECT leaf FROM entries WHERE entry_index = ?", (line.entry,)
            )
            assert accepted.message_id.encode() in leaf[0]
    assert by_event["SubmissionAcceptance"].receipt == accepted.receipt
    assert "xa" in by_event["SubmissionAcceptance"].signer
    assert found.sealed_by
    assert found.sealed_by in by_event["seal"].text
    assert {stay.node for stay in found.way[0].onward} == {UP, NodeId("thon")}
    (stands,) = [line for line in found.way[0].onward[0].lines if line.step is Step.STANDS]
    assert stands.source is Source.NOTHING


async def _postponed(world: Any) -> bool:
    return bool(
        await world.journal.rows(
            "SELECT 1 FROM entries WHERE instr(leaf, CAST('transfer-postponed' AS BLOB))"
        )
    )


async def test_what_is_in_doubt_says_so_and_by_which_entry(world: Any) -> None:
    """The journal says how it stands, the log that it came so."""
    async with failing(world, UnansweredError("cut")):
        accepted = await world.submit("H01")
        async with world.run():
            await world.reach(accepted.message_id, "in-doubt")
        found = await told(world, accepted)
    waited = [line for line in own(found) if line.step is Step.WAITED]
    assert ["may have it" in line.text for line in waited] == [True]
    (stands,) = [line for line in own(found) if line.step is Step.STANDS]
    assert (stands.source, stands.event) == (Source.JOURNAL, "in-doubt")
    assert "cut" in stands.text
    assert not found.final


async def test_it_is_seen_by_whoever_may_see_the_message(world: Any) -> None:
    """Nobody else learns even that it is there."""
    accepted = await world.submit("H01")
    asking = desk(world)
    for caller in (
        Caller("a", frozenset({AgencyCode("H01")})),
        Caller("b", frozenset(), operator=True),
        Caller("c", frozenset(), auditor=True),
    ):
        assert (await asking.timeline(caller, accepted.message_id)).view.message_id
    for caller, name in (
        (Caller("d", frozenset({AgencyCode("H01.16")})), accepted.message_id),
        (SENDER, MessageId("0199aaaa-0000-7000-8000-000000000000")),
    ):
        with pytest.raises(NotFoundError):
            await asking.timeline(caller, name)


async def test_entries_are_found_by_an_index(world: Any) -> None:
    """Whatever the log's length: the query reads no entry of another message."""
    accepted = await world.submit("H01")
    plan = await world.journal.rows(
        "EXPLAIN QUERY PLAN " + table.SQL["entries"], (accepted.message_id, 10)
    )
    assert [row[-1] for row in plan] == ["SEARCH entries USING INDEX entries_by_message (<expr>=?)"]
    other = await world.submit("H01")
    found = await TimelineTable(world.journal).records(await _view(world, accepted))
    assert {one.fields["message"] for one in found.entries} == {accepted.message_id}
    assert other.message_id != accepted.message_id


async def _view(world: Any, accepted: Any) -> Any:
    return await world.journal.message(accepted.message_id)


async def test_more_entries_than_are_looked_through_are_told_of(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the node takes are, and it says that there are more."""
    accepted = await world.submit("H01")
    monkeypatch.setattr(table, "MOST_ENTRIES", 0)
    found = await told(world, accepted)
    assert found.entries_left_out
