"""Whatever is flipped, deleted, inserted, reordered, cut or rolled back in any store of a log is named."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.beside import Keys
from relay.audit.checkpoint import Checkpoint, note_body, origin_of, sign_note, verify_note
from relay.audit.cosignature import cosign, cosigner_name
from relay.audit.entries import AuditEvent, entry
from relay.audit.epochs import Epoch, log_name
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import KeptHead, LogKey
from relay.errors import AuditError, JournalError
from relay.journal.epochs import mark_restored
from relay.journal.fsck import Condition, Known, StoreState, fsck
from relay.journal.publishing import EpochPublisher, heads_due
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.verifying import LogReport, verify_folder
from relay.model import Finding, NodeId
from relay.signing.keys import verify_log_signature

NODE = NodeId("xa-a")
WITNESS = NodeId("tinh-h01")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
ORIGIN = origin_of(NODE)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
OTHERS_PUBLIC = OTHER.public_key().public_bytes_raw()
KEY = LogKey(ORIGIN, PUBLIC, PRIVATE.public_key().verify)
KNOWN = Known(NODE, KEY, verify_log_signature)
NAMED = Keys(witnesses=((cosigner_name(WITNESS), OTHERS_PUBLIC),))
"""A witness that no journal has proven."""
FIRST, SECOND = 300, 9
"""Entries of the first epoch: a full tile and a partial one; and about how many of the second."""


def sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    return sign_note(note_body(name, size, root), name, PUBLIC, PRIVATE.sign)


def believed(note: bytes, origin: str) -> Checkpoint:
    return verify_note(note, origin, PUBLIC, KEY.verify)


async def _write(folder: Path, count: int) -> None:
    journal = await SqliteJournal.open(folder, NODE, sign_head, on_fatal=lambda _: None)
    await journal.recover(AT)
    await asyncio.gather(
        *(
            journal.note(
                "delivery-held",
                AT + timedelta(seconds=n),
                {"by": f"local:can-bo-{n}", "why": "sai nơi nhận", "deliveries": [f"d-{n}-"]},
            )
            for n in range(count)
        )
    )
    await journal.close()


def _publish(folder: Path) -> None:
    for due in heads_due(folder / DATABASE):
        publisher = EpochPublisher(folder / DATABASE, folder / "log", due.head.origin, believed)
        while not publisher.write(due.head).done:
            pass
        line = cosign(due.note, cosigner_name(WITNESS), OTHERS_PUBLIC, OTHER.sign, AT)
        publisher.publish(due.note + line)


def _publish_first(folder: Path) -> None:
    """The first epoch as the journal has it now, and nobody kept another head of it."""
    shutil.rmtree(folder / "log")
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("DELETE FROM stamps")
        connection.execute("DELETE FROM cosignatures")
    (due, *_) = heads_due(folder / DATABASE)
    publisher = EpochPublisher(folder / DATABASE, folder / "log", due.head.origin, believed)
    assert publisher.write(due.head).done
    publisher.publish(due.note)


def _keep_beside(folder: Path) -> None:
    """A head with a timestamp, a cosignature, a head of the neighbour's log."""
    (due, *_) = heads_due(folder / DATABASE)
    line = cosign(due.note, cosigner_name(WITNESS), OTHERS_PUBLIC, OTHER.sign, AT)
    theirs = origin_of(WITNESS)
    root = leaf_hash(b"theirs")
    note = sign_note(note_body(theirs, 1, root), theirs, OTHERS_PUBLIC, OTHER.sign)
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        run = connection.execute
        run("INSERT INTO witness_keys VALUES (?, ?, '[]', 0)", (WITNESS, OTHERS_PUBLIC))
        size, origin = due.head.size, due.head.origin
        run(
            "INSERT INTO cosignatures VALUES (?, ?, ?, ?, ?, 0)",
            (cosigner_name(WITNESS), origin, size, due.note, line),
        )
        run(
            "INSERT INTO stamps (kind, name, content, wanted_at, not_before)"
            " VALUES ('head', ?, ?, 0, 0)",
            (f"{origin}:{size}", due.note),
        )
        run(
            "INSERT INTO witness_logs VALUES (?, ?, 0, 1, ?, ?, 0)",
            (theirs, WITNESS, root, note),
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped node's data folder: two epochs, both published and cosigned, with words beside."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(_write(folder, FIRST))
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        mark_restored(connection, AT)
    asyncio.run(_write(folder, SECOND))
    _keep_beside(folder)
    _publish(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "data")


def _verify(folder: Path, *kept: bytes) -> LogReport:
    heads = [KeptHead(note, "the checkpoint in kept.note") for note in kept]
    return verify_folder(folder, NODE, KEY, verify_log_signature, kept=heads)


def _wrong(states: list[StoreState]) -> dict[str, StoreState]:
    return {
        one.store: one for one in states if one.condition in {Condition.DAMAGED, Condition.MISSING}
    }


def _second(folder: Path) -> str:
    return next(one.name for one in (folder / "log").iterdir() if one.name != "0")


def test_an_untouched_log_holds_in_every_store(folder: Path) -> None:
    """Otherwise the rest proves nothing."""
    report = _verify(folder)

    assert report.verdicts[0].checkpoint.size == FIRST
    assert set(report.published.values()) == {one.checkpoint.size for one in report.verdicts}
    assert (report.words, report.cosignatures, report.unjudged) == (FIRST + SECOND, 3, 0)
    assert report.watched == 1
    states = fsck(folder, KNOWN)
    assert {one.condition for one in states} == {Condition.HOLDS}, states
    assert len(states) == 15


# ---------------------------------------------------------------- files

Edit = Callable[[Path], None]


def flip(at: int) -> Edit:
    def edit(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return edit


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00")


def delete(path: Path) -> None:
    path.unlink()


def swap(path: Path) -> None:
    """Two hashes, or what is there of two entries, change places."""
    content = path.read_bytes()
    path.write_bytes(content[32:64] + content[:32] + content[64:])


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


ENTRY = 0
LEAF_BYTES = 2


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("tile/entries/000", flip(3), "entry 0: log/0/tile/entries/000"),
        ("tile/entries/000", flip(-1), "entry 255: log/0/tile/entries/000"),
        ("tile/entries/000", cut, "entry 255: log/0/tile/entries/000"),
        ("tile/entries/000", longer, "entry 255: log/0/tile/entries/000"),
        ("tile/entries/000", delete, "entry 0: log/0/tile/entries/000 is missing"),
        ("tile/entries/000", swap, "entry 0: log/0/tile/entries/000"),
        ("tile/entries/000", link, "entry 0: log/0/tile/entries/000 cannot be read"),
        ("tile/entries/001.p/44", flip(3), "entry 256: log/0/tile/entries/001.p/44"),
        ("tile/entries/001.p/44", cut, "entry 299: log/0/tile/entries/001.p/44"),
        ("tile/entries/001.p/44", delete, "entry 256: log/0/tile/entries/001.p/44 is missing"),
        ("tile/0/000", flip(32 * 7 + 1), "entry 7: log/0/tile/0/000"),
        ("tile/0/000", cut, "entry 255: log/0/tile/0/000"),
        ("tile/0/000", delete, "entry 0: log/0/tile/0/000 is missing"),
        ("tile/0/000", swap, "entry 0: log/0/tile/0/000"),
        ("tile/0/001.p/44", flip(0), "entry 256: log/0/tile/0/001.p/44"),
        ("tile/0/001.p/44", delete, "entry 256: log/0/tile/0/001.p/44 is missing"),
        ("tile/1/000.p/1", flip(31), "entry 0: log/0/tile/1/000.p/1"),
        ("tile/1/000.p/1", delete, "entry 0: log/0/tile/1/000.p/1 is missing"),
        ("checkpoint", flip(0), "log/0/checkpoint"),
        ("checkpoint", flip(-1), "log/0/checkpoint"),
        ("checkpoint", flip(130), "log/0/checkpoint"),
        ("checkpoint", cut, "log/0/checkpoint"),
    ],
)  # fmt: skip
def test_an_edited_file_is_named(folder: Path, name: str, edit: Edit, said: str) -> None:
    """By `verify` with its first entry that does not fit; by `fsck` as the one store that does not hold."""
    edit(folder / "log" / "0" / name)

    with pytest.raises(AuditError) as refused:
        _verify(folder)

    assert said in str(refused.value)
    wrong = _wrong(fsck(folder, KNOWN))
    assert wrong
    assert all(store.startswith("published log/0") for store in wrong), wrong
    told = next(iter(wrong.values()))
    assert name in told.said or name in told.store
    assert told.remedy


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0/tile/entries/002", "entry 512: log/0/tile/entries/002 is of entries that the log does"),
        ("0/tile/0/001.p/45", "entry 256: log/0/tile/0/001.p/45 is of entries that the log does"),
        ("0/tile/0/1", "log/0/tile/0/1 does not belong there"),
        ("0/note", "log/0/note does not belong there"),
    ],
)
def test_an_inserted_file_is_named(folder: Path, name: str, said: str) -> None:
    """Nothing lies among the published files that a reader could take for the log's."""
    path = folder / "log" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"x" * 32)

    with pytest.raises(AuditError, match=said.replace(".", r"\.")):
        _verify(folder)
    assert list(_wrong(fsck(folder, KNOWN))) == ["published log/0"]


