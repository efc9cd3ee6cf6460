"""Look at what is left of a log in a folder: a stopped or copied node's, with or without its journal, or a
published log alone. Each store is judged by itself, then against the others; one fault hides no other.

Touches: the folder, never writing; it must not change meanwhile.
Trusts:  the log's keys, where one is given: without it no signature says anything.
Raises:  FileNotFoundError where there is neither a journal nor a published log.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from relay.audit.beside import (
    Keys,
    Proves,
    check_cosigned,
    check_kept,
    check_watched,
    cosigned_heads,
    keys_of,
    stamped_heads,
)
from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.epochs import (
    EpochRows,
    epoch_of,
    first_index,
    folder_of,
    origin_in,
    verify_epoch,
)
from relay.audit.published import TileCheck
from relay.audit.verify import KeptHead, verify_entries, verify_words
from relay.errors import AuditError, JournalError
from relay.journal.fsck_published import Place, judge_places, openings_in
from relay.journal.fsck_states import (
    CONTRADICT,
    FETCH,
    KEEP,
    NOT_IN_USE,
    RESTORE,
    REWRITE,
    SOUND,
    UNSIGNED,
    Condition,
    Known,
    KnownKeys,
    StoreState,
    require_name,
    tried,
    with_findings,
)
from relay.journal.inspect import StoredLog, stored_log
from relay.journal.store import DATABASE
from relay.journal.tile_files import CHECKPOINT, TILES, TileFiles
from relay.journal.verifying import PUBLISHED, published_folders

__all__ = ["Condition", "Known", "StoreState", "fsck"]


def fsck(folder: Path, known: Known) -> list[StoreState]:
    """The condition of every store there is, the journal's first."""
    places = [Place(name, TileFiles(path)) for name, path in _published_in(folder)]
    has_journal = (folder / DATABASE).exists()
    if not places and not has_journal:
        said = "neither a journal nor a published log is there"
        raise FileNotFoundError(errno.ENOENT, said, str(folder))
    keys = KnownKeys(known, openings_in(places), _kept_in(folder))
    states = list(judge_places(places, known, keys, alone=not has_journal))
    journal = _judge_journal(folder, known, places)
    whole = any(one.condition in SOUND for one in journal if one.store.startswith("journal, epoch"))
    return [*journal, *(_with_remedy(one, journal_holds=whole) for one in states)]


def _kept_in(folder: Path) -> Sequence[Sequence[bytes]]:
    """The certificates of log keys in the journal, where that can be read."""
    with suppress(AuditError, JournalError), stored_log(folder) as stored:
        return stored.certificates
    return ()


def _published_in(folder: Path) -> list[tuple[str, Path]]:
    if (folder / CHECKPOINT).exists() or (folder / TILES).is_dir():
        return [(folder.name, folder)]
    inside = [
        (f"{PUBLISHED}/{name}", folder / PUBLISHED / name) for name in published_folders(folder)
    ]
    if inside or (folder / DATABASE).exists():
        return inside
    return [(one.name, one) for one in sorted(folder.iterdir()) if _has_tiles(one)]


def _has_tiles(folder: Path) -> bool:
    """A disk's own lost+found has none, and is closed to most."""
    with suppress(PermissionError):
        return (folder / TILES).is_dir()
    return False


def _with_remedy(state: StoreState, *, journal_holds: bool) -> StoreState:
    if state.condition in SOUND or state.remedy:
        return state
    return replace(state, remedy=REWRITE if journal_holds else FETCH)


# ---------------------------------------------------------------- the journal


def _judge_journal(folder: Path, known: Known, places: Sequence[Place]) -> list[StoreState]:
    states: list[StoreState] = []
    if not (folder / DATABASE).exists():
        if (folder / PUBLISHED).is_dir():  # else a published log by itself, as anyone may copy it
            said = "no journal is here: only what is published was judged"
            remedy = "bring back a backup (relay restore)"
            states.append(StoreState("journal", Condition.MISSING, said, remedy))
        return [*states, *_judge_cosigned(known.named, known, places)]
    try:
        with stored_log(folder) as stored:
            states += _judge_stored(stored, known, places)
    except (AuditError, JournalError) as error:
        states.append(StoreState("journal", Condition.DAMAGED, str(error), RESTORE))
        states += _judge_cosigned(known.named, known, places)
    return states


