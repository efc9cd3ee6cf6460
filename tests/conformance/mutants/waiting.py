"""Faults with lanes, retries, contact and expiry."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from relay.delivery.arrivals import TransferDesk
from relay.delivery.attempts import Attempts
from relay.delivery.dispatch import Dispatcher
from relay.delivery.expiry import ExpiryDesk
from relay.delivery.neighbours import lanes
from relay.delivery.neighbours.channel import Channel, Work
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.returns import ReturnDesk
from relay.errors import AccessError, PeerError, TransportError, UnansweredError
from relay.model import Lane, Priority, Reason, Signed
from relay.signing import evidence
from relay.signing.notary import NodeNotary
from relay.transport.nodes.client import NodesClient
from relay.wire.transfer import read_transfer
from tests.conformance.mutants import mutant, put_in


@mutant("takes urgent documents for normal ones", "W22.1/each-lane")
def knows_two_lanes() -> None:
    honest = Lane.of

    def of(priority: Priority) -> Lane:
        lane = honest(priority)
        return Lane.NORMAL if lane is Lane.URGENT else lane

    put_in(Lane, "of", staticmethod(of))


@mutant("sends what came last first", "W22.1/first-come")
def sends_the_last_first() -> None:
    honest = lanes.Lanes._hold

    def hold(self: lanes.Lanes, held: Any, ready: Any) -> None:
        honest(self, held, ready)
        held.ready.rotate(1)

    put_in(lanes.Lanes, "_hold", hold)


@mutant("lets normal overtake express", "W22.1/express-first", "W22.1/each-lane", quick=True)
def lets_normal_overtake() -> None:
    put_in(lanes, "_HIGHEST_FIRST", tuple(sorted(Lane)))
    put_in(lanes, "LOWEST_EVERY", 1 << 30)  # or express would be the one in eight


@mutant("tries once", "W22.2/again")
def tries_once() -> None:
    async def start_repeats(self: Dispatcher, channel: Channel) -> None:
        """Never."""

    put_in(Dispatcher, "_start_repeats", start_repeats)


@mutant("tries without a pause", "W22.2/waits")
def tries_without_pause() -> None:
    put_in(RetryPolicy, "wait", lambda *_: timedelta(milliseconds=1))


@mutant("stands still at a transfer that is refused", "W22.3/one-refused")
def stands_still() -> None:
    honest = NodesClient.carry

    async def carry(self: NodesClient, *arguments: Any, **how: Any) -> Signed:
        try:
            return await honest(self, *arguments, **how)
        except PeerError as error:
            raise TransportError(str(error)) from error

    put_in(NodesClient, "carry", carry)
    put_in(Channel, "order", property(lambda _: (Work.REPEATS, Work.RECEIPTS, Work.NEW)))
    put_in(Channel, "room", property(lambda self: max(0, 1 - self.under_way)))


@mutant("stands still at a receipt that is refused", "W22.3/one-receipt-refused")
def stands_still_at_receipts() -> None:
    async def one_by_one(self: ReturnDesk, *_: Any) -> None:
        raise TransportError("the neighbour refuses receipts")

    put_in(ReturnDesk, "_one_by_one", one_by_one)


@mutant("takes no notice of who speaks to it", "W22.4/wakes")
def takes_no_notice() -> None:
    put_in(Channel, "contacted", lambda *_: False)


@mutant("drops what has expired without a word", "W22.5/expired")
def drops_what_expired() -> None:
    honest = NodesClient.carry

    async def give_up(self: ExpiryDesk, *_: Any) -> None:
        """Nobody is told."""

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, *rest: Any, **how: Any
    ) -> Any:
        if read_transfer(header.document).expires_at <= datetime.now(UTC):
            raise PeerError("it has expired")
        return await honest(self, neighbour, header, *rest, **how)

    put_in(ExpiryDesk, "_give_up", give_up)
    put_in(NodesClient, "carry", carry)


@mutant("says of what is in doubt that it expired", "W22.6/unknown")
def knows_too_much() -> None:
    honest = ExpiryDesk._give_up

    async def give_up(self: ExpiryDesk, waiting: Any, _: Reason) -> None:
        await honest(self, waiting, Reason.EXPIRED)

    put_in(ExpiryDesk, "_give_up", give_up)


@mutant("never asks again about what it gave up", "W22.6/unknown")
def never_asks_again() -> None:
    async def ask_again(self: ExpiryDesk, *_: Any) -> None:
        self._unknown.clear()

    put_in(ExpiryDesk, "ask_again", ask_again)


@mutant("sends what is in doubt another way", "W22.7/nowhere-else")
def sends_another_way() -> None:
    honest, issue, notaries = NodesClient.carry, NodeNotary._sign_transfers, list[NodeNotary]()

    def sign_transfers(self: NodeNotary, *arguments: Any) -> list[Signed]:
        notaries[:] = [self]
        return issue(self, *arguments)

    async def carry(
        self: NodesClient, neighbour: Any, header: Signed, *rest: Any, **how: Any
    ) -> Signed:
        try:
            return await honest(self, neighbour, header, *rest, **how)
        except UnansweredError:
            other = next(one for one in self.urls if one != neighbour)
            changed = replace(read_transfer(header.document), sent_to=other)
            signed = evidence.sign_transfer(changed, notaries[0].signer, datetime.now(UTC))
            return await honest(self, other, signed, *rest, **how)

    put_in(NodeNotary, "_sign_transfers", sign_transfers)
    put_in(NodesClient, "carry", carry)


@mutant("forgets what it answered once that has expired", "W22.8/past-its-expiry")
def forgets_what_expired() -> None:
    honest = TransferDesk.open

    async def opened(self: TransferDesk, neighbour: Any, signed: Signed, **how: Any) -> Any:
        found = await honest(self, neighbour, signed, **how)
        header = read_transfer(signed.document)
        if header.expires_at <= datetime.now(UTC):
            raise AccessError("it has expired")
        return found

    put_in(TransferDesk, "open", opened)


@mutant("tries one neighbour at a time", "W22.9/silent")
def tries_one_at_a_time() -> None:
    for name in ("_attempt", "_attempt_all"):
        put_in(Attempts, name, _one_at_a_time(getattr(Attempts, name)))


_TURN = asyncio.Lock()


def _one_at_a_time(honest: Any) -> Any:
    async def attempt(*arguments: Any) -> None:
        async with _TURN:
            await honest(*arguments)

    return attempt
