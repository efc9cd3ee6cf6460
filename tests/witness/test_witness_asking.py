"""Asking witnesses: all at once, never longer than the wait, and nothing kept that is not proven."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from relay.audit.add_checkpoint import SIZE_TYPE, read_request
from relay.audit.beside import Keys, check_kept, keys_of
from relay.audit.cosignature import Cosigner, cosign, cosignatures
from relay.delivery.clock import Clock
from relay.errors import TransportError
from relay.journal.inspect import stored_log
from relay.model import NodeId
from relay.signing.keys import verify_log_signature as verify
from relay.witness.asking import RETRY, Cosigners
from relay.witness.judging import Opening
from relay.witness.ports import WitnessAnswer


@dataclass
class Asked:
    """A real witness's desk behind a door that a test can lock, slow down or lie through."""

    witness: Any
    locked: bool = False
    slow: asyncio.Event | None = None
    lie: Any = None
    mute: bool = False
    stale: Any = None
    """The key that the log believes it to have, until it asks anew."""
    anew: int = 0
    asked: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.witness.cosigner.name)

    async def cosigner(self, *, anew: bool = False) -> Cosigner | None:
        if self.mute:
            return None
        self.anew += anew
        known = self.witness.cosigner
        if self.stale is None or anew:
            return cast("Cosigner", known)
        believed = self.stale.believed
        return Cosigner(known.name, believed.public_key, believed.verify)

    async def add_checkpoint(self, body: bytes, opening: Opening | None) -> WitnessAnswer:
        self.asked.append(read_request(body).old)
        if self.locked:
            raise TransportError("connection refused")
        if self.slow is not None:
            await self.slow.wait()
        if self.lie is not None:
            return cast("WitnessAnswer", self.lie(body))
        return cast("WitnessAnswer", await self.witness.add(body, opening=opening))


def _cosigners(home: Any, log: Any, *asked: Asked, now: list[float] | None = None) -> Cosigners:
    clock = Clock(wall=lambda: home.at, monotonic=lambda: 0.0 if now is None else now[0])

    async def first_entry(origin: str) -> bytes:
        return bytes(log.leaves[0])

    return Cosigners(asked, home.table, first_entry, clock, lambda: 0.0, timedelta(seconds=0.2))


async def test_each_witness_is_proven_to_from_the_size_that_it_holds(
    found_witness: Any, make_log: Any
) -> None:
    """A witness that is behind, or ahead of what is remembered here, names its size and gets its proof."""
    log = make_log().grow(4)
    home = await found_witness(name="home")
    one, other = [Asked(await found_witness(log, name=name)) for name in ("tinh", "tw")]
    cosigners = _cosigners(home, log, one, other)
    await other.witness.add(log.request(0, 2))

    lines = await cosigners.cosign(log.note(), log.consistency())
    assert len(lines) == 2
    assert await cosigners.cosign(log.note(), log.consistency()) == lines
    log.grow(5)
    assert len(await cosigners.cosign(log.note(), log.consistency())) == 2

    assert one.asked == [0, 4]
    assert other.asked == [0, 2, 4]
    kept = await home.table.newest_cosigned(log.origin)
    whole = kept[0].note + b"".join(each.line for each in kept)
    for each in (one, other):
        assert len(cosignatures(whole, each.witness.cosigner)) == 1


async def test_a_dead_and_a_slow_witness_hold_nobody_up(found_witness: Any, make_log: Any) -> None:
    """What the slow one says afterwards is kept all the same; the dead one is left alone for a while."""
    log = make_log().grow(4)
    home, now = await found_witness(name="home"), [0.0]
    good, slow, dead = [Asked(await found_witness(log, name=name)) for name in ("a", "b", "c")]
    slow.slow, dead.locked = asyncio.Event(), True
    cosigners = _cosigners(home, log, good, slow, dead, now=now)

    assert len(await cosigners.cosign(log.note(), log.consistency())) == 1
    assert len(await cosigners.cosign(log.grow(1).note(), log.consistency())) == 1
    assert (len(slow.asked), len(dead.asked)) == (1, 1)
    assert cosigners.trouble(dead.name) == "connection refused"

    slow.slow.set()
    async with asyncio.timeout(10):
        while slow.name not in await home.table.cosigned_sizes(log.origin):
            await asyncio.sleep(0)
        # Kept, and the question over: until then it is not asked another.
        under_way = cosigners._paces[slow.name].under_way
        assert under_way is not None
        await under_way
    now[0] = RETRY.first.total_seconds()
    dead.locked = False
    assert len(await cosigners.cosign(log.grow(1).note(), log.consistency())) == 3
    assert cosigners.trouble(dead.name) == ""


async def test_no_line_is_kept_that_is_not_proven(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """Of another head, by another key, in another shape: the witness is in trouble, not the log."""
    log = make_log().grow(4)
    home, witness, now = await found_witness(name="home"), await found_witness(log), [0.0]
    name, key = witness.cosigner.name, witness.key

    def by(note: bytes, key: Any) -> bytes:
        return cosign(note, name, key.public, key.private.sign, home.at)

    good = by(log.note(), key)
    spoilt = good[:-8] + b"AAAA" + good[-4:]
    for lie in (
        by(log.note(3), key),
        by(log.note(), make_key()),
        spoilt,
        b"",
        b"\n",
        good[:-1],
        good + b"\n" + good,
        good * 65,
        b"x" * 100_000 + b"\n",
        log.note() + good,
    ):
        asked = Asked(witness, lie=lambda _, lie=lie: WitnessAnswer(200, lie))
        cosigners = _cosigners(home, log, asked, now=now)
        assert await cosigners.cosign(log.note(), log.consistency()) == (), lie
        assert cosigners.trouble(name) != ""
    assert await home.table.newest_cosigned(log.origin) == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, b"-1\n", SIZE_TYPE),
        (409, b"1", SIZE_TYPE),
        (409, b"x\n", SIZE_TYPE),
        (409, b"1\n", "text/plain"),
        (500, b"", "text/plain"),
        (404, b"unknown", "text/plain"),
        (403, b"unsigned", "text/plain"),
    ],
)
async def test_an_answer_that_says_nothing_is_a_pause(
    found_witness: Any, make_log: Any, status: int, body: bytes, kind: str
) -> None:
    """And no alarm."""
    log = make_log().grow(4)
    home, witness = await found_witness(name="home"), await found_witness(log)
    asked = Asked(witness, lie=lambda _: WitnessAnswer(status, body, kind))
    assert await _cosigners(home, log, asked).cosign(log.note(), log.consistency()) == ()
    assert await home.events() == []


