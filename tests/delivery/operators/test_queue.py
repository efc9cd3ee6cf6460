"""What operators see: the shape of the queue, and why a delivery is not delivered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery.operators.control import ControlDesk
from relay.delivery.operators.explaining import span
from relay.delivery.operators.inspecting import (
    AGES,
    Condition,
    Kind,
    PeerCertificate,
    ShapeRow,
    Why,
)
from relay.delivery.operators.orders import Action
from relay.delivery.operators.queue import QueueDesk
from relay.delivery.ports import Caller
from relay.errors import NotFoundError, NotPossibleError, TransportError, UnansweredError
from relay.journal.operating import OperatingTable
from relay.journal.shaping import ShapeTable
from relay.model import NodeId, Priority
from relay.routing.next_hop import Place

HERE, UP, THON, BAN = NodeId("xa"), NodeId("tinh"), NodeId("thon"), NodeId("ban")
OPERATOR = Caller("local:vanhanh", frozenset(), operator=True)


class Seen:
    """Node `xa` with an operator who looks, and may act."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.certificate: PeerCertificate | None = None

    @property
    def desk(self) -> QueueDesk:
        world = self.world
        return QueueDesk(
            world.journal,
            ShapeTable(world.journal, HERE),
            world.dispatcher,
            world.clock,
            lambda _: self.certificate,
        )

    async def row(self, neighbour: NodeId | None) -> ShapeRow:
        shape = await self.desk.shape()
        return next(row for row in shape.rows if row.neighbour == neighbour)

    async def why(self, name: Any) -> tuple[Why, str]:
        name = name if isinstance(name, str) else name.message_id
        found = await self.desk.why(name)
        return found, " ".join(s for one in found.deliveries for s in one.sentences)

    async def act(self, action: Action, accepted: Any, **more: Any) -> None:
        world = self.world
        desk = ControlDesk(
            Place(HERE, UP, frozenset({UP, THON, BAN})),
            world.keys["directory"],
            world.journal,
            OperatingTable(world.journal, HERE),
            world.keys["xa"],
            world.wire,
            world.clock,
            world.dispatcher,
            world.sealing.wake,
        )
        await desk.act(OPERATOR, action, accepted.message_id, "chờ xác minh", **more)


@pytest.fixture
async def seen(world: Any) -> Seen:
    return Seen(world)


async def _fail(world: Any, error: Exception, state: str, *recipients: str) -> Any:
    """A message whose first attempt failed; the next is an hour away."""
    world.policy = replace(world.policy, first=timedelta(hours=1), cap=timedelta(hours=1))
    world.build()
    world.wire.failing = lambda *_: error
    accepted = await world.submit(*(recipients or ("H01",)))
    channel = world.dispatcher.channels[UP]
    async with world.run():
        await world.until(lambda: channel.blocked_until and not channel.under_way)
        await world.reach(accepted.message_id, state)
    world.wire.failing = lambda *_: None
    return accepted


# ---------------------------------------------------------------- the shape


async def test_deliveries_are_counted_by_the_age_they_have_here(world: Any, seen: Seen) -> None:
    """Each in its column, whatever its lane; the total is their sum."""
    for minutes in (2000, 700, 12, 6, 0, 0):
        world.late = timedelta(minutes=-minutes)
        await world.submit("H01", priority=Priority(minutes % 5))
    world.late = timedelta()

    ages = (await seen.row(UP)).kinds[Kind.WAITING]

    assert ages.total == 6
    assert ages.counts == (2, 1, 1, 0, 0, 0, 0, 0, 1, 1)
    assert len(ages.counts) == len(AGES) + 1


async def test_an_empty_queue_shows_every_neighbour_with_nothing(seen: Seen) -> None:
    shape = await seen.desk.shape()

    assert [row.neighbour for row in shape.rows] == [BAN, THON, UP]
    assert all(ages.total == 0 for row in shape.rows for ages in row.kinds.values())
    assert {row.view.condition for row in shape.rows if row.view} == {Condition.UP}


async def test_doubt_hold_and_unknown_outcomes_are_counted_apart(world: Any, seen: Seen) -> None:
    """And never among what simply waits."""
    unknown = await _fail(world, UnansweredError("cut"), "in-doubt")
    world.wire.asking = TransportError("down")
    await seen.act(Action.CANCEL, unknown, unanswered=True)
    world.dispatcher.channels[UP].wake()
    await world.journal.perform(lambda tx: tx.run("DELETE FROM neighbours"))
    await _fail(world, UnansweredError("cut"), "in-doubt", "H01", "H01.9")
    await seen.act(Action.HOLD, await world.submit("H01"))
    await world.submit("H01")

    kinds = (await seen.row(UP)).kinds

    assert {kind.value: ages.total for kind, ages in kinds.items()} == {
        "waiting": 1,
        "in-doubt": 2,
        "held": 1,
        "outcome-unknown": 1,
    }


