"""The log as static files: C2SP tlog-tiles paths, hash tiles, entry bundles, and nodes found in them.

Touches: nothing; whoever owns the files hands in `read`.
Trusts:  nothing it reads: a tile counts only once it has been hashed up to the root of a checkpoint.
Raises:  AuditError for paths, tiles and bundles that do not hold; ValueError where a caller of ours
         asks for what cannot exist.

A tile is 256 consecutive hashes of one level, eight levels of the tree apart from the next. Tile N of
level L holds the complete nodes (8 L, 256 N) to (8 L, 256 N + 255) of proofs.py. The last tile of a
level may be partial, as wide as the tree has complete nodes there. Beside each tile of level 0 stands the
bundle of its entries.

    tile/0/x001/x234/067         tile 1234067 of level 0
    tile/1/004.p/17              the first 17 hashes of tile 4 of level 1
    tile/entries/x001/x234/067   the entries under the first
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from relay.audit.entries import LEAF_LIMIT_BYTES
from relay.audit.proofs import (
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from relay.audit.tree import EMPTY_ROOT, HASH_BYTES, SIZE_LIMIT, Frontier, leaf_hash, node_hash
from relay.errors import AuditError

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
"""Hashes in a full tile, entries in a full bundle."""
TILE_BYTES: Final = WIDTH * HASH_BYTES
BUNDLE_LIMIT_BYTES: Final = WIDTH * (2 + LEAF_LIMIT_BYTES)
ENTRIES: Final = -1
"""The level of an entry bundle: below the hashes of level 0."""
TOP: Final = 63
"""The highest level a path may name; no tree within the size limit has more than eight."""
PATH_LIMIT: Final = 64
_CACHED_TILES: Final = 64
_LENGTH_BYTES: Final = 2

_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One file of hashes, or at level ENTRIES of entries; partial where narrower than WIDTH."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def partial(self) -> bool:
        return self.width < WIDTH

    @property
    def full(self) -> Tile:
        """The full tile of the same place."""
        return Tile(self.level, self.index)

    @property
    def path(self) -> str:
        """Under the log's prefix, in the one form there is."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{_groups(self.index)}" + (f".p/{self.width}" if self.partial else "")


def _groups(index: int) -> str:
    """Three digits an element, all but the last behind an x."""
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text


def parse_path(path: str) -> Tile:
    """The tile that `path` is the one name of (W16.2)."""
    found = _PATH.fullmatch(path) if len(path) <= PATH_LIMIT else None
    if found is None:
        raise AuditError("no path of a tile")
    index = int(found[2].replace("/", "").replace("x", ""))
    tile = Tile(
        ENTRIES if found[1] == "entries" else int(found[1]),
        index,
        WIDTH if found[3] is None else int(found[3]),
    )
    if tile.path != path or tile.width > WIDTH or index * WIDTH > SIZE_LIMIT:
        raise AuditError("no path of a tile in its one form")
    return tile


# ---------------------------------------------------------------- which tiles a tree has


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Every tile of a tree of `size` that the tree of `since` does not have, bundles first, then by level.

    Of each level those in order; the partial one, if any, last.
    """
    if not 0 <= since <= size <= SIZE_LIMIT:
        raise ValueError(f"a tree of {since} cannot begin a tree of {size}")
    yield from _level_tiles(ENTRIES, size, since)
    level = 0
    while size:
        yield from _level_tiles(level, size, since)
        level, size, since = level + 1, size >> HEIGHT, since >> HEIGHT


def _level_tiles(level: int, nodes: int, since: int) -> Iterator[Tile]:
    for index in range(since >> HEIGHT, nodes >> HEIGHT):
        yield Tile(level, index)
    width = nodes % WIDTH
    if width and nodes != since:
        yield Tile(level, nodes >> HEIGHT, width)


def right_edge(size: int) -> list[Tile]:
    """The partial hash tiles of a tree of `size`: all that its root needs. The lowest level first."""
    edge = []
    level = 0
    while size:
        if width := size % WIDTH:
            edge.append(Tile(level, size >> HEIGHT, width))
        level, size = level + 1, size >> HEIGHT
    return edge


def root_of(edge: Sequence[Sequence[bytes]]) -> bytes:
    """The root over the hashes of the partial tile of each level, the lowest first, none where empty."""
    root: bytes | None = None
    for hashes in edge:
        for subtree in reversed(_subtrees(hashes)):
            root = subtree if root is None else node_hash(subtree, root)
    return EMPTY_ROOT if root is None else root


def _subtrees(hashes: Sequence[bytes]) -> list[bytes]:
    """Roots of the complete subtrees these hashes make, the largest first."""
    roots, start = [], 0
    for bit in range(HEIGHT - 1, -1, -1):
        if len(hashes) >> bit & 1:
            roots.append(subtree_root(hashes[start : start + (1 << bit)]))
            start += 1 << bit
    return roots


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The node over so many hashes, a power of two of them."""
    frontier = Frontier()
    for hashed in hashes:
        frontier.append(hashed)
    return frontier.root()


# ---------------------------------------------------------------- what is in a file