async def test_a_witness_that_names_sizes_without_end_is_left(
    found_witness: Any, make_log: Any
) -> None:
    """Four for one head."""
    log = make_log().grow(9)
    home, witness = await found_witness(name="home"), await found_witness(log)
    sizes = iter((3, 5, 3, 5, 3, 5, 3))
    asked = Asked(witness, lie=lambda _: WitnessAnswer(409, b"%d\n" % next(sizes), SIZE_TYPE))
    assert await _cosigners(home, log, asked).cosign(log.note(), log.consistency()) == ()
    assert len(asked.asked) == 4


@pytest.mark.parametrize("reason", ["shrunk", "stopped", "unproven"])
async def test_a_log_that_is_not_what_was_cosigned_learns_it_from_its_witness(
    found_witness: Any, make_log: Any, reason: str
) -> None:
    """The logging node's own alarm: an entry and a loud line, once for each reason."""
    log = make_log().grow(8)
    home, witness = await found_witness(name="home"), await found_witness(log)
    await witness.add(log.request(0))
    liar = {
        "shrunk": log.fork(5, 0),
        "stopped": log.fork(5, 3),
        "unproven": log.fork(5, 6),
    }[reason]
    now = [0.0]
    cosigners = _cosigners(home, liar, Asked(witness), now=now)
    for _ in range(2):
        assert await cosigners.cosign(liar.note(), liar.consistency()) == ()
        now[0] += 3600

    events = await home.events()
    assert (events[0]["event"], events[0]["reason"]) == ("witness-refused", reason)
    assert len({one["reason"] for one in events}) == len(events)
    assert events[0]["witness"] == witness.cosigner.name


async def test_a_restored_log_shows_how_it_begins(found_witness: Any, make_log: Any) -> None:
    """W15.6, from the side of the log."""
    log = make_log().grow(8)
    home, witness = await found_witness(name="home"), await found_witness(log)
    await _cosigners(home, log, Asked(witness)).cosign(log.note(), log.consistency())
    restored = log.restored(5).grow(2)

    lines = await _cosigners(home, restored, Asked(witness)).cosign(
        restored.note(), restored.consistency()
    )

    assert len(lines) == 1
    (event,) = await witness.events()
    assert event["count"] == 3


async def test_who_witnesses_nothing_is_not_asked_again_soon(
    found_witness: Any, make_log: Any
) -> None:
    """A neighbour of an older version, or one that opted out."""
    log = make_log().grow(4)
    home, witness = await found_witness(name="home"), await found_witness(log)
    cosigners = _cosigners(home, log, asked := Asked(witness, mute=True))
    assert await cosigners.cosign(log.note(), log.consistency()) == ()
    assert asked.asked == []
    assert cosigners.trouble(asked.name) == "it does not witness"
    await cosigners.close()


async def test_another_head_of_the_size_held_is_an_alarm_whoever_the_witness_is(
    found_witness: Any, make_log: Any
) -> None:
    """409 with the very size that was asked from, as any witness by the standard answers then."""
    log = make_log().grow(8)
    home, witness = await found_witness(name="home"), await found_witness(log)
    asked = Asked(witness, lie=lambda _: WitnessAnswer(409, b"8\n", SIZE_TYPE))
    assert await _cosigners(home, log, asked).cosign(log.note(), log.consistency()) == ()
    assert [one["reason"] for one in await home.events()] == ["forked"]
    assert asked.asked == [0, 8]


async def test_a_witness_that_has_another_key_is_asked_for_it_and_believed_by_it(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """What it signed does not hold under the key that is known here; its certificate says which it has."""
    log = make_log().grow(8)
    home, witness = await found_witness(name="home"), await found_witness(log)
    asked = Asked(witness, stale=make_key())

    (line,) = await _cosigners(home, log, asked).cosign(log.note(), log.consistency())

    assert cosignatures(log.note() + line, witness.cosigner)
    assert asked.anew == 1


async def test_what_a_witness_signed_with_an_earlier_key_stays_proven(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """In the journal, after the neighbour's key was replaced; a third key's word is refused as before."""
    log = make_log().grow(8)
    home, witness = await found_witness(name="home"), await found_witness(log)
    node, first = NodeId(witness.name), witness.key.public
    await home.table.pin(node, first, [b"first"], home.at)
    await _cosigners(home, log, Asked(witness)).cosign(log.note(), log.consistency())
    await home.table.pin(node, make_key().public, [b"second"], home.at)

    (event,) = await home.events()
    assert event["event"] == "log-key-changed"
    with stored_log(home.folder) as stored:
        keys = keys_of((*stored.keys, *stored.keys_before), Keys())
        assert list(keys.nodes[node])[1:] == [first]
        assert check_kept(stored.cosigned, keys, verify) == (1, 0)
        assert check_kept(stored.cosigned, keys_of(stored.keys, Keys()), verify) == (0, 1)
