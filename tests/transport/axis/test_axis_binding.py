"""From where a system may call, and what guessing its secret costs whom."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.operators.systems import Site
from relay.model import AgencyCode
from relay.transport.axis.binding import Binding, Peer
from relay.transport.axis.lockout import LOCKED, MOST_FAILURES, Lockout, site_of
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.axis.signature import sign
from relay.transport.axis.systems import System, Systems

NOW = datetime(2026, 11, 22, 3, 5, 26, tzinfo=UTC)
NAME, SECRET = "vxp.test.01", b"s3cret-key"
AGENCIES = frozenset({AgencyCode("000.00.20.H13")})
SYSTEM = System(NAME, (SECRET,), AGENCIES)
HOME, ELSEWHERE = Peer("10.1.2.3"), Peer("198.51.100.7")

Serve = Callable[..., Awaitable[Any]]


def guess(binding: Binding, peer: Peer, times: int, now: datetime = NOW) -> list[bool]:
    return [binding.failed(SYSTEM, peer, now) for _ in range(times)]


def refused(binding: Binding, system: System, peer: Peer, now: datetime = NOW) -> AxisRefusal:
    with pytest.raises(AxisRefusal) as caught:
        binding.admit(system, peer, now)
    assert caught.value.code is ErrorCode.BAD_SYSTEM
    return caught.value


def test_too_many_wrong_secrets_lock_an_address_out_for_a_while() -> None:
    """Even a right guess is refused from there, with the time when it ends; told once."""
    binding = Binding()
    assert guess(binding, ELSEWHERE, MOST_FAILURES + 5).count(True) == 1
    text = refused(binding, SYSTEM, ELSEWHERE).text
    assert text.startswith("Tam khoa den 22/11/2026 10:20:26")
    assert "locked until 22/11/2026 10:20:26 (UTC+7)" in text
    binding.admit(SYSTEM, ELSEWHERE, NOW + LOCKED)


def test_others_failures_lock_out_nobody_else() -> None:
    """Neither the system from its own address, nor another system from the guesser's."""
    binding = Binding()
    guess(binding, ELSEWHERE, 1000)
    binding.admit(SYSTEM, HOME, NOW)
    binding.admit(System("vxp.test.02", (b"other",), AGENCIES), ELSEWHERE, NOW)


def test_where_its_secret_held_before_a_system_is_not_locked_out() -> None:
    """Whoever guesses behind the same address as the true client does not stop it."""
    binding = Binding()
    binding.admit(SYSTEM, HOME, NOW)
    guess(binding, HOME, 1000)
    binding.admit(SYSTEM, HOME, NOW)


def test_a_bound_system_is_never_locked_out_where_it_is_bound_to() -> None:
    """By address or by certificate."""
    bound = System(NAME, (SECRET,), AGENCIES, addresses=(ip_network("10.1.0.0/16"),))
    shown = System(NAME, (SECRET,), AGENCIES, certificates=frozenset({"ab" * 32}))
    for system, peer in ((bound, HOME), (shown, Peer("10.1.2.3", lambda: "ab" * 32))):
        binding = Binding()
        guess(binding, peer, 1000)
        binding.admit(system, peer, NOW)


def test_a_system_bound_to_addresses_calls_from_nowhere_else() -> None:
    """In words for its own people: the secret was proven already."""
    system = System(
        NAME,
        (SECRET,),
        AGENCIES,
        addresses=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/48")),
    )
    binding = Binding()
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"):
        binding.admit(system, Peer(address), NOW)
    for address in ("10.2.0.1", "::1", "", "unix"):
        assert refused(binding, system, Peer(address)).why == "wrong-address"


def test_a_system_bound_to_a_certificate_must_show_it() -> None:
    """None, and another one, are refused."""
    system = System(NAME, (SECRET,), AGENCIES, certificates=frozenset({"ab" * 32, "cd" * 32}))
    Binding().admit(system, Peer("10.1.2.3", lambda: "cd" * 32), NOW)
    for shown in (None, "00" * 32):
        peer = Peer("10.1.2.3", lambda shown=shown: shown)  # type: ignore[misc]
        assert refused(Binding(), system, peer).why == "wrong-certificate"


