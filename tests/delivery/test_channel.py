"""One neighbour's channel: bounds, order, the window, and waking up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery import channel as channel_module
from relay.delivery.channel import CONTENT_BYTES, HELD_READY, Channel
from relay.delivery.records import ArrivalRow, DeliveryRow, MessageRow, Ready
from relay.model import (
    AgencyCode,
    Lane,
    MessageId,
    MessageType,
    NodeId,
    Payload,
    Priority,
    Seal,
    SealKind,
    digest_of,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def _ready(row: int, lane: Lane = Lane.NORMAL, size_bytes: int = 1) -> Ready:
    content = bytes(size_bytes)
    digest = digest_of(content)
    return Ready(
        message_row=MessageRow(row),
        arrival_row=ArrivalRow(row),
        message_id=MessageId(str(row)),
        origin=NodeId("xa"),
        message_type=MessageType.DOCUMENT,
        sender=AgencyCode("H01"),
        rows=(DeliveryRow(row),),
        recipients=(AgencyCode("G22"),),
        lane=lane,
        priority=Priority.NORMAL,
        digest=digest,
        size_bytes=size_bytes,
        expires_at=NOW,
        trace=(),
        seal=Seal(SealKind.NODE, b""),
        payload=Payload(digest, size_bytes, content, None),
    )


@given(st.lists(st.sampled_from(Lane), max_size=60))
def test_the_faster_lane_goes_first_and_age_decides_within_one(lanes: list[Lane]) -> None:
    """Whatever the order in which they came."""
    channel = Channel(NodeId("tinh"), 8)
    for row, lane in enumerate(lanes):
        channel.offer(_ready(row, lane))

    taken = []
    while (ready := channel.take()) is not None:
        taken.append((-ready.lane, ready.rows[0]))

    assert taken == sorted(taken)
    assert len(taken) == len(lanes)


def test_memory_is_bounded_and_the_rest_is_left_to_the_journal() -> None:
    """A backlog lives on disk; the channel only remembers that there is one."""
    channel = Channel(NodeId("tinh"), 8, more_in_journal=False)
    for row in range(3 * HELD_READY):
        channel.offer(_ready(row))

    assert len(channel) == HELD_READY
    assert channel.more_in_journal


def test_express_finds_room_in_a_full_channel() -> None:
    """And yet not without end."""
    channel = Channel(NodeId("tinh"), 8)
    for row in range(HELD_READY):
        channel.offer(_ready(row))
    for row in range(HELD_READY, 4 * HELD_READY):
        channel.offer(_ready(row, Lane.EXPRESS))

    assert len(channel) == 2 * HELD_READY
    first = channel.take()
    assert first is not None
    assert first.lane is Lane.EXPRESS


def test_large_payloads_are_not_held() -> None:
    """What is read again when its turn comes needs no memory until then."""
    channel = Channel(NodeId("tinh"), 8)
    channel.offer(_ready(1, size_bytes=CONTENT_BYTES))
    channel.offer(_ready(2, size_bytes=CONTENT_BYTES + 1))

    small, large = channel.take(), channel.take()

    assert small is not None
    assert small.payload is not None
    assert large is not None
    assert large.payload is None


def test_what_is_held_is_not_read_twice() -> None:
    """The journal still shows a delivery as waiting until its transfer is frozen."""
    channel = Channel(NodeId("tinh"), 8)
    channel.offer(_ready(1))
    ready = channel.take()
    assert ready is not None

    channel.refill([_ready(1), _ready(2)], 256)
    assert len(channel) == 1
    channel.frozen(ready)
    channel.refill([_ready(1)], 256)

    assert len(channel) == 2


def test_a_full_answer_means_there_may_be_more() -> None:
    channel = Channel(NodeId("tinh"), 8, more_in_journal=False)

    channel.refill([_ready(1)], 2)
    assert not channel.more_in_journal
    channel.refill([_ready(2), _ready(3)], 2)

    assert channel.more_in_journal


def test_a_signal_that_came_while_the_journal_was_read_is_kept() -> None:
    """Whoever says `there is more` after the reading began is right, whatever the reading found."""
    channel = Channel(NodeId("tinh"), 8, more_in_journal=True)

    channel.refill([], 256)

    assert channel.more_in_journal


def test_the_window_grows_by_one_and_falls_to_one() -> None:
    """And never over its bound."""
    channel = Channel(NodeId("tinh"), 6, window=4)
    for _ in range(5):
        channel.succeeded()
    assert channel.window == 6

    channel.failed(10.0)

    assert (channel.window, channel.failures, channel.blocked_until) == (1, 1, 10.0)
    channel.succeeded()
    assert (channel.window, channel.failures, channel.blocked_until) == (2, 0, 0.0)


def test_room_is_what_the_window_leaves() -> None:
    channel = Channel(NodeId("tinh"), 6, window=3)
    channel.under_way = 2
    assert channel.room == 1
    channel.failed(1.0)
    assert channel.room == 0


def test_a_sign_of_life_ends_the_wait() -> None:
    """But not the memory of failures: one success does."""
    channel = Channel(NodeId("tinh"), 6)
    channel.failed(99.0)

    channel.wake()

    assert channel.blocked_until == 0
    assert channel.signal.is_set()
    assert channel.window == 1


def test_every_second_probe_carries_something_new() -> None:
    """So that a transfer the neighbour chokes on is not the only thing it is ever sent."""
    channel = Channel(NodeId("tinh"), 6)
    probes = []
    for _ in range(4):
        channel.failed(0.0)
        probes.append(channel.probes_with_new_work)

    assert probes == [False, True, False, True]


@pytest.mark.parametrize("name", ["HELD_READY", "CONTENT_BYTES"])
def test_a_channel_holds_a_few_dozen_megabytes_at_the_most(name: str) -> None:
    """The two bounds together are what a neighbour's backlog costs in memory."""
    assert getattr(channel_module, name) > 0
    assert 2 * HELD_READY * CONTENT_BYTES <= 64 << 20