def test_a_folder_of_no_epoch_is_named(folder: Path) -> None:
    """Nor among the epochs: another history under the same number, say."""
    shutil.copytree(folder / "log" / "0", folder / "log" / "1-0123456789abcdef")

    with pytest.raises(AuditError, match="log/1-0123456789abcdef is no epoch"):
        _verify(folder)
    assert "published log/1-0123456789abcdef" in _wrong(fsck(folder, KNOWN))


@pytest.mark.parametrize("lost", [0o700, 0])
def test_a_disks_own_folder_beside_the_epochs_is_nobodys_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """DATA/log may be a disk of its own: what has neither an epoch's name nor what a log holds is passed over,
    also where it cannot be looked into."""
    second, strange = _second(folder), folder / "log" / "lost+found"
    (strange / "#131074").mkdir(parents=True)
    (folder / "log" / "README").write_text("a disk of its own\n")
    if not lost:
        _close(strange, monkeypatch)

    assert _verify(folder).published.keys() == {"0", second}
    assert not _wrong(fsck(folder, KNOWN))
    assert not _wrong(fsck(folder / "log", KNOWN))


def _close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a folder of mode 0700 is to anybody but its owner; tests may run as root, to whom none is closed."""

    def closed(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *more: Any, **named: Any) -> Any:
            if isinstance(path, str | Path) and folder in Path(path).parents:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return original(path, *more, **named)

        return call

    for name in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, name, closed(getattr(os, name)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("7", "log/7 is no epoch of this node's log"),
        ("lost+found/tile/0/000", r"log/lost\+found is no epoch of this node's log"),
        ("lost+found/checkpoint", r"log/lost\+found/checkpoint: note has no text"),
        ("tile/0/000", "log/tile is no epoch of this node's log"),
    ],
)
def test_what_could_be_taken_for_a_published_log_is_named(
    folder: Path, name: str, said: str
) -> None:
    """By the name of an epoch, or by what a published log holds."""
    path = folder / "log" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"x" * 32)

    with pytest.raises(AuditError, match=said):
        _verify(folder)
    top = name.partition("/")[0]
    assert f"published log/{top}" in _wrong(fsck(folder, KNOWN))


def test_a_checkpoint_that_is_gone_is_told(folder: Path) -> None:
    """A node that has just begun has none yet; a stopped one that published has."""
    delete(folder / "log" / "0" / "checkpoint")

    assert _verify(folder).published["0"] == 0
    assert list(_wrong(fsck(folder, KNOWN))) == ["published log/0/checkpoint"]


def test_a_cosignature_that_was_edited_in_the_checkpoint_is_named(folder: Path) -> None:
    """Though nothing of the log itself depends on it."""
    path = folder / "log" / "0" / "checkpoint"
    head, _, line = path.read_bytes()[:-1].rpartition(b"\n")
    swapped = line[:-9] + (b"A" if line[-9:-8] != b"A" else b"B") + line[-8:]
    path.write_bytes(head + b"\n" + swapped + b"\n")

    with pytest.raises(AuditError, match=r"cosignature by truc-relay.example/witness/tinh-h01"):
        _verify(folder)
    assert list(_wrong(fsck(folder, KNOWN))) == ["cosignatures on log/0/checkpoint"]


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("statement", "said", "store"),
    [
        ("UPDATE entries SET leaf = CAST(replace(leaf, 'd-5-', 'd-6-') AS BLOB) WHERE entry_index = 5",
         "entry 5: the row was edited", "journal, epoch 0"),
        ("UPDATE entries SET leaf_hash = zeroblob(32) WHERE entry_index = 270", "entry 270: ", "journal, epoch 0"),
        ("DELETE FROM entries WHERE entry_index = 5", "entry 5: index 6 where 5 is due", "journal, epoch 0"),
        ("DELETE FROM entries WHERE entry_index = 299", "entry 299: missing", "journal, epoch 0"),
        ("INSERT INTO entries SELECT 300, leaf, leaf_hash FROM entries WHERE entry_index = 7",
         "entry 300: beyond the head", "journal, epoch 0"),
        ("UPDATE log_head SET frontier = zeroblob(40)", "right edge", "journal, epoch 1"),
        ("UPDATE log_head SET note = x'00'", "note ", "journal, epoch 1"),
        ("UPDATE epochs SET note = (SELECT note FROM log_head)", "", "journal, epoch 0"),
        ("DELETE FROM epochs", "is no epoch of this node's log", "journal, epoch 1"),
        ("DELETE FROM log_head", "", ""),
        ("UPDATE entry_words SET words = replace(words, 'sai', 'sao') WHERE entry_index = 9",
         "entry 9: the words beside the leaf were edited", "words beside the entries"),
        ("UPDATE entry_words SET salt = zeroblob(16) WHERE entry_index = 9",
         "entry 9: the words beside the leaf were edited", "words beside the entries"),
        ("UPDATE entry_words SET entry_index = 5000 WHERE entry_index = 9",
         "entry 5000: there are words beside an entry that does not exist", "words beside the entries"),
        ("UPDATE cosignatures SET size = size + 1", "the head that truc-relay.example/witness/tinh-h01 cosigned", "cosignatures kept"),
        ("UPDATE cosignatures SET line = x'e2'", "", "cosignatures kept"),
        ("UPDATE cosignatures SET note = (SELECT note FROM log_head)", "the head that truc-relay.example/witness/tinh-h01 cosigned", "cosignatures kept"),
        ("UPDATE stamps SET content = (SELECT note FROM log_head)", "the head with a timestamp", "heads with timestamps"),
        ("UPDATE stamps SET content = 5", "the head with a timestamp", "heads with timestamps"),
        ("UPDATE witness_logs SET root = zeroblob(32)", "the head of truc-relay.example/log/tinh-h01", "heads of others"),
        ("UPDATE witness_logs SET note = x'00'", "the head of truc-relay.example/log/tinh-h01", "heads of others"),
    ],
)  # fmt: skip
def test_an_edited_row_is_named(folder: Path, statement: str, said: str, store: str) -> None:
    """By `verify` as the first that does not fit, by `fsck` with the store it is in."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        assert connection.execute(statement).rowcount >= 1

    with pytest.raises(AuditError) as refused:
        _verify(folder)

    assert said in str(refused.value)
    wrong = _wrong(fsck(folder, KNOWN))
    assert wrong
    assert not store or store in wrong, wrong