def test_failures_far_apart_are_no_attack() -> None:
    """A clerk mistypes now and then."""
    binding, now = Binding(), NOW
    for _ in range(MOST_FAILURES * 3):
        assert not binding.failed(SYSTEM, HOME, now)
        now += timedelta(minutes=11)


def test_a_lock_that_ended_begins_anew() -> None:
    """As many failures as before lead to the next one."""
    binding = Binding()
    assert guess(binding, HOME, MOST_FAILURES)[-1]
    later = NOW + LOCKED
    assert guess(binding, HOME, MOST_FAILURES, later) == [False] * (MOST_FAILURES - 1) + [True]


def test_a_changed_secret_ends_locks_and_trust() -> None:
    """What was proven with the old one proves nothing of the new one."""
    lockout = Lockout()
    for _ in range(MOST_FAILURES):
        lockout.failed(NAME, "10.1.2.3", NOW)
    assert lockout.until(NAME, "10.1.2.3", NOW) is not None
    lockout.held(NAME, "10.9.9.9")
    lockout.forget(frozenset({NAME}))
    assert lockout.until(NAME, "10.1.2.3", NOW) is None
    for _ in range(MOST_FAILURES):
        lockout.failed(NAME, "10.9.9.9", NOW)
    assert lockout.until(NAME, "10.9.9.9", NOW) is not None


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=200))
def test_memory_of_failures_is_bounded(calls: list[tuple[int, bool]]) -> None:
    """However many addresses come, and whatever they do."""
    lockout = Lockout(most_tallies=20)
    for number, held in calls:
        if held:
            lockout.held(NAME, f"10.0.0.{number}")
        else:
            lockout.failed(NAME, f"10.0.0.{number}", NOW)
    assert len(lockout._tallies) <= 20
    assert len(lockout._proven) <= 20


def test_addresses_that_fail_once_each_fill_no_memory() -> None:
    """A single failure locks nothing and still takes its place; what went is stored no more, if it was."""
    lockout = Lockout(most=2, most_tallies=20)
    for _ in range(2):
        lockout.failed(NAME, "10.1.0.0", NOW)
    assert [site.locked_until for site in lockout.changes()] == [NOW + lockout.locked]
    for number in range(300):
        lockout.failed(NAME, f"10.0.{number // 100}.{number % 100}", NOW)
    assert len(lockout._tallies) == 20
    assert [(site.site, site.locked_until) for site in lockout.changes()] == [("10.1.0.0", None)]


def test_an_ipv6_network_is_one_address() -> None:
    """Whoever has one of it has all of it."""
    assert site_of("2001:db8:0:1::7") == site_of("2001:db8:0:1:ffff::9")
    assert site_of("2001:db8:0:1::7") != site_of("2001:db8:0:2::7")
    assert site_of("::ffff:10.1.2.3") == "10.1.2.3"


async def ask(face: Any, secret: bytes) -> dict[str, Any]:
    headers = sign([("systemid", NAME)], secret)
    async with face.session.post(
        f"{face.url}/countReceiveEdoc", headers=headers, data=b"{}"
    ) as response:
        assert response.status == 200
        return json.loads(await response.read())  # type: ignore[no-any-return]


async def test_over_http_a_guesser_is_locked_out_and_told_of_once(serve: Serve) -> None:
    """One line and one entry in the audit log, by name of the system; then silence."""
    face = await serve(systems=Systems([SYSTEM]))
    with structlog.testing.capture_logs() as logs:
        answers = [await ask(face, b"wrong") for _ in range(MOST_FAILURES + 3)]
    assert {one["ErrorCode"] for one in answers} == {"15"}
    assert len({one["ErrorDesc"] for one in answers}) == 1
    assert face.noted.known_ones == [("axis", f"system:{NAME}", "locked-out", True)]
    assert [line["event"] for line in logs] == ["system-locked-out", "axis-call-refused"]
    locked = await ask(face, SECRET)
    assert "Tam khoa" in locked["ErrorDesc"]


async def test_over_http_the_true_client_goes_on(serve: Serve) -> None:
    """Guesses from its own address change nothing for it."""
    face = await serve(systems=Systems([SYSTEM]))
    assert (await ask(face, SECRET))["ErrorCode"] == "0"
    for _ in range(MOST_FAILURES * 2):
        await ask(face, b"wrong")
    assert (await ask(face, SECRET))["ErrorCode"] == "0"


