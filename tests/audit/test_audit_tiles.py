"""The tiles are those of C2SP tlog-tiles, and what is read from them is proven first."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.audit.proofs import (
    consistency_proof,
    inclusion_proof,
    over_leaves,
    verify_consistency,
    verify_inclusion,
)
from relay.audit.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    Tile,
    TileNodes,
    bundle,
    hashes_of,
    leaves_of,
    narrowed,
    parse_path,
    right_edge,
    root_of,
    tiles_of,
)
from relay.audit.tree import EMPTY_ROOT, leaf_hash
from relay.errors import AuditError


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written there, naively."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:split]) + mth(hashes[split:])).digest()


LEAVES = [b"%d" % number * (number % 7) for number in range(1200)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def naive(tile: Tile) -> bytes:
    """The tile by the specification's own formula, from the leaves."""
    if tile.level == ENTRIES:
        return bundle(LEAVES[tile.index * WIDTH :][: tile.width])
    step = 256**tile.level
    return b"".join(
        mth(HASHES[(tile.index * 256 + i) * step : (tile.index * 256 + i + 1) * step])
        for i in range(tile.width)
    )


def test_paths_are_those_of_the_specification() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(ENTRIES, 0, 5).path == "tile/entries/000.p/5"
    assert Tile(1, 999).path == "tile/1/999"
    assert Tile(1, 1000, 17).path == "tile/1/x001/000.p/17"


@given(st.integers(ENTRIES, 63), st.integers(0, (2**63 - 1) // 256), st.integers(1, 256))
def test_a_path_read_is_the_tile_it_was_made_of(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "/tile/0/000",
        "tile/0/000/",
        "tile//000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/007",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/../0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/000.P/1",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x001/" * 40 + "000",
    ],
)
def test_a_path_in_any_other_form_is_refused(path: str) -> None:
    with pytest.raises(AuditError):
        parse_path(path)


@given(st.text(st.sampled_from("tile/enrsx.p0123456789"), max_size=40))
def test_a_path_that_is_read_is_the_one_form(path: str) -> None:
    try:
        tile = parse_path(path)
    except AuditError:
        return
    assert tile.path == path


def test_the_specification_s_tree_of_70000_has_the_tiles_it_says() -> None:
    tiles = [tile for tile in tiles_of(70_000) if tile.level != ENTRIES]
    assert sum(1 for tile in tiles if tile.level == 0 and not tile.partial) == 273
    assert tiles[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [tile for tile in tiles_of(256) if tile.level >= 0] == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.integers(0, 200_000), st.integers(0, 70_000))
def test_what_was_there_and_what_is_new_are_all_tiles(since: int, more: int) -> None:
    size = since + more
    new = set(tiles_of(size, since))
    assert new <= set(tiles_of(size))
    assert set(tiles_of(size)) - set(tiles_of(since)) == new


@given(st.integers(0, len(LEAVES)))
@settings(max_examples=60, deadline=None)
def test_the_right_edge_gives_the_root_of_the_naive_tree(size: int) -> None:
    edge = [hashes_of(naive(tile), tile) for tile in right_edge(size)]
    assert root_of(edge) == mth(HASHES[:size])


@given(st.integers(1, len(LEAVES)), st.data())
@settings(max_examples=40, deadline=None)
def test_proofs_made_from_tiles_are_those_of_the_naive_tree(size: int, data: st.DataObject) -> None:
    root = mth(HASHES[:size])
    nodes = TileNodes(size, root, naive)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes)
    assert proof == inclusion_proof(index, size, over_leaves(HASHES.__getitem__))
    verify_inclusion(HASHES[index], index, size, proof, root)
    old = data.draw(st.integers(0, size))
    verify_consistency(old, mth(HASHES[:old]), size, root, consistency_proof(old, size, nodes))
    assert nodes.leaves(index // WIDTH)[index % WIDTH] == LEAVES[index]


def test_a_proof_in_a_large_tree_reads_a_file_a_level() -> None:
    size = 2**24
    level0 = leaf_hash(b"same")
    rows = [level0]
    for _ in range(24):
        rows.append(hashlib.sha256(b"\x01" + rows[-1] + rows[-1]).digest())
    read: list[Tile] = []

    def same(tile: Tile) -> bytes:
        read.append(tile)
        return rows[HEIGHT * tile.level] * tile.width

    nodes = TileNodes(size, rows[24], same)
    proof = inclusion_proof(12_345_678, size, nodes)
    verify_inclusion(level0, 12_345_678, size, proof, rows[24])
    assert len(read) == 4


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_in_any_tile_is_never_handed_on(random: Random) -> None:
    size = 1000
    root = mth(HASHES[:size])
    broken = random.choice(list(tiles_of(size)))

    def read(tile: Tile) -> bytes:
        content = bytearray(naive(tile))
        if tile == broken:
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        return bytes(content)

    def read_all() -> None:
        nodes = TileNodes(size, root, read)
        for number in range(4):
            nodes.leaves(number)

    with pytest.raises(AuditError):
        read_all()


def test_an_entry_bundle_is_lengths_and_entries() -> None:
    content = bundle([b"", b"a", b"bc" * 200])
    assert content == b"\x00\x00" + b"\x00\x01a" + b"\x01\x90" + b"bc" * 200
    tile = Tile(ENTRIES, 0, 3)
    assert leaves_of(content, tile) == [b"", b"a", b"bc" * 200]
    assert narrowed(content, Tile(ENTRIES, 0, 2)) == content[:5]
    for wrong in (content[:-1], content + b"\x00", content + b"\x00\x00", content[:6], b""):
        with pytest.raises(AuditError):
            leaves_of(wrong, tile)
