"""W18: passages, as the judged node tells them and as it is told them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from relay.audit.entries import instant
from relay.conformance.instants import now
from relay.conformance.listener import DECLINED_WORDS
from relay.conformance.peer import json_object
from relay.conformance.proofs import leaf_of
from relay.conformance.published import native
from relay.conformance.stand import Stand
from relay.conformance.telling import TakenOver, taken_over, taken_over_from_node, wait
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
from relay.model import MessageId, NodeId, mint_uuid7
from relay.signing.attached import AttachedJudge, open_proof
from relay.wire.passage import Passage, read_passage

book = Book(Part.NEIGHBOUR, Part.SECOND, capability="passages")
SOON = 25.0
SOME_SECONDS = 20.0
"""After which a wait is told of at the latest when it is over."""
NAMES = frozenset({"v", "at", "event", "node", "message", "origin", "receipt", "neighbour"})
"""Fields whose values are names, and may hold one that is a host's, too."""
READING = (Part.AXIS, Part.NATIVE)


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


# ------------------------------------------------------------ W18.5: what the node is told


@book.asserts("W18.5", "kept", "A passage of what its node took over is kept")
async def kept(stand: Stand) -> None:
    one = await taken_over(stand)
    await _is_kept(one, one.proof())


async def _is_kept(one: TakenOver, proof: bytes) -> None:
    require_equal(await one.tell(proof), "kept", "the answer to a right one")


async def _is_refused(stand: Stand, *several: dict[str, Any]) -> None:
    """Each, beside a right one that is kept."""
    one = await taken_over(stand)
    await _is_kept(one, one.proof())
    for changes in several:
        said = await one.tell(one.proof(**changes))
        require_equal(said, "refused", f"the answer to one with {changes}")


@book.asserts(
    "W18.5", "another-message", "A passage of another message than its receipt's is refused"
)
async def another_message(stand: Stand) -> None:
    other = MessageId(mint_uuid7(now(), secrets.token_bytes(10)))
    await _is_refused(stand, {"message": other})


@book.asserts(
    "W18.5", "another-origin", "A passage of another origin than its receipt's is refused"
)
async def another_origin(stand: Stand) -> None:
    await _is_refused(stand, {"origin": stand.second.node})


@book.asserts(
    "W18.5",
    "not-taken-over",
    "A passage of recipients that its receipt did not take over is refused",
)
async def not_taken_over(stand: Stand) -> None:
    own, theirs = stand.subject.agency, stand.second.agency
    await _is_refused(stand, {"recipients": [own]}, {"recipients": [theirs, own]})


@book.asserts("W18.5", "reasons", "A passage whose reason is no word is refused")
async def reasons(stand: Stand) -> None:
    words = ("Cannot connect to host", "10.1.1.1", "Held", "-held", "h" * 65, 7)
    await _is_refused(stand, *({"waits": [wait(now(), reason=word)]} for word in words))  # type: ignore[arg-type]


@book.asserts("W18.5", "bounds", "A passage of more than there may be of anything is refused")
async def bounds(stand: Stand) -> None:
    await _is_refused(
        stand,
        {"waits": [wait(now()) for _ in range(21)]},
        {"findings": [f"finding-{number}" for number in range(51)]},
        {"attempts": -1},
    )


@book.asserts(
    "W18.5", "forms", "A passage without a field, or with one in another form, is refused"
)
async def forms(stand: Stand) -> None:
    since = instant(now())
    await _is_refused(
        stand,
        {"arrived": None},
        {"neighbour": None},
        {"recipients": []},
        {"seal": "wax"},
        {"arrived": since.replace("T", " ")},
        {"departed": "yesterday"},
        {"attempts": "2"},
        {"waits": "held"},
        {"waits": [{"reason": "held"}]},
        {"waits": [{"since": since}]},
        {"findings": ["a sentence, about 10.1.1.1"]},
    )


# ------------------------------------------------------------ W18.3, W18.6, W18.7: what becomes of it


def _word() -> str:
    return f"snowed-in-{secrets.token_hex(6)}"


@book.asserts("W18.3", "unknown-taken", "A passage with a reason that nobody knows is kept")
async def unknown_taken(stand: Stand) -> None:
    one = await taken_over(stand)
    await _is_kept(one, one.proof(waits=[wait(now(), _word())]))


