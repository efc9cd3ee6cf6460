"""W15.8: the node has its own log cosigned by the kit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from aiohttp import web

from relay.audit.add_checkpoint import read_request
from relay.audit.checkpoint import head_of
from relay.audit.cosignature import Cosigner, cosignatures
from relay.audit.tiles import WIDTH
from relay.conformance.absence import require_at_work
from relay.conformance.handing_in import grow, held
from relay.conformance.published import (
    LOOK_SECONDS,
    SOON,
    Shown,
    bundles,
    covering,
    for_neighbours,
    present_log,
    until_size,
)
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.conformance.witness import ADD_PATH, CAPABILITY, PLAIN, Handed, refusing
from relay.errors import AuditError
from relay.signing.keys import verify_log_signature

book = Book()
TILES = "log-tiles"
AGAIN = 30.0
"""How long a node may leave a witness alone that refused before."""
GROW_SECONDS = 1.5
QUIET_SECONDS = 3.0
MOST_IN_QUIET = 3
"""Questions in that time which other growth of the log may cause."""


def _lines(stand: Stand, note: bytes) -> int:
    """Cosignatures by the kit in a note, each of which must hold."""
    key = stand.witness.signer.public_key
    cosigner = Cosigner(stand.witness.name, key, partial(verify_log_signature, key))
    try:
        return len(cosignatures(note, cosigner))
    except AuditError as error:
        raise FailedError(f"a cosignature in the checkpoint does not hold: {error}") from error


async def _asked_about(stand: Stand, shown: Shown) -> Handed:
    """The first head that the kit is asked about from now on, of a log that grows until it is."""
    known, end = len(stand.witness.handed), asyncio.get_running_loop().time() + AGAIN
    while asyncio.get_running_loop().time() < end:
        _, before = await shown.checkpoint()
        prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
        stand.peer.receipt(await stand.peer.send(prepared))

        def found(size: int = before.size) -> Handed | None:
            new = stand.witness.handed[known:]
            return next((one for one in new if one.head.size > size), None)

        with suppress(InconclusiveError):
            handed: Handed = await stand.listener.until(found, GROW_SECONDS, "a question")
            return handed
    raise InconclusiveError(f"the kit was not asked to cosign within {AGAIN:g} s")


@book.asserts(
    "W15.8",
    "before-published",
    "A checkpoint is published with the cosignatures that came in time",
    Part.NEIGHBOUR,
    capability=TILES,
)
async def before_published(stand: Stand) -> None:
    shown = await for_neighbours(stand)
    handed = await _asked_about(stand, shown)
    note, head = await until_size(shown, handed.head.size)
    asked = {one.head for one in stand.witness.handed}
    require(head in asked, "a checkpoint was published that its witness was not asked about")
    require(_lines(stand, note) > 0, "the witness's cosignature is not in the checkpoint")


@book.asserts(
    "W15.8",
    "asks-well",
    "What a node hands in to its witness is in form, and its proof holds",
    Part.NEIGHBOUR,
    capability=TILES,
)
async def asks_well(stand: Stand) -> None:
    shown = await for_neighbours(stand)
    for _ in range(2):
        await _asked_about(stand, shown)
    require_equal(stand.witness.wrong, [], "what was wrong with what was handed in")
    for handed in stand.witness.handed:
        if handed.head.origin == shown.origin:
            shown.proven(handed.asked.note)


@book.asserts(
    "W15.8",
    "bounded",
    "A witness that does not answer holds no checkpoint up",
    Part.NEIGHBOUR,
    capability=TILES,
)
async def bounded(stand: Stand) -> None:
    shown, asked, let_go = await for_neighbours(stand), list[bytes](), asyncio.Event()

    async def waiting(request: web.Request, body: bytes) -> None:
        if request.path == ADD_PATH:
            asked.append(body)
            await let_go.wait()

    before, stand.listener.others = stand.listener.others, waiting
    try:
        await _grown_until(stand, asked)
        size = head_of(read_request(asked[0]).note).size
        await until_size(shown, size)
    except InconclusiveError as error:
        if asked:
            await require_at_work(stand, SOON, str(error))
            raise FailedError(f"{error}, for its witness is silent") from None
        raise
    finally:
        stand.listener.others = before
        let_go.set()


async def _grown_until(stand: Stand, asked: list[bytes]) -> None:
    """The log grows until the kit is asked about it."""
    end = asyncio.get_running_loop().time() + AGAIN
    while not asked:
        if asyncio.get_running_loop().time() > end:
            raise InconclusiveError(f"the kit was not asked to cosign within {AGAIN:g} s")
        prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
        stand.peer.receipt(await stand.peer.send(prepared))
        for _ in range(10):
            await asyncio.sleep(0 if asked else LOOK_SECONDS)


@book.asserts(
    "W15.8",
    "not-this-note",
    "A cosignature that is not of the very note is not kept",
    Part.NEIGHBOUR,
    capability=TILES,
)
async def not_this_note(stand: Stand) -> None:
    shown = await for_neighbours(stand)
    await _asked_about(stand, shown)
    given: list[bytes] = []

    def of_another(handed: Handed) -> web.Response:
        line = stand.witness.line(stand.log.note(stand.log.tree, 1))
        given.append(line)
        return web.Response(body=line, headers={"Content-Type": PLAIN})

    with stand.witness.saying(of_another):
        handed = await _asked_about(stand, shown)
        note, _ = await until_size(shown, handed.head.size)
    require(given[0] not in note, "a cosignature of another note is in the checkpoint")


@book.asserts(
    "W15.8",
    "not-faster",
    "A witness that refuses is not asked faster for it",
    Part.NEIGHBOUR,
    capability=TILES,
)
async def not_faster(stand: Stand) -> None:
    shown, refused = await for_neighbours(stand), list[Handed]()

    def refuse(handed: Handed) -> web.Response:
        refused.append(handed)
        return refusing(handed)

    with stand.witness.saying(refuse):
        await _asked_about(stand, shown)
        before = len(refused)
        await asyncio.sleep(QUIET_SECONDS)
    asked = len(refused) - before
    require(asked <= MOST_IN_QUIET, f"asked {asked} times more within {QUIET_SECONDS:g} s")


@book.asserts(
    "W15.8",
    "no-entry",
    "A cosignature leaves no entry in the witness's own log",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.AUDITOR,
    capability=CAPABILITY,
)
async def no_entry(stand: Stand) -> None:
    size = await held(stand)
    shown = await present_log(stand)
    before, _ = await covering(stand, shown)
    for more in range(3):
        answer = await grow(stand, size + more)
        require_equal(answer.status, 200, "the status")
    head, nodes = await covering(stand, shown)
    named = stand.log.tree.origin.encode()
    for number in bundles(head.size)[before.size // WIDTH :]:
        first = number * WIDTH
        leaves = await shown.leaves(nodes, number)
        found = [
            one for place, one in enumerate(leaves, first) if place >= before.size and named in one
        ]
        require(not found, f"an entry speaks of the kit's log: {found[:1]!r}")
