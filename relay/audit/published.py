"""Judge the files of a published log: against entries that are known, or by themselves as any stranger would.

Touches: nothing; whoever owns the files hands them in.
Trusts:  the entries that `TileCheck` is fed, once their root is a signed head's. Every file is what is judged.
Raises:  AuditError from `verify_published`; misfits of `TileCheck` are values, the first of them kept.

A file fits when it holds, to the byte, what the entries give. Which file must be there follows from the
published checkpoint alone; partial tiles that are left of older checkpoints must fit, too. A running node
goes on publishing meanwhile: what is beyond the entries that were fed is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from relay.audit.checkpoint import Checkpoint
from relay.audit.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    Tile,
    TileNodes,
    bundle,
    leaves_of,
    narrowed,
    parse_path,
    subtree_root,
)
from relay.audit.tree import HASH_BYTES
from relay.audit.verify import EachEntry, LogVerdict, Progress, Row, verify_entries
from relay.errors import AuditError

MISFITS_LIMIT: Final = 100
"""Misfits kept; the rest are only counted."""
MISSING: Final = "is missing"


class EpochFiles(Protocol):
    """One epoch's folder, reading."""

    def found(self, tile: Tile) -> bytes | None:
        """The content of the very file; None where there is none, AuditError for what is no plain file."""
        ...

    def read(self, tile: Tile) -> bytes:
        """tiles.ReadTile: a partial tile that is gone is how a wider one begins. AuditError where there is none."""
        ...

    def widths(self, tile: Tile) -> list[int]:
        """Of the partial tiles that are there in the full tile's place."""
        ...

    def names(self) -> Iterator[str]:
        """Every file there is, by its path under the folder, but for the checkpoint and what the
        publisher keeps for itself."""
        ...


@dataclass(frozen=True, slots=True)
class Misfit:
    """A file that is not what the entries give."""

    path: str
    what: str
    index: int | None = None
    """The first entry, counted within its log, that it contradicts or fails to hold."""

    def error(self, folder: str, first_index: int = 0) -> AuditError:
        index = None if self.index is None else first_index + self.index
        return AuditError(f"{folder}/{self.path} {self.what}", index)


class TileCheck:
    """Fed every entry in order, compares each file as soon as all that it must hold is known."""

    def __init__(self, size: int, files: EpochFiles) -> None:
        """`size` is the published checkpoint's: its tiles must be there."""
        self.size = size
        self.misfits: list[Misfit] = []
        self.count = 0
        self._files = files
        self._fed = 0
        self._leaves: list[bytes] = []
        self._rows: list[list[bytes]] = [[]]
        """The hashes of each level's last tile."""
        self._firsts: list[int] = [0]
        """The index of that tile, by level."""

    def add(self, leaf: bytes, hashed: bytes) -> None:
        """The next entry, and its leaf hash."""
        self._leaves.append(leaf)
        self._rows[0].append(hashed)
        self._fed += 1
        if len(self._leaves) == WIDTH:
            self._rise()

    def finish(self, reach: int | None = None) -> list[Misfit]:
        """After the last entry: what does not fit. `reach` is the size up to which the node may have
        published by now, where it is more than was fed."""
        for level in range(len(self._rows)):
            if self._rows[level]:
                self._judge(level)
        if self.size > self._fed:
            self._note(
                "checkpoint", f"covers {self.size} entries, the log has {self._fed}", self._fed
            )
        for name in self._files.names():
            self._judge_name(name, self._fed if reach is None else max(reach, self._fed))
        return self.misfits

    def _rise(self) -> None:
        """A tile is complete, and with it perhaps those above."""
        level = 0
        while len(self._rows[level]) == WIDTH:
            self._judge(level)
            above = subtree_root(self._rows[level])
            self._rows[level] = []
            self._firsts[level] += 1
            level += 1
            if level == len(self._rows):
                self._rows.append([])
                self._firsts.append(0)
            self._rows[level].append(above)
        self._leaves = []

    # ------------------------------------------------------------ one place of a tile

    def _judge(self, level: int) -> None:
        hashes, index = self._rows[level], self._firsts[level]
        content = b"".join(hashes)
        if level == 0:
            self._judge_place(Tile(ENTRIES, index), bundle(self._leaves), len(hashes))
        self._judge_place(Tile(level, index), content, len(hashes))

    def _judge_place(self, full: Tile, content: bytes, width: int) -> None:
        """`content` is what a file of this width holds in this place; narrower ones begin it."""
        whole = width == WIDTH and self._fits(full, content)
        widths = sorted(self._files.widths(full))
        for one in widths:
            if one <= width and one < WIDTH:
                tile = Tile(full.level, full.index, one)
                self._fits(tile, _begun(content, full, width, one))
        due = self._due(full)
        if due is None or whole or due in widths:
            return
        tile = Tile(full.level, full.index, due)
        if any(one > due for one in widths) or self._files.found(full) is not None:
            return  # a wider one took its place; what it holds of these entries was compared, or will be
        # A partial tile may be gone once a wider one is there: only the newest checkpoint's counts.
        self._note(tile.path, MISSING, _entry_of(full, 0))

    def _due(self, full: Tile) -> int | None:
        """How wide the published tree's tile of this place is; None where it has none."""
        nodes = self.size >> HEIGHT * max(full.level, 0)
        width = min(nodes - full.index * WIDTH, WIDTH)
        return width if width > 0 else None

    def _fits(self, tile: Tile, expected: bytes) -> bool:
        """Whether there is such a file; one that differs is noted."""
        try:
            found = self._files.found(tile)
        except AuditError as error:
            self._note(tile.path, f"cannot be read: {error}", _entry_of(tile, 0))
            return True
        if found is None:
            return False
        if found != expected:
            place = _first_difference(found, expected, tile)
            self._note(tile.path, "does not hold what the entries give", _entry_of(tile, place))
        return True

    def _judge_name(self, name: str, reach: int) -> None:
        try:
            tile = parse_path(name)
        except AuditError:
            self._note(name, "does not belong there")
            return
        end = tile.index * WIDTH + tile.width
        if end > reach >> HEIGHT * max(tile.level, 0):
            self._note(name, "is of entries that the log does not have", _entry_of(tile, 0))

    def _note(self, path: str, what: str, index: int | None = None) -> None:
        self.count += 1
        if len(self.misfits) < MISFITS_LIMIT:
            self.misfits.append(Misfit(path, what, index))


