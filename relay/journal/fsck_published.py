"""The published folders of a log by themselves: checkpoint and files of each epoch, and the chain between them.

Touches: the folders, never writing.
Trusts:  the keys it is given. Files and checkpoints are what is judged.
Raises:  nothing: what does not hold is a state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.entries import parse
from relay.audit.epochs import Epoch, epoch_of, first_index, named_in
from relay.audit.published import TileCheck, verify_published
from relay.audit.tiles import ENTRIES, WIDTH, Tile, leaves_of
from relay.errors import AuditError
from relay.journal.fsck_states import (
    CONTRADICT,
    Condition,
    Known,
    KnownKeys,
    StoreState,
    require_name,
    tried,
    with_findings,
)
from relay.journal.tile_files import CHECKPOINT, TileFiles


@dataclass(slots=True)
class Place:
    """One epoch's published folder, where it is."""

    name: str
    files: TileFiles
    note: bytes | None = None
    checkpoint: Checkpoint | None = None
    """Once it was found to count."""
    check: TileCheck | None = None
    holds: bool = False

    def said(self) -> Checkpoint | None:
        """What its checkpoint says, whoever signed it."""
        try:
            note = self.files.note()
            return None if note is None else head_of(note)
        except (AuditError, OSError):
            return None

    def opening(self) -> bytes | None:
        """Its first leaf, where it can be read; nothing is proven of it."""
        head = self.said()
        if head is None or head.size == 0:
            return None
        tile = Tile(ENTRIES, 0, min(head.size, WIDTH))
        try:
            return leaves_of(self.files.read(tile), tile)[0]
        except (AuditError, OSError):
            return None


def openings_in(places: Sequence[Place]) -> dict[int, object]:
    """The first leaf of each epoch."""
    said = [(place, head) for place in places if (head := place.said()) is not None]
    return {epoch_of(head.origin).number: place.opening() for place, head in said}


def judge_places(
    places: Sequence[Place], known: Known, keys: KnownKeys, *, alone: bool
) -> Iterator[StoreState]:
    """`alone`: there is no journal that would say which epochs there must be."""
    for place in places:
        store = f"published {place.name}"
        yield tried(f"{store}/{CHECKPOINT}", "", partial(_judge_checkpoint, place, known, keys))
        if place.checkpoint is not None:
            yield tried(store, "", partial(_judge_files, place, known))
    yield from _judge_chain(places, alone=alone)


def _judge_checkpoint(place: Place, known: Known, keys: KnownKeys) -> StoreState:
    store = f"published {place.name}/{CHECKPOINT}"
    place.note = place.files.note()
    if place.note is None:
        return StoreState(store, Condition.MISSING, "there are tiles and no checkpoint over them")
    head = head_of(place.note)
    said = f"{head.origin}, {head.size} entries, root {head.root.hex()}"
    require_name(head.origin, place.name, known.node)
    if known.key is None:
        place.checkpoint = head
        return StoreState(store, Condition.UNKNOWN, f"{said}; no key was given to judge it by")
    try:
        keys.signed(place.note)
    except AuditError:
        if not keys.is_named_only(epoch_of(head.origin).number):
            raise
        place.checkpoint = head
        said = f"{said}; signed by a log key before the one given, whose certificate is not here"
        return StoreState(store, Condition.UNKNOWN, said)
    place.checkpoint = head
    return StoreState(store, Condition.HOLDS, said)


def _judge_files(place: Place, known: Known) -> StoreState:
    head = place.checkpoint
    assert head is not None  # noqa: S101  asked for only then
    epoch: Epoch = epoch_of(head.origin)
    verdict, misfits = verify_published(
        place.files, head, first_index=first_index(epoch.number), progress=known.progress
    )
    if misfits:
        more = f", and {len(misfits) - 1} more files" if len(misfits) > 1 else ""
        error = misfits[0].error(place.name, first_index(epoch.number))
        said = f"{error}{more}; the entries give the checkpoint's root"
        return StoreState(f"published {place.name}", Condition.DAMAGED, said, index=error.index)
    place.holds = True
    state = StoreState(
        f"published {place.name}",
        Condition.HOLDS if known.key is not None else Condition.UNKNOWN,
        f"{verdict.checkpoint.size} entries and all tiles give the root of the checkpoint",
    )
    return with_findings(state, verdict)


# ---------------------------------------------------------------- from one epoch to the next


def _judge_chain(places: Sequence[Place], *, alone: bool) -> Iterator[StoreState]:
    """Each epoch after the first begins with the head of the one before, as far as both are here."""
    judged = [(place, place.checkpoint) for place in places if place.checkpoint is not None]
    judged.sort(key=lambda one: epoch_of(one[1].origin).number)
    if alone and len(places) > 1 and judged and (first := epoch_of(judged[0][1].origin).number):
        yield _missing(0, first, judged[0][0])
    for (place, head), (following, later) in pairwise(judged):
        number, after = epoch_of(head.origin).number, epoch_of(later.origin).number
        store = f"published {following.name} after {place.name}"
        if number == after:
            said = f"two epochs {number}: a backup was restored twice, and both logs went on"
            yield StoreState(store, Condition.DAMAGED, said, CONTRADICT)
        elif number + 1 != after:
            if alone:
                yield _missing(number + 1, after, following)
        elif following.holds:
            state = tried(store, "", partial(_follows, store, head, following, later))
            if alone or state.condition is not Condition.MISSING:  # the journal has them all
                yield state


def _missing(start: int, stop: int, following: Place) -> StoreState:
    which = f"epoch {start}" if stop == start + 1 else f"epochs {start} to {stop - 1}"
    said = f"of {which}, before {following.name}, nothing is published here"
    return StoreState(f"published {which}", Condition.MISSING, said)


def _follows(store: str, head: Checkpoint, following: Place, later: Checkpoint) -> StoreState:
    index = first_index(epoch_of(later.origin).number)
    opening = following.opening()
    named = None if opening is None else named_in(parse(opening))
    if named is None:
        raise AuditError("its first entry names no head of an epoch before", index)
    if named.origin != head.origin:
        raise AuditError(f"its first entry goes on from {named.origin}, not {head.origin}", index)
    if named.size > head.size:
        said = (
            f"its first entry names {named.size} entries before it, only {head.size} are published"
        )
        return StoreState(store, Condition.MISSING, said)
    if named != head:
        why = (
            "another root"
            if named.size == head.size
            else f"{named.size} entries, and {head.size} were published"
        )
        raise AuditError(f"its first entry names another head of the epoch before: {why}", index)
    return StoreState(store, Condition.HOLDS, "its first entry names the head before it")
