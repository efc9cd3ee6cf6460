"""Look at what is left of a log in a folder: a stopped or copied node's, with or without its journal, or a
published log alone. Each store is judged by itself, then against the others; one fault hides no other.

Touches: the folder, never writing; it must not change meanwhile.
Trusts:  the log's key, where one is given: without it no signature says anything.
Raises:  JournalError where there is neither a journal nor a published log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

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
from relay.audit.checkpoint import ORIGIN_PREFIX, Checkpoint, head_of, verify_note
from relay.audit.epochs import (
    Epoch,
    EpochRows,
    epoch_of,
    first_index,
    folder_of,
    log_name,
    origin_in,
    verify_epoch,
)
from relay.audit.published import TileCheck, verify_published
from relay.audit.verify import KeptHead, LogKey, LogVerdict, Progress, verify_entries, verify_words
from relay.errors import AuditError, JournalError
from relay.journal.inspect import StoredLog, stored_log
from relay.journal.store import DATABASE
from relay.journal.tile_files import CHECKPOINT, TileFiles
from relay.journal.verifying import PUBLISHED, published_folders
from relay.model import Finding, NodeId


class Condition(StrEnum):
    HOLDS = "holds"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Nothing contradicts it, and no key was given that would prove it."""


_KEEP: Final = "keep a copy of the folder as evidence before anything else"
_RESTORE: Final = f"{_KEEP}; bring back the newest backup (relay restore): the node then begins a new epoch of its log"
_REWRITE: Final = (
    f"{_KEEP}; move the epoch's folder away and start the node: it is written anew from the journal"
)
_FETCH: Final = (
    f"{_KEEP}; a neighbour or whoever copied the published log may have the file as it was"
)
_CONTRADICT: Final = f"{_KEEP}: two histories were signed with one key, and heads that others kept say which they saw"


@dataclass(frozen=True, slots=True)
class StoreState:
    """How it stands with one store."""

    store: str
    condition: Condition
    said: str
    remedy: str = ""
    index: int | None = None
    """The first entry that does not fit, where one can be named."""
    findings: tuple[Finding, ...] = ()
    """Odd things in a log that holds, at most FINDINGS_LIMIT; `findings_count` are all."""
    findings_count: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the log beforehand."""

    node: NodeId | None
    key: LogKey | None
    proves: Proves
    progress: Progress | None = None
    named: Keys = field(default_factory=Keys)
    """The keys of others that were named: of witnesses, and of logs that were cosigned here."""


@dataclass(slots=True)
class _Place:
    """One epoch's published folder, where it is."""

    name: str
    files: TileFiles
    note: bytes | None = None
    checkpoint: Checkpoint | None = None
    check: TileCheck | None = None
    holds: bool = False


def fsck(folder: Path, known: Known) -> list[StoreState]:
    """The condition of every store there is, the journal's first."""
    places = [_Place(name, TileFiles(path)) for name, path in _published_in(folder)]
    if not places and not (folder / DATABASE).exists():
        raise JournalError(f"neither a journal nor a published log is in {folder}")
    states: list[StoreState] = []
    for place in places:
        states += _judge_place(place, known)
    journal = _judge_journal(folder, known, places)
    whole = any(
        one.condition in _SOUND for one in journal if one.store.startswith("journal, epoch")
    )
    return [*journal, *(_with_remedy(one, journal_holds=whole) for one in states)]


_SOUND: Final = frozenset({Condition.HOLDS, Condition.UNKNOWN})


def _published_in(folder: Path) -> list[tuple[str, Path]]:
    if (folder / CHECKPOINT).exists() or (folder / "tile").is_dir():
        return [(folder.name, folder)]
    inside = [
        (f"{PUBLISHED}/{name}", folder / PUBLISHED / name) for name in published_folders(folder)
    ]
    if inside or (folder / DATABASE).exists():
        return inside
    return [(one.name, one) for one in sorted(folder.iterdir()) if (one / "tile").is_dir()]


def _with_remedy(state: StoreState, *, journal_holds: bool) -> StoreState:
    if state.condition in _SOUND or state.remedy:
        return state
    return replace(state, remedy=_REWRITE if journal_holds else _FETCH)


def _tried(store: str, remedy: str, work: Callable[[], StoreState]) -> StoreState:
    try:
        return work()
    except AuditError as error:
        return StoreState(store, Condition.DAMAGED, str(error), remedy, error.index)
    except OSError as error:
        said = f"cannot be read: {error.strerror or error}"
        return StoreState(store, Condition.DAMAGED, said, remedy)


# ---------------------------------------------------------------- the published files, by themselves


