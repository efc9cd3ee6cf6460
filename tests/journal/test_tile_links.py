"""Links in the folder of a published log: told, never followed, and replaced where the node writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.audit.checkpoint import head_of
from relay.audit.tiles import Tile
from relay.errors import AuditError
from relay.journal.tile_files import TileFiles
from tests.journal.published_log import Log, publish


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path)
    publish(log.publisher(), log.grow(300))
    return log


@pytest.mark.parametrize("linked", ["", "tile", "tile/0", "tile/0/001.p", "tile/0/000"])
def test_nothing_is_read_through_a_link(log: Log, linked: str) -> None:
    """Not the file, not a folder above it, not the epoch's own."""
    files = TileFiles(log.folder / "0")
    tile = Tile(0, 0) if linked == "tile/0/000" else Tile(0, 1, 44)
    assert files.read(tile)
    place = log.folder / "0" / linked
    place.symlink_to(place.rename(log.folder.parent / "elsewhere"))

    named = tile.path if linked == tile.path else f"{place.name} above {tile.path}"
    with pytest.raises(AuditError, match=f"^{re.escape(named)} is a link$"):
        files.read(tile)
    with pytest.raises(AuditError, match="is a link"):
        files.found(tile)


@pytest.mark.parametrize("linked", ["tile", "tile/entries", "tile/0"])
def test_the_publisher_writes_through_no_link(log: Log, linked: str) -> None:
    """The link gives way to a folder; what it led to is left as it was."""
    place = log.folder / "0" / linked
    other = place.rename(log.folder.parent / "elsewhere")
    place.symlink_to(other)
    before = sorted(path.relative_to(other) for path in other.rglob("*"))

    assert publish(log.publisher(), log.grow(300)) > 0
    assert not place.is_symlink()
    assert log.check_published() == 600
    assert sorted(path.relative_to(other) for path in other.rglob("*")) == before


def test_an_epochs_folder_that_is_a_link_is_not_published_into(log: Log) -> None:
    place = log.folder / "0"
    place.symlink_to(place.rename(log.folder.parent / "elsewhere"))
    with pytest.raises(AuditError, match="0 is a link"):
        log.publisher().write(head_of(log.grow(1)))
