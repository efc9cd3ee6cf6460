"""Sending proofs: bounded, at each neighbour's pace, and nothing is given up before it was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.attaching import sending
from relay.delivery.attaching.ports import AttachRow, Bounds, Due, Stretch
from relay.delivery.attaching.sending import ASK_AGAIN_SECONDS, BATCH_BYTES, ProofCourier
from relay.delivery.clock import Clock
from relay.delivery.neighbours.retry import RetryPolicy
from relay.errors import AuditError, TransportError
from relay.model import Digest, NodeId
from relay.wire.attached import PROOF_BYTES, Answer, Answered

XA, XB = NodeId("xa"), NodeId("xb")
AT = datetime(2026, 11, 23, tzinfo=UTC)


@dataclass
class World:
    """AttachBook, OwnLog and AttachWire of two neighbours, in memory."""

    waiting: dict[NodeId, list[Due]] = field(default_factory=dict)
    takes: bool = True
    down: bool = False
    answers: dict[str, Answered] = field(default_factory=dict)
    own: dict[int, bytes] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    in_doubt: bool = False
    found: list[Stretch] = field(default_factory=list)
    passed: dict[int, list[int]] = field(default_factory=dict)
    sent: list[tuple[NodeId, list[bytes]]] = field(default_factory=list)
    asked: int = 0
    asked_of_passages: int = 0
    log: list[tuple[str, Any]] = field(default_factory=list)
    gathered_for: list[NodeId] = field(default_factory=list)

    def put(self, neighbour: NodeId, *proofs: bytes | int) -> None:
        rows = self.waiting.setdefault(neighbour, [])
        for one in proofs:
            row, entry = AttachRow(len(rows)), one if isinstance(one, int) else None
            proof = one if isinstance(one, bytes) else None
            rows.append(Due(row, Digest(f"receipt {row}"), entry, 0, proof))

    # the book

    async def due(self, neighbour: NodeId, now: datetime, limit: int) -> list[Due]:
        return self.waiting.get(neighbour, [])[:limit]

    async def done(self, rows: Sequence[AttachRow]) -> None:
        self._gone("done", rows)

    async def put_off(self, rows: Sequence[tuple[AttachRow, datetime]]) -> None:
        self._gone("put off", [row for row, until in rows if until > AT])

    async def refused(self, neighbour: NodeId, one: Due, at: datetime) -> None:
        self._gone("refused", [one.row])

    async def forget(self, neighbour: NodeId) -> None:
        self.waiting.pop(neighbour)

    def _gone(self, what: str, rows: Sequence[AttachRow]) -> None:
        self.log += [(what, row) for row in rows]
        for waiting in self.waiting.values():
            waiting[:] = [one for one in waiting if one.row not in rows]

    async def gather(self, stretch: Stretch, to: Any, *_: Any) -> tuple[int, frozenset[NodeId]]:
        self.log.append(("gather", stretch.first))
        self.gathered_for = sorted(to)
        steps = self.passed[stretch.first]
        return (steps.pop(0) if len(steps) > 1 else steps[0]), frozenset()

    # the log

    async def stretches(self) -> list[Stretch]:
        return self.found

    async def entry_of(self, receipt: Digest) -> int | None:
        return self.named.get(receipt)

    async def prove(self, entries: Sequence[int], to: NodeId) -> dict[int, bytes]:
        if self.in_doubt:
            raise AuditError("the log is in doubt")
        return {one: self.own[one] for one in entries if one in self.own}

    # the wire

    async def takes_proofs(self, neighbour: NodeId) -> bool:
        self.asked += 1
        return self.takes

    async def takes_passages(self, neighbour: NodeId) -> bool:
        self.asked_of_passages += 1
        return True

    async def attach(self, neighbour: NodeId, proofs: Sequence[bytes]) -> list[Answered]:
        if self.down:
            raise TransportError("nobody is there")
        self.sent.append((neighbour, list(proofs)))
        return [self.answers.get(one.decode(), Answered(Answer.KEPT)) for one in proofs]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def courier(world: World) -> ProofCourier:
    bounds = Bounds(timedelta(minutes=10), timedelta(days=30), 1000)
    anything: Any = world
    clock = Clock(wall=lambda: AT)
    return ProofCourier(
        frozenset({XA, XB}), anything, anything, anything, clock, lambda: 0.5, bounds
    )


async def test_each_answer_has_its_consequence(world: World, courier: ProofCourier) -> None:
    """Kept: done. Not here yet, or not to be judged now: later. Refused: never again."""
    world.put(XA, b"a", b"b", b"c", b"d", 7)
    world.own[7] = b"own"
    world.answers = {
        "b": Answered(Answer.UNKNOWN),
        "c": Answered(Answer.LATER),
        "d": Answered(Answer.REFUSED, "it proves nothing"),
    }
    assert await courier.send(XA)
    assert world.sent == [(XA, [b"a", b"b", b"c", b"d", b"own"])]
    assert sorted(world.log, key=lambda one: one[1]) == [
        ("done", 0),
        ("put off", 1),
        ("put off", 2),
        ("refused", 3),
        ("done", 4),
    ]
    assert not await courier.send(XA)


async def test_of_a_receipt_that_is_sent_again_the_entry_is_looked_for(
    world: World, courier: ProofCourier
) -> None:
    """Where there is none it is tried later: the log may be behind."""
    rows = [Due(AttachRow(row), Digest(name), None, 0, None) for row, name in enumerate("abc")]
    world.waiting[XA] = rows
    world.named, world.own = {"a": 0, "b": 5}, {0: b"first", 5: b"fifth"}
    assert await courier.send(XA)
    assert world.sent == [(XA, [b"first", b"fifth"])]
    assert ("put off", 2) in world.log


async def test_what_got_no_answer_stays(world: World, courier: ProofCourier) -> None:
    world.put(XA, b"a")
    world.down = True
    with pytest.raises(TransportError):
        await courier.send(XA)
    assert len(world.waiting[XA]) == 1
    assert world.log == []


async def test_while_the_own_log_is_in_doubt_the_proofs_of_others_go(
    world: World, courier: ProofCourier
) -> None:
    world.put(XA, 1, b"of another log")
    world.in_doubt = True
    assert await courier.send(XA)
    assert world.sent == [(XA, [b"of another log"])]
    assert sorted(world.log) == [("done", 1), ("put off", 0)]


async def test_a_neighbour_that_takes_no_proofs_is_sent_none_and_nothing_waits_for_it(
    world: World, courier: ProofCourier
) -> None:
    world.put(XA, b"a")
    world.put(XB, b"b")
    world.takes = False
    assert not await courier.send(XA)
    assert world.sent == []
    assert XA not in world.waiting
    world.takes = True
    assert await courier.send(XB)


async def test_it_is_asked_again_after_a_while_for_it_may_have_been_upgraded(
    world: World, courier: ProofCourier
) -> None:
    world.takes = False
    world.put(XA, b"a")
    assert not await courier.send(XA)
    world.takes = True
    world.put(XA, b"a")
    assert not await courier.send(XA)
    courier._pace(XA).asked_at -= ASK_AGAIN_SECONDS
    world.put(XA, b"a")
    assert await courier.send(XA)
    assert world.asked == 2


async def test_nothing_is_queued_for_who_takes_none_until_it_may_be_asked_again(
    world: World, courier: ProofCourier
) -> None:
    world.found, world.passed = [Stretch(0, 10, 10)], {0: [10]}
    await courier.gather()
    assert world.gathered_for == [XA, XB]
    world.takes = False
    world.put(XA, b"a")
    await courier.send(XA)
    await courier.gather()
    assert world.gathered_for == [XB]
    courier._pace(XA).asked_at -= ASK_AGAIN_SECONDS
    await courier.gather()
    assert world.gathered_for == [XA, XB]


async def test_it_is_asked_once_whether_it_takes_them(world: World, courier: ProofCourier) -> None:
    for _ in range(3):
        world.put(XA, b"a")
        assert await courier.send(XA)
    assert world.asked == 1


async def test_a_neighbour_that_failed_is_asked_anew_whether_it_takes_passages(
    world: World, courier: ProofCourier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers next may be an earlier version."""
    monkeypatch.setattr(sending, "CONTACT_SECONDS", 0.0)
    monkeypatch.setattr(sending, "RETRY", RetryPolicy(timedelta(0), timedelta(0)))
    world.waiting[XA] = [Due(AttachRow(0), Digest("receipt 0"), None, 0, b"a", is_passage=True)]
    world.down = True
    serving = asyncio.create_task(courier._serve(XA))
    while not courier._pace(XA).failures:
        await asyncio.sleep(0)
    assert world.asked_of_passages == 1
    world.down = False
    while not world.sent:
        await asyncio.sleep(0)
    serving.cancel()
    assert world.asked_of_passages > 1


async def test_a_request_is_bounded_and_what_is_too_large_for_any_is_put_off(
    world: World, courier: ProofCourier
) -> None:
    large = b"x" * (BATCH_BYTES // 3)
    world.put(XA, large, large, large, large, b"x" * (PROOF_BYTES + 1), 5)
    assert len(large) < PROOF_BYTES
    while await courier.send(XA):
        pass
    assert [len(proofs) for _, proofs in world.sent] == [3, 1]
    assert ("put off", 4) in world.log
    assert ("put off", 5) in world.log


async def test_a_later_epoch_is_gone_through_only_after_the_whole_of_the_one_before(
    world: World, courier: ProofCourier
) -> None:
    """What waits there for a witness, or for patience to end, is not passed over."""
    world.found = [Stretch(0, 10, 0), Stretch(1000, 1005, 1005)]
    world.passed = {0: [4, 7, 7], 1000: [1005]}
    await courier.gather()
    assert world.log == [("gather", 0)] * 3
    world.log.clear()
    world.passed[0] = [10]
    await courier.gather()
    assert world.log == [("gather", 0), ("gather", 1000)]
