"""How the tiles of a log grow: which hash tiles come of the next leaf hashes, level by level.

Touches: nothing.
Trusts:  callers to hand in hashes of this log's leaves, in order.
Raises:  AuditError for stored tiles that are none; ValueError for what is no full tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from relay.audit.tiles import HEIGHT, WIDTH, ReadTile, Tile, hashes_of, root_of, subtree_root

LEVELS: Final = 8
Written = tuple[Tile, bytes]
"""A hash tile and what its file holds."""


class TileGrowth:
    """The partial tiles above level 0, of a tree that is full on level 0: at most 255 hashes a level."""

    __slots__ = ("_levels", "full")

    def __init__(self) -> None:
        self.full = 0
        """Full tiles of level 0."""
        self._levels: list[list[bytes]] = []

    @classmethod
    def stored(cls, size: int, read: ReadTile) -> TileGrowth:
        """Up to the last full tile of level 0 of a tree of `size`, from its partial tiles. Nothing of it
        is proven until `root` is that of the tree."""
        growth = cls()
        growth.full = nodes = size >> HEIGHT
        level = 1
        while nodes:
            tile = Tile(level, nodes >> HEIGHT, nodes % WIDTH)
            growth._levels.append(hashes_of(read(tile), tile) if tile.width else [])
            level, nodes = level + 1, nodes >> HEIGHT
        return growth

    @property
    def size(self) -> int:
        """Leaves under the full tiles."""
        return self.full * WIDTH

    def add(self, hashes: Sequence[bytes]) -> Iterator[Written]:
        """Every tile that is full with these leaf hashes, a full tile of them; the lowest first."""
        if len(hashes) != WIDTH:
            raise ValueError(f"{len(hashes)} hashes are no full tile")
        level, index = 0, self.full
        self.full += 1
        while len(hashes) == WIDTH:
            yield Tile(level, index), b"".join(hashes)
            if level == len(self._levels):
                self._levels.append([])
            above = self._levels[level]
            above.append(subtree_root(hashes))
            hashes, level, index = above.copy(), level + 1, index >> HEIGHT
            if len(hashes) == WIDTH:
                above.clear()

    def partials(self, rest: Sequence[bytes]) -> Iterator[Written]:
        """The partial tiles of the tree with these leaf hashes behind its full tiles; the lowest first."""
        nodes = self.full
        if rest:
            yield Tile(0, nodes, len(rest)), b"".join(rest)
        for level, hashes in enumerate(self._levels, 1):
            if hashes:
                yield Tile(level, nodes >> HEIGHT, len(hashes)), b"".join(hashes)
            nodes >>= HEIGHT

    def root(self, rest: Sequence[bytes]) -> bytes:
        """Of that tree."""
        return root_of([rest, *self._levels])