async def test_what_is_frozen_waits_too_even_beside_one_that_is_held(
    world: Any, seen: Seen
) -> None:
    """Its transfer rests, but it is not forgotten."""
    accepted = await _fail(world, TransportError("down"), "queued", "H01", "H01.9")
    assert (await seen.row(UP)).kinds[Kind.WAITING].total == 2
    named = (await world.sent(accepted.message_id))["H01"].delivery_id
    await seen.act(Action.HOLD, replace(accepted, message_id=named))

    kinds = (await seen.row(UP)).kinds

    assert (kinds[Kind.WAITING].total, kinds[Kind.HELD].total) == (1, 1)


async def test_what_rests_beside_one_that_is_held_says_so_and_how_it_goes_on(
    world: Any, seen: Seen
) -> None:
    """Nothing of an attempt that nobody will make; a flush is refused, a requeue sends it by itself."""
    accepted = await _fail(world, TransportError("down"), "queued", "H01", "H01.9")
    sent = await world.sent(accepted.message_id)
    held, rests = (replace(accepted, message_id=sent[c].delivery_id) for c in ("H01", "H01.9"))
    await seen.act(Action.HOLD, held)

    _, said = await seen.why(rests)

    assert "It rests: it was to go to tinh together with another delivery" in said
    assert "attempt" not in said
    with pytest.raises(NotPossibleError, match="it rests with another delivery"):
        await seen.act(Action.FLUSH, rests)
    await seen.act(Action.REQUEUE, rests)
    assert "It waits for tinh and was not sent yet" in (await seen.why(rests))[1]
    assert "It is held by an operator" in (await seen.why(held))[1]


async def test_what_waits_for_its_seal_is_shown(world: Any, seen: Seen) -> None:
    """For its neighbour, or for nobody else than this node."""
    world.slow_key = True
    world.build()
    await world.submit("H01", "H01.18")

    assert (await seen.row(UP)).kinds[Kind.WAITING].total == 1
    assert (await seen.row(None)).kinds[Kind.WAITING].total == 1


async def test_the_state_of_each_neighbour_is_shown(world: Any, seen: Seen) -> None:
    """Failing after the first failure, dead after three, with the next probe and the last error."""
    await _fail(world, TransportError("connection refused"), "queued")
    view = (await seen.row(UP)).view
    assert view is not None
    assert (view.condition, view.failures, view.last_error) == (
        Condition.FAILING,
        1,
        "connection refused",
    )
    assert view.next_probe_at is not None
    assert view.next_probe_at > world.clock.now()

    world.dispatcher.channels[UP].failed_before(3, 0.0)
    view = (await seen.row(UP)).view
    assert view is not None
    assert (view.condition, view.next_probe_at) == (Condition.DEAD, None)


async def test_a_dead_neighbour_that_spoke_is_shown_as_that_and_not_as_dead(
    world: Any, seen: Seen
) -> None:
    """With nothing that waits for it nothing proves that it is up; a failure or a success since does."""
    channel = world.dispatcher.channels[UP]

    async def condition() -> Condition:
        view = (await seen.row(UP)).view
        assert view is not None
        return view.condition

    world.dispatcher.contact(UP)
    assert await condition() is Condition.UP
    channel.failed_before(3, world.clock.monotonic() + 60)
    assert await condition() is Condition.DEAD
    world.dispatcher.contact(UP)
    assert await condition() is Condition.WOKEN
    view = (await seen.row(UP)).view
    assert view is not None
    assert (view.failures, view.next_probe_at) == (3, None)
    channel.failed(world.clock.monotonic() + 60)
    assert await condition() is Condition.DEAD
    world.dispatcher.resume([UP], at_once=True)
    assert await condition() is Condition.WOKEN

    accepted = await world.submit("H01")
    async with world.run():
        await world.reach(accepted.message_id, "relayed")
    assert await condition() is Condition.UP


async def test_one_whose_wait_is_over_with_nothing_sent_is_dead_until_it_speaks(
    world: Any, seen: Seen
) -> None:
    """Though no wait is left to be ended by its word."""
    world.dispatcher.channels[UP].failed_before(3, 0.0)
    world.dispatcher.contact(UP)
    view = (await seen.row(UP)).view
    assert view is not None
    assert view.condition is Condition.WOKEN


async def test_what_waits_for_a_neighbour_without_a_link_is_not_hidden(
    world: Any, seen: Seen
) -> None:
    """It was configured once; the operator has to see it to requeue it."""
    await world.submit("H01.17")
    del world.dispatcher.channels[BAN]

    row = await seen.row(BAN)

    assert row.view is not None
    assert (row.view.condition, row.kinds[Kind.WAITING].total) == (Condition.UNLINKED, 1)


async def test_receipts_on_their_way_back_are_counted(world: Any, seen: Seen) -> None:
    """Waiting, and parked."""
    for number, parked in enumerate((0, 1, 1)):
        receipt = (await world.submit(f"H01.{15 + number}", "H01")).receipt
        await world.journal.perform(
            lambda tx, receipt=receipt, parked=parked: tx.run(
                "INSERT INTO returns (neighbour, receipt, parked) VALUES (?, ?, ?)",
                THON,
                receipt,
                parked,
            )
        )
    row = await seen.row(THON)
    assert (row.receipts, row.receipts_parked) == (1, 2)