def _rewritten(folder: Path, change: Callable[[list[bytes]], None]) -> None:
    """The first epoch with other leaves, every hash, the edge and the head mended: only the key's owner
    can do so."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        rows = connection.execute("SELECT leaf FROM entries WHERE entry_index < 100000").fetchall()
        leaves = [row[0] for row in rows]
        change(leaves)
        frontier = Frontier()
        connection.execute("DELETE FROM entries WHERE entry_index < 100000")
        connection.execute("DELETE FROM entry_words")
        for index, leaf in enumerate(leaves):
            hashed = leaf_hash(leaf)
            frontier.append(hashed)
            connection.execute("INSERT INTO entries VALUES (?, ?, ?)", (index, leaf, hashed))
        note = sign_head(Epoch(), frontier.size, frontier.root())
        connection.execute("UPDATE epochs SET note = ?", (note,))


def _other(leaves: list[bytes]) -> None:
    leaves[7] = entry(AuditEvent.MESSAGE_ACCEPTED, AT, NODE, digest="00").leaf


def _swapped(leaves: list[bytes]) -> None:
    leaves[7], leaves[8] = leaves[8], leaves[7]


def _shorter(leaves: list[bytes]) -> None:
    del leaves[280:]


@pytest.mark.parametrize(
    ("change", "index"), [(_other, 7), (_swapped, 7), (_shorter, None)], ids=["other", "swapped", "rolled back"]
)  # fmt: skip
def test_a_history_rewritten_with_the_key_contradicts_what_is_kept(
    folder: Path, change: Callable[[list[bytes]], None], index: int | None
) -> None:
    """The published log has what was there before, and fsck says from which entry on."""
    _rewritten(folder, change)

    with pytest.raises(AuditError):
        _verify(folder)
    wrong = _wrong(fsck(folder, KNOWN))
    assert "published log/0" not in wrong
    if index is not None:
        assert wrong["journal against log/0"].index == index
    else:
        assert "280" in str([one.said for one in wrong.values()])


def _of_another_node(leaves: list[bytes]) -> None:
    leaves[7] = entry(AuditEvent.MESSAGE_ACCEPTED, AT, WITNESS, digest="00").leaf


def test_an_entry_of_another_node_fits_no_store(folder: Path) -> None:
    """Though hashes, root, head and published copy agree: the log's owner may have signed it, and it proves
    nothing of either node."""
    _rewritten(folder, _of_another_node)
    _publish_first(folder)
    said = "entry 7: .*the entry names node tinh-h01, the log is truc-relay.example/log/xa-a"

    with pytest.raises(AuditError, match=said):
        _verify(folder)
    wrong = _wrong(fsck(folder, KNOWN))
    assert {"journal, epoch 0", "published log/0"} <= wrong.keys()
    for store in ("journal, epoch 0", "published log/0"):
        assert wrong[store].index == 7
        assert re.search(said, wrong[store].said)
    unkeyed = _wrong(fsck(folder, Known(None, None, verify_log_signature)))
    assert {"journal, epoch 0", "published log/0"} <= unkeyed.keys()


def test_what_is_odd_in_a_log_that_holds_is_a_finding_of_its_stores(folder: Path) -> None:
    """Of the journal's and of the published copy's, as `verify` has it of the log."""
    (verdict, *_) = _verify(folder).verdicts
    states = {one.store: one for one in fsck(folder, KNOWN)}
    assert verdict.findings == ()
    assert (states["journal, epoch 0"].findings, states["published log/0"].findings) == ((), ())

    def odd(leaves: list[bytes]) -> None:
        leaves[7] = leaves[7].replace(b"delivery-held", b"delivery-told")

    _rewritten(folder, odd)
    _publish_first(folder)
    found = (Finding("unknown-event", "delivery-told", "entry 7"),)
    states = {one.store: one for one in fsck(folder, KNOWN)}
    assert states["journal, epoch 0"].findings == found
    assert states["published log/0"].findings == found


@pytest.mark.parametrize("name", ["other", "swapped"])
def test_an_edit_that_mends_its_hash_is_placed_by_the_published_copy(
    folder: Path, name: str
) -> None:
    """The root alone says only that some entry is another."""
    leaf = entry(AuditEvent.MESSAGE_ACCEPTED, AT, NODE, digest="00").leaf
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        rows = dict(connection.execute("SELECT entry_index, leaf FROM entries").fetchall())
        new = {7: leaf} if name == "other" else {7: rows[8], 8: rows[7]}
        for index, content in new.items():
            connection.execute(
                "UPDATE entries SET leaf = ?, leaf_hash = ? WHERE entry_index = ?",
                (content, leaf_hash(content), index),
            )

    with pytest.raises(
        AuditError, match=r"entry 7: .*the published copy is another: log/0/tile/entries/000"
    ) as refused:
        _verify(folder)
    assert refused.value.index == 7


# ---------------------------------------------------------------- what is left of a node


def test_a_published_log_alone_is_verified_as_a_stranger_would(folder: Path) -> None:
    """A folder of tiles with its checkpoint and the node's key: no journal is missed."""
    place = folder / "log" / "0"
    states = fsck(place, replace(KNOWN, named=NAMED))

    assert [one.condition for one in states] == [Condition.HOLDS] * 3
    assert next(one.said for one in states if "cosignatures" in one.store) == "1 proven"
    assert {one.condition for one in fsck(place, Known(None, None, verify_log_signature))} == {
        Condition.UNKNOWN
    }


