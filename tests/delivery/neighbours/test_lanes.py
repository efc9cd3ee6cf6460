"""What waits for a neighbour: bounds, order between the lanes and within one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.neighbours.lanes import (
    CONTENT_BYTES,
    HELD_CONTENT_BYTES,
    HELD_READY,
    LOWEST_EVERY,
    TOGETHER_BYTES,
    TOGETHER_ROWS,
    Lanes,
)
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


def _emptied() -> Lanes:
    """Lanes whose journal was read and held nothing."""
    lanes = Lanes()
    for lane in Lane:
        lanes.reading(lane)
    return lanes


def _taken(lanes: Lanes) -> list[Ready]:
    taken = []
    while (found := lanes.take(1)) != []:
        taken += found
    return taken


@given(st.lists(st.sampled_from(Lane), max_size=60))
def test_age_decides_within_a_lane_and_nothing_is_left_out(order: list[Lane]) -> None:
    """Whatever the order in which they came."""
    lanes = _emptied()
    for row, lane in enumerate(order):
        lanes.offer(_ready(row, lane))

    taken = _taken(lanes)

    assert sorted(ready.rows[0] for ready in taken) == list(range(len(order)))
    for lane in Lane:
        rows = [ready.rows[0] for ready in taken if ready.lane is lane]
        assert rows == sorted(rows)


@given(st.lists(st.sampled_from(Lane), max_size=60), st.integers(2, 16))
def test_the_order_is_the_same_alone_and_together(order: list[Lane], most: int) -> None:
    """A request of several takes what as many requests of one would."""
    alone, together = _emptied(), _emptied()
    for row, lane in enumerate(order):
        alone.offer(_ready(row, lane))
        together.offer(_ready(row, lane))

    batches = []
    while batch := together.take(most):
        batches.append(batch)

    assert [ready for batch in batches for ready in batch] == _taken(alone)
    assert all(len(batch) == most for batch in batches[:-1])


def test_only_what_is_small_goes_together() -> None:
    """Neither many bytes nor a circular to many share a request; alone everything goes."""
    lanes = _emptied()
    large, small = _ready(1, size_bytes=TOGETHER_BYTES), _ready(2)
    rows = tuple(DeliveryRow(row) for row in range(10, 11 + TOGETHER_ROWS))
    circular = replace(_ready(10), rows=rows)
    for ready in (large, small, circular, _ready(3)):
        lanes.offer(ready)

    batches = [lanes.take(16) for _ in range(5)]

    assert [[ready.message_row for ready in batch] for batch in batches] == [
        [1],
        [2],
        [10],
        [3],
        [],
    ]


def test_express_goes_next_whatever_waits() -> None:
    """One express document behind a full window of normal ones."""
    lanes = _emptied()
    for row in range(HELD_READY):
        lanes.offer(_ready(row))
    lanes.offer(_ready(HELD_READY, Lane.EXPRESS))

    (first,) = lanes.take(1)

    assert first.lane is Lane.EXPRESS


def test_express_that_never_ends_does_not_starve_the_normal_lane() -> None:
    """Every so many turns are the lowest lane's."""
    lanes = _emptied()
    for row in range(4 * LOWEST_EVERY):
        lanes.offer(_ready(row, Lane.EXPRESS))
        lanes.offer(_ready(1000 + row, Lane.NORMAL))

    first = [ready for _ in range(2 * LOWEST_EVERY) for ready in lanes.take(1)]

    assert [ready.lane for ready in first].count(Lane.NORMAL) == 2


def test_memory_is_bounded_and_the_rest_is_left_to_the_journal() -> None:
    """A backlog lives on disk; the lane only remembers that there is one."""
    lanes = _emptied()
    for row in range(3 * HELD_READY):
        lanes.offer(_ready(row))

    assert len(lanes) == HELD_READY
    assert lanes.starving() == []
    _taken(lanes)
    assert lanes.starving() == [Lane.NORMAL]


