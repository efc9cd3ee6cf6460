"""Recompute a node's whole log: the journal, what is kept beside it, and the files that are published.

The published checkpoints are read before the journal, so that they never cover more than it; the node may
go on meanwhile, and what it adds is passed over.

Touches: the data folder, never writing.
Trusts:  the log's present key, and by it those before; the keys of witnesses as the journal proved them, and
         those that are named.
Raises:  AuditError naming the first entry, file or row that does not fit; JournalError.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from relay.audit.checkpoint import head_of
from relay.audit.epochs import (
    EpochRows,
    epoch_of,
    first_index,
    folder_of,
    is_folder,
    origin_in,
    verify_epochs,
)
from relay.audit.log_keys import with_keys
from relay.audit.published import TileCheck
from relay.audit.verify import (
    EachEntry,
    KeptHead,
    LogKey,
    LogVerdict,
    Progress,
    verify_words,
)
from relay.errors import AuditError
from relay.journal.inspect import StoredLog, stored_log
from relay.journal.tile_files import CHECKPOINT, TILES, TileFiles
from relay.model import NodeId

PUBLISHED: Final = "log"
"""In the data folder: a folder for each epoch's published log."""


@dataclass(frozen=True, slots=True)
class LogReport:
    """All that was found to hold."""

    verdicts: tuple[LogVerdict, ...]
    """Of each epoch, the present one last."""
    published: Mapping[str, int]
    """The size of each epoch's published log, by its folder."""
    words: int
    """Entries whose words stand beside them."""
    cosignatures: int
    """Proven by the key of their witness."""
    unjudged: int
    """Cosignatures by keys that neither the journal nor the configuration knows: only their form was
    looked at."""
    watched: int
    """Heads of others' logs that this node cosigned."""


@dataclass(frozen=True, slots=True)
class _Published:
    folder: str
    files: TileFiles
    note: bytes | None
    check: TileCheck


def verify_folder(
    data: Path,
    node: NodeId,
    key: LogKey,
    proves: Proves,
    *,
    named: Keys | None = None,
    kept: Sequence[KeptHead] = (),
    progress: Progress | None = None,
) -> LogReport:
    """`named` are keys of others that are known beside those of the journal, `kept` checkpoints that
    anybody kept, of any epoch of this log."""
    published = {name: _published(data, name) for name in published_folders(data)}
    with stored_log(data) as stored:
        if stored.node != node:
            raise AuditError(f"the journal says it is of {stored.node}, not {node}")
        keys = keys_of((*stored.keys, *stored.keys_before), named or Keys())
        return _verify(stored, published, node, key, keys, proves, kept, progress)


def published_folders(data: Path) -> list[str]:
    """What lies in DATA/log and is an epoch's, or could be taken for one: by its name, or by what it holds.

    What else lies there is somebody else's, such as the `lost+found` of a disk of its own.
    """
    folder = data / PUBLISHED
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(one.name for one in found if _looks_ours(one))


def _looks_ours(place: Path) -> bool:
    """Not by what it holds where it cannot be looked into."""
    ours = CHECKPOINT, TILES
    inside = (os.path.lexists(place / name) for name in ours)
    return place.name in ours or is_folder(place.name) or any(inside)


def _published(data: Path, name: str) -> _Published:
    files = TileFiles(data / PUBLISHED / name)
    try:
        note = files.note()
        size = 0 if note is None else head_of(note).size
    except AuditError as error:
        raise AuditError(f"{PUBLISHED}/{name}/{CHECKPOINT}: {error}") from error
    return _Published(name, files, note, TileCheck(size, files))


def _verify(
    stored: StoredLog,
    published: Mapping[str, _Published],
    node: NodeId,
    key: LogKey,
    keys: Keys,
    proves: Proves,
    kept: Sequence[KeptHead],
    progress: Progress | None,
) -> LogReport:
    heads = _heads_by_log(stored, published.values(), kept)
    origins = {origin_in(node, one.epoch, one.head): one.epoch for one in stored.epochs}
    for origin, (first, *_) in heads.items():
        if origin not in origins:
            raise AuditError(f"{first.what} is of {origin}, which is no epoch of this node's log")
    by_epoch = {
        epoch: published.get(folder_of(epoch_of(origin))) for origin, epoch in origins.items()
    }
    rows = [
        replace(one, kept=tuple(heads.get(origin_in(node, one.epoch, one.head), ())))
        for one in with_keys(stored.epochs, key, stored.certificates)
    ]
    verdicts = _verify_rows(rows, by_epoch, node, key, progress)
    _check_files(stored, by_epoch)
    strays = published.keys() - {one.folder for one in by_epoch.values() if one is not None}
    if strays:
        raise AuditError(f"{PUBLISHED}/{min(strays)} is no epoch of this node's log")
    notes = [one.note for one in published.values() if one.note is not None]
    counts = [check_cosigned(one, keys, proves) for one in notes]
    counts.append(check_kept(stored.cosigned, keys, proves))
    return LogReport(
        tuple(verdicts),
        {one.folder: one.check.size for one in published.values()},
        verify_words(stored.words),
        sum(proven for proven, _ in counts),
        sum(others for _, others in counts),
        check_watched(stored.watched, keys, proves),
    )


def _heads_by_log(
    stored: StoredLog,
    published: Iterable[_Published],
    kept: Sequence[KeptHead],
) -> dict[str, list[KeptHead]]:
    found: dict[str, list[KeptHead]] = defaultdict(list)
    for one in published:
        if one.note is not None:
            what = f"the published checkpoint {PUBLISHED}/{one.folder}/{CHECKPOINT}"
            found[_origin(one.note, what)].append(KeptHead(one.note, what))
    for origin, head in (
        *stamped_heads(stored.stamped),
        *cosigned_heads(stored.cosigned),
        *((_origin(one.note, one.what), one) for one in kept),
    ):
        found[origin].append(head)
    return found


def _origin(note: bytes, what: str) -> str:
    try:
        return head_of(note).origin
    except AuditError as error:
        raise AuditError(f"{what}: {error}") from error


def _verify_rows(
    rows: Sequence[EpochRows],
    published: Mapping[int, _Published | None],
    node: NodeId,
    key: LogKey,
    progress: Progress | None,
) -> list[LogVerdict]:
    def watch(epoch: int) -> EachEntry | None:
        one = published.get(epoch)
        if one is None:
            return None
        check = one.check
        return lambda _, leaf, hashed: check.add(leaf, hashed)

    try:
        return verify_epochs(node, rows, key, progress, watch)
    except AuditError as error:
        if error.index is None and (nearer := _nearer(error, published)) is not None:
            raise nearer from error
        raise


def _nearer(error: AuditError, published: Mapping[int, _Published | None]) -> AuditError | None:
    """Where the entries give another root than was signed, the published copy says which one is another."""
    for epoch, one in published.items():
        if one is not None and one.check.misfits:
            first = one.check.misfits[0].error(f"{PUBLISHED}/{one.folder}", first_index(epoch))
            return AuditError(
                f"{error.what}; the published copy is another: {first.what}", first.index
            )
    return None


def _check_files(stored: StoredLog, published: Mapping[int, _Published | None]) -> None:
    reached = {head.origin: head.size for head in map(head_of, stored.reach())}
    for epoch, one in published.items():
        if one is None:
            continue
        reach = max(
            (n for origin, n in reached.items() if epoch_of(origin).number == epoch), default=0
        )
        misfits = one.check.finish(reach)
        if misfits:
            raise misfits[0].error(f"{PUBLISHED}/{one.folder}", first_index(epoch))
