"""W18: passages that the judged node tells."""

from __future__ import annotations

import asyncio
import json

from relay.conformance.instants import now
from relay.conformance.listener import DECLINED_WORDS
from relay.conformance.proofs import leaf_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.conformance.waited import (
    LONGEST_WITHIN,
    OVER_WITHIN,
    Waited,
    answered,
    passages_at,
    passages_come,
    says_over,
    through,
    waited,
)
from relay.errors import AuditError, SignatureError, WireError
from relay.model import NodeId
from relay.signing.attached import AttachedJudge, open_proof
from relay.wire.passage import Passage, read_passage

book = Book(Part.NEIGHBOUR, Part.SECOND, capability="passages")
SOON = 25.0
SOME_SECONDS = 20.0
"""After which a wait is told of at the latest when it is over."""
NAMES = frozenset(
    {"v", "at", "event", "node", "message", "origin", "receipt", "neighbour", "recipients", "seal"}
)
"""Fields whose values are names and codes, in which a host's name may stand by chance."""


async def _of_waiting(stand: Stand) -> Waited:
    found = await stand.come_of(waited)
    stand.exchanges.held = list(found.exchanges)
    return found


def _passage(proof: bytes) -> Passage:
    try:
        found = read_passage(leaf_of(proof))
    except WireError as error:
        raise FailedError(f"the entry is no passage as W18.2 has it: {error}") from error
    require(bool(found.waits), "a passage of what waited says nothing of any wait")
    return found


# ------------------------------------------------------------ W18.1, W18.2, W18.3: what the node tells


@book.asserts(
    "W18.1",
    "not-delayed",
    "A document that waited goes on as soon as the next node takes it, whoever has taken its passage",
    begins=waited,
)
async def not_delayed(stand: Stand) -> None:
    found = await _of_waiting(stand)
    if not found.went_on and found.goes_within > LONGEST_WITHIN:
        raise InconclusiveError(f"its next attempt may come within {found.goes_within:g} s")
    require(found.went_on, f"it did not go on within {found.goes_within:g} s")


@book.asserts(
    "W18.2",
    "fields",
    "A passage names the message, its origin, the answer, the neighbour, the recipients and why it waits",
    begins=waited,
)
async def fields(stand: Stand) -> None:
    found = await _of_waiting(stand)
    header = found.sent.header
    for proof in found.every():
        one = _passage(proof)
        named = (one.node, one.message, one.origin, one.came_from, list(one.recipients))
        expected = (stand.subject.id, header.message_id, header.origin, header.sent_by)
        require_equal(named, (*expected, list(header.recipients)), "what is named")
        require_equal(one.seal, "node", "the seal's kind")
        require(one.arrived <= one.at, "it arrived after it was told")
        sinces = [each.since for each in one.waits]
        require_equal(sinces, sorted(sinces), "the order of its waits")


@book.asserts(
    "W18.2",
    "departed",
    "While a document waits there it has not departed and its last wait is not over; then both are told",
    begins=waited,
)
async def departed(stand: Stand) -> None:
    found = await _of_waiting(stand)
    for one in map(_passage, found.told()):
        require(one.departed is None, "it is told as gone while nobody took it")
        require(one.waits[-1].until is None, "its wait is told as over while nobody took it")
    over = [one for one in found.when_it_went if says_over(one)]
    if not found.went_on or not over:
        raise InconclusiveError("nothing was told of when it went on")
    last = _passage(over[-1])
    gone = last.departed
    require(last.waits[-1].until is not None, "its last wait is not over")
    require(
        gone is not None and gone <= last.at, "when it departed is not told, or after its telling"
    )


@book.asserts(
    "W18.3",
    "one-of-five",
    "A node tells no reason but one of the five",
    begins=waited,
)
async def one_of_five(stand: Stand) -> None:
    for proof in (await _of_waiting(stand)).every():
        unknown = [one for one in _passage(proof).waits if one.reason is None]
        require(not unknown, f"the waits are {leaf_of(proof).get('waits')}")


@book.asserts(
    "W18.3",
    "no-words",
    "A passage holds neither the next node's words nor where it is reached",
    begins=waited,
)
async def no_words(stand: Stand) -> None:
    kit = stand.subject.kit
    place = kit.second.listen if kit and kit.second else ""
    for proof in (await _of_waiting(stand)).every():
        told = {name: value for name, value in leaf_of(proof).items() if name not in NAMES}
        text = json.dumps(told, ensure_ascii=False)
        for word in (DECLINED_WORDS, place, place.rpartition(":")[0]):
            require(word not in text, f"it holds {word!r}")


# ------------------------------------------------------------ W18.4: how it is handed over


@book.asserts(
    "W18.4",
    "proven",
    "A passage is proven as the receipt that it names is, and comes after it",
    begins=waited,
)
async def proven(stand: Stand) -> None:
    found = await _of_waiting(stand)
    judge, node = AttachedJudge(stand.trust, None), NodeId(stand.subject.id)
    for proof in found.every():
        try:
            judge.prove(open_proof(proof), found.receipt, node, now())
        except (AuditError, SignatureError) as error:
            raise FailedError(f"the proof of a passage does not hold: {error}") from error


@book.asserts(
    "W18.4",
    "not-without",
    "A neighbour without the capability is handed no passage",
    begins=waited,
)
async def not_without(stand: Stand) -> None:
    """The second neighbour has none. What it sent waits as long as another of the first, of which that is told; then
    the proof of a later receipt comes, as it would behind a passage."""
    first = await stand.come_of(waited)
    first.told()
    there, back = through(stand, stand.peer, stand.second), through(stand, stand.second, stand.peer)
    with (
        stand.second_listener.declining(there.header.digest),
        stand.listener.declining(back.header.digest),
    ):
        receipt = await answered(stand.second, back)
        told = await answered(stand.peer, there)
        await asyncio.sleep(min(first.told_after, SOME_SECONDS))
    await stand.listener.transfer_of(back.header.digest, max(SOON, first.goes_within))
    if not await passages_come(stand.listener, told, OVER_WITHIN):
        raise InconclusiveError(f"nothing was told of what waited for {SOME_SECONDS:g} s")
    later = await answered(stand.second, through(stand, stand.second, stand.peer))
    await _proof_of(stand, later.digest)
    require(not passages_at(stand.second_listener, receipt), "it was handed a passage")


async def _proof_of(stand: Stand, receipt: str) -> None:
    """To the second neighbour."""
    listener = stand.second_listener

    def found() -> bool:
        return any(receipt in leaf_of(one).values() for one in listener.proofs)

    await listener.until(found, SOON, "the proof of a later receipt")
