"""The published files of one epoch of the log: `checkpoint` and `tile/…` in DATA/log/EPOCH.

A file is written under another name, fsynced, renamed; its folder is fsynced by `settle`. So a file under
its own name is whole, and what was settled outlives a crash. A tile that is there is never written again,
unless `mending`, by somebody who has proven what it must hold.

Touches: that folder. Trusts: nothing that it reads; no link is followed, the epoch's own folder included (a
         link above it, as of DATA/log to another disk, is the operator's), and only plain files are read.
Raises:  AuditError for a file that is not there or cannot be one of the log's; OSError where writing or
         reading fails; what `room` raises.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from relay.audit.checkpoint import NOTE_LIMIT_BYTES
from relay.audit.tiles import BUNDLE_LIMIT_BYTES, ENTRIES, HEIGHT, TILE_BYTES, Tile, narrowed
from relay.errors import AuditError

CHECKPOINT: Final = "checkpoint"
TILES: Final = "tile"
PROGRESS: Final = "progress"
"""How far tiles are written that no checkpoint speaks of yet: of a large log that catches up."""
_COMING: Final = "coming"


class TileFiles:
    """One epoch's folder; may be read by anyone, written by one."""

    def __init__(self, folder: Path, room: Callable[[int], None] = lambda _: None) -> None:
        """`room` is asked before so many bytes are written, and may raise."""
        self.folder = folder
        self._room = room
        self._touched: set[Path] = set()

    def path(self, tile: Tile) -> Path:
        return self.folder / tile.path

    def read(self, tile: Tile) -> bytes:
        """ReadTile. A partial tile that is gone is how a wider one of its place begins."""
        found = self._content(self.path(tile), _limit(tile))
        if found is None and tile.partial and (wider := self._wider(tile)) is not None:
            found = self._content(self.path(wider), _limit(tile))
            found = None if found is None else narrowed(found, tile)
        if found is None:
            raise AuditError(f"{tile.path} is missing")
        return found

    def _wider(self, tile: Tile) -> Tile | None:
        """The full tile, or else the widest there is that holds this partial one."""
        if self.path(tile.full).is_file():
            return tile.full
        widths = [width for width in self.widths(tile) if width > tile.width]
        return Tile(tile.level, tile.index, max(widths)) if widths else None

    def widths(self, tile: Tile) -> list[int]:
        """Of the partial tiles that are there."""
        try:
            names = [one.name for one in Path(f"{self.path(tile.full)}.p").iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [int(name) for name in names if name.isascii() and name.isdigit()]

    def found(self, tile: Tile) -> bytes | None:
        """The content of the very file; None where there is none."""
        return self._content(self.path(tile), _limit(tile))

    def names(self) -> Iterator[str]:
        """Every file but the checkpoint and what the writer keeps for itself, by its path from here."""
        for place, folders, files in os.walk(self.folder):
            top = Path(place) == self.folder
            if top and _COMING in folders:
                folders.remove(_COMING)
            links = [name for name in folders if (Path(place) / name).is_symlink()]
            for name in (*files, *links):
                if not (top and name in {CHECKPOINT, PROGRESS}):
                    yield (Path(place) / name).relative_to(self.folder).as_posix()

    def note(self, name: str = CHECKPOINT) -> bytes | None:
        """The published checkpoint as it stands, or how far its tiles are."""
        return self._content(self.folder / name, NOTE_LIMIT_BYTES)

    # ------------------------------------------------------------ writing

    def prepare(self) -> None:
        """Make the folder; forget what a process that died has left half."""
        if self.folder.is_symlink():
            raise AuditError(f"{self.folder.name} is a link")
        coming = self.folder / _COMING
        shutil.rmtree(coming, ignore_errors=True)
        self._make(self.folder)
        coming.mkdir(exist_ok=True)

    def put(self, tile: Tile, content: bytes, *, mending: bool = False) -> bool:
        """Have the tile's file hold this, durable with the next `settle`. Whether another had to go."""
        path = self.path(tile)
        try:
            found = self._content(path, _limit(tile))
        except AuditError:
            found = b""
        if mending and tile.partial:
            self._forget_narrower(tile)
        if found == content:
            self._touched.add(path.parent)  # of a round that broke off, perhaps before its settling
            return False
        if found is not None and not mending:
            raise AuditError(f"{tile.path} is there and holds something else")
        self._write(path, content)
        return found is not None

    def _forget_narrower(self, tile: Tile) -> None:
        """Nobody looks at those of older checkpoints again; what this one holds is proven."""
        for width in self.widths(tile):
            if width < tile.width:
                self.path(Tile(tile.level, tile.index, width)).unlink(missing_ok=True)

    def settle(self) -> None:
        """Everything that was put is durable."""
        for folder in sorted(self._touched):
            _fsync_folder(folder)
        self._touched.clear()

    def publish(self, note: bytes, name: str = CHECKPOINT) -> None:
        """Rename in a new checkpoint (or mark of progress); durable on return."""
        self._write(self.folder / name, note)
        self.settle()

    def forget(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def tidy(self, before: int, size: int) -> None:
        """Remove the partial tiles whose full ones came between these sizes, and of the size before."""
        for level in (ENTRIES, *range(8)):
            if size >> HEIGHT * max(level, 0) == 0:
                return
            index = before >> HEIGHT * (max(level, 0) + 1)
            for one in (index - 1, index):
                full = self.path(Tile(level, max(one, 0)))
                if full.is_file():
                    shutil.rmtree(f"{full}.p", ignore_errors=True)

    def _write(self, path: Path, content: bytes) -> None:
        self._room(len(content))
        self._make(path.parent)
        coming = self.folder / _COMING / "file"
        with closing(_Handle(coming)) as handle:
            handle.write(content)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # whatever it is, it is none of ours
        coming.replace(path)
        self._touched.add(path.parent)

    def _make(self, folder: Path) -> None:
        """With those above it, each durable in the one above. A link among ours gives way."""
        if self.folder in folder.parents:
            self._make(folder.parent)
            if folder.is_symlink():
                folder.unlink()
        if folder.is_dir():
            return
        if folder.parent != folder:
            self._make(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o750)
        self._touched.add(folder.parent)

    def _content(self, path: Path, limit: int) -> bytes | None:
        """None where there is nothing of that name."""
        try:
            with self._reading(path) as handle:
                return _read_all(handle, self._size(path, handle, limit))
        except FileNotFoundError:
            return None

    @contextmanager
    def _reading(self, path: Path) -> Iterator[int]:
        """The file, opened name by name from the folder on: a link anywhere is told, never followed."""
        names: tuple[str | Path, ...] = (self.folder, *path.relative_to(self.folder).parts)
        handles: list[int] = []
        try:
            for name in names:
                within = handles[-1] if handles else None
                handles.append(_opened(name, within, folder=len(handles) < len(names) - 1))
            yield handles[-1]
        except _LinkError:
            above = (
                "" if len(handles) == len(names) - 1 else f"{Path(names[len(handles)]).name} above "
            )
            raise AuditError(f"{above}{self._named(path)} is a link") from None
        finally:
            for handle in handles:
                os.close(handle)

    def _size(self, path: Path, handle: int, limit: int) -> int:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            raise AuditError(f"{self._named(path)} is no file of the log's")
        return found.st_size

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self.folder))


def _limit(tile: Tile) -> int:
    return BUNDLE_LIMIT_BYTES if tile.level == ENTRIES else TILE_BYTES


class _Handle:
    """A new file, whole and on the disk once closed without an error."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)

    def write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._handle, rest) :]
        os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


class _LinkError(Exception):
    """A link is where a file or a folder should be."""


def _opened(name: str | Path, within: int | None, *, folder: bool) -> int:
    """FileNotFoundError also where a plain file is in a folder's place."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | (os.O_DIRECTORY if folder else os.O_NONBLOCK)
    try:
        return os.open(name, flags, dir_fd=within)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        with suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode):
                raise _LinkError from None
        raise FileNotFoundError(name) from None


def _read_all(handle: int, size_bytes: int) -> bytes:
    parts = []
    while size_bytes and (part := os.read(handle, size_bytes)):
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
