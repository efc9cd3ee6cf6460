"""Words beside the log as stored: with their entry or not at all, checked, removed, upgraded, restored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.checkpoint import note_body, sign_note
from relay.audit.entries import AuditEvent, entry, parse
from relay.audit.epochs import Epoch, log_name, verify_epochs
from relay.audit.tree import Frontier, leaf_hash
from relay.audit.verify import LogKey, verify_words
from relay.audit.words import replaced
from relay.delivery.operators.forgetting import ForgettingDesk
from relay.delivery.ports import Caller
from relay.errors import AuditError
from relay.journal.backup import back_up, restore
from relay.journal.inspect import stored_log
from relay.journal.migrate import migrations
from relay.journal.store import DATABASE, SqliteJournal
from relay.journal.wording import WordsTable
from relay.journal.writer import Transaction
from relay.model import NodeId

NODE = NodeId("xa-a")
AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = LogKey("", PUBLIC, PRIVATE.public_key().verify)
OPERATOR = Caller("token:0190:Người Mẫu", frozenset(), operator=True)


def _sign_head(epoch: Epoch, size: int, root: bytes) -> bytes:
    name = log_name(NODE, epoch)
    return sign_note(note_body(name, size, root), name, PUBLIC, PRIVATE.sign)


async def _open(folder: Path) -> SqliteJournal:
    return await SqliteJournal.open(folder, NODE, _sign_head, on_fatal=lambda _: None)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    opened = await _open(tmp_path)
    yield opened
    await opened.close()


async def _told(journal: SqliteJournal) -> list[dict[str, Any]]:
    return [replaced(parse(one.leaf), one.words) for one in await journal.entries(0, 1000)]


async def _refuse(journal: SqliteJournal, by: str, at: datetime = AT) -> None:
    await journal.note("peer-refused", at, {"face": "native", "by": by, "reason": "x"})


def _verify(folder: Path) -> tuple[int, int]:
    """Entries, and those with words beside them."""
    with stored_log(folder) as stored:
        verdicts = verify_epochs(NODE, stored.epochs, KEY)
        return sum(one.checkpoint.size for one in verdicts), verify_words(stored.words)


def _edit(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(statement)


async def test_words_are_stored_with_their_entry_and_only_where_there_are_any(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    for by in ("system:vxp", "local:an", "system:vxp"):
        await _refuse(journal, by)

    assert [one["by"] for one in await _told(journal)] == ["system:vxp", "local:an", "system:vxp"]
    assert await journal.rows("SELECT entry_index FROM entry_words") == [(1,)]
    assert _verify(tmp_path) == (3, 1)


async def test_an_operation_that_raises_leaves_no_words(journal: SqliteJournal) -> None:
    """Entry and words are of one transaction, and of one fate."""

    def failing(tx: Transaction) -> None:
        tx.record(entry(AuditEvent.PEER_REFUSED, AT, NODE, by="local:gone", reason="x"))
        raise KeyError

    with pytest.raises(KeyError):
        await journal.perform(failing)
    await _refuse(journal, "local:an")

    assert [one["by"] for one in await _told(journal)] == ["local:an"]
    assert await journal.rows("SELECT count(*) FROM entry_words") == [(1,)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entry_words SET words = replace(words, 'an', 'binh')", "'by' is not its own"),
        ("UPDATE entry_words SET salt = zeroblob(16)", "'by' is not its own"),
        ("UPDATE entry_words SET salt = 'x'", "salt"),
        ("UPDATE entry_words SET words = 7", "no object"),
        ("UPDATE entry_words SET entry_index = 0", "a place it has not"),
        ('INSERT INTO entry_words VALUES (-5, zeroblob(16), \'{"by":"x"}\')', "does not exist"),
    ],
)
async def test_edited_words_are_named_and_shown_to_nobody(
    tmp_path: Path, statement: str, said: str
) -> None:
    """A reader gets the digest alone rather than what an editor put beside it."""
    journal = await _open(tmp_path)
    await journal.note("node-started", AT, {"release": "x"})
    await _refuse(journal, "local:an")
    await journal.close()
    _edit(tmp_path, statement)

    with pytest.raises(AuditError, match=said):
        _verify(tmp_path)
    journal = await _open(tmp_path)
    shown = await _told(journal)
    await journal.close()
    assert not any("binh" in str(one) or one.get("by") == "x" for one in shown)


async def test_what_one_holder_did_is_unlinked_and_the_log_holds(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    """As a local user and by any token, at once and by page; others keep their words. Not a word of it is
    left in the file."""
    gone = ["local:Đỗ Mẫu", "token:0190f0a0:Đỗ Mẫu", "Đỗ Mẫu"]
    for by in [*gone, "local:Đỗ Mẫu 2", "token:1:x:Đỗ Mẫu"]:
        await _refuse(journal, by)
    await journal.note("token-issued", AT, {"token": "t", "holder": "Đỗ Mẫu", "by": "local:root"})
    leaves = [one.leaf for one in await journal.entries(0, 99)]
    desk = ForgettingDesk(WordsTable(journal, NODE), lambda: AT)

    assert await desk.of_holder(OPERATOR, "theo yêu cầu", "Đỗ Mẫu") == 4
    assert await desk.of_holder(OPERATOR, "theo yêu cầu", "Đỗ Mẫu") == 0

    told = await _told(journal)
    assert [one.leaf for one in await journal.entries(0, 6)] == leaves
    assert [one["by"] for one in told[3:5]] == ["local:Đỗ Mẫu 2", "token:1:x:Đỗ Mẫu"]
    assert not any("Mẫu" in str(told[n]) for n in (0, 1, 2, 5))
    assert {k: told[6][k] for k in ("event", "type", "count", "by", "why")} == {
        "event": "words-forgotten",
        "type": "holder",
        "count": 4,
        "by": OPERATOR.holder,
        "why": "theo yêu cầu",
    }
    assert _verify(tmp_path) == (7, 3)
    await journal.close()
    assert "0190f0a0:Đỗ Mẫu".encode() not in (tmp_path / DATABASE).read_bytes()


async def test_whoever_forgets_their_own_words_does_not_run_after_their_own_entries(
    journal: SqliteJournal,
) -> None:
    for _ in range(3):
        await _refuse(journal, OPERATOR.holder)
    desk = ForgettingDesk(WordsTable(journal, NODE), lambda: AT)

    assert await desk.of_holder(OPERATOR, "x", "Người Mẫu") == 3
    assert [one["event"] for one in await _told(journal)][3:] == ["words-forgotten"]


async def test_words_of_long_ago_are_removed_by_age(journal: SqliteJournal, tmp_path: Path) -> None:
    """Nothing of the age itself."""
    for days in (30, 11, 10, 0):
        await _refuse(journal, "local:an", AT - timedelta(days=days))
    desk = ForgettingDesk(WordsTable(journal, NODE), lambda: AT)

    assert await desk.older(OPERATOR, "hết hạn lưu", timedelta(days=10)) == 2
    assert [one["by"] == "local:an" for one in await _told(journal)][:4] == [
        False,
        False,
        True,
        True,
    ]
    assert _verify(tmp_path) == (5, 3)


def _at_version_22(folder: Path, leaves: list[bytes]) -> None:
    """A journal as the release before left it."""
    frontier = Frontier()
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for number, text in migrations():
            if number <= 22:
                connection.executescript(text)
        connection.execute("PRAGMA user_version = 22")
        connection.execute("INSERT INTO meta VALUES ('node', ?)", (NODE,))
        for index, leaf in enumerate(leaves):
            connection.execute(
                "INSERT INTO entries VALUES (?, ?, ?)", (index, leaf, leaf_hash(leaf))
            )
            frontier.append(leaf_hash(leaf))
        note = _sign_head(Epoch(), frontier.size, frontier.root())
        connection.execute("INSERT INTO log_head VALUES (1, ?, ?)", (frontier.to_bytes(), note))


async def test_a_log_of_the_release_before_goes_on_and_verifies_across_the_upgrade(
    tmp_path: Path,
) -> None:
    """Its leaves of version 1 stay to the byte, words and all; what comes is of version 2."""
    old = [
        json.dumps(
            {"at": "2026-11-23T04:05:06.000Z", "by": "local:an", "event": "delivery-held",
             "node": NODE, "v": 1, "why": f"lý do {number}"},
            ensure_ascii=False, sort_keys=True, separators=(",", ":"),
        ).encode()
        for number in range(5)
    ]  # fmt: skip
    _at_version_22(tmp_path, old)
    assert _verify(tmp_path) == (5, 0), "as it lies there, before it was opened"

    journal = await _open(tmp_path)
    await _refuse(journal, "local:an")
    told = await _told(journal)
    leaves = [one.leaf for one in await journal.entries(0, 99)]
    await journal.close()

    assert leaves[:5] == old
    assert [(one["v"], one["by"]) for one in told] == [(1, "local:an")] * 5 + [(2, "local:an")]
    assert _verify(tmp_path) == (6, 1)


async def test_a_backup_carries_the_words_and_a_restore_brings_them_back(tmp_path: Path) -> None:
    """Into a new epoch, whose words stand at its own indexes."""
    journal = await _open(tmp_path / "data")
    await _refuse(journal, "local:an")
    back_up(tmp_path / "data", tmp_path / "copy", AT, lambda *_: None)
    await journal.close()
    restore(tmp_path / "copy", tmp_path / "again", NODE, lambda *_: None)

    journal = await _open(tmp_path / "again")
    await journal.recover(AT)
    await _refuse(journal, "local:binh")
    told = await _told(journal)
    await journal.close()

    assert [one["by"] for one in told if "by" in one] == ["local:an", "local:binh"]
    assert _verify(tmp_path / "again") == (3, 2)
