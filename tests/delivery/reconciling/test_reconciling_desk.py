"""The desk's own part: who may ask, in what bounds, and what a neighbour's clock does. No wire, no journal."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.clock import Clock
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller
from relay.delivery.reconciling import desk as desks
from relay.delivery.reconciling import run
from relay.delivery.reconciling.desk import ReconcilingDesk
from relay.delivery.reconciling.ports import (
    NOWHERE,
    Believed,
    Claimed,
    Elsewhere,
    Exchanged,
    Kept,
    Kind,
    Listing,
    Period,
    Report,
    Side,
    Standing,
    Told,
    Twice,
    Window,
)
from relay.errors import AccessError, NotFoundError, NotPossibleError, OverloadError
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Digest,
    MessageId,
    MessageType,
    NodeId,
    TransferId,
)

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
PERIOD = Period(NOW - timedelta(days=1), NOW + timedelta(hours=1))
HERE, THERE = NodeId("xa"), NodeId("tinh")
MINE, THEIRS = AgencyCode("H01.15"), AgencyCode("H01")
OPERATOR = Caller("operator", frozenset(), operator=True)
SYSTEM = Caller("so", frozenset({MINE}))
MONTHS = timedelta(days=700)
OLDER = {"000.00.00.H01": THEIRS}
"""A code in the form it had, and as it is written now."""


def exchanged(at: datetime) -> Exchanged:
    return Exchanged(
        TransferId("01900000-0000-7000-8000-000000000001"),
        MessageId("01900000-0000-7000-8000-000000000002"),
        HERE,
        MessageType.DOCUMENT,
        MINE,
        Digest("a" * 64),
        None,
        at,
        (Believed(THEIRS, Standing.TAKEN, at),),
    )


class NoDoubles:
    def add(self, side: Side, transfers: Sequence[Exchanged]) -> None: ...
    def found(self) -> Sequence[Twice]:
        return ()

    def close(self) -> None: ...


@dataclass
class World:
    """Both lists, as a test sets them: exchanges, kept and neighbour in one."""

    ours: dict[Side, tuple[Exchanged, ...]] = field(default_factory=dict)
    theirs: dict[Side, tuple[Exchanged, ...]] = field(default_factory=dict)
    there: datetime = NOW
    kept_there: datetime = NOW - MONTHS
    able: bool = True
    known: frozenset[DeliveryId] = frozenset()
    rows: list[Kept] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    noted_: list[tuple[str, NodeId | None]] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    forms: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset({MINE, THEIRS})

    def desk(self) -> ReconcilingDesk:
        return ReconcilingDesk(
            HERE,
            frozenset({THERE}),
            _Exchanges(self),
            _Kept(self),
            _Ask(self),
            lambda code: AgencyCode(OLDER.get(code.upper(), code.upper())),
            KnownAgencies(
                lambda codes: frozenset({AgencyCode("000.00.15.H01"), *map(AgencyCode, codes)}),
                lambda code: code in self.listed,
                self._knows,
            ),
            MONTHS,
            Clock(wall=lambda: NOW),
        )

    async def _knows(self, codes: Collection[AgencyCode]) -> bool:
        return any(row.agency in codes for row in self.rows)


@dataclass
class _Exchanges:
    world: World

    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Listing:
        return Listing(self.world.ours.get(side, ()), None)

    async def sent_to(
        self, neighbour: NodeId, deliveries: Sequence[DeliveryId]
    ) -> frozenset[DeliveryId]:
        return self.world.known.intersection(deliveries)

    async def notations(self, messages: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(messages, "7/CV")

    async def noted(
        self, by: Caller, report: Report, why: str, *, neighbour: NodeId | None
    ) -> None:
        self.world.noted_.append((by.holder, neighbour))

    def doubles(self) -> NoDoubles:
        return NoDoubles()


@dataclass
class _Kept:
    world: World

    async def kept(self, forms: Collection[AgencyCode], *_: Any) -> list[Kept]:
        self.world.forms = frozenset(forms)
        return self.world.rows

    async def elsewhere(self, forms: Collection[AgencyCode], ids: Collection[str]) -> Elsewhere:
        return NOWHERE


@dataclass
class _Ask:
    world: World

    async def capable(self, neighbour: NodeId) -> bool:
        await self.world.gate.wait()
        return self.world.able

    async def listing(self, neighbour: NodeId, side: Side, window: Window) -> Told:
        self.world.windows.append(window)
        listing = Listing(self.world.theirs.get(side, ()), None)
        return Told(listing, self.world.there, self.world.kept_there)


@pytest.fixture
def world() -> World:
    world = World()
    world.gate.set()
    return world


async def asked(world: World, period: Period = PERIOD) -> Report:
    return await world.desk().with_neighbour(OPERATOR, THERE, period, "")


async def test_only_a_neighbour_that_can_is_asked_and_it_is_noted(world: World) -> None:
    assert (await asked(world)).agrees
    assert world.noted_ == [("operator", THERE)]
    assert {one.until for one in world.windows} == {NOW}  # nothing of the future
    world.able = False
    with pytest.raises(NotPossibleError, match="release"):
        await asked(world)
    with pytest.raises(NotFoundError):
        await world.desk().with_neighbour(OPERATOR, NodeId("xb"), PERIOD, "")
    assert len(world.noted_) == 1


async def test_a_misspelt_agency_is_told_from_one_of_which_there_is_nothing(world: World) -> None:
    """Nothing differs of an agency that there is not: the neighbour is not asked, and nothing is noted."""
    world.listed = frozenset({MINE})
    assert (await asked(world, replace(PERIOD, agency=MINE))).agrees
    with pytest.raises(NotFoundError, match="no agency H01 is in the directory"):
        await asked(world, replace(PERIOD, agency=THEIRS))
    with pytest.raises(NotFoundError, match="no agency H01"):
        await world.desk().with_system(OPERATOR, "H01", PERIOD, set(MessageType), [])
    assert len(world.noted_) == 1
    world.rows = [_kept()]
    assert (
        await asked(world, replace(PERIOD, agency=THEIRS))
    ).agrees  # not listed any more, but met


async def test_what_was_sent_by_a_transfer_of_another_period_is_known(world: World) -> None:
    one = exchanged(NOW - timedelta(hours=2))
    world.theirs = {Side.RECEIVED: (one,)}
    assert (await asked(world)).counts[Kind.MISSING] == 1
    world.known = frozenset({one.delivery_id(one.recipients[0])})
    assert (await asked(world)).same == 1


async def test_the_neighbours_clock_widens_what_counts_as_recent(world: World) -> None:
    """Of clocks that are apart nobody can say which is right."""
    world.ours = {Side.SENT: (exchanged(NOW - timedelta(minutes=20)),)}
    assert (await asked(world)).counts[Kind.MISSING] == 1
    world.there = NOW - timedelta(minutes=10)
    report = await asked(world)
    assert (report.counts[Kind.UNDER_WAY], report.offset_seconds) == (1, -600)


@pytest.mark.parametrize("year", [1, 9999])
async def test_a_clock_at_an_end_of_the_calendar_breaks_no_run(world: World, year: int) -> None:
    """It makes everything recent, and the report says how far it is off."""
    world.ours = {Side.SENT: (exchanged(NOW - timedelta(minutes=20)),)}
    world.there = NOW.replace(year=year)
    report = await asked(world)
    assert report.counts[Kind.UNDER_WAY] == 1
    assert abs(report.offset_seconds) > 10**9


async def test_a_neighbour_of_short_memory_makes_what_it_lacks_not_compared(world: World) -> None:
    world.ours = {Side.SENT: (exchanged(NOW - timedelta(hours=2)),)}
    world.kept_there = NOW - timedelta(hours=1)
    report = await asked(world)
    assert (report.counts[Kind.NOT_COMPARED], report.kept_since) == (1, world.kept_there)
    assert report.agrees


async def test_two_runs_with_the_same_are_not_made_at_once(world: World) -> None:
    desk = world.desk()
    world.gate.clear()
    first = asyncio.create_task(desk.with_neighbour(OPERATOR, THERE, PERIOD, ""))
    await asyncio.sleep(0)
    with pytest.raises(OverloadError):
        await desk.with_neighbour(OPERATOR, THERE, PERIOD, "")
    world.gate.set()
    assert (await first).agrees
    assert (await desk.with_neighbour(OPERATOR, THERE, PERIOD, "")).agrees


async def test_a_run_that_is_too_long_or_too_large_asks_for_a_shorter_period(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ours = {Side.SENT: (exchanged(NOW),)}
    monkeypatch.setattr(run, "MOST_COMPARED", 0)
    with pytest.raises(NotPossibleError, match="shorter period"):
        await asked(world)
    monkeypatch.setattr(desks, "MOST_KEPT", 0)
    world.rows = [_kept()]
    with pytest.raises(NotPossibleError, match="more than 0"):
        await world.desk().with_system(SYSTEM, "", PERIOD, set(MessageType), [])
    monkeypatch.setattr(desks, "MOST_SECONDS", 0.0)
    world.gate.clear()
    with pytest.raises(NotPossibleError, match="not done within"):
        await asked(world)


async def test_a_system_speaks_for_its_own_agencies_only(world: World) -> None:
    world.rows = [_kept()]
    types = set(MessageType)
    found = await world.desk().with_system(SYSTEM, "", PERIOD, types, [])
    assert (found.party, found.counts[Kind.MISSING]) == (MINE, 1)
    assert (await world.desk().with_system(SYSTEM, "h01.15", PERIOD, types, [])).party == MINE
    with pytest.raises(AccessError):
        await world.desk().with_system(SYSTEM, "H01", PERIOD, types, [])
    both = replace(SYSTEM, agencies=frozenset({MINE, THEIRS}))
    with pytest.raises(AccessError, match="2 agencies"):
        await world.desk().with_system(both, "", PERIOD, types, [])
    with pytest.raises(AccessError):
        await world.desk().with_system(OPERATOR, "", PERIOD, types, [])
    assert (await world.desk().with_system(OPERATOR, "H01", PERIOD, types, [])).party == "H01"
    assert world.noted_[0] == ("so", None)


async def test_an_agency_is_known_by_each_form_of_its_code(world: World) -> None:
    """Rows of before a code was written anew are its own, and its partners' are theirs."""
    older = replace(_kept(), agency=AgencyCode("000.00.00.H01"))
    world.rows = [older]
    claim = Claimed(Side.SENT, message_id=MessageId("m"), agency=THEIRS)
    types = set(MessageType)
    report = await world.desk().with_system(SYSTEM, "", PERIOD, types, [claim])
    assert (report.same, report.agencies[0].agency) == (1, THEIRS)
    assert world.forms == {MINE, "000.00.15.H01"}
    sent = exchanged(NOW - timedelta(hours=2))
    world.ours = {Side.SENT: (replace(sent, sender=AgencyCode("000.00.15.H01")),)}
    assert (await asked(world, replace(PERIOD, agency=MINE))).counts[Kind.MISSING] == 1
    world.ours = {Side.SENT: (replace(sent, sender=AgencyCode("H77")),)}
    assert (await asked(world, replace(PERIOD, agency=MINE))).counts[Kind.MISSING] == 0


def _kept() -> Kept:
    at = NOW - timedelta(hours=2)
    return Kept(
        Side.SENT, MessageId("m"), DeliveryId("d"), THEIRS, Digest("a" * 64), "", "1/CV", "", at, at,
        DeliveryState.HANDED_OVER, None,
    )  # fmt: skip
