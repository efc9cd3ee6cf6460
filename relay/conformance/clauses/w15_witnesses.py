"""W15: the node cosigns the kit's log, and has its own cosigned by the kit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from relay.audit.add_checkpoint import AddCheckpoint, write_request
from relay.audit.checkpoint import note_body, sign_note
from relay.audit.cosignature import Cosigner, answered, cosigner_name
from relay.conformance.handing_in import add, grow, held, request, shown_again, size_told
from relay.conformance.instants import now
from relay.conformance.published import log_key
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    Part,
    require,
    require_equal,
)
from relay.conformance.witness import CAPABILITY
from relay.errors import AuditError
from relay.model import NodeId
from relay.signing.keys import verify_log_signature

book = Book()
CLOCKS = timedelta(minutes=5)


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
    size = await held(stand)
    other = stand.authority.of(stand.other_kit).log_signer()
    tree = stand.log.tree
    head = tree.head(size + 1)
    body = note_body(head.origin, head.size, head.root)
    note = sign_note(body, head.origin, other.public_key, other.sign)
    with stand.witness.showing(other.chain):
        asked = AddCheckpoint(size, tree.proof(size, size + 1), note)
        answer = await add(stand, write_request(asked))
    require_equal(answer.status, 403, "the status")


# ------------------------------------------------------------ add-checkpoint, to the letter


async def _knows(stand: Stand) -> None:
    """The kit's own log is cosigned."""
    await held(stand)


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
    require_equal(size_told(smaller), size, "the size, asked from a smaller one")
    larger = await add(stand, request(stand, size + 1, size + 2))
    require_equal(size_told(larger), size, "the size, asked from a larger one")
    again = await add(stand, request(stand, size - 2, size))
    require_equal(size_told(again), size, "the size, shown the same head again")


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
    for what, hashes in (
        ("another hash", spoilt),
        ("no hashes", ()),
        ("one more", (*proof, proof[0])),
    ):
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
    control=_knows,
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
    control=_knows,
)
async def too_long(stand: Stand) -> None:
    answer = await add(stand, request(stand, 0, stand.log.size) + b"x" * (1 << 20))
    require_equal(answer.status, 413, "the status")


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
    require_equal(size_told(await shown_again(stand)), size + 2, "the size held after the crash")


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
    stand.log.reached(size + 4)
    statuses = sorted(one.status for one in answers)
    require(
        statuses.count(200) == 1 and {200, 409, 503}.issuperset(statuses),
        f"the statuses are {statuses}",
    )
