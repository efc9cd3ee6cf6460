"""W16, as a reader of published logs has it: nothing of a tile counts before it is hashed to a signed root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from relay.audit.tiles import ENTRIES, WIDTH, Tile
from relay.audit.tree import HASH_BYTES
from relay.conformance.log_drafts import LogDraft
from relay.conformance.office import ORIGIN, Log, Office
from relay.conformance.reading import PUBLISHED, Make
from relay.conformance.stand import Stand
from relay.conformance.tile_drafts import published
from relay.conformance.verdicts import Book, Part
from relay.signing.keys import LogSigner

SIZE = WIDTH + 44
"""A full tile and a partial one, and one above."""
CHANGED = 100
"""The entry of which something is changed."""
HASHES, EDGE, BUNDLE = Tile(0, 0), Tile(0, 1, SIZE - WIDTH), Tile(ENTRIES, 0)


async def _honest_holds(stand: Stand) -> None:
    (await PUBLISHED.said(stand, honest_log)).must_hold()


book = Book(Part.CHECK_LOG, control=_honest_holds)


async def _refused(stand: Stand, make: Make) -> None:
    (await PUBLISHED.said(stand, make)).must_be_refused()


def _log(office: Office, by: LogSigner | None = None) -> Log:
    return LogDraft(office).first(SIZE, by=by)


def _files(log: Log) -> dict[str, bytes]:
    return published(log.note, log.leaves)


def _other(office: Office) -> tuple[Log, dict[str, bytes]]:
    """A log, and the files of the same with one entry changed; the checkpoint is the log's."""
    draft = LogDraft(office)
    log, another = draft.first(SIZE), draft.first(SIZE, "another receipt").leaves[CHANGED]
    leaves = (*log.leaves[:CHANGED], another, *log.leaves[CHANGED + 1 :])
    return log, published(log.note, leaves)


def _with_another_hash(files: Mapping[str, bytes], tile: Tile, place: int) -> dict[str, bytes]:
    """One bit of it."""
    content = bytearray(files[tile.path])
    content[place * HASH_BYTES] ^= 1
    return {**files, tile.path: bytes(content)}


def _without(files: Mapping[str, bytes], tile: Tile) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name != tile.path}


# ------------------------------------------------------------ the folders


@PUBLISHED.file
def honest_log(office: Office) -> dict[str, bytes]:
    return _files(_log(office))


@PUBLISHED.file
def log_with_another_entry(office: Office) -> dict[str, bytes]:
    """In its bundle alone."""
    log, other = _other(office)
    return {**_files(log), BUNDLE.path: other[BUNDLE.path]}


@PUBLISHED.file
def log_with_another_hash(office: Office) -> dict[str, bytes]:
    return _with_another_hash(_files(_log(office)), HASHES, CHANGED)


@PUBLISHED.file
def log_with_another_edge(office: Office) -> dict[str, bytes]:
    """The partial tile."""
    return _with_another_hash(_files(_log(office)), EDGE, 0)


@PUBLISHED.file
def log_of_another_root(office: Office) -> dict[str, bytes]:
    """One entry is changed, and every hash above it but the root."""
    return _other(office)[1]


@PUBLISHED.file
def log_by_another_key(office: Office) -> dict[str, bytes]:
    """In the log's name."""
    return _files(_log(office, office.log_key(ORIGIN)))


@PUBLISHED.file
def log_badly_signed(office: Office) -> dict[str, bytes]:
    """In the name of the log's key, which signed something else."""
    key = office.log_keys[ORIGIN]
    return _files(_log(office, replace(key, sign=lambda body: key.sign(body + b"\n"))))


@PUBLISHED.file
def log_without_a_bundle(office: Office) -> dict[str, bytes]:
    return _without(_files(_log(office)), BUNDLE)


@PUBLISHED.file
def log_without_a_tile(office: Office) -> dict[str, bytes]:
    return _without(_files(_log(office)), HASHES)


# ------------------------------------------------------------ W16.6


@book.asserts("W16.6", "honest", "A log that hashes to the root of its signed checkpoint holds")
async def honest(stand: Stand) -> None:
    await _honest_holds(stand)


@book.asserts("W16.6", "entry", "A log with a bundle of which one entry is changed is refused")
async def entry(stand: Stand) -> None:
    await _refused(stand, log_with_another_entry)


@book.asserts("W16.6", "hash", "A log with a tile of which one hash is changed is refused")
async def one_hash(stand: Stand) -> None:
    await _refused(stand, log_with_another_hash)


@book.asserts(
    "W16.6", "partial", "A log with a partial tile that is not its checkpoint's is refused"
)
async def partial(stand: Stand) -> None:
    await _refused(stand, log_with_another_edge)


@book.asserts("W16.6", "root", "Entries and tiles that fit each other and not the root are refused")
async def root(stand: Stand) -> None:
    await _refused(stand, log_of_another_root)


@book.asserts("W16.6", "another-key", "A log whose checkpoint another key signed is refused")
async def another_key(stand: Stand) -> None:
    await _refused(stand, log_by_another_key)


@book.asserts("W16.6", "signature", "A log whose checkpoint's signature does not hold is refused")
async def signature(stand: Stand) -> None:
    await _refused(stand, log_badly_signed)


@book.asserts("W16.6", "no-bundle", "A log of which a bundle is missing is refused")
async def no_bundle(stand: Stand) -> None:
    await _refused(stand, log_without_a_bundle)


@book.asserts("W16.6", "no-tile", "A log of which a tile is missing is refused")
async def no_tile(stand: Stand) -> None:
    await _refused(stand, log_without_a_tile)
