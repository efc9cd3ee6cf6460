"""W15: the node cosigns the kit's log, and has its own cosigned by the kit."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from relay.audit.add_checkpoint import SIZE_TYPE, AddCheckpoint, read_size, write_request
from relay.audit.checkpoint import note_body, sign_note
from relay.audit.cosignature import Cosigner, answered, cosigner_name
from relay.conformance.history import Tree
from relay.conformance.instants import now
from relay.conformance.peer import Answer, json_object
from relay.conformance.published import log_key
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.conformance.witness import ADD_PATH, CAPABILITY
from relay.errors import AuditError
from relay.model import NodeId
from relay.signing.keys import verify_log_signature

book = Book()
STOPPED_TYPE = "text/x.truc-relay.log-stopped"
OPENING = "Relay-Log-Opening"
CLEAR_PATH = "/v1/audit/witnesses/clear"
MOST_HELD = 100_000
"""Entries of the kit's log: no run has it cosigned so far."""
CLOCKS = timedelta(minutes=5)


async def add(stand: Stand, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return await stand.peer.post(
        ADD_PATH, body, {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
    )


def request(stand: Stand, old: int, size: int, tree: Tree | None = None) -> bytes:
    """An honest one, of the kit's own log or of another tree under its key."""
    chosen = tree or stand.log.tree
    note = stand.log.note(chosen, size)
    return write_request(AddCheckpoint(old, chosen.proof(old, size), note))


async def grow(stand: Stand, held: int, by: int = 1) -> Answer:
    """The kit's log, handed in as it honestly goes on."""
    return await add(stand, request(stand, held, held + by))


async def held(stand: Stand, least: int = 1) -> int:
    """The size that the node has cosigned of the kit's log, brought to `least` where it is less."""
    size = await _held(stand)
    if size < least:
        answer = await add(stand, request(stand, size, least))
        require_equal(answer.status, 200, "the status of an honest checkpoint")
        size = least
    return size


async def _held(stand: Stand) -> int:
    answer = await add(stand, request(stand, 0, 1), opening(stand.log.tree, 1))
    if answer.status == 200:
        return 1
    if answer.status == 403 and answer.kind == STOPPED_TYPE:
        raise InconclusiveError(
            f"an alarm about the kit's log stands there: relay audit witnesses --clear {stand.log.tree.origin}"
        )
    size = _size(answer)
    if size > MOST_HELD:
        raise InconclusiveError(f"it holds {size} entries of the kit's log")
    return size


def _size(answer: Answer) -> int:
    """What 409 tells, to the letter."""
    require_equal(answer.status, 409, "the status")
    require_equal(answer.headers.get("Content-Type"), SIZE_TYPE, "the Content-Type of 409")
    try:
        return read_size(answer.body)
    except AuditError as error:
        raise FailedError(f"the body of 409 is no size: {error}") from error


def opening(tree: Tree, size: int) -> dict[str, str]:
    """The header of a later epoch's first checkpoint; none for a first epoch's."""
    if not tree.opening:
        return {}
    shown = (tree.opening, *tree.path_of_first(size))
    return {OPENING: " ".join(b64encode(one).decode() for one in shown)}


async def begin(stand: Stand, tree: Tree) -> Answer:
    """A later epoch, handed in as W15.6 has it."""
    return await add(stand, request(stand, 0, 2, tree), opening(tree, 2))


async def _begin_anew(stand: Stand, size: int) -> None:
    """The kit goes on with an epoch that nothing is said against, whatever came of the others."""
    tree = stand.log.later(stand.log.tree.head(size), stand.log.epoch.number + 2)
    answer = await begin(stand, tree)
    require_equal(answer.status, 200, "the status of a later epoch once the alarm was cleared")
    stand.log.begin(tree)


@asynccontextmanager
async def alarm(stand: Stand, origin: str) -> AsyncIterator[None]:
    """The kit raises one about its own log in this block; it is cleared at the end, whatever came of it."""
    try:
        yield
    finally:
        answer = await clear(stand, origin)
        if answer.status not in {200, 404}:
            raise InconclusiveError(f"the alarm could not be cleared: {answer.status}")


async def clear(stand: Stand, origin: str) -> Answer:
    body = f'{{"origin":"{origin}","why":"conformance kit"}}'.encode()
    kind = {"Content-Type": "application/json"}
    return await stand.dms.native(
        "POST", CLEAR_PATH, body, token=stand.subject.operator, **kind
    )


async def _require_stopped(stand: Stand, size: int) -> None:
    """The next honest checkpoint is not cosigned, and the answer says why."""
    answer = await grow(stand, size)
    require_equal(answer.status, 403, "the status of the next checkpoint")
    require_equal(answer.kind, STOPPED_TYPE, "its Content-Type")


# ------------------------------------------------------------ whose key


@book.asserts(
    "W15.2", "chain", "The key of a log is shown with the chain that binds it", Part.NEIGHBOUR
)
async def chain(stand: Stand) -> None:
    await log_key(stand)


@book.asserts(
    "W15.3",
    "another-node",
    "A chain of another node's log lends its key to no log",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def another_node(stand: Stand) -> None:
    if stand.other.kit is None:
        raise InconclusiveError("the kit has one node only")
    size = await held(stand)
    other = stand.authority.of(stand.other.kit.node).log_signer()
    tree = stand.log.tree
    head = tree.head(size + 1)
    body = note_body(head.origin, head.size, head.root)
    note = sign_note(body, head.origin, other.public_key, other.sign)
    with stand.witness.showing(other.chain):
        asked = AddCheckpoint(size, tree.proof(size, size + 1), note)
        answer = await add(stand, write_request(asked))
    require_equal(answer.status, 403, "the status")


# ------------------------------------------------------------ add-checkpoint, to the letter


@book.asserts(
    "W15.4",
    "cosigned",
    "What follows all that was cosigned is cosigned, by the node's witness key",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def cosigned(stand: Stand) -> None:
    size = await held(stand)
    key = await log_key(stand)
    name = cosigner_name(NodeId(stand.subject.id))
    answer = await grow(stand, size, 3)
    require_equal(answer.status, 200, "the status")
    cosigner = Cosigner(name, key, partial(verify_log_signature, key))
    try:
        found = answered(stand.log.note(stand.log.tree, size + 3), answer.body, cosigner)
    except AuditError as error:
        raise FailedError(str(error)) from error
    require(abs(found.at - now()) < CLOCKS, f"the cosignature is of {found.at}")


@book.asserts(
    "W15.4",
    "conflict",
    "From another size than the one cosigned it is 409, with that size",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def conflict(stand: Stand) -> None:
    size = await held(stand, 5)
    smaller = await add(stand, request(stand, size - 1, size + 1))
    require_equal(_size(smaller), size, "the size, asked from a smaller one")
    larger = await add(stand, request(stand, size + 1, size + 2))
    require_equal(_size(larger), size, "the size, asked from a larger one")
    again = await add(stand, request(stand, size - 2, size))
    require_equal(_size(again), size, "the size, shown the same head again")
    before = await add(stand, request(stand, size - 2, size - 1))
    require_equal(_size(before), size, "the size, shown a head of before")


@book.asserts(
    "W15.4",
    "unproven",
    "A proof that does not hold is 422, and nothing is cosigned",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def unproven(stand: Stand) -> None:
    size = await held(stand, 5)
    tree = stand.log.tree
    note, proof = stand.log.note(tree, size + 2), tree.proof(size, size + 2)
    spoilt = (bytes(32), *proof[1:])
    for what, hashes in (("another hash", spoilt), ("no hashes", ()), ("one more", (*proof, proof[0]))):
        answer = await add(stand, write_request(AddCheckpoint(size, hashes, note)))
        require_equal(answer.status, 422, f"the status of a proof with {what}")
    require_equal(await held(stand), size, "the size cosigned afterwards")


@book.asserts(
    "W15.4",
    "unsigned",
    "A checkpoint that the log's key did not sign is 403",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def unsigned(stand: Stand) -> None:
    size = await held(stand)
    body, _, line = stand.log.note(stand.log.tree, size + 1).partition(b"\n\n")
    proof = stand.log.tree.proof(size, size + 1)
    other = stand.log.note(stand.log.tree, size + 2).partition(b"\n\n")[2]
    answer = await add(stand, write_request(AddCheckpoint(size, proof, body + b"\n\n" + other)))
    require_equal(answer.status, 403, "the status with another head's signature")
    renamed = line.replace(stand.log.tree.origin.encode(), b"example.org/log")
    answer = await add(stand, write_request(AddCheckpoint(size, proof, body + b"\n\n" + renamed)))
    require_equal(answer.status, 403, "the status with a signature by another name")


@book.asserts(
    "W15.4",
    "unknown-log",
    "A checkpoint of a log that the witness does not know is 404",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def unknown_log(stand: Stand) -> None:
    hand = stand.log.signer
    body = note_body("example.org/log", 1, bytes(32))
    note = sign_note(body, "example.org/log", hand.public_key, hand.sign)
    answer = await add(stand, write_request(AddCheckpoint(0, (), note)))
    require_equal(answer.status, 404, "the status")


@book.asserts(
    "W15.4",
    "too-long",
    "A request beyond all bounds is refused before it is read whole",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def too_long(stand: Stand) -> None:
    answer = await add(stand, request(stand, 0, 1) + b"x" * (1 << 20))
    require_equal(answer.status, 413, "the status")


@dataclass(frozen=True, slots=True)
class _Parts:
    """Of an honest request."""

    old: bytes
    hashes: list[bytes]
    body: bytes
    signatures: bytes

    def written(
        self,
        *,
        old: bytes | None = None,
        hashes: list[bytes] | None = None,
        body: bytes | None = None,
        signatures: bytes | None = None,
    ) -> bytes:
        lines = [old or self.old, *(self.hashes if hashes is None else hashes)]
        head = b"".join(line + b"\n" for line in lines)
        end = self.signatures if signatures is None else signatures
        return head + b"\n" + (body or self.body) + b"\n" + end


def _another_form(line: bytes) -> bytes:
    """Base64 that most readers take for the same 32 bytes: the bits that nobody reads are set."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return line[:-2] + letters[letters.index(line[-2:-1]) + 1 :][:1] + b"="


def _malformed_size(parts: _Parts) -> bytes:
    origin, size, rest = parts.body.split(b"\n", 2)
    return parts.written(body=b"\n".join([origin, b"0" + size, rest]))


MALFORMED: dict[str, tuple[str, Callable[[_Parts], bytes]]] = {
    "no-old": ("without an old size", lambda parts: parts.written(old=b"new 1")),
    "leading-zero": (
        "whose old size begins with a zero",
        lambda parts: parts.written(old=parts.old.replace(b"old ", b"old 0")),
    ),
    "signed-number": (
        "whose old size has a sign",
        lambda parts: parts.written(old=parts.old.replace(b"old ", b"old +")),
    ),
    "base64": (
        "with a hash in another form of base64",
        lambda parts: parts.written(hashes=[_another_form(parts.hashes[0]), *parts.hashes[1:]]),
    ),
    "short-hash": (
        "with a hash of 31 bytes",
        lambda parts: parts.written(hashes=[b64encode(bytes(31)), *parts.hashes[1:]]),
    ),
    "sixty-four-hashes": (
        "with 64 hashes",
        lambda parts: parts.written(hashes=[b64encode(bytes(32))] * 64),
    ),
    "sixty-five-signatures": (
        "whose checkpoint has 65 signatures",
        lambda parts: parts.written(signatures=parts.signatures * 65),
    ),
    "no-signature": (
        "whose checkpoint has no signature",
        lambda parts: parts.written(signatures=b""),
    ),
    "size": ("whose checkpoint's size begins with a zero", _malformed_size),
    "control-character": (
        "whose checkpoint has a control character",
        lambda parts: parts.written(body=parts.body + b"a\tb\n"),
    ),
    "no-checkpoint": ("without a checkpoint", lambda parts: parts.old + b"\n\n"),
}


def _asserts_malformed(name: str, said: str, change: Callable[[_Parts], bytes]) -> None:
    @book.asserts(
        "W15.4",
        name,
        f"A request {said} is 400",
        Part.NEIGHBOUR,
        capability=CAPABILITY,
    )
    async def malformed(stand: Stand) -> None:
        size = await held(stand, 5)
        head, _, note = request(stand, size, size + 2).partition(b"\n\n")
        old, *hashes = head.split(b"\n")
        body, _, signatures = note.partition(b"\n\n")
        answer = await add(stand, change(_Parts(old, hashes, body + b"\n", signatures)))
        require_equal(answer.status, 400, "the status")


for _name, (_said, _change) in MALFORMED.items():
    _asserts_malformed(_name, _said, _change)


@book.asserts(
    "W15.4",
    "old-over-size",
    "An old size over the checkpoint's is 400",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def old_over_size(stand: Stand) -> None:
    size = await held(stand, 5)
    note = stand.log.note(stand.log.tree, size)
    answer = await add(stand, write_request(AddCheckpoint(size + 1, (), note)))
    require_equal(answer.status, 400, "the status")


# ------------------------------------------------------------ durable, one at a time


@book.asserts(
    "W15.5",
    "durable",
    "A head that was cosigned is held after a crash",
    Part.NEIGHBOUR,
    Part.CRASH,
    capability=CAPABILITY,
)
async def durable(stand: Stand) -> None:
    size = await held(stand)
    require_equal((await grow(stand, size, 2)).status, 200, "the status")
    await stand.crash()
    answer = await add(stand, request(stand, 0, 1), opening(stand.log.tree, 1))
    require_equal(_size(answer), size + 2, "the size held after the crash")


@book.asserts(
    "W15.5",
    "one-at-a-time",
    "Of two heads that follow the same one only one is cosigned from it",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def one_at_a_time(stand: Stand) -> None:
    size = await held(stand)
    bodies = [request(stand, size, size + more) for more in range(1, 5)]
    answers = await asyncio.gather(*(add(stand, body) for body in bodies))
    statuses = sorted(one.status for one in answers)
    require_equal(statuses, [200, 409, 409, 409], "the statuses")


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
    answer = await add(stand, request(stand, 0, 2, tree))
    require_equal(answer.status, 422, "the status without the header")
    other = stand.log.later(stand.log.tree.head(size))
    answer = await add(stand, request(stand, 0, 2, tree), opening(other, 2))
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
    stand.log.begin(tree)
    answer = await add(stand, request(stand, size, size + 1, before))
    require_equal(answer.status, 404, "the status of the epoch that ended")
    require_equal(await held(stand), 2, "the size held of the later epoch")


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
    stand.log.begin(tree)
    lower = stand.log.later(tree.head(2), before)
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
    stand.log.begin(tree)
    other = stand.log.later(tree.head(2), stand.log.epoch.number)
    async with alarm(stand, other.origin):
        answer = await begin(stand, other)
        require_equal(answer.status, 403, "the status of its twin")
        require_equal(answer.kind, STOPPED_TYPE, "the Content-Type")
        await _require_stopped(stand, 2)
    await _begin_anew(stand, 2)


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
        await _require_stopped(stand, size)
    await _begin_anew(stand, size)


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
        require(answer.status in {403, 409}, f"another root of one size is answered {answer.status}")
        await _require_stopped(stand, size)
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
        await _require_stopped(stand, size)
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
        answer = await stand.dms.native(
            "GET", "/v1/audit/witnesses", token=stand.subject.auditor
        )
        alarms = json_object(answer).get("alarms") or []
    theirs = stand.log.note(other, size + 2).decode()
    found = [one for one in alarms if one.get("theirs") == theirs]
    require(bool(found), "no alarm shows the second note")
    require_equal(found[0].get("ours"), _cosigned_note(stand, size), "the first note kept")
    hashes = [b64encode(one).decode() for one in other.proof(size, size + 2)]
    require_equal(found[0].get("proof"), hashes, "the hashes kept")


def _cosigned_note(stand: Stand, size: int) -> str:
    """Ed25519 signs the same text to the same bytes, so that any earlier note is made again."""
    return stand.log.note(stand.log.tree, size).decode()