def test_payloads_in_memory_are_bounded_in_bytes() -> None:
    """Every neighbour may be away at once: what is beyond the bound is read again when its turn comes."""
    lanes = _emptied()
    for row in range(HELD_READY):
        lanes.offer(_ready(row, size_bytes=CONTENT_BYTES))

    taken = _taken(lanes)

    kept = [ready.size_bytes for ready in taken if ready.payload is not None]
    assert len(taken) == HELD_READY
    assert sum(kept) == HELD_CONTENT_BYTES
    lanes.offer(_ready(HELD_READY, size_bytes=CONTENT_BYTES))  # those are gone: there is room again
    assert _taken(lanes)[0].payload is not None


def test_a_backlog_in_one_lane_leaves_room_in_the_others() -> None:
    lanes = _emptied()
    for row in range(3 * HELD_READY):
        lanes.offer(_ready(row))
    lanes.offer(_ready(-1, Lane.URGENT))

    assert len(lanes) == HELD_READY + 1


def test_the_younger_does_not_overtake_what_waits_in_the_journal() -> None:
    """While older ones of its lane are on disk only, a new one waits there with them."""
    lanes = _emptied()
    lanes.look_again()
    lanes.offer(_ready(2))
    assert len(lanes) == 0

    lanes.reading(Lane.NORMAL)
    lanes.refill(Lane.NORMAL, [_ready(1), _ready(2)], 256)

    assert [ready.rows[0] for ready in _taken(lanes)] == [1, 2]


def test_large_payloads_are_not_held() -> None:
    """What is read again when its turn comes needs no memory until then."""
    lanes = _emptied()
    lanes.offer(_ready(1, size_bytes=CONTENT_BYTES))
    lanes.offer(_ready(2, size_bytes=CONTENT_BYTES + 1))

    small, large = _taken(lanes)

    assert small.payload is not None
    assert large.payload is None


def test_what_is_held_is_not_read_twice() -> None:
    """The journal still shows a delivery as waiting until its transfer is frozen."""
    lanes = _emptied()
    lanes.offer(_ready(1))
    (ready,) = lanes.take(1)

    lanes.refill(Lane.NORMAL, [_ready(1), _ready(2)], 256)
    assert len(lanes) == 1
    lanes.frozen(ready)
    lanes.refill(Lane.NORMAL, [_ready(1)], 256)

    assert len(lanes) == 2


def test_a_full_answer_means_there_may_be_more() -> None:
    lanes = _emptied()

    lanes.refill(Lane.NORMAL, [_ready(1)], 2)
    _taken(lanes)
    assert lanes.starving() == []
    lanes.refill(Lane.NORMAL, [_ready(2), _ready(3)], 2)
    _taken(lanes)

    assert lanes.starving() == [Lane.NORMAL]


def test_a_signal_that_came_while_the_journal_was_read_is_kept() -> None:
    """Whoever says `there is more` after the reading began is right, whatever the reading found."""
    lanes = _emptied()
    lanes.look_again()

    lanes.refill(Lane.EXPRESS, [], 256)

    assert Lane.EXPRESS in lanes.starving()


def test_what_a_neighbours_backlog_costs_in_memory_is_bounded() -> None:
    """All lanes full of the largest payloads that are held: some dozen megabytes."""
    assert len(Lane) * HELD_READY * CONTENT_BYTES <= 64 << 20


def test_new_ones_and_repeats_of_a_lane_alternate() -> None:
    """Neither an endless queue nor endless repeats stop the other."""
    lanes = _emptied()
    lanes.refill(Lane.NORMAL, [_ready(row) for row in range(20)], 256)
    went = []
    for _ in range(6):
        if lanes.outranks(Lane.NORMAL):
            lanes.take(1)
            went.append("new")
        else:
            lanes.repeated()
            went.append("again")
    assert went == ["again", "new"] * 3


def test_between_lanes_the_higher_goes_but_for_one_turn_in_eight() -> None:
    """New or again: express overtakes, and leaves the lowest its turn."""
    for new, again in ((Lane.EXPRESS, Lane.NORMAL), (Lane.NORMAL, Lane.EXPRESS)):
        lanes = _emptied()
        lanes.refill(new, [_ready(row, new) for row in range(20)], 256)
        went = []
        for _ in range(LOWEST_EVERY * 2):
            if lanes.outranks(again):
                went.append(lanes.take(1)[0].lane)
            else:
                lanes.repeated()
                went.append(again)
        assert went == [*[Lane.EXPRESS] * (LOWEST_EVERY - 1), Lane.NORMAL] * 2
