"""A log whose own node shows less than was cosigned: an alarm, until it goes on or owns up."""

from __future__ import annotations

from typing import Any


async def test_a_log_that_its_own_node_shows_shorter_is_an_alarm_told_once(
    found_witness: Any, make_log: Any
) -> None:
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))

    answers = [await witness.add(log.request(old, 4)) for old in (0, 2, 4)]

    assert {(one.status, one.body) for one in answers} == {(409, b"6\n")}
    (alarm,) = await witness.table.alarms()
    assert (alarm.kind, alarm.log, alarm.cleared_at) == ("rolled-back", "xa", None)
    (event,) = await witness.events()
    assert (event["event"], event["size"], event["previous_size"]) == ("log-rolled-back", 4, 6)


async def test_an_old_head_that_anybody_else_sends_is_none(
    found_witness: Any, make_log: Any
) -> None:
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))

    assert (await witness.add(log.request(0, 4), by="xb")).status == 409

    assert await witness.table.alarms() == []


async def test_it_ends_when_the_log_has_all_again_that_was_cosigned(
    found_witness: Any, make_log: Any
) -> None:
    """A race or a replay by the node itself does no lasting harm."""
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    await witness.add(log.request(4, 4))
    await witness.restart()

    assert (await witness.add(log.grow(2).request(6))).status == 200

    (alarm,) = await witness.table.alarms()
    assert alarm.cleared_at is not None
    assert [one["event"] for one in await witness.events()][-1] == "log-alarm-cleared"


async def test_it_ends_when_a_new_epoch_says_what_was_lost(
    found_witness: Any, make_log: Any
) -> None:
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    await witness.add(log.request(4, 4))
    restored = log.restored(4)

    assert (await witness.add(restored.request(0), opening=restored.opening())).status == 200

    (alarm,) = await witness.table.alarms()
    assert alarm.cleared_at is not None


async def test_one_that_goes_on_with_other_entries_is_a_fork(
    found_witness: Any, make_log: Any
) -> None:
    log = make_log().grow(6)
    witness = await found_witness(log)
    await witness.add(log.request(0))
    await witness.add(log.request(4, 4))

    assert (await witness.add(log.fork(4, 2).request(4))).status == 409

    assert {one.kind for one in await witness.table.alarms()} == {"rolled-back", "forked"}
    assert (await witness.add(log.grow(1).request(6))).status == 403