# ---------------------------------------------------------------- why


async def test_what_was_not_sent_yet_says_what_is_before_it(world: Any, seen: Seen) -> None:
    """Of its own lane."""
    await world.submit("H01")
    await world.submit("H01", priority=Priority.EXPRESS)
    accepted = await world.submit("H01")

    found, said = await seen.why(accepted)

    assert "It waits for tinh and was not sent yet; 1 of its lane are before it." in said
    assert "tinh is up" in said
    assert found.deliveries[0].facts.came_from is None


async def test_a_failing_neighbour_is_named_with_its_error_and_next_probe(
    world: Any, seen: Seen
) -> None:
    accepted = await _fail(world, TransportError("connection refused"), "queued")

    _, said = await seen.why(accepted)

    assert "did not take it so far: connection refused." in said
    assert "tinh is failing after a failure: connection refused." in said
    assert "relay flush tinh makes it at once" in said
    assert "It was tried once; the next attempt is at" in said
    assert " ago and is given up at " in said


async def test_doubt_is_told_as_doubt(world: Any, seen: Seen) -> None:
    accepted = await _fail(world, UnansweredError("no answer within 120 s"), "in-doubt")

    _, said = await seen.why(accepted)

    assert "tinh may have it: no answer within 120 s." in said
    assert "Only tinh may get it again" in said


async def test_who_held_it_and_why_is_told(world: Any, seen: Seen) -> None:
    accepted = await world.submit("H01")
    await seen.act(Action.HOLD, accepted)

    found, said = await seen.why(accepted)

    assert "held by an operator" in said
    assert "hold by local:vanhanh" in said
    assert said.endswith("chờ xác minh")
    assert "given up" not in said
    done = found.deliveries[0].facts.intervention
    assert done is not None
    assert done.action is Action.HOLD


async def test_what_has_ended_says_who_ended_it(world: Any, seen: Seen) -> None:
    accepted = await world.submit("H01")
    await seen.act(Action.CANCEL, accepted)

    found, said = await seen.why(accepted)

    assert "xa cancelled it (cancelled): cancelled by an operator." in said
    assert found.deliveries[0].delivery.receipts[-1].issuer == HERE


@pytest.mark.parametrize(
    ("recipient", "words"),
    [("H01", "the next node took it over"), ("H01.18", "It is delivered")],
)
async def test_what_is_delivered_or_handed_on_is_said_so(
    world: Any, seen: Seen, recipient: str, words: str
) -> None:
    accepted = await world.submit(recipient)
    async with world.run():
        await world.reach(accepted.message_id, "relayed" if recipient == "H01" else "available")

    _, said = await seen.why(accepted)

    assert words in said


async def test_a_message_is_explained_delivery_by_delivery(
    world: Any, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits comes first; of a circular a bounded number, and how many others there are."""
    monkeypatch.setattr("relay.delivery.operators.queue.MOST_EXPLAINED", 1)
    accepted = await world.submit("H01.18", "H01")

    found, said = await seen.why(accepted)
    assert [one.delivery.recipient for one in found.deliveries] == ["H01"]
    assert (found.others, "waits for tinh" in said) == (1, True)

    named = (await world.sent(accepted.message_id))["H01.18"].delivery_id
    found, _ = await seen.why(named)
    assert [one.delivery.recipient for one in found.deliveries] == ["H01.18"]
    assert found.others == 0


async def test_the_neighbours_certificate_is_part_of_the_answer(world: Any, seen: Seen) -> None:
    """One that has run out is said in so many words."""
    now = world.clock.now()
    seen.certificate = PeerCertificate("commonName=tinh", now - timedelta(hours=1), now)
    accepted = await world.submit("H01")

    found, said = await seen.why(accepted)

    assert "The certificate of tinh expired at" in said
    assert found.deliveries[0].neighbour is not None
    assert found.deliveries[0].neighbour.certificate == seen.certificate


async def test_an_unknown_id_is_an_error(seen: Seen) -> None:
    with pytest.raises(NotFoundError, match="is known here"):
        await seen.why("0190b6d8-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h"), (-5, "0 s")],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


async def test_why_says_which_key_a_seal_waits_for(world: Any, seen: Seen) -> None:
    """And what is the matter with it, as far as the node knows."""
    world.slow_key = True
    world.build()
    accepted = await world.submit("H01")
    assert "It waits for its seal: the signing key is slow" in (await seen.why(accepted))[1]

    out = "key H01.15 on token relay cannot sign: no-token (NoSuchToken)"
    desk = replace(seen.desk, trouble={"H01.15": out}.get)
    (found,) = (await desk.why(accepted.message_id)).deliveries

    assert found.sentences[0] == f"It waits for its seal, and the key that makes it cannot: {out}."