def _judge_place(place: _Place, known: Known) -> Iterator[StoreState]:
    store = f"published {place.name}"
    yield _tried(f"{store}/{CHECKPOINT}", "", lambda: _judge_checkpoint(place, known))
    if place.checkpoint is not None:
        yield _tried(store, "", lambda: _judge_files(place, known))


def _judge_checkpoint(place: _Place, known: Known) -> StoreState:
    store = f"published {place.name}/{CHECKPOINT}"
    place.note = place.files.note()
    if place.note is None:
        return StoreState(store, Condition.MISSING, "there are tiles and no checkpoint over them")
    head = head_of(place.note)
    said = f"{head.origin}, {head.size} entries, root {head.root.hex()}"
    _require_name(head.origin, place.name, known.node)
    if known.key is not None:
        verify_note(place.note, head.origin, known.key.public_key, known.key.verify)
    place.checkpoint = head
    if known.key is None:
        return StoreState(store, Condition.UNKNOWN, f"{said}; no key was given to judge it by")
    return StoreState(store, Condition.HOLDS, said)


def _require_name(origin: str, folder: str, node: NodeId | None) -> None:
    """A checkpoint counts only as the word of this node, in the epoch of its folder."""
    epoch = epoch_of(origin)
    name = folder.rpartition("/")[2]
    ours = NodeId(origin.removeprefix(ORIGIN_PREFIX).partition("/")[0])
    if node is not None and (ours != node or origin != log_name(node, epoch)):
        raise AuditError(f"the checkpoint is of {origin}, not of node {node}")
    if folder.startswith(f"{PUBLISHED}/") and name != folder_of(epoch):
        raise AuditError(f"the checkpoint is of {origin}, whose folder is {folder_of(epoch)}")


def _judge_files(place: _Place, known: Known) -> StoreState:
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
    return _with_findings(state, verdict)


# ---------------------------------------------------------------- the journal


def _judge_journal(folder: Path, known: Known, places: Sequence[_Place]) -> list[StoreState]:
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
        states.append(StoreState("journal", Condition.DAMAGED, str(error), _RESTORE))
        states += _judge_cosigned(known.named, known, places)
    return states


def _judge_stored(
    stored: StoredLog, known: Known, places: Sequence[_Place]
) -> Iterator[StoreState]:
    if known.node is not None and stored.node != known.node:
        said = f"the journal says it is of {stored.node}, not {known.node}"
        yield StoreState("journal", Condition.DAMAGED, said, _KEEP)
        return
    before: Checkpoint | None = None
    for due, one in enumerate(stored.epochs):
        store = f"journal, epoch {one.epoch}"
        if one.epoch != due:
            said = f"epoch {one.epoch} where {due} is due"
            yield StoreState(store, Condition.DAMAGED, said, _RESTORE)
        place = _place_of(places, one)
        if place is not None and place.checkpoint is not None:
            place.check = TileCheck(place.checkpoint.size, place.files)
        state = _tried(store, _RESTORE, lambda: _judge_epoch(stored, one, known, place, before))  # noqa: B023
        yield state
        before = _head_or_none(one.head)
        if place is not None and place.check is not None and place.holds:
            yield from _compare(state, place, one)
    yield from _judge_strays(stored, places)
    yield _tried("words beside the entries", _KEEP, lambda: _judge_words(stored))
    yield from _judge_kept(stored, known)
    yield from _judge_cosigned(keys_of(stored.keys, known.named), known, places)


def _judge_cosigned(keys: Keys, known: Known, places: Sequence[_Place]) -> Iterator[StoreState]:
    """On each published checkpoint, by witnesses whose keys the journal has proven, or that were named."""
    for place in places:
        if place.checkpoint is not None and place.note is not None:
            name, note = f"cosignatures on {place.name}/{CHECKPOINT}", place.note
            yield _tried(
                name,
                _KEEP,
                lambda: _counted(name, *check_cosigned(note, keys, known.proves)),  # noqa: B023
            )


def _counted(store: str, proven: int, others: int) -> StoreState:
    if others:
        said = (
            f"{proven} proven, {others} by keys that are not known here: name them with --witness"
        )
        return StoreState(store, Condition.UNKNOWN, said)
    return StoreState(store, Condition.HOLDS, f"{proven} proven")