async def test_over_http_an_address_that_is_not_the_systems_is_refused(serve: Serve) -> None:
    """No header of the request counts, only where the connection comes from."""
    bound = System(NAME, (SECRET,), AGENCIES, addresses=(ip_network("10.1.0.0/16"),))
    face = await serve(systems=Systems([bound]))
    headers = {**sign([("systemid", NAME)], SECRET), "X-Forwarded-For": "10.1.2.3"}
    async with face.session.post(f"{face.url}/countReceiveEdoc", headers=headers) as response:
        answer = json.loads(await response.read())
    assert answer["ErrorCode"] == "15"
    assert "may not call from address 127.0.0.1" in answer["ErrorDesc"]


def test_a_secret_with_an_end_works_until_then() -> None:
    """Both work while they overlap, only the new one afterwards."""
    end = NOW + timedelta(days=7)
    system = System(NAME, (b"new",), AGENCIES, ending=((b"old", end),))
    systems = Systems([system])
    for now, old in ((NOW, True), (end - timedelta(seconds=1), True), (end, False)):
        working = {key for key, counts in systems.keys(system, now) if counts}
        assert working == ({b"new", b"old"} if old else {b"new"})
        assert len(systems.keys(None, now)) == 2


class Book:
    """Sites as a table keeps them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Site] = {}

    async def load(self) -> list[Site]:
        return list(self.kept.values())

    async def store(self, sites: Sequence[Site]) -> None:
        for one in sites:
            self.kept[one.systemid, one.site] = one
            if not one.is_remembered:
                del self.kept[one.systemid, one.site]


async def restarted(before: Binding, book: Book, now: datetime) -> Binding:
    """A node that stops and starts."""
    await book.store(before.lockout.changes())
    after = Binding()
    after.lockout.restore(await book.load(), now)
    return after


async def test_a_lock_and_a_proven_address_outlive_a_start() -> None:
    """Who can make a node start anew guesses no faster, and the true client behind a guesser's address is let in."""
    binding, book, shared = Binding(), Book(), Peer("192.0.2.1")
    guess(binding, ELSEWHERE, MOST_FAILURES)
    binding.admit(SYSTEM, shared, NOW)
    after = await restarted(binding, book, NOW + timedelta(minutes=1))
    refused(after, SYSTEM, ELSEWHERE, NOW + timedelta(minutes=1))
    guess(after, shared, MOST_FAILURES, NOW + timedelta(minutes=1))
    after.admit(SYSTEM, shared, NOW + timedelta(minutes=1))
    later = await restarted(after, book, NOW + LOCKED)
    later.admit(SYSTEM, ELSEWHERE, NOW + LOCKED)


async def test_failures_that_locked_nothing_yet_do_not_outlive_a_start() -> None:
    """Nine of ten: what a start gives a guesser is nine more. Each of them would cost a write to remember."""
    binding, book = Binding(), Book()
    guess(binding, ELSEWHERE, MOST_FAILURES - 1)
    after = await restarted(binding, book, NOW)
    assert book.kept == {}
    guess(after, ELSEWHERE, MOST_FAILURES - 1)
    after.admit(SYSTEM, ELSEWHERE, NOW)


async def test_a_changed_secret_forgets_its_sites_for_good() -> None:
    """What was proven by an old one, or locked for it, is not known again after a start either."""
    binding, book = Binding(), Book()
    guess(binding, ELSEWHERE, MOST_FAILURES)
    binding.admit(SYSTEM, HOME, NOW)
    assert len((await restarted(binding, book, NOW)).lockout._proven) == 1
    binding.lockout.forget(frozenset({NAME}))
    await restarted(binding, book, NOW)
    assert book.kept == {}


async def test_a_clock_that_was_wrong_locks_for_no_longer_than_a_lock_lasts() -> None:
    """A lock that was stored by a clock years ahead."""
    after = Binding()
    far = Site(NAME, site_of(ELSEWHERE.address), False, NOW + timedelta(days=4000))
    after.lockout.restore([far], NOW)
    refused(after, SYSTEM, ELSEWHERE)
    after.admit(SYSTEM, ELSEWHERE, NOW + LOCKED)
