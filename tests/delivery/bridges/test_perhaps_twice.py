"""What may be at a remote twice: looked for first, and said where it could not be ruled out."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.journal.backup import back_up, restore
from relay.model import NodeId
from relay.wire.remote_word import read_word

H01 = "000.00.00.H01"


async def _said(crossing: Any, message_id: str) -> tuple[list[str], dict[str, str]]:
    """The findings of a message, and the facts of the word on it."""
    message = await crossing.message(message_id)
    (delivery,) = message["deliveries"]
    (detail,) = [r["detail"] for r in delivery["receipts"] if r["event"] == "RelayToNonERDS"]
    word = read_word(detail)
    assert word is not None
    return [one["detail"] for one in message["findings"]], dict(word.facts)


def _repeats(crossing: Any) -> list[str]:
    """Why, of each entry that says a package may be there twice."""
    with sqlite3.connect(crossing.running.folder / "data" / "journal.sqlite") as journal:
        leaves = journal.execute("SELECT leaf FROM entries ORDER BY entry_index").fetchall()
    entries = [parse(leaf) for (leaf,) in leaves]
    return [str(one["reason"]) for one in entries if one["event"] == "bridge-repeated"]


@pytest.mark.parametrize("crossing", ["settles = 30"], indirect=True)
async def test_a_package_that_is_listed_late_is_found_and_not_sent_again(crossing: Any) -> None:
    """The remote took it, answered nobody, and lists it only a while later."""
    await crossing.start()
    crossing.remote.lists_after = timedelta(seconds=1)
    crossing.remote.faults["sendEdoc"] = ["lost"]
    message_id = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(message_id, "relayed")
    assert crossing.asked("sendEdoc") == 1
    assert await _said(crossing, message_id) == ([], {"found": "content"})
    assert _repeats(crossing) == []


async def test_a_package_that_is_sent_again_has_a_finding_and_an_entry(crossing: Any) -> None:
    """Nothing of it was listed for as long as it is looked for."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["html"]
    message_id = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(message_id, "relayed")
    findings, facts = await _said(crossing, message_id)
    assert facts == {"repeated": "1"}
    assert findings == [
        "truc-qg may have it twice: an attempt had no answer, and its sent list does not show it"
    ]
    assert _repeats(crossing) == ["not-listed"]


async def test_a_remote_that_offers_no_sent_list_gets_it_again_and_that_is_said(
    crossing: Any,
) -> None:
    """It cannot be asked, now or ever; by policy the package is repeated all the same."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["html"]
    crossing.remote.faults["getSentEdocList"] = ["fail:99"] * 50
    message_id = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(message_id, "relayed")
    findings, facts = await _said(crossing, message_id)
    assert facts == {"repeated": "1", "unsure": "not-asked"}
    assert [one.rpartition(": ")[2] for one in findings] == [
        "it does not show what it was sent before"
    ]
    assert _repeats(crossing) == ["not-asked"]


async def _restored(crossing: Any, tmp_path: Path, sent: int) -> list[str]:
    """Documents that wait in a backup; `sent` of them went over after it was made."""
    data = crossing.running.folder / "data"
    await crossing.start()
    await crossing.remote.stop()
    waiting = [await crossing.dms.send(crossing.document(), sender=H01) for _ in range(2)]
    await crossing.stop()
    back_up(data, tmp_path / "copy", datetime.now(UTC), lambda *_: None)
    await crossing.remote.start()
    await crossing.start()
    for message_id in waiting:
        await crossing.until_state(message_id, "relayed")
    await crossing.stop()
    del crossing.remote.taken[sent:]
    shutil.rmtree(data)
    restore(tmp_path / "copy", data, NodeId("tinh"), lambda *_: None)
    await crossing.start()
    for message_id in waiting:
        await crossing.until_state(message_id, "relayed")
    return waiting


async def test_what_a_restore_forgot_is_found_at_the_remote(crossing: Any, tmp_path: Path) -> None:
    """Asked for by its own content before anything is sent: the remote has each once."""
    waiting = await _restored(crossing, tmp_path, 2)
    assert crossing.asked("sendEdoc") == 2
    for message_id in waiting:
        assert await _said(crossing, message_id) == ([], {"found": "content"})


async def test_what_was_not_sent_before_a_restore_is_sent_and_said_to_be_unsure(
    crossing: Any, tmp_path: Path
) -> None:
    """One of two had gone over. The other may have, too: all that is known is what the list shows."""
    first, second = await _restored(crossing, tmp_path, 1)
    assert len(crossing.remote.taken) == 2
    found = [await _said(crossing, one) for one in (first, second)]
    assert sorted(facts.get("unsure", "") for _, facts in found) == ["", "restored"]
    assert sorted(len(findings) for findings, _ in found) == [0, 1]
    assert _repeats(crossing) == ["restored"]
    later = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(later, "relayed")
    assert await _said(crossing, later) == ([], {})