def _judge_stored(stored: StoredLog, known: Known, places: Sequence[Place]) -> Iterator[StoreState]:
    if known.node is not None and stored.node != known.node:
        said = f"the journal says it is of {stored.node}, not {known.node}"
        yield StoreState("journal", Condition.DAMAGED, said, KEEP)
        return
    rows = {one.epoch: one.opening for one in stored.epochs}
    signed = KnownKeys(known, rows, stored.certificates)
    keys = keys_of((*stored.keys, *stored.keys_before), known.named)
    before: Checkpoint | None = None
    for due, one in enumerate(stored.epochs):
        store = f"journal, epoch {one.epoch}"
        if one.epoch != due:
            said = f"epoch {one.epoch} where {due} is due"
            yield StoreState(store, Condition.DAMAGED, said, RESTORE)
        place = _place_of(places, one)
        if place is not None and place.checkpoint is not None:
            place.check = TileCheck(place.checkpoint.size, place.files)
        state = tried(
            store, RESTORE, partial(_judge_epoch, stored, one, known, signed, place, before)
        )
        yield state
        before = _head_or_none(one.head)
        if place is not None and place.check is not None and place.holds:
            yield from _compare(state, place, one)
    yield from _judge_strays(stored, places)
    yield tried("words beside the entries", KEEP, partial(_judge_words, stored))
    yield from _judge_kept(stored, known, signed, keys)
    yield from _judge_cosigned(keys, known, places)


def _judge_cosigned(keys: Keys, known: Known, places: Sequence[Place]) -> Iterator[StoreState]:
    """On each published checkpoint, by witnesses whose keys the journal has proven, or that were named."""
    for place in places:
        if place.checkpoint is not None and place.note is not None:
            name = f"cosignatures on {place.name}/{CHECKPOINT}"
            yield tried(name, KEEP, partial(_judge_lines, name, place.note, keys, known.proves))


def _judge_lines(store: str, note: bytes, keys: Keys, proves: Proves) -> StoreState:
    return _counted(store, *check_cosigned(note, keys, proves))


def _counted(store: str, proven: int, others: int) -> StoreState:
    if others:
        said = (
            f"{proven} proven, {others} by keys that are not known here: name them with --witness"
        )
        return StoreState(store, Condition.UNKNOWN, said)
    return StoreState(store, Condition.HOLDS, f"{proven} proven")


def _place_of(places: Sequence[Place], one: EpochRows) -> Place | None:
    head = _head_or_none(one.head)
    if head is None:
        return None
    name = f"{PUBLISHED}/{folder_of(epoch_of(head.origin))}"
    return next((place for place in places if place.name == name), None)


def _head_or_none(note: bytes) -> Checkpoint | None:
    try:
        return head_of(note)
    except AuditError:
        return None


def _judge_epoch(
    stored: StoredLog,
    one: EpochRows,
    known: Known,
    signed: KnownKeys,
    place: Place | None,
    before: Checkpoint | None,
) -> StoreState:
    store = f"journal, epoch {one.epoch}"
    check = None if place is None else place.check

    def each(_: int, leaf: bytes, hashed: bytes) -> None:
        if check is not None:
            check.add(leaf, hashed)

    if known.key is None:
        head = head_of(one.head)
        require_name(head.origin, "", stored.node)
        verdict = verify_entries(
            one.rows,
            head,
            edge=one.edge,
            first_index=first_index(one.epoch),
            progress=known.progress,
            each=each,
        )
        said = f"{head.size} entries give the root of their head; no key was given to judge it by"
        return with_findings(StoreState(store, Condition.UNKNOWN, said), verdict)
    try:
        key = signed.signed(one.head)
    except AuditError as error:
        return StoreState(store, Condition.DAMAGED, str(error), UNSIGNED, error.index)
    kept = _kept_heads(stored, signed, head_of(one.head).origin)
    verdict = verify_epoch(stored.node, replace(one, kept=kept), key, before, known.progress, each)
    root = verdict.checkpoint.root.hex()
    said = f"{verdict.checkpoint.size} entries, root {root}"
    if one.epoch == stored.epochs[-1].epoch and key.public_key not in known.public_keys:
        said += "; signed by a log key before the present one, under which no epoch has begun here"
        return with_findings(StoreState(store, Condition.UNKNOWN, said, NOT_IN_USE), verdict)
    return with_findings(StoreState(store, Condition.HOLDS, said), verdict)


