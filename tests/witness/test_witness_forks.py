"""Two histories of one log: what proves them, what follows, and what survives the process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relay.audit.add_checkpoint import AddCheckpoint, write_request
from relay.audit.checkpoint import verify_note
from relay.audit.cosignature import answered
from relay.audit.proofs import consistency_roots
from relay.errors import JournalError
from relay.witness.desk import STOPPED_TYPE


async def test_a_lying_log_is_proven_when_its_two_witnesses_meet(
    found_witness: Any, make_log: Any
) -> None:
    """Split view: each witness is shown another history and cosigns it; as soon as one is handed what the
    other cosigned, by whomever, it holds two notes by the log's own key that cannot be of one tree."""
    log = make_log().grow(6)
    lie = log.fork(3, 3)
    one, other = await found_witness(log), await found_witness(log, name="tw")
    shown = await one.add(log.request(0))
    lied = await other.add(lie.request(0))
    assert answered(log.note(), shown.body, one.cosigner)
    assert answered(lie.note(), lied.body, other.cosigner)

    answer = await one.add(lie.request(0), by="tw")

    assert (answer.status, answer.body) == (409, b"6\n")
    (alarm,) = await one.table.alarms()
    assert (alarm.kind, alarm.log, alarm.handed_in_by) == ("forked", "xa", "tw")
    _prove(alarm, log)
    (event,) = await one.events()
    assert (event["event"], event["reason"]) == ("log-forked", "forked")


def _prove(alarm: Any, log: Any) -> None:
    """As a stranger who has the log's key and the two notes."""
    key = log.key.believed
    ours = verify_note(alarm.ours, log.origin, key.public_key, key.verify)
    theirs = verify_note(alarm.theirs, log.origin, key.public_key, key.verify)
    if ours.size == theirs.size:
        assert ours.root != theirs.root
        return
    found = consistency_roots(ours.size, ours.root, theirs.size, alarm.proof)
    assert found[1] == theirs.root
    assert found[0] != ours.root


async def test_a_longer_lie_is_proven_by_its_own_proof(found_witness: Any, make_log: Any) -> None:
    """The lie's proof leads to its head, but from another one than was cosigned: its hashes show both."""
    log = make_log().grow(6)
    lie = log.fork(2, 9)
    witness = await found_witness(log)
    await witness.add(log.request(0))

    answer = await witness.add(write_request(AddCheckpoint(6, tuple(lie.proof(6)), lie.note())))

    assert answer.status == 422
    (alarm,) = await witness.table.alarms()
    _prove(alarm, log)


async def test_at_a_power_of_two_a_longer_lie_is_refused_without_proof(
    found_witness: Any, make_log: Any
) -> None:
    """There the proof leaves the old root out, so that a failure shows nothing to a stranger: 422, no alarm."""
    log = make_log().grow(4)
    lie = log.fork(2, 9)
    witness = await found_witness(log)
    await witness.add(log.request(0))

    answer = await witness.add(write_request(AddCheckpoint(4, tuple(lie.proof(4)), lie.note())))

    assert answer.status == 422
    assert await witness.table.alarms() == []


async def test_after_a_fork_nothing_is_cosigned_until_an_operator_cleared_it(
    found_witness: Any, make_log: Any
) -> None:
    """Not even the history that was held; a restart forgets nothing; the evidence stays."""
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    await witness.add(log.fork(3, 3).request(0))
    await witness.restart()
    log.grow(2)

    answer = await witness.add(log.request(6))
    assert (answer.status, answer.content_type) == (403, STOPPED_TYPE)

    assert await witness.table.clear(log.origin, "local:op", "disk was swapped", witness.at) == 1
    assert (await witness.add(log.request(6))).status == 200
    assert len(await witness.table.alarms()) == 1
    events = [one["event"] for one in await witness.events()]
    assert events == ["log-forked", "log-alarm-cleared"]


async def test_a_later_lie_rings_again_after_it_was_cleared(
    found_witness: Any, make_log: Any
) -> None:
    """What was cleared is the alarm, not the rule."""
    log = make_log().grow(6)
    lie = log.fork(3, 3)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    await witness.add(lie.request(0))
    await witness.table.clear(log.origin, "local:op", "why", witness.at)

    await witness.add(lie.request(0))

    assert len([one for one in await witness.table.alarms() if one.cleared_at is None]) == 1


# ---------------------------------------------------------------- epochs


async def test_a_restored_log_goes_on_as_a_new_origin_and_says_what_it_lost(
    found_witness: Any, make_log: Any
) -> None:
    """W15.6: cosigned, for it hides nothing; told loudly, with how many entries were rolled back."""
    log = make_log().grow(9)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    restored = log.restored(5).grow(2)

    answer = await witness.add(restored.request(0), opening=restored.opening())

    assert answer.status == 200
    (event,) = await witness.events()
    assert (event["event"], event["previous_size"], event["count"]) == ("log-epoch", 5, 4)
    assert event["previous_log"] == log.origin
    assert (await witness.add(restored.grow(1).request(3))).status == 200


async def test_an_epoch_that_lost_nothing_that_was_cosigned_says_so(
    found_witness: Any, make_log: Any
) -> None:
    """Count 0."""
    log = make_log().grow(9)
    witness = await found_witness(log)
    await witness.add(log.request(0, 5))
    restored = log.restored(7)
    await witness.add(restored.request(0), opening=restored.opening())
    (event,) = await witness.events()
    assert event["count"] == 0


