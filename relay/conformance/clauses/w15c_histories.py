"""W15.6 and W15.7: later epochs of the kit's log, and two histories of it."""

from __future__ import annotations

from base64 import b64encode

from relay.conformance.handing_in import (
    FIRST,
    STOPPED_TYPE,
    add,
    alarm,
    begin,
    begin_anew,
    grow,
    held,
    opening,
    request,
    require_stopped,
    size_told,
)
from relay.conformance.peer import json_object
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.conformance.witness import CAPABILITY

book = Book()


# ------------------------------------------------------------ later epochs


@book.asserts(
    "W15.6",
    "no-opening",
    "A later epoch that does not show how it begins is 422",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def no_opening(stand: Stand) -> None:
    size = await held(stand)
    tree = stand.log.later(stand.log.tree.head(size))
    answer = await add(stand, request(stand, 0, FIRST, tree))
    require_equal(answer.status, 422, "the status without the header")
    other = stand.log.later(stand.log.tree.head(size))
    answer = await add(stand, request(stand, 0, FIRST, tree), opening(other, FIRST))
    require_equal(answer.status, 422, "the status with another epoch's first entry")


@book.asserts(
    "W15.6",
    "opening",
    "A later epoch that names the head before it is cosigned, and ends the one before",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def later_epoch(stand: Stand) -> None:
    size, before = await held(stand), stand.log.tree
    tree = stand.log.later(before.head(size))
    answer = await begin(stand, tree)
    require_equal(answer.status, 200, "the status of the later epoch")
    stand.log.begin(tree, FIRST)
    answer = await add(stand, request(stand, size, size + 1, before))
    require_equal(answer.status, 404, "the status of the epoch that ended")
    require_equal(await held(stand), FIRST, "the size held of the later epoch")


@book.asserts(
    "W15.6",
    "not-higher",
    "A new epoch whose number is lower than the newest is 404",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def not_higher(stand: Stand) -> None:
    size = await held(stand)
    tree = stand.log.later(stand.log.tree.head(size), stand.log.epoch.number + 2)
    require_equal((await begin(stand, tree)).status, 200, "the status of the later epoch")
    before = stand.log.epoch.number + 1
    stand.log.begin(tree, FIRST)
    lower = stand.log.later(tree.head(FIRST), before)
    require_equal((await begin(stand, lower)).status, 404, "the status of the lower one")


@book.asserts(
    "W15.6",
    "twin",
    "A second epoch of one number is 403, with an alarm",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.OPERATOR,
    capability=CAPABILITY,
)
async def twin(stand: Stand) -> None:
    tree = stand.log.later(stand.log.tree.head(await held(stand)))
    require_equal((await begin(stand, tree)).status, 200, "the status of the later epoch")
    stand.log.begin(tree, FIRST)
    other = stand.log.later(tree.head(FIRST), stand.log.epoch.number)
    async with alarm(stand, other.origin):
        answer = await begin(stand, other)
        require_equal(answer.status, 403, "the status of its twin")
        require_equal(answer.kind, STOPPED_TYPE, "the Content-Type")
        await require_stopped(stand, FIRST)
    await begin_anew(stand, FIRST)


@book.asserts(
    "W15.6",
    "another-root",
    "A later epoch that names another root for a head that was cosigned is 422, with an alarm",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.OPERATOR,
    capability=CAPABILITY,
)
async def another_root(stand: Stand) -> None:
    size = await held(stand, 3)
    false = stand.log.tree.otherwise_from(size - 1).head(size)
    tree = stand.log.later(false)
    async with alarm(stand, tree.origin):
        require_equal((await begin(stand, tree)).status, 422, "the status")
        await require_stopped(stand, size)
    await begin_anew(stand, size)


# ------------------------------------------------------------ two histories


@book.asserts(
    "W15.7",
    "two-roots",
    "After two roots of one size nothing of the log is cosigned until an operator looked",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.OPERATOR,
    capability=CAPABILITY,
)
async def two_roots(stand: Stand) -> None:
    size = await held(stand, 5)
    other = stand.log.tree.otherwise_from(size - 1)
    async with alarm(stand, other.origin):
        answer = await add(stand, request(stand, size, size, other))
        require(
            answer.status in {403, 409}, f"another root of one size is answered {answer.status}"
        )
        await require_stopped(stand, size)
    require_equal((await grow(stand, size)).status, 200, "the status once it was cleared")


@book.asserts(
    "W15.7",
    "another-beginning",
    "After a proof that leads from another beginning nothing of the log is cosigned",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.OPERATOR,
    capability=CAPABILITY,
)
async def another_beginning(stand: Stand) -> None:
    size = await held(stand, 5)
    if size & (size - 1) == 0:  # a proof from a power of two shows nothing of another beginning
        require_equal((await grow(stand, size)).status, 200, "the status")
        size += 1
    other = stand.log.tree.otherwise_from(size - 1)
    async with alarm(stand, other.origin):
        answer = await add(stand, request(stand, size, size + 2, other))
        require_equal(answer.status, 422, "the status of another history")
        await require_stopped(stand, size)
    require_equal((await grow(stand, size)).status, 200, "the status once it was cleared")


@book.asserts(
    "W15.7",
    "keeps-both",
    "Both notes of two histories are kept, and the hashes that show it",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.AUDITOR,
    Part.OPERATOR,
    capability=CAPABILITY,
)
async def keeps_both(stand: Stand) -> None:
    size = await held(stand, 5)
    if size & (size - 1) == 0:
        require_equal((await grow(stand, size)).status, 200, "the status")
        size += 1
    other = stand.log.tree.otherwise_from(size - 1)
    async with alarm(stand, other.origin):
        await add(stand, request(stand, size, size + 2, other))
        answer = await stand.dms.native("GET", "/v1/audit/witnesses", token=stand.subject.auditor)
        alarms = json_object(answer).get("alarms") or []
    theirs = stand.log.note(other, size + 2).decode()
    found = [one for one in alarms if one.get("theirs") == theirs]
    require(bool(found), "no alarm shows the second note")
    require_equal(found[0].get("ours"), _cosigned_note(stand, size), "the first note kept")
    hashes = [b64encode(one).decode() for one in other.proof(size, size + 2)]
    require_equal(found[0].get("proof"), hashes, "the hashes kept")


@book.asserts(
    "W15.10",
    "smaller",
    "A smaller checkpoint from the log's own node is 409, and the log goes on from the head held alone",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def smaller(stand: Stand) -> None:
    size = await held(stand, 5)
    answer = await add(stand, request(stand, size - 2, size - 1))
    require_equal(size_told(answer), size, "the size told")
    from_smaller = await add(stand, request(stand, size - 1, size + 1))
    require_equal(size_told(from_smaller), size, "the size told of a head that goes on from there")
    require_equal(
        (await grow(stand, size)).status, 200, "the status of what continues the head held"
    )


def _cosigned_note(stand: Stand, size: int) -> str:
    """Ed25519 signs the same text to the same bytes, so that any earlier note is made again."""
    return stand.log.note(stand.log.tree, size).decode()
