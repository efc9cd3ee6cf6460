"""W22.8 and W22.9: what was seen is remembered, and whoever is silent holds up nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from relay.conformance.business import settled, soon_expired
from relay.conformance.instants import now
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.model import Event, digest_of

book = Book(Part.NEIGHBOUR)
SILENT_DOCUMENTS = 16
"""More than a node has under way at once with one neighbour, or keeps connections for."""
ARRIVES_SECONDS = 30.0
TRIALS = 3
SLOW = 10
"""A wait is long by this many times what a document takes where nobody is silent."""


# ------------------------------------------------------------ W22.8


@book.asserts(
    "W22.8",
    "past-its-expiry",
    "What was accepted in time is answered as it was when it is repeated or asked about after `Expires`",
)
async def past_its_expiry(stand: Stand) -> None:
    prepared, answer = await soon_expired(stand)
    event = stand.peer.receipt(answer).evidence[0].event
    if event is not Event.RELAY_ACCEPTANCE:
        raise InconclusiveError(f"it was answered {event} while there was time")
    left = prepared.header.expires_at - now()
    await asyncio.sleep(max(0.0, left.total_seconds() + 0.1))
    again = await stand.peer.send(prepared)
    require_equal((again.status, again.body), (200, answer.body), "the answer to the repeat")
    asked = await stand.peer.get(f"/axis/v1/transfers/{prepared.header.transfer_id}")
    require_equal((asked.status, asked.body), (200, answer.body), "what it says of the transfer")


# ------------------------------------------------------------ W22.9


@dataclass(slots=True)
class _Silence:
    """What the kit takes and does not answer before it is told to."""

    stand: Stand
    over: asyncio.Event = field(default_factory=asyncio.Event)
    opened: int = 0
    given_up: int = 0
    """Attempts that the node ended, or that ended in another way."""

    async def answers(self, arrived: Arrived) -> web.StreamResponse:
        self.opened += 1
        try:
            await self.over.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            async with self.stand.second_listener.changed:
                self.stand.second_listener.changed.notify_all()
            raise
        return self.stand.listener.honestly(arrived)


async def _takes(stand: Stand) -> float:
    """Seconds until a document is at the second neighbour, while nobody is silent."""
    loop = asyncio.get_running_loop()
    began, envelope = loop.time(), stand.letter_out(stand.second.agency)
    await stand.dms.send(envelope)
    await stand.second_listener.transfer_of(digest_of(envelope), ARRIVES_SECONDS)
    return loop.time() - began


async def _held_up(stand: Stand) -> float:
    """Seconds for which a document for the second neighbour waited until the node gave up an attempt at
    the silent one; 0 where it came before that."""
    loop = asyncio.get_running_loop()
    silence = _Silence(stand)
    backlog = [stand.letter_out() for _ in range(SILENT_DOCUMENTS)]
    envelope = stand.letter_out(stand.second.agency)
    with stand.listener.answering(silence.answers):
        try:
            await asyncio.gather(*(stand.dms.send(one) for one in backlog))
            await stand.listener.until(lambda: silence.opened, ARRIVES_SECONDS, "a transfer")
            given_up, began = silence.given_up, loop.time()
            await stand.dms.send(envelope)
            came = await _came(stand, envelope, silence, given_up)
            waited = 0.0 if came else loop.time() - began
        finally:
            silence.over.set()
    await settled(stand, *backlog)
    return waited


async def _came(stand: Stand, envelope: bytes, silence: _Silence, given_up: int) -> bool:
    """Before any attempt at the silent neighbour was given up."""

    def arrived() -> bool:
        return digest_of(envelope) in [one.header.digest for one in stand.second_listener.arrived]

    def told() -> bool:
        return arrived() or silence.given_up > given_up

    try:
        await stand.second_listener.until(told, ARRIVES_SECONDS, "either")
    except InconclusiveError:
        return False
    return arrived()


@book.asserts(
    "W22.9",
    "silent",
    "A neighbour that takes everything and says nothing holds up no other",
    Part.SECOND,
    Part.AXIS,
)
async def silent(stand: Stand) -> None:
    """Order is looked at: once is enough that it comes before the node gives up on who is silent."""
    shortest = ARRIVES_SECONDS
    for _ in range(TRIALS):
        usually = await _takes(stand)
        waited = await _held_up(stand)
        if not waited:
            return
        shortest = min(shortest, waited)
        if waited < SLOW * usually:
            raise InconclusiveError(f"a document takes {usually:.1f} s where nobody is silent")
    require(False, f"what goes to another neighbour waited {shortest:.1f} s and more, each time")