def _entry_of(tile: Tile, place: int) -> int:
    """The first entry under this place of a tile."""
    return (tile.index * WIDTH + place) << HEIGHT * max(tile.level, 0)


def _begun(content: bytes, full: Tile, width: int, narrow: int) -> bytes:
    if full.level == ENTRIES:
        return narrowed(content, Tile(ENTRIES, full.index, narrow))
    return content[: min(narrow, width) * HASH_BYTES]


def _first_difference(found: bytes, expected: bytes, tile: Tile) -> int:
    """The place in the tile from which on they differ."""
    at = next(
        (n for n, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other),
        min(len(found), len(expected)),
    )
    if tile.level != ENTRIES:
        return min(at // HASH_BYTES, tile.width - 1)
    place, end = 0, 0
    for leaf in leaves_of(expected, tile):
        end += 2 + len(leaf)
        if at < end:
            break
        place += 1
    return min(place, tile.width - 1)


# ---------------------------------------------------------------- by itself, as a stranger would


def verify_published(
    files: EpochFiles,
    checkpoint: Checkpoint,
    *,
    kept: Iterable[Checkpoint] = (),
    first_index: int = 0,
    progress: Progress | None = None,
    each: EachEntry | None = None,
) -> tuple[LogVerdict, list[Misfit]]:
    """The verdict on the entries in the bundles under a checkpoint that was proven, and the files beside
    them that do not fit. AuditError names the file where the entries themselves do not."""
    check = TileCheck(checkpoint.size, files)

    def judged(index: int, leaf: bytes, hashed: bytes) -> None:
        check.add(leaf, hashed)
        if each is not None:
            each(index, leaf, hashed)

    try:
        verdict = verify_entries(
            _bundled(files, checkpoint.size, first_index),
            checkpoint,
            kept=list(kept),
            first_index=first_index,
            progress=progress,
            each=judged,
        )
    except AuditError as error:
        if error.index is None:
            _locate(files, checkpoint, first_index)
            raise
        raise _in_its_file(
            error, error.index - first_index, first_index, checkpoint.size
        ) from error
    return verdict, check.finish()


def _in_its_file(error: AuditError, place: int, first_index: int, size: int) -> AuditError:
    number = place // WIDTH
    path = Tile(ENTRIES, number, min(max(size - number * WIDTH, 1), WIDTH)).path
    named = error.what.startswith(path)
    return AuditError(error.what if named else f"{path}: {error.what}", first_index + place)


def _bundled(files: EpochFiles, size: int, first_index: int) -> Iterator[Row]:
    for number in range((size + WIDTH - 1) // WIDTH):
        width = min(size - number * WIDTH, WIDTH)
        tile = Tile(ENTRIES, number, width)
        start = first_index + number * WIDTH
        try:
            leaves = leaves_of(files.read(tile), tile)
        except AuditError as error:
            raise AuditError(error.what, start) from error
        for place, leaf in enumerate(leaves):
            yield start + place, leaf, None


def _locate(files: EpochFiles, checkpoint: Checkpoint, first_index: int) -> None:
    """The hash tiles, where they give the checkpoint's root, say which bundle does not fit."""
    nodes = TileNodes(checkpoint.size, checkpoint.root, files.read)
    for number in range((checkpoint.size + WIDTH - 1) // WIDTH):
        try:
            nodes.leaves(number)
        except AuditError as error:
            index = error.index if error.index is not None else number * WIDTH
            raise AuditError(error.what, first_index + index) from error
