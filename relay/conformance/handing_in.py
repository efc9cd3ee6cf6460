"""The kit's own log handed in to the judged node as its witness (W15): honestly on, or as nobody should.

Touches: what the stand touches. Trusts: nothing of an answer.
Raises:  FailedError, InconclusiveError where the node's answer is none to go on from.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.audit.add_checkpoint import SIZE_TYPE, AddCheckpoint, read_size, write_request
from relay.conformance.history import Tree
from relay.conformance.peer import Answer
from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, InconclusiveError, require_equal
from relay.conformance.witness import ADD_PATH
from relay.errors import AuditError

STOPPED_TYPE = "text/x.truc-relay.log-stopped"
OPENING = "Relay-Log-Opening"
CLEAR_PATH = "/v1/audit/witnesses/clear"
FIRST = 2
"""Entries of the first head of a later epoch."""
MOST_HELD = 100_000
"""Entries of the kit's log: no run has it cosigned so far."""


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
    stand.log.reached(held + by)
    return await add(stand, request(stand, held, held + by))


async def shown_again(stand: Stand) -> Answer:
    """The largest head that was handed in before, as if it were the first: 409 tells what is held."""
    size = stand.log.size
    return await add(stand, request(stand, 0, size), opening(stand.log.tree, size))


async def held(stand: Stand, least: int = 1) -> int:
    """The size that the node has cosigned of the kit's log, brought to `least` where it is less."""
    size = await _held(stand)
    if size < least:
        answer = await grow(stand, size, least - size)
        require_equal(answer.status, 200, "the status of an honest checkpoint")
        size = least
    return size


async def _held(stand: Stand) -> int:
    answer = await shown_again(stand)
    if answer.status == 200:
        stand.log.reached(stand.log.size)
        return stand.log.size
    if answer.status == 403 and answer.kind == STOPPED_TYPE:
        raise InconclusiveError(
            f"an alarm about the kit's log stands there: relay audit witnesses --clear {stand.log.tree.origin}"
        )
    size = size_told(answer)
    if size > MOST_HELD:
        raise InconclusiveError(f"it holds {size} entries of the kit's log")
    stand.log.reached(size)
    return size


def size_told(answer: Answer) -> int:
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
    return await add(stand, request(stand, 0, FIRST, tree), opening(tree, FIRST))


async def begin_anew(stand: Stand, size: int) -> None:
    """The kit goes on with an epoch that nothing is said against, whatever came of the others."""
    tree = stand.log.later(stand.log.tree.head(size), stand.log.epoch.number + 2)
    answer = await begin(stand, tree)
    require_equal(answer.status, 200, "the status of a later epoch once the alarm was cleared")
    stand.log.begin(tree, FIRST)


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
    return await stand.dms.native("POST", CLEAR_PATH, body, token=stand.subject.operator, **kind)


async def require_stopped(stand: Stand, size: int) -> None:
    """The next honest checkpoint is not cosigned, and the answer says why."""
    answer = await grow(stand, size)
    require_equal(answer.status, 403, "the status of the next checkpoint")
    require_equal(answer.kind, STOPPED_TYPE, "its Content-Type")
