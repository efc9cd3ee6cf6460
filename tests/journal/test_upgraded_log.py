"""A node of the release before words stood beside the log, with several epochs, upgraded in place."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import head_of, note_body, sign_note
from relay.audit.entries import parse
from relay.audit.epochs import Epoch, first_index, folder_of, log_name, named_head
from relay.audit.tiles import ENTRIES, Tile, leaves_of
from relay.audit.tree import Frontier, leaf_hash
from relay.journal.fsck import Condition, Known, fsck
from relay.journal.log_keys import LogHolder
from relay.journal.migrate import migrations
from relay.journal.publishing import EpochPublisher, heads_due
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.tile_files import TileFiles
from relay.journal.verifying import LogReport, verify_folder
from relay.model import NodeId
from relay.node.publishing import LogHand
from relay.signing.keys import verify_log_signature
from relay.signing.log_key import key_of_log

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = key_of_log(NODE, PUBLIC)
ENDED, PRESENT, NEW = 5, 250, 9
"""Entries of each epoch at the upgrade, and those after it: they share a bundle, and fill it."""


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    return sign_note(note_body(name, size, root), name, PUBLIC, PRIVATE.sign)


def _leaf(event: str, **fields: object) -> bytes:
    """Of version 1, with its words in it."""
    said = {"at": "2026-11-23T04:05:06.000Z", "event": event, "node": NODE, "v": 1, **fields}
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _old(number: int) -> bytes:
    return _leaf("delivery-held", by="local:an", why=f"lý do {number}")


def _tree(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return frontier


def _at_version_22(folder: Path, epochs: list[list[bytes]]) -> None:
    """A journal as that release left it; the last epoch is the present one."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for number, text in migrations():
            if number <= 22:
                connection.executescript(text)
        connection.execute("PRAGMA user_version = 22")
        connection.execute("INSERT INTO meta VALUES ('node', ?)", (NODE,))
        connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (str(len(epochs) - 1),))
        for number, leaves in enumerate(epochs):
            first, frontier = first_index(number), _tree(leaves)
            connection.executemany(
                "INSERT INTO entries VALUES (?, ?, ?)",
                [(first + n, leaf, leaf_hash(leaf)) for n, leaf in enumerate(leaves)],
            )
            note = _sign_head(Epoch(number), frontier.size, frontier.root())
            if number < len(epochs) - 1:
                connection.execute("INSERT INTO epochs VALUES (?, ?)", (number, note))
            else:
                row = (frontier.to_bytes(), note)
                connection.execute("INSERT INTO log_head VALUES (1, ?, ?)", row)


def _epochs() -> list[list[bytes]]:
    """Three, each of which names the head of the one before."""
    found: list[list[bytes]] = [[_old(n) for n in range(ENDED)]]
    for number, count in ((0, 3), (1, PRESENT)):
        frontier = _tree(found[-1])
        head = head_of(_sign_head(Epoch(number), frontier.size, frontier.root()))
        opening = _leaf("epoch-started", reason="restored", **named_head(head))
        found.append([opening, *(_old(n) for n in range(1, count))])
    return found


async def _write(folder: Path, count: int) -> None:
    journal = await SqliteJournal.open(
        folder,
        NODE,
        _sign_head,
        on_fatal=lambda _: None,
        holder=LogHolder(KEY, (b"its certificate",)),
    )
    await journal.recover(AT)
    await asyncio.gather(
        *(
            journal.note("delivery-held", AT + timedelta(seconds=n), {"by": "local:an", "why": "x"})
            for n in range(count)
        )
    )
    await journal.close()


def _publish(folder: Path) -> None:
    believed = LogHand(PUBLIC).believed
    for due in heads_due(folder / DATABASE, KEY):
        publisher = EpochPublisher(folder / DATABASE, folder / "log", due.head.origin, believed)
        while not publisher.write(due.head).done:
            pass
        publisher.publish(due.note)


def _report(folder: Path) -> LogReport:
    states = fsck(folder, Known(NODE, KEY, verify_log_signature))
    assert {one.condition for one in states} == {Condition.HOLDS}, states
    return verify_folder(folder, NODE, KEY, verify_log_signature)


@pytest.mark.parametrize("published_at_once", [False, True])
async def test_several_epochs_of_the_release_before_are_published_and_hold_across_the_upgrade(
    tmp_path: Path, published_at_once: bool
) -> None:
    """Leaves of version 1 and 2 stand in one tree, in one bundle even, whether the first checkpoint came
    before the first new entry or after it; to the byte as they were."""
    folder, old = tmp_path / "data", _epochs()
    _at_version_22(folder, old)
    assert [one.checkpoint.size for one in _report(folder).verdicts] == [ENDED, 3, PRESENT]

    await _write(folder, 0)
    if published_at_once:
        _publish(folder)
        assert sum(_report(folder).published.values()) == ENDED + 3 + PRESENT
    await _write(folder, NEW)
    _publish(folder)

    report = _report(folder)
    sizes = [ENDED, 3, PRESENT + NEW]
    assert [one.checkpoint.size for one in report.verdicts] == sizes
    assert report.published == {folder_of(Epoch(number)): size for number, size in enumerate(sizes)}
    assert report.words == NEW
    files = TileFiles(folder / "log" / "2")
    tile = Tile(ENTRIES, 0)
    mixed = leaves_of(files.read(tile), tile)
    assert mixed[:PRESENT] == old[2]
    assert [parse(leaf)["v"] for leaf in mixed] == [1] * PRESENT + [2] * (256 - PRESENT)
    for number in (0, 1):
        place = TileFiles(folder / "log" / str(number))
        only = Tile(ENTRIES, 0, len(old[number]))
        assert leaves_of(place.read(only), only) == old[number]


async def test_an_edit_on_either_side_of_the_upgrade_is_named(tmp_path: Path) -> None:
    """In an ended epoch, in an opening, in the last old and the first new entry."""
    folder = tmp_path / "data"
    _at_version_22(folder, _epochs())
    await _write(folder, 3)
    _publish(folder)
    last = first_index(2) + PRESENT - 1
    for index in (0, first_index(1), last, last + 1):
        true, false = "04:05:0", "04:06:0"
        _replace(folder, index, true, false)
        states = fsck(folder, Known(NODE, KEY, verify_log_signature))
        assert index in {one.index for one in states if one.condition is Condition.DAMAGED}
        _replace(folder, index, false, true)
    _report(folder)


def _replace(folder: Path, index: int, before: str, after: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(
            "UPDATE entries SET leaf = CAST(replace(leaf, ?, ?) AS BLOB) WHERE entry_index = ?",
            (before, after, index),
        )