@book.asserts(
    "W18.3", "unknown-not-shown", "A reason that nobody knows is not shown to who asks", *READING
)
async def unknown_not_shown(stand: Stand) -> None:
    one, word = await taken_over_from_node(stand), _word()
    await _told(one, waits=[wait(now(), word)])
    trace = await native(stand, _path(one, "/trace"), token=stand.subject.token)
    require_equal(trace.status, 200, "the status of the trace")
    require(word.encode() not in trace.body, "the trace shows the word")


async def _told(one: TakenOver, **changes: Any) -> None:
    await _told_this(one, one.proof(**changes))


def _path(one: TakenOver, more: str = "") -> str:
    return f"/v1/messages/{one.arrived.header.message_id}{more}"


@book.asserts("W18.6", "handed-on", "A passage that is kept is handed on towards the origin")
async def handed_on(stand: Stand) -> None:
    one = await taken_over(stand)
    proof = one.proof()
    await _told_this(one, proof)
    came = await passages_come(stand.listener, one.receipt, SOON)
    require(came == [proof], "it did not come to the neighbour that the document came from")


async def _told_this(one: TakenOver, *proofs: bytes) -> None:
    """INCONCLUSIVE where one is not kept: that is W18.5."""
    for proof in proofs:
        if (said := await one.tell(proof)) != "kept":
            raise InconclusiveError(f"a passage is answered {said}")


@book.asserts(
    "W18.6", "earlier", "A passage earlier than the one that is there is answered as kept"
)
async def earlier(stand: Stand) -> None:
    one, at = await taken_over(stand), now()
    await _told_this(one, one.proof(at))
    await _is_kept(one, one.proof(at - timedelta(seconds=5), attempts=1))


@book.asserts("W18.6", "latest-stays", "An earlier passage is not handed on behind a later one")
async def latest_stays(stand: Stand) -> None:
    one, at = await taken_over(stand), now()
    later, before = one.proof(at), one.proof(at - timedelta(seconds=5), attempts=1)
    latest = one.proof(at + timedelta(milliseconds=1), attempts=3)
    await _told_this(one, later)
    first = await passages_come(stand.listener, one.receipt, SOON)
    await _told_this(one, before)
    soon = await passages_come(stand.listener, one.receipt, 1.0, first)
    await _told_this(one, latest)
    came = await passages_come(stand.listener, one.receipt, SOON, [*first, *soon])
    if latest not in came:
        raise InconclusiveError("a later passage was not handed on")
    require(before not in passages_at(stand.listener, one.receipt), "the earlier was handed on")


@book.asserts(
    "W18.7",
    "shown",
    "What a passage says is shown as its node's word, proven by its log",
    *READING,
)
async def shown(stand: Stand) -> None:
    one, at = await taken_over_from_node(stand), now()
    await _told_this(one, one.proof(at - timedelta(seconds=5), waits=[wait(at, "lane-waits")]))
    before = {json.dumps(line) for line in await _lines(one)}
    await _told_this(one, one.proof(at))
    lines = [line for line in await _lines(one) if json.dumps(line) not in before]
    if not lines:
        raise InconclusiveError("the timeline shows nothing of it")
    sources = {(line["source"]["kind"], line["source"]["issuer"]) for line in lines}
    require_equal(sources, {("proof", one.stand.second.node)}, "the source of what is shown")


async def _lines(one: TakenOver) -> list[dict[str, Any]]:
    answer = await native(one.stand, _path(one, "/trace"), token=one.stand.subject.token)
    return [line for stay in _stays(json_object(answer)["way"]) for line in stay["lines"]]


def _stays(way: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for stay in way:
        yield stay
        yield from _stays(stay["onward"])


@book.asserts(
    "W18.7",
    "settles-nothing",
    "A passage that says that a document went on changes neither its state nor its receipts",
    *READING,
)
async def settles_nothing(stand: Stand) -> None:
    one, at = await taken_over_from_node(stand), now()
    await _told(one)
    before = await _standing(one)
    over = wait(at, until=instant(at))
    await _told(one, waits=[over], departed=instant(at))
    require_equal(await _standing(one), before, "state and receipts of the delivery")


async def _standing(one: TakenOver) -> list[tuple[str, int]]:
    answer = await native(one.stand, _path(one), token=one.stand.subject.token)
    deliveries = json_object(answer)["deliveries"]
    return [(str(each["state"]), len(each["receipts"])) for each in deliveries]
