"""Documents of the judged node's agency whose seals it has stamped, and what came of it (W14.9).

They are sent before all assertions and need nobody: each has its own answers from the authority, and its evidence
is looked at until the token stands in it, or the node has asked again.

Touches: what the stand's parts touch.
Raises:  nothing by itself; what went wrong is in what came of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from relay.conformance import dms, timestamping
from relay.conformance.dms import Dms
from relay.conformance.exchanges import Exchange, Exchanges
from relay.conformance.files import entries_of
from relay.conformance.peer import UnreachableError
from relay.conformance.stand import Stand
from relay.conformance.timestamping import Expected, Stamp
from relay.conformance.verdicts import FailedError, InconclusiveError
from relay.errors import RelayError, SignatureError, WireError
from relay.model import MessageId, digest_of
from relay.signing.stamped import imprint_of, parted
from relay.wire import bundle

SENT_WITHIN = 60.0
STAMPED_WITHIN = 150.0
"""In all: half a minute may lie between two looks of a node at what is to be stamped, and as long between attempts."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.3, 5.0
AGAIN = 2
"""Requests about the same seal, by which the answer to the first was not taken."""
HONEST_AGAIN = 4
"""Of an honest answer: one or another may have gone with a node that was crashed."""
SPOILT: tuple[Stamp, ...] = (
    timestamping.of_another_nonce,
    timestamping.of_no_nonce,
    timestamping.not_granted,
    timestamping.of_other_bytes,
    timestamping.of_another_policy,
    timestamping.by_nobody_known,
    timestamping.by_no_authority,
    timestamping.with_bad_signature,
)


@dataclass(slots=True)
class Stamping:
    """Of one document."""

    expected: Expected
    fault: str = ""
    """Why nothing came of it."""
    stands: tuple[bytes, ...] = ()
    """The tokens in its evidence, when it was looked at last."""
    status: int = 0
    """With which its evidence was answered last; 0: there was no answer."""
    asked_before: int = 0
    """Requests that had come when that was asked for."""
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        return any(one in self.expected.given for one in self.stands)

    def over(self, enough: int) -> bool:
        return self.taken or self.asked_before >= enough


@dataclass(frozen=True, slots=True)
class Stampings:
    """Of all documents, by how they were stamped."""

    found: dict[Stamp, Stamping]

    def of(self, stamp: Stamp) -> Stamping:
        one = self.found[stamp]
        if one.fault:
            raise InconclusiveError(one.fault)
        if one.status != 200:
            raise InconclusiveError(f"its evidence is answered {one.status}")
        if not one.expected.asked:
            raise InconclusiveError(
                f"it asked for no timestamp of the seal within {STAMPED_WITHIN:g} s"
            )
        return one


async def stamped(stand: Stand) -> Stampings:
    stamps = [timestamping.honest, *SPOILT]
    if stand.timestamps.stampers.policy is None:
        stamps.remove(timestamping.of_another_policy)
    own = Exchanges()  # what others look at is kept without all this
    async with dms.at(stand.subject, own) as system:
        found = await asyncio.gather(*(_stamped(stand, system, one) for one in stamps))
    return Stampings(dict(zip(stamps, found, strict=True)))


async def _stamped(stand: Stand, system: Dms, stamp: Stamp) -> Stamping:
    made = Stamping(Expected(stamp))
    try:
        message_id = await _sent(stand, system, made)
        await _looked_at(system, made, message_id)
    except (InconclusiveError, FailedError, RelayError) as error:
        made.fault = f"{type(error).__name__}: {error}"
    made.exchanges += [one.exchange for one in made.expected.asked]
    return made


async def _sent(stand: Stand, system: Dms, made: Stamping) -> MessageId:
    """By then the authority knows how to stamp its seal."""
    envelope = stand.letter_out()
    await system.send(envelope)
    arrived = await stand.listener.transfer_of(digest_of(envelope), SENT_WITHIN)
    made.expected = stand.timestamps.expect(imprint_of(arrived.seal), made.expected.stamp)
    return arrived.header.message_id


async def _looked_at(system: Dms, made: Stamping, message_id: MessageId) -> None:
    """Again and again, and at once when the node has asked."""
    enough = HONEST_AGAIN if made.expected.stamp is timestamping.honest else AGAIN
    loop, pause = asyncio.get_running_loop(), SHORTEST_PAUSE
    end = loop.time() + STAMPED_WITHIN
    while not made.over(enough) and loop.time() < end:
        made.expected.came.clear()
        await _exported(system, made, message_id)
        if not made.over(enough):
            with suppress(TimeoutError):
                await asyncio.wait_for(made.expected.came.wait(), pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _exported(system: Dms, made: Stamping, message_id: MessageId) -> None:
    """What stands in the evidence now; as before, where the node does not give it just now."""
    asked, held = len(made.expected.asked), system.exchanges.held
    place = len(held)
    try:
        answer = await system.native("GET", f"/v1/messages/{message_id}/evidence")
    except UnreachableError:
        return
    made.status = answer.status
    if answer.status == 200:
        made.stands, made.asked_before = _tokens_in(answer.body), asked
        made.exchanges = held[place : place + 1]


def _tokens_in(content: bytes) -> tuple[bytes, ...]:
    """Beside the seal."""
    seal = entries_of(content).get(bundle.SEAL, b"")
    try:
        return parted(bundle.unwrapped(seal, bundle.SEAL))[1].tokens
    except (WireError, SignatureError) as error:
        raise InconclusiveError(f"{bundle.SEAL}: {error}") from error
