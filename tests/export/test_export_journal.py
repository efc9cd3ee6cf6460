"""What an export reads of a data folder: nodes of the tree from published tiles, heads from plain files only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.audit.checkpoint import NOTE_LIMIT_BYTES
from relay.audit.ranges import RangeProof, range_proof
from relay.errors import AuditError
from relay.journal.exporting import journal_log
from tests.journal.published_log import ORIGIN, Log, believed, publish

SIZE = 700


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Published, but for its last entries."""
    log = Log(tmp_path)
    log.db.execute("INSERT INTO meta VALUES ('node', 'tinh-h01')")
    publish(log.publisher(), log.grow(SIZE - 50))
    log.grow(50)
    return log


def _proof(log: Log, *, tiles: bool) -> RangeProof:
    with journal_log(log.path.parent, believed if tiles else None) as source:
        return range_proof(600, 620, SIZE, source.nodes(0))


def _forget_hashes(log: Log, below: int) -> None:
    log.db.execute("UPDATE entries SET leaf_hash = x'' WHERE entry_index < ?", (below,))


def test_a_range_is_proven_from_published_tiles(log: Log) -> None:
    """No leaf hash is read of what they cover: with those gone the proof is the same."""
    whole = _proof(log, tiles=False)
    _forget_hashes(log, 512)
    assert _proof(log, tiles=True) == whole
    with pytest.raises(AuditError):
        _proof(log, tiles=False)


@pytest.mark.parametrize("damage", ["tile/0/001", "tile/1/000.p/2", "checkpoint"])
def test_a_published_file_that_does_not_hold_costs_time_and_nothing_else(
    log: Log, damage: str
) -> None:
    whole = _proof(log, tiles=False)
    path = log.folder / "0" / damage
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert _proof(log, tiles=True) == whole


def _timed(log: Log, *times: str) -> None:
    """Entries of these times, by hand."""
    log.db.execute("DELETE FROM entries")
    for index, at in enumerate(times):
        leaf = b'{"agencies":["\\"at\\":\\"9999"],"at":"%s","event":"x"}' % at.encode()
        log.db.execute("INSERT INTO entries VALUES (?, ?, x'')", (index, leaf))


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("", "~", (0, 5)),
        ("2026-11-23T04:00:00.000Z", "~", (1, 5)),
        ("2026-11-23T04:00:00.001Z", "2026-11-23T05:00:00.000Z", (2, 4)),
        ("2026-11-23T04:30:00.000Z", "2026-11-23T04:31:00.000Z", (2, 4)),
        ("", "2026-11-23T03:00:00.000Z", None),
        ("2026-11-24T00:00:00.000Z", "~", None),
    ],
)
def test_a_period_is_found_though_a_clock_stepped_back(
    log: Log, since: str, until: str, found: tuple[int, int] | None
) -> None:
    """Every entry is looked at, by the time that its leaf says and not by what a text in it looks like."""
    hours = ("03:00", "04:00", "04:30", "05:00", "04:30", "06:00")
    _timed(log, *(f"2026-11-23T{hour}:00.000Z" for hour in hours))
    with journal_log(log.path.parent) as source:
        assert source.within(0, 6, since, until) == found


def _kept(log: Log) -> list[bytes]:
    with journal_log(log.path.parent) as source:
        return [note for note, _ in source.kept_heads()]


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n" * NOTE_LIMIT_BYTES)


def _endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _elsewhere(path: Path) -> None:
    """A good note, but through a link."""
    other = path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(other)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    """The same of the epoch's folder."""
    other = path.parent.rename(path.parent.parent.parent / "elsewhere")
    path.parent.symlink_to(other)


@pytest.mark.parametrize("change", [_longer, _endless, _elsewhere, _pipe, _folder])
def test_a_head_is_read_from_a_plain_file_of_bounded_size_or_left_out(
    log: Log, change: Callable[[Path], None]
) -> None:
    """Never through a link, never without end."""
    path = log.folder / "0" / "checkpoint"
    assert _kept(log) == [path.read_bytes()]
    change(path)
    assert _kept(log) == []


def test_folders_of_no_epoch_give_no_heads(log: Log) -> None:
    """Whatever lies in DATA/log: only those that the journal knows are looked into."""
    note = (log.folder / "0" / "checkpoint").read_bytes()
    (log.folder / "7").mkdir()
    (log.folder / "7" / "checkpoint").write_bytes(note)
    assert _kept(log) == [note]


LINE = "— xa.example/witness c29tZXRoaW5nIHRoYXQgaXMgYSBzaWduYXR1cmU=\n".encode()


@pytest.mark.parametrize("published", [b"", LINE])
def test_what_the_journal_keeps_of_cosignatures_is_vouched_for_too(
    log: Log, published: bytes
) -> None:
    """The end of an epoch is published as nobody cosigned it: the newest head that somebody did comes first
    then, else behind the published one."""
    checkpoint = log.folder / "0/checkpoint"
    note = checkpoint.read_bytes()
    checkpoint.write_bytes(note + published)
    newest = log.grow(1)
    kept = (ORIGIN, SIZE + 1, newest, LINE)
    log.db.execute("INSERT INTO cosignatures VALUES ('xa', ?, ?, ?, ?, 0)", kept)

    assert set(_kept(log)) == {note + published, newest + LINE}
    assert _kept(log)[0] == (note + LINE if published else newest + LINE)