async def test_a_new_epoch_that_does_not_prove_how_it_begins_is_refused(
    found_witness: Any, make_log: Any
) -> None:
    """W15.6: nothing shown, another leaf, another path, a leaf that names no head."""
    log = make_log().grow(9)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    restored = log.restored(5).grow(3)
    sound = restored.opening()
    nameless = replace(restored, leaves=[b"{}", *restored.leaves[1:]])
    for log_shown, opening in (
        (restored, None),
        (restored, replace(sound, leaf=sound.leaf[:-1])),
        (restored, replace(sound, path=sound.path[:-1])),
        (nameless, nameless.opening()),
    ):
        assert (await witness.add(log_shown.request(0), opening=opening)).status == 422
    assert await witness.events() == []


async def test_an_ended_epoch_is_not_cosigned_any_more(found_witness: Any, make_log: Any) -> None:
    """The old machine goes on beside the restored one: 404, as for any log that is not known."""
    log = make_log().grow(9)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    restored = log.restored(5)
    await witness.add(restored.request(0), opening=restored.opening())
    assert (await witness.add(log.grow(1).request(9))).status == 404


async def test_an_epoch_that_names_another_head_than_was_cosigned_is_a_fork(
    found_witness: Any, make_log: Any
) -> None:
    """Its first entry is proven under its head, and contradicts a note of the same key."""
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    restored = log.fork(2, 4).restored(6)

    assert (await witness.add(restored.request(0), opening=restored.opening())).status == 422
    (alarm,) = await witness.table.alarms()
    assert alarm.kind == "forked"
    assert alarm.leaf == restored.leaves[0]


async def test_a_backup_restored_twice_is_two_logs_and_an_alarm(
    found_witness: Any, make_log: Any
) -> None:
    """W15.6: an operator says which goes on; the second is let in when it is cleared by its name."""
    log = make_log().grow(6)
    first, second = log.restored(5, "a" * 16), log.restored(5, "b" * 16).grow(1)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    await witness.add(first.request(0), opening=first.opening())

    answer = await witness.add(second.request(0), opening=second.opening())
    assert (answer.status, answer.content_type) == (403, STOPPED_TYPE)
    assert [one.kind for one in await witness.table.alarms()] == ["twin"]

    await witness.table.clear(second.origin, "local:op", "the first was a drill", witness.at)
    assert (await witness.add(second.request(0))).status == 200


async def test_an_epoch_may_be_the_first_that_a_witness_sees(
    found_witness: Any, make_log: Any
) -> None:
    """There is nothing to compare it with."""
    restored = make_log().grow(6).restored(4)
    witness = await found_witness(restored)
    assert (await witness.add(restored.request(0))).status == 200


# ---------------------------------------------------------------- if the process dies


@pytest.mark.parametrize("where", ["before the commit", "at the commit", "after the commit"])
async def test_no_cosignature_is_of_a_head_that_a_restart_forgets(
    found_witness: Any, make_log: Any, where: str
) -> None:
    """W15.5: wherever the process dies, a conflicting head is refused afterwards if there was a cosignature;
    and where nothing was committed there is none."""
    log = make_log().grow(6)
    lie = log.fork(3, 3)
    witness = await found_witness(log)
    await witness.add(log.request(0, 2))
    signed: list[bytes] = []
    sign = witness.desk.own.sign

    def noting(content: bytes) -> bytes:
        signed.append(content)
        if where == "after the commit":
            raise _KilledError
        return bytes(sign(content))

    witness.desk.own = replace(witness.desk.own, sign=noting)
    _arm(witness, where)
    with pytest.raises((_KilledError, JournalError)):
        await witness.add(log.request(2))
    await witness.restart()

    (held,) = await witness.table.watched()
    if where == "after the commit":
        assert held.size == 6
        assert (await witness.add(lie.request(2))).status == 409
        assert len(await witness.table.alarms()) == 1
    else:
        assert signed == []
        assert held.size == 2


class _KilledError(Exception):
    """Stands for the end of the process."""


def _arm(witness: Any, where: str) -> None:
    writer = witness.journal._writer
    if where == "at the commit":

        class Failing:
            def __init__(self, real: Any) -> None:
                self._real = real

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

            def execute(self, statement: str, *values: Any) -> Any:
                if statement == "COMMIT":
                    raise OSError(5, "an injected write error")
                return self._real.execute(statement, *values)

        writer._connection = Failing(writer._connection)
    if where == "before the commit":
        decide = witness.table.decide

        class Book:
            async def decide(self, *arguments: Any) -> Any:
                raise _KilledError

        assert decide
        witness.desk.book = Book()


async def test_a_replaced_log_key_is_a_new_epoch_and_no_fork(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """The witness asks for the new certificate, sees that the epoch names the head before, and goes on."""
    log = make_log().grow(8)
    witness = await found_witness(log)
    assert (await witness.add(log.request(0))).status == 200
    log.grow(2)
    rekeyed = log.rekeyed(make_key()).grow(3)
    assert (await witness.add(rekeyed.request(0), opening=rekeyed.opening())).status == 403
    witness.keys.renewed = {"xa": rekeyed.key}
    await witness.restart()  # a minute later, without the wait

    assert (await witness.add(rekeyed.request(0), opening=rekeyed.opening())).status == 200
    rekeyed.grow(4)
    assert (await witness.add(rekeyed.request(4))).status == 200
    (event,) = await witness.events()
    assert (event["event"], event.get("count", 0)) == ("log-epoch", 0)
    assert await witness.table.alarms() == []


async def test_a_new_key_does_not_hide_another_history(
    found_witness: Any, make_log: Any, make_key: Any
) -> None:
    """Its epoch must name the very head that was cosigned."""
    log = make_log().grow(8)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    liar = log.fork(5, 3).rekeyed(make_key())
    witness.keys.renewed = {"xa": liar.key}

    assert (await witness.add(liar.request(0), opening=liar.opening())).status == 422
    assert [one.kind for one in await witness.table.alarms()] == ["forked"]