@pytest.mark.parametrize("kept", ["in the row", "on the checkpoint"])
def test_a_strangers_cosignature_is_judged_once_its_key_is_named(folder: Path, kept: str) -> None:
    """By the configuration or with --witness: the journal proves no keys but neighbours'. Until then it is
    told as by a key that is not known; one that does not hold is damage."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("DELETE FROM witness_keys")
    assert (_verify(folder).cosignatures, _verify(folder).unjudged) == (0, 3)
    unknown = {one.store for one in fsck(folder, KNOWN) if one.condition is Condition.UNKNOWN}
    assert len(unknown) == 3
    assert all("cosignatures" in store for store in unknown)

    report = verify_folder(folder, NODE, KEY, verify_log_signature, named=NAMED)
    assert (report.cosignatures, report.unjudged) == (3, 0)
    known = replace(KNOWN, named=NAMED)
    assert {one.condition for one in fsck(folder, known)} == {Condition.HOLDS}

    note, _, _ = (folder / "log/0/checkpoint").read_bytes().rpartition("\N{EM DASH}".encode())
    lie = cosign(note, cosigner_name(WITNESS), OTHERS_PUBLIC, PRIVATE.sign, AT)
    if kept == "in the row":
        with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
            connection.execute("UPDATE cosignatures SET line = ?", (lie,))
    else:
        (folder / "log/0/checkpoint").write_bytes(note + lie)
    with pytest.raises(AuditError, match=r"cosignature by truc-relay.example/witness/tinh-h01"):
        verify_folder(folder, NODE, KEY, verify_log_signature, named=NAMED)
    store = "cosignatures kept" if kept == "in the row" else "cosignatures on log/0/checkpoint"
    assert list(_wrong(fsck(folder, known))) == [store]


def test_a_cosignature_under_another_witnesss_name_in_its_row_is_named(folder: Path) -> None:
    """A line proves what it says, and no row says something else of it."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("UPDATE cosignatures SET witness = 'truc-relay.example/witness/xa-b'")

    with pytest.raises(AuditError, match="witness/xa-b is not the one its row names"):
        _verify(folder)
    assert list(_wrong(fsck(folder, KNOWN))) == ["cosignatures kept"]


