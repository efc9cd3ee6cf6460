"""One neighbour's channel: the window, failures, and waking up."""

from __future__ import annotations

from relay.delivery.neighbours.channel import DEAD_AFTER, Channel, Work
from relay.model import NodeId


def test_the_window_grows_by_one_and_halves_with_a_failure() -> None:
    """And never over its bound."""
    channel = Channel(NodeId("tinh"), 6, window=4)
    for _ in range(5):
        channel.succeeded()
    assert channel.window == 6

    channel.failed(10.0)

    assert (channel.window, channel.failures, channel.blocked_until) == (3, 1, 10.0)
    channel.succeeded()
    assert (channel.window, channel.failures, channel.blocked_until) == (4, 0, 0.0)


def test_a_neighbour_that_keeps_failing_is_probed_by_one_transfer() -> None:
    channel = Channel(NodeId("tinh"), 256, window=256)
    for _ in range(DEAD_AFTER):
        assert not channel.dead
        channel.failed(1.0)

    assert channel.dead
    assert channel.window == 1


def test_a_neighbour_that_was_dead_before_a_restart_is_dead_after_it() -> None:
    channel = Channel(NodeId("tinh"), 256)
    channel.failed_before(DEAD_AFTER + 2, 7.0)

    assert (channel.dead, channel.window, channel.blocked_until) == (True, 1, 7.0)


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
    assert channel.failures == 1


def test_the_probes_of_a_failing_neighbour_take_turns() -> None:
    """Whatever it chokes on each time, receipts, an old document or a new one, is not all it is sent."""
    channel = Channel(NodeId("tinh"), 6)
    first = [channel.order[0]]
    for _ in range(4):
        channel.failed(0.0)
        first.append(channel.order[0])

    assert first == [Work.RECEIPTS, Work.REPEATS, Work.NEW, Work.RECEIPTS, Work.REPEATS]
    assert set(channel.order) == set(Work)


def test_a_contact_ends_the_wait_at_once_and_the_next_within_a_second() -> None:
    """However often it speaks meanwhile; and after a while without a word the next counts at once."""
    channel = Channel(NodeId("tinh"), 8)
    channel.failed(600.0)
    assert channel.contacted(100.0)
    assert channel.blocked_until == 100.0

    channel.failed(700.0)
    assert channel.contacted(100.2)
    assert channel.blocked_until == 101.0
    assert not channel.contacted(100.4)
    assert channel.blocked_until == 101.0

    channel.failed(800.0)
    assert channel.contacted(150.0)
    assert channel.blocked_until == 150.0


def test_a_contact_never_lengthens_a_wait() -> None:
    channel = Channel(NodeId("tinh"), 8)
    channel.failed(600.0)
    channel.contacted(100.0)
    channel.failed(100.3)

    assert not channel.contacted(100.2)
    assert channel.blocked_until == 100.3
    channel.succeeded()
    assert not channel.contacted(100.4)
    assert channel.blocked_until == 0.0
