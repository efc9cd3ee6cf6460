"""W16: the published log, and that it holds every receipt the kit was ever given."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from relay.audit.checkpoint import Checkpoint
from relay.audit.entries import parse
from relay.audit.epochs import epoch_of, folder_of
from relay.audit.proof_file import read_proof
from relay.audit.tiles import ENTRIES, WIDTH, Tile, narrowed, right_edge
from relay.conformance.published import (
    LOOK_SECONDS,
    SOON,
    Shown,
    bundles,
    covering,
    every_log,
    for_neighbours,
    grown,
    native,
    present_log,
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
from relay.errors import AuditError
from relay.model import Digest
from relay.signing.bundle_words import Outcome
from relay.signing.log_proof import ProofJudge

book = Book()
TILES = "log-tiles"
OTHER_FORMS = (
    "tile/0/0",
    "tile/0/0000",
    "tile/00/000",
    "tile/0/x000/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000/",
    "tile/64/000",
    "tile/-1/000",
    "tile/entries/0",
    "tile/Entries/000",
    "checkpoint/",
    "Checkpoint",
    "tile",
    "",
)
HEADS_COMPARED = 300


def _native(*more: Part) -> tuple[Part, ...]:
    return (Part.AXIS, Part.AUDITOR, *more)


@book.asserts("W16.1", "named", "Each epoch's log is named by its origin and key", *_native())
async def named(stand: Stand) -> None:
    for one in await every_log(stand):
        prefix = f"truc-relay.example/log/{stand.subject.id}"
        require(
            one.origin == prefix or one.origin.startswith(f"{prefix}/"),
            f"a log of {stand.subject.id} is named {one.origin}",
        )
        await one.checkpoint()


async def _shows(stand: Stand) -> None:
    """A checkpoint, in the form that there is."""
    answer = await native(stand, "/log/0/checkpoint")
    require_equal(answer.status, 200, "the status of the checkpoint")


@book.asserts("W16.2", "other-forms", "A path in any other form is 404", *_native(), control=_shows)
async def other_forms(stand: Stand) -> None:
    for path in OTHER_FORMS:
        answer = await native(stand, f"/log/0/{path}")
        require_equal(answer.status, 404, f"the status of {path!r}")
    for epoch in ("00", "0-", "x", "0-0011223344556677889900"):
        answer = await native(stand, f"/log/{epoch}/checkpoint")
        require_equal(answer.status, 404, f"the status of epoch {epoch!r}")


@book.asserts(
    "W16.3",
    "for-neighbours",
    "A neighbour is given checkpoints and hash tiles",
    Part.NEIGHBOUR,
    capability=TILES,
)
async def to_neighbours(stand: Stand) -> None:
    shown = await for_neighbours(stand)
    _, head = await shown.checkpoint()
    await shown.nodes(head)


@book.asserts(
    "W16.3", "no-entries", "A neighbour is given no entries", Part.NEIGHBOUR, capability=TILES
)
async def no_entries(stand: Stand) -> None:
    shown = await for_neighbours(stand)
    _, head = await shown.checkpoint()
    for number in {0, bundles(head.size)[-1]}:
        path = Tile(ENTRIES, number, min(head.size - number * WIDTH, WIDTH)).path
        require_equal((await shown.door(path)).status, 404, f"the status of {path}")


@book.asserts("W16.4", "types", "Tiles and checkpoints have their types and an ETag", *_native())
async def types(stand: Stand) -> None:
    shown = await present_log(stand)
    note = await shown.door("checkpoint")
    require_equal(note.headers.get("Content-Type"), "text/plain; charset=utf-8", "a checkpoint")
    _, head = await shown.checkpoint()
    tile = await shown.door(right_edge(head.size)[0].path)
    require_equal(tile.kind, "application/octet-stream", "the Content-Type of a tile")
    for what, answer in (("checkpoint", note), ("tile", tile)):
        require(bool(answer.headers.get("ETag")), f"a {what} has no ETag")
    path = f"/log/{folder_of(epoch_of(shown.origin))}/{right_edge(head.size)[0].path}"
    known: dict[str, str] = {"If-None-Match": tile.headers["ETag"]}
    again = await stand.dms.native("GET", path, None, token=stand.subject.auditor, **known)
    require_equal(again.status, 304, "the status of a tile that is known")


@book.asserts(
    "W16.5",
    "tiles-first",
    "The tiles and bundles of a checkpoint are there when it is, and none is of fewer entries than one before",
    *_native(Part.NEIGHBOUR),
)
async def tiles_first(stand: Stand) -> None:
    shown = await present_log(stand)
    _, last = await shown.checkpoint()
    for _ in range(3):
        prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
        stand.peer.receipt(await stand.peer.send(prepared))
        last = await _newer(shown, last)
        shown.tiles.clear()
        nodes = await shown.nodes(last)
        await shown.leaves(nodes, bundles(last.size)[-1])


async def _newer(shown: Shown, last: Checkpoint) -> Checkpoint:
    """The next checkpoint after `last`, as soon as it is there."""
    end = asyncio.get_running_loop().time() + SOON
    while asyncio.get_running_loop().time() < end:
        _, head = await shown.checkpoint()
        require(
            head.size >= last.size,
            f"a checkpoint of {head.size} entries after one of {last.size}",
        )
        if head.size > last.size:
            return head
        await asyncio.sleep(LOOK_SECONDS / 4)
    raise InconclusiveError(f"no newer checkpoint within {SOON:g} s")


@book.asserts(
    "W16.5",
    "earlier-partial",
    "A partial tile of an earlier checkpoint is answered after the log has grown",
    *_native(Part.NEIGHBOUR),
)
async def earlier_partial(stand: Stand) -> None:
    shown = await present_log(stand)
    _, before = await shown.checkpoint()
    edge = [one for one in [*right_edge(before.size), _last_bundle(before.size)] if one.partial]
    if not edge:
        raise InconclusiveError("the checkpoint has no partial tile")
    first = {one: (await shown.door(one.path)).body for one in edge}
    for _ in range(2):
        await grown(stand, shown)
    for tile, content in first.items():
        answer = await shown.door(tile.path)
        require_equal(answer.status, 200, f"the status of {tile.path} later")
        require(answer.body == content, f"{tile.path} is another later")
        narrower = Tile(tile.level, tile.index, max(tile.width // 2, 1))
        answer = await shown.door(narrower.path)
        require_equal(answer.status, 200, f"the status of {narrower.path}, which is narrower")
        require(answer.body == narrowed(content, narrower), f"{narrower.path} is another")


def _last_bundle(size: int) -> Tile:
    number = bundles(size)[-1]
    return Tile(ENTRIES, number, min(size - number * WIDTH, WIDTH))


@book.asserts("W16.7", "from-zero", "The first tiles of a log are there", *_native())
async def from_zero(stand: Stand) -> None:
    shown = (await every_log(stand))[0]
    _, head = await shown.checkpoint()
    await shown.leaves(await shown.nodes(head), 0)


# ------------------------------------------------------------ what is in it


@book.asserts(
    "W16.8",
    "every-receipt",
    "Every receipt the kit was given is in its issuer's log, under a published checkpoint",
    *_native(Part.NEIGHBOUR),
)
async def every_receipt(stand: Stand) -> None:
    await _some(stand)
    for signed in stand.listener.receipts:
        stand.peer.proven(signed)
    wanted = {
        digest
        for digest, receipt in stand.peer.proven_receipts.items()
        if receipt.issuer == stand.subject.id
    }
    missing = await _not_in(await every_log(stand), wanted)
    if missing:  # some were given a moment ago
        with suppress(InconclusiveError):
            await covering(stand, await present_log(stand))
        missing = await _not_in(await every_log(stand), missing)
    if missing:
        one = stand.peer.proven_receipts[min(missing)]
        raise FailedError(
            f"{len(missing)} of {len(wanted)} receipts are in no entry: {min(missing)} about "
            f"{one.message_id}, {one.evidence[0].event}"
        )


async def _some(stand: Stand) -> None:
    """Receipts of several kinds, where no assertion before had them: accepted, and refused."""
    nobody = f"{stand.subject.agency}.404"
    for to in ([stand.subject.agency], [nobody], [stand.subject.agency, nobody]):
        prepared = stand.peer.transfer(stand.letter_in(to=to), to)
        stand.peer.receipt(await stand.peer.send(prepared))


async def _not_in(logs: list[Shown], wanted: set[Digest]) -> set[Digest]:
    """Those that no proven entry names, looked for from the newest back."""
    missing = set(wanted)
    for shown in reversed(logs):
        _, head = await shown.checkpoint()
        nodes = await shown.nodes(head)
        for number in reversed(bundles(head.size)):
            if not missing:
                return missing
            missing -= _receipts_in(await shown.leaves(nodes, number))
    return missing


def _receipts_in(leaves: list[bytes]) -> set[Digest]:
    try:
        return {Digest(str(parse(leaf).get("receipt", ""))) for leaf in leaves}
    except AuditError as error:
        raise FailedError(f"an entry of the log is none: {error}") from error


@book.asserts(
    "W16.8",
    "proof",
    "Whoever may see a receipt is given the proof that it is in the log",
    *_native(Part.NEIGHBOUR, Part.NATIVE),
)
async def proof(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    signed, _ = stand.peer.receipts(await stand.peer.send(prepared))[0]
    shown = await present_log(stand)
    path = f"/v1/receipts/{signed.digest}/proof"
    answer = await native(stand, path, token=stand.subject.token)
    require_equal(answer.status, 200, "the status")
    steps = list(ProofJudge(answer.body, stand.trust).steps())
    refused = [one.said for one in steps if one.outcome is Outcome.REFUSED]
    require(not refused, f"the proof does not hold: {refused[:1]}")
    found = read_proof(answer.body)
    require(
        found.receipt is not None and found.receipt.digest == signed.digest,
        "the proof is of another receipt",
    )
    require_equal(shown.proven(found.note).origin, shown.origin, "the log of the proof")


# ------------------------------------------------------------ one history


@book.asserts(
    "W16.9",
    "one-history",
    "Whatever heads a node gives, at any door and to its witness, are of one tree",
    *_native(Part.NEIGHBOUR),
    capability=TILES,
)
async def one_history(stand: Stand) -> None:
    shown = await present_log(stand)
    heads = {("its listener for nodes", (await (await for_neighbours(stand)).checkpoint())[1])}
    cosigned = await native(stand, "/v1/audit/checkpoint")
    if cosigned.status == 200:
        heads.add(("its newest cosigned head", shown.proven(cosigned.body)))
    for handed in stand.witness.handed[-HEADS_COMPARED:]:
        if handed.head.origin == shown.origin:
            heads.add(("its witness", shown.proven(handed.asked.note)))
    _, newest = await grown(stand, shown)
    nodes = await shown.nodes(newest)
    for door, head in heads:
        if head.size > newest.size:
            raise InconclusiveError(f"{door} has a head of {head.size}, published {newest.size}")
        root = await shown.done(lambda size=head.size: nodes.root_at(size))  # type: ignore[misc]
        require(
            head.root == root,
            f"the head of {head.size} entries that {door} was given is of another history",
        )