def test_a_head_of_a_log_that_is_no_neighbours_is_judged_by_its_configured_key(
    folder: Path,
) -> None:
    """[[log.witnessed]]: by the origin, whatever its key is called."""
    origin, root = "log.example/elsewhere", leaf_hash(b"theirs")
    note = sign_note(note_body(origin, 1, root), origin, PUBLIC, OTHER.sign)
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(
            "INSERT INTO witness_logs VALUES (?, ?, 0, 1, ?, ?, 0)", (origin, origin, root, note)
        )

    assert _verify(folder).watched == 2
    with pytest.raises(
        AuditError, match=r"the head of log.example/elsewhere at 1 that is kept: sig"
    ):
        verify_folder(folder, NODE, KEY, verify_log_signature, named=Keys(logs={origin: PUBLIC}))


@pytest.mark.parametrize("damage", [delete, cut, flip(0), lambda path: path.write_bytes(b"")])
def test_without_its_journal_the_rest_is_judged(folder: Path, damage: Edit) -> None:
    """What is published holds; the journal is said to be gone or damaged, and what to do."""
    damage(folder / DATABASE)

    with pytest.raises((AuditError, JournalError)):
        _verify(folder)
    wrong = _wrong(fsck(folder, KNOWN))
    assert all(store.startswith("journal") for store in wrong)
    assert wrong
    assert all("relay restore" in one.remedy for one in wrong.values())