def hashes_of(content: bytes, tile: Tile) -> list[bytes]:
    """The hashes in a hash tile's file."""
    if len(content) != tile.width * HASH_BYTES:
        raise AuditError(
            f"{tile.path} of {len(content)} bytes, {tile.width} hashes take {tile.width * HASH_BYTES}"
        )
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


def bundle(leaves: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry behind its length in two bytes, big-endian."""
    if not 0 < len(leaves) <= WIDTH:
        raise ValueError(f"no bundle of {len(leaves)} entries")
    return b"".join(len(leaf).to_bytes(_LENGTH_BYTES, "big") + leaf for leaf in leaves)


def leaves_of(content: bytes, tile: Tile) -> list[bytes]:
    """The entries in a bundle's file."""
    leaves, at = _take(content, tile)
    if at != len(content):
        raise AuditError(f"{tile.path} goes on after its {tile.width} entries")
    return leaves


def narrowed(content: bytes, tile: Tile) -> bytes:
    """The file of the partial `tile`, which is how every wider one of its place begins."""
    if tile.level == ENTRIES:
        return content[: _take(content, tile)[1]]
    if len(content) < tile.width * HASH_BYTES:
        raise AuditError(f"{len(content)} bytes hold no {tile.path}")
    return content[: tile.width * HASH_BYTES]


def _take(content: bytes, tile: Tile) -> tuple[list[bytes], int]:
    """As many entries as the bundle is wide, and where the last ends."""
    leaves: list[bytes] = []
    at = 0
    for _ in range(tile.width):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(content[at:start], "big")
        if start > len(content) or at > len(content):
            raise AuditError(f"{tile.path} breaks off after {len(leaves)} of {tile.width} entries")
        leaves.append(content[start:at])
    return leaves, at


# ---------------------------------------------------------------- nodes and entries, proven


ReadTile = Callable[[Tile], bytes]
"""The content of one tile's file; AuditError where there is none."""


class TileNodes:
    """NodeHashes of the tree under one checkpoint: `nodes(level, index)`, each proven up to the root (W16.6).

    The right edge is read and hashed to the root at once; every full tile must then hash to what stands
    for it in the tile above. A node costs at most one file a level, the latest ones are kept.
    """

    def __init__(self, size: int, root: bytes, read: ReadTile) -> None:
        """Raises AuditError where the right edge does not lead to the root."""
        self.size = size
        self.root = root
        self._read = read
        self._edge = {
            (tile.level, tile.index): hashes_of(read(tile), tile) for tile in right_edge(size)
        }
        if root_of(list(self._edge.values())) != root:
            raise AuditError(f"the tiles of the right edge do not give the root of {size} entries")
        self._kept: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the complete node (level, index)."""
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise ValueError(f"no complete node ({level}, {index}) in a tree of {self.size}")
        row, height = divmod(level, HEIGHT)
        first = index << height
        hashes = self._hashes(row, first >> HEIGHT)
        start = first % WIDTH
        return subtree_root(hashes[start : start + (1 << height)])

    def root_at(self, size: int) -> bytes:
        """The root over the first so many entries."""
        edge, start, left = [], 0, size
        if not 0 <= size <= self.size:
            raise ValueError(f"no tree of {size} in one of {self.size}")
        while left:
            bit = left.bit_length() - 1
            edge.append(self(bit, start >> bit))
            start, left = start + (1 << bit), left - (1 << bit)
        root = edge.pop() if edge else EMPTY_ROOT
        for subtree in reversed(edge):
            root = node_hash(subtree, root)
        return root

    def inclusion(self, index: int) -> list[bytes]:
        """The proof of entry `index` under the checkpoint, checked."""
        proof = inclusion_proof(index, self.size, self)
        verify_inclusion(self(0, index), index, self.size, proof, self.root)
        return proof

    def consistency(self, old: int) -> list[bytes]:
        """The proof that the first `old` entries begin the checkpoint's, checked."""
        proof = consistency_proof(old, self.size, self)
        verify_consistency(old, self.root_at(old), self.size, self.root, proof)
        return proof

    def leaves(self, number: int) -> list[bytes]:
        """The entries of bundle `number`, each proven: entry 256 * number and those after it."""
        hashes = self._hashes(0, number)
        tile = Tile(ENTRIES, number, len(hashes))
        leaves = leaves_of(self._read(tile), tile)
        for place, (leaf, hashed) in enumerate(zip(leaves, hashes, strict=True)):
            if leaf_hash(leaf) != hashed:
                raise AuditError(f"{tile.path} is damaged", number * WIDTH + place)
        return leaves

    def _hashes(self, level: int, index: int) -> list[bytes]:
        """Of one tile, proven."""
        place = (level, index)
        if place in self._edge:
            return self._edge[place]
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        tile = Tile(level, index)
        if (index + 1) << HEIGHT * (level + 1) > self.size:
            raise ValueError(f"no {tile.path} in a tree of {self.size}")
        above = self._hashes(level + 1, index >> HEIGHT)[index % WIDTH]
        hashes = hashes_of(self._read(tile), tile)
        if subtree_root(hashes) != above:
            raise AuditError(f"{tile.path} is damaged")
        self._kept[place] = hashes
        if len(self._kept) > _CACHED_TILES:
            self._kept.popitem(last=False)
        return hashes