def _place_of(places: Sequence[_Place], one: EpochRows) -> _Place | None:
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
    place: _Place | None,
    before: Checkpoint | None,
) -> StoreState:
    store = f"journal, epoch {one.epoch}"
    check = None if place is None else place.check

    def each(_: int, leaf: bytes, hashed: bytes) -> None:
        if check is not None:
            check.add(leaf, hashed)

    if known.key is None:
        head = head_of(one.head)
        _require_name(head.origin, "", stored.node)
        verdict = verify_entries(
            one.rows,
            head,
            edge=one.edge,
            first_index=first_index(one.epoch),
            progress=known.progress,
            each=each,
        )
        said = f"{head.size} entries give the root of their head; no key was given to judge it by"
        return _with_findings(StoreState(store, Condition.UNKNOWN, said), verdict)
    kept = _kept_heads(stored, known, known.key, head_of(one.head).origin)
    verdict = verify_epoch(
        stored.node, replace(one, kept=kept), known.key, before, known.progress, each
    )
    root = verdict.checkpoint.root.hex()
    said = f"{verdict.checkpoint.size} entries, root {root}"
    return _with_findings(StoreState(store, Condition.HOLDS, said), verdict)


def _with_findings(state: StoreState, verdict: LogVerdict) -> StoreState:
    return replace(state, findings=verdict.findings, findings_count=verdict.findings_count)


def _kept_heads(stored: StoredLog, known: Known, key: LogKey, origin: str) -> tuple[KeptHead, ...]:
    """Heads beside the log that are proven to be its own; the others are judged as what they are."""

    def is_ours(head: KeptHead) -> bool:
        try:
            verify_note(head.note, origin, key.public_key, key.verify)
        except AuditError:
            return False
        return True

    found: list[KeptHead] = []
    for rows in (stamped_heads(stored.stamped), cosigned_heads(stored.cosigned)):
        with suppress(AuditError):
            found += [head for name, head in rows if name == origin and is_ours(head)]
    return tuple(found)


def _compare(state: StoreState, place: _Place, one: EpochRows) -> Iterator[StoreState]:
    """Journal and published log against each other, where each may hold by itself."""
    assert place.check is not None  # noqa: S101  asked for only then
    misfits = place.check.misfits if state.condition is Condition.DAMAGED else place.check.finish()
    store = f"journal against {place.name}"
    if misfits:
        error = misfits[0].error(place.name, first_index(one.epoch))
        if state.condition is Condition.DAMAGED:
            said = f"the published log, which holds, has another entry: {error}"
            yield StoreState(store, Condition.DAMAGED, said, _RESTORE, error.index)
        else:
            said = f"each holds by itself, and they contradict each other: {error}"
            yield StoreState(store, Condition.DAMAGED, said, _CONTRADICT, error.index)
    elif state.condition is not Condition.DAMAGED:
        yield StoreState(store, Condition.HOLDS, "the same entries, byte for byte")


def _judge_strays(stored: StoredLog, places: Sequence[_Place]) -> Iterator[StoreState]:
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
                _CONTRADICT,
            )


def _judge_words(stored: StoredLog) -> StoreState:
    count = verify_words(stored.words)
    said = f"of {count} entries, each as its leaf has the digest of"
    return StoreState("words beside the entries", Condition.HOLDS, said)


def _judge_kept(stored: StoredLog, known: Known) -> Iterator[StoreState]:
    keys = keys_of(stored.keys, known.named)

    def stamped() -> StoreState:
        heads = _require_signed(stored, known, list(stamped_heads(stored.stamped)))
        return StoreState("heads with timestamps", Condition.HOLDS, f"{heads} of them")

    def cosigned() -> StoreState:
        _require_signed(stored, known, list(cosigned_heads(stored.cosigned)))
        return _counted("cosignatures kept", *check_kept(stored.cosigned, keys, known.proves))

    def watched() -> StoreState:
        count = check_watched(stored.watched, keys, known.proves)
        return StoreState("heads of others", Condition.HOLDS, f"{count} of them")

    if stored.stamped:
        yield _tried("heads with timestamps", _KEEP, stamped)
    if stored.cosigned:
        yield _tried("cosignatures kept", _KEEP, cosigned)
    if stored.watched:
        yield _tried("heads of others", _KEEP, watched)


def _require_signed(stored: StoredLog, known: Known, heads: Sequence[tuple[str, KeptHead]]) -> int:
    """Each is of an epoch of this log, and signed by its key where one is given."""
    origins = {origin_in(stored.node, one.epoch, one.head) for one in stored.epochs}
    for origin, head in heads:
        if origin not in origins:
            raise AuditError(f"{head.what} is of {origin}, which is no epoch of this node's log")
        if known.key is not None:
            try:
                verify_note(head.note, origin, known.key.public_key, known.key.verify)
            except AuditError as error:
                raise AuditError(f"{head.what}: {error}") from error
    return len(heads)