def test_an_entry_bundle_that_was_edited_is_placed_by_the_tiles(folder: Path) -> None:
    """Without a journal, too: the tiles give the checkpoint's root, so the bundle is wrong."""
    place = folder / "log" / "0"
    content = (place / "tile/entries/000").read_bytes().replace(b"d-77-", b"d-78-")
    (place / "tile/entries/000").write_bytes(content)

    told = _wrong(fsck(place, KNOWN))["published 0"]
    assert told.said.startswith("entry 77: tile/entries/000")


def test_a_checkpoint_that_somebody_kept_is_continued_or_refused(folder: Path) -> None:
    """Of an ended epoch, with cosignatures; not another size's root, another log, or a longer one."""
    kept = (folder / "log" / "0" / "checkpoint").read_bytes()
    longer_log = sign_head(Epoch(), 310, bytes(32))
    other_root = sign_head(Epoch(), 120, bytes(32))
    twin = sign_head(Epoch(1, "0123456789abcdef"), 3, bytes(32))

    assert _verify(folder, kept).verdicts[0].heads_checked == 5
    for note, said in (
        (longer_log, "the checkpoint in kept.note covers 310 entries, the log's head 300"),
        (other_root, "the first 120 entries do not give the root"),
        (twin, "which is no epoch of this node's log"),
        (kept[:-1], "the checkpoint in kept.note: note has no text"),
        (kept.replace(b"\n300\n", b"\n299\n"), "signature of the head does not hold"),
    ):
        with pytest.raises(AuditError, match=said):
            _verify(folder, note)


