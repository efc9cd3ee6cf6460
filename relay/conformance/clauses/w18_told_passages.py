"""W18: passages that the judged node is told: what it keeps, hands on and shows."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from relay.audit.entries import instant
from relay.conformance.instants import now
from relay.conformance.peer import json_object
from relay.conformance.published import native
from relay.conformance.stand import Stand
from relay.conformance.telling import TakenOver, taken_over, taken_over_from_node, wait
from relay.conformance.verdicts import Book, InconclusiveError, Part, require, require_equal
from relay.conformance.waited import passages_at, passages_come
from relay.model import MessageId, mint_uuid7

book = Book(Part.NEIGHBOUR, Part.SECOND, capability="passages")
SOON = 25.0
READING = (Part.AXIS, Part.NATIVE)


# ------------------------------------------------------------ W18.5: what it keeps


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