def _kept_heads(stored: StoredLog, signed: KnownKeys, origin: str) -> tuple[KeptHead, ...]:
    """Heads beside the log that are proven to be its own; the others are judged as what they are."""

    def is_ours(head: KeptHead) -> bool:
        try:
            signed.signed(head.note)
        except AuditError:
            return False
        return True

    found: list[KeptHead] = []
    for rows in (stamped_heads(stored.stamped), cosigned_heads(stored.cosigned)):
        with suppress(AuditError):
            found += [head for name, head in rows if name == origin and is_ours(head)]
    return tuple(found)


def _compare(state: StoreState, place: Place, one: EpochRows) -> Iterator[StoreState]:
    """Journal and published log against each other, where each may hold by itself."""
    assert place.check is not None  # noqa: S101  asked for only then
    misfits = place.check.misfits if state.condition is Condition.DAMAGED else place.check.finish()
    store = f"journal against {place.name}"
    if misfits:
        error = misfits[0].error(place.name, first_index(one.epoch))
        if state.condition is Condition.DAMAGED:
            said = f"the published log, which holds, has another entry: {error}"
            yield StoreState(store, Condition.DAMAGED, said, RESTORE, error.index)
        else:
            said = f"each holds by itself, and they contradict each other: {error}"
            yield StoreState(store, Condition.DAMAGED, said, CONTRADICT, error.index)
    elif state.condition is not Condition.DAMAGED:
        yield StoreState(store, Condition.HOLDS, "the same entries, byte for byte")


def _judge_strays(stored: StoredLog, places: Sequence[Place]) -> Iterator[StoreState]:
    ours = set()
    for one in stored.epochs:
        head = _head_or_none(one.head)
        if head is None:
            return
        ours.add(f"{PUBLISHED}/{folder_of(epoch_of(head.origin))}")
    for place in places:
        if place.name not in ours:
            yield StoreState(
                f"published {place.name}",
                Condition.DAMAGED,
                "the journal knows no such epoch: it was rolled back, or the folder is another node's",
                CONTRADICT,
            )


def _judge_words(stored: StoredLog) -> StoreState:
    count = verify_words(stored.words)
    said = f"of {count} entries, each as its leaf has the digest of"
    return StoreState("words beside the entries", Condition.HOLDS, said)


def _judge_kept(
    stored: StoredLog, known: Known, signed: KnownKeys, keys: Keys
) -> Iterator[StoreState]:
    def stamped() -> StoreState:
        heads = _require_signed(stored, known, signed, list(stamped_heads(stored.stamped)))
        return StoreState("heads with timestamps", Condition.HOLDS, f"{heads} of them")

    def cosigned() -> StoreState:
        _require_signed(stored, known, signed, list(cosigned_heads(stored.cosigned)))
        return _counted("cosignatures kept", *check_kept(stored.cosigned, keys, known.proves))

    def watched() -> StoreState:
        count = check_watched(stored.watched, keys, known.proves)
        return StoreState("heads of others", Condition.HOLDS, f"{count} of them")

    if stored.stamped:
        yield tried("heads with timestamps", KEEP, stamped)
    if stored.cosigned:
        yield tried("cosignatures kept", KEEP, cosigned)
    if stored.watched:
        yield tried("heads of others", KEEP, watched)


def _require_signed(
    stored: StoredLog, known: Known, signed: KnownKeys, heads: Sequence[tuple[str, KeptHead]]
) -> int:
    """Each is of an epoch of this log, and signed by its key where one is given."""
    origins = {origin_in(stored.node, one.epoch, one.head) for one in stored.epochs}
    for origin, head in heads:
        if origin not in origins:
            raise AuditError(f"{head.what} is of {origin}, which is no epoch of this node's log")
        if known.key is not None:
            try:
                signed.signed(head.note)
            except AuditError as error:
                raise AuditError(f"{head.what}: {error}") from error
    return len(heads)
