"""A document of the kit's that waits at the judged node, and what the node tells of it meanwhile (W18).

It is begun before all assertions and needs nobody: the kit's second neighbour, to which it is to go, declines it and
nothing else, until the node has told why it waits, or long after a minute.

Touches: what the stand's parts touch.
Raises:  InconclusiveError where the node does not take the document over.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from relay.conformance.exchanges import Exchange
from relay.conformance.listener import Listener
from relay.conformance.peer import Peer, Prepared
from relay.conformance.proofs import leaf_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import InconclusiveError
from relay.model import Event, Signed
from relay.wire.passage import EVENT

TOLD_WITHIN = 75.0
"""Seconds: about a minute, and what it takes to publish and to hand over."""
GOES_WITHIN = 25.0
LONGEST_WITHIN = 100.0
"""Of a node that leaves more between its attempts it is not told whether it goes on at once."""
PAUSES = 3
"""The next attempt comes within so many of the longest pause before: pauses grow."""
OVER_WITHIN = 30.0


@dataclass(slots=True)
class Waited:
    """What came of it; proofs of passages in the order they came."""

    sent: Prepared
    receipt: Signed
    """The node's answer to it."""
    exchanges: list[Exchange]
    while_it_waited: list[bytes] = field(default_factory=list)
    told_after: float = 0.0
    """Seconds, until the first of those came."""
    goes_within: float = GOES_WITHIN
    went_on: bool = False
    """Within that, once the next node took it, though nobody had taken what was told of it."""
    when_it_went: list[bytes] = field(default_factory=list)

    def told(self) -> list[bytes]:
        """While it waited. INCONCLUSIVE where there is nothing: a node may tell, and need not."""
        if not self.while_it_waited:
            raise InconclusiveError(f"nothing was told of what waited for {TOLD_WITHIN:g} s")
        return self.while_it_waited

    def every(self) -> list[bytes]:
        return [*self.told(), *self.when_it_went]


def passages_at(listener: Listener, receipt: Signed) -> list[bytes]:
    """Proofs of passages of that receipt that came there, each once."""
    return [one for one in dict.fromkeys(listener.proofs) if _is_passage_of(one, receipt)]


def _is_passage_of(proof: bytes, receipt: Signed) -> bool:
    leaf = leaf_of(proof)
    return (leaf.get("event"), leaf.get("receipt")) == (EVENT, receipt.digest)


async def passages_come(
    listener: Listener, receipt: Signed, seconds: float, known: Sequence[bytes] = ()
) -> list[bytes]:
    """Those that are not known, as soon as there are any; none when the time is over."""

    def found() -> list[bytes]:
        return [one for one in passages_at(listener, receipt) if one not in known]

    try:
        came: list[bytes] = await listener.until(found, seconds, "a passage")
    except InconclusiveError:
        return []
    return came


def through(stand: Stand, sender: Peer, to: Peer) -> Prepared:
    """A document of one of the kit's neighbours for the other."""
    envelope = stand.letter_from(sender.agency, [to.agency])
    return sender.transfer(envelope, [to.agency])


async def answered(sender: Peer, prepared: Prepared) -> Signed:
    """The node's answer, by which it took the document over."""
    signed, receipt = sender.receipts(await sender.send(prepared))[0]
    if receipt.evidence[0].event is not Event.RELAY_ACCEPTANCE:
        raise InconclusiveError(f"a document on its way is answered {receipt.evidence[0].event}")
    return signed


async def waited(stand: Stand) -> Waited:
    """The whole of it, from its sending to what was told when it went on."""
    prepared = through(stand, stand.peer, stand.second)
    digest, held = prepared.header.digest, stand.exchanges.held
    first = len(held)
    with stand.listener.saying_of_proofs(_of_passages_later):
        with stand.second_listener.declining(digest) as attempts:
            made = Waited(prepared, await answered(stand.peer, prepared), held[first : first + 1])
            await _until_told(stand, made)
            made.goes_within = _next_within(attempts)
        made.went_on = await _goes_on(stand, made)
    await _until_over(stand, made)
    known = made.while_it_waited
    every = [b64encode(one) for one in (*known, *made.when_it_went)]
    calls = stand.listener.proof_calls
    made.exchanges += [one for one in calls if any(proof in one.request for proof in every)]
    return made


def _of_passages_later(proof: bytes) -> str | None:
    """Nobody has taken what is told, and yet the document must go."""
    return "later" if leaf_of(proof).get("event") == EVENT else None


async def _until_told(stand: Stand, made: Waited) -> None:
    began = asyncio.get_running_loop().time()
    await passages_come(stand.listener, made.receipt, TOLD_WITHIN)
    made.told_after = asyncio.get_running_loop().time() - began
    made.while_it_waited = passages_at(stand.listener, made.receipt)


async def _until_over(stand: Stand, made: Waited) -> None:
    """One that says so, whatever else comes late."""

    def found() -> bool:
        known = made.while_it_waited
        made.when_it_went = [
            one for one in passages_at(stand.listener, made.receipt) if one not in known
        ]
        return any(says_over(one) for one in made.when_it_went)

    with suppress(InconclusiveError):
        await stand.listener.until(found, OVER_WITHIN, "that it is over")


def says_over(proof: bytes) -> bool:
    """That it departed, or that nothing there waits any more."""
    leaf = leaf_of(proof)
    waits = leaf.get("waits")
    last = waits[-1] if isinstance(waits, list) and waits else {}
    return "departed" in leaf or (isinstance(last, dict) and "until" in last)


def _next_within(attempts: Sequence[float]) -> float:
    longest = max((later - earlier for earlier, later in pairwise(attempts)), default=0.0)
    return max(GOES_WITHIN, PAUSES * longest)


async def _goes_on(stand: Stand, made: Waited) -> bool:
    """As soon as the next node takes it; a sign of life ends a wait for a node that was away."""
    await stand.second.node_document()
    seconds = min(made.goes_within, LONGEST_WITHIN)
    try:
        await stand.second_listener.transfer_of(made.sent.header.digest, seconds)
    except InconclusiveError:
        return False
    return True