# ---------------------------------------------------------------- a random byte anywhere

_CELLS = (
    ("entries", "leaf"), ("entries", "leaf_hash"), ("log_head", "frontier"), ("log_head", "note"),
    ("epochs", "note"), ("entry_words", "salt"), ("entry_words", "words"), ("cosignatures", "note"),
    ("cosignatures", "line"), ("stamps", "content"), ("witness_logs", "note"), ("witness_logs", "root"),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_a_random_flip_anywhere_is_never_ok(folder: Path, seed: int) -> None:
    """In a file or a cell: verify refuses with the tree of errors, fsck names a store; neither crashes."""
    random = Random(seed)
    files = sorted(one for one in (folder / "log").rglob("*") if one.is_file())
    if seed % 2:
        path = random.choice(files)
        content = bytearray(path.read_bytes())
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        path.write_bytes(content)
    else:
        table, column = _CELLS[seed // 2 % len(_CELLS)]
        with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
            rows = connection.execute(
                f"SELECT rowid, {column} FROM {table}"
                if table not in ("cosignatures", "witness_logs")
                else f"SELECT 0, {column} FROM {table}"
            ).fetchall()
            row, cell = random.choice(rows)
            text = isinstance(cell, str)
            content = bytearray(cell.encode() if text else cell)
            content[random.randrange(len(content))] ^= 1 << random.randrange(7 if text else 8)
            value = content.decode("utf-8", "replace") if text else bytes(content)
            where = (
                ""
                if row == 0 and table in ("cosignatures", "witness_logs")
                else f"WHERE rowid = {row}"
            )
            connection.execute(f"UPDATE {table} SET {column} = ? {where}", (value,))

    with suppress(AuditError, JournalError):
        # A line that names another key is another witness's, whom nobody here knows: told as not judged.
        assert _verify(folder).unjudged
    states = fsck(folder, KNOWN)
    assert _wrong(states) or any(one.condition is Condition.UNKNOWN for one in states)
