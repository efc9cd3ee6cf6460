"""A published log as files (W16.5): what a node would have under its checkpoint.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from relay.audit.tiles import ENTRIES, WIDTH, bundle, subtree_root, tiles_of
from relay.audit.tree import leaf_hash


def published(note: bytes, leaves: Sequence[bytes]) -> dict[str, bytes]:
    """By their paths in its folder; the note need not be of these entries."""
    return {"checkpoint": note, **dict(_tiles(leaves))}


def _tiles(leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    rows = [[leaf_hash(one) for one in leaves]]
    for tile in tiles_of(len(leaves)):
        here = slice(tile.index * WIDTH, tile.index * WIDTH + tile.width)
        if tile.level == ENTRIES:
            yield tile.path, bundle(leaves[here])
            continue
        if tile.level == len(rows):
            rows.append(_above(rows[-1]))
        yield tile.path, b"".join(rows[tile.level][here])


def _above(row: Sequence[bytes]) -> list[bytes]:
    """What stands for each full tile of this row in the next."""
    return [subtree_root(row[at : at + WIDTH]) for at in range(0, len(row) - WIDTH + 1, WIDTH)]
