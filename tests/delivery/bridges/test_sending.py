"""What leaves over a bridge: once, with evidence of our own, whatever the remote answers."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

import pytest

from relay.demo.native import at_socket
from relay.model import MessageType
from relay.wire.remote_word import RemoteWord, read_word
from tests.evidence.stranger import judged

WAITING = pytest.mark.parametrize("crossing", ['unanswered = "wait"'], indirect=True)


async def test_a_document_is_handed_over_to_the_byte_and_we_sign_what_the_remote_said(
    crossing: Any,
) -> None:
    """RelayToNonERDS names the DocId and the digest of the raw answer, which is kept."""
    await crossing.start()
    document = crossing.document()
    message_id = await crossing.dms.send(document, sender="000.00.00.H01")
    delivery = await crossing.until_state(message_id, "relayed")
    (taken,) = crossing.remote.taken
    assert (taken.content, taken.to) == (document, ["000.00.00.G22"])
    word = _word(delivery, "RelayToNonERDS")
    assert (word.remote, word.call, word.doc_id) == ("truc-qg", "sendEdoc", taken.doc_id)
    with sqlite3.connect(crossing.running.folder / "data" / "journal.sqlite") as journal:
        kept = journal.execute(
            "SELECT content FROM bridge_answers WHERE digest = ?", (word.answer,)
        ).fetchone()
    assert hashlib.sha256(kept[0]).hexdigest() == word.answer
    assert taken.doc_id.encode() in kept[0]


async def test_recipients_that_share_the_way_share_a_package(crossing: Any) -> None:
    """One sendEdoc, with both in header `to` as the sender wrote them."""
    await crossing.start()
    document = crossing.document(to=("000.00.00.G22", "G05"))
    message_id = await crossing.dms.send(document, sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    await crossing.until_state(message_id, "relayed", "G05")
    assert [one.to for one in crossing.remote.taken] == [["000.00.00.G22", "G05"]]


async def test_the_remotes_word_moves_the_delivery_and_is_marked_as_its_word(
    crossing: Any,
) -> None:
    """sendStatus done, then receiveStatus done: consigned, handed over, without evidence of its own."""
    await crossing.start()
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    (taken,) = crossing.remote.taken
    taken.words["000.00.00.G22"] = ("done", "initial")
    await crossing.until_state(message_id, "available")
    taken.words["000.00.00.G22"] = ("done", "done")
    delivery = await crossing.until_state(message_id, "handed-over")
    assert _word(delivery, "ContentHandover").facts == {"sent": "done", "received": "done"}
    assert [r["evidence"] for r in delivery["receipts"]] == ["signed", "remote", "remote", "remote"]
    assert delivery["trace"][-1]["evidence"] == "none"
    assert delivery["trace"][-1]["node"] == "truc-qg"
    told = await _evidence(crossing, message_id)
    (hops,) = told.of("hops")
    assert (told.refused, hops.outcome) == ([], "unknown")
    assert "ContentHandover" in hops.said
    assert hops.notes == ("G22: truc-qg gives no evidence: tinh repeats its word",)
    assert "the word of a remote that gives no evidence" in told.said("receipt")


async def _evidence(crossing: Any, message_id: str) -> Any:
    async with at_socket(crossing.running.control) as operator:
        return judged(await operator.evidence(message_id), crossing.root)


async def test_a_remote_that_cannot_hand_it_over_ends_the_delivery(crossing: Any) -> None:
    """sendStatus fail is RelayToNonERDSFailure."""
    await crossing.start()
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    crossing.remote.taken[0].words["000.00.00.G22"] = ("fail", "initial")
    delivery = await crossing.until_state(message_id, "refused")
    assert delivery["reason"] == "unreachable"


@pytest.mark.parametrize("fault", ["html", "empty", "fail:20", "fail:15"])
async def test_an_outage_is_waited_out(crossing: Any, fault: str) -> None:
    """Whatever comes in place of an answer, the document goes over once the remote is well."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = [fault] * 3
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    assert not crossing.remote.faults["sendEdoc"]


@pytest.mark.parametrize("fault", ["lost", "no-docid"])
@pytest.mark.parametrize("gives", [True, False])
async def test_a_package_whose_answer_was_lost_is_found_and_not_sent_again(
    crossing: Any, fault: str, gives: bool
) -> None:
    """By content where the remote gives the document out, re-serialised as it is; else by its row."""
    crossing.remote.gives_sent = gives
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = [fault]
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    delivery = await crossing.until_state(message_id, "relayed")
    assert crossing.asked("sendEdoc") == len(crossing.remote.taken) == 1
    word = _word(delivery, "RelayToNonERDS")
    assert word.call == "getSentEdocList"
    assert word.facts == {"found": "content" if gives else "title"}
    assert word.doc_id == crossing.remote.taken[0].doc_id


async def test_another_document_with_the_same_title_is_not_taken_for_it(crossing: Any) -> None:
    """The business hash of what the remote gives out decides; the repeat stands in the evidence."""
    await crossing.start()
    other = crossing.document(number="7", content=b"%PDF-1.7 trang khac")
    crossing.remote.send_as_another(other, "000.00.00.H01", ["000.00.00.G22"])
    mine = crossing.document(number="7")
    crossing.remote.faults["sendEdoc"] = ["html"]
    message_id = await crossing.dms.send(mine, sender="000.00.00.H01")
    delivery = await crossing.until_state(message_id, "relayed")
    assert [one.content for one in crossing.remote.taken] == [other, mine]
    assert _word(delivery, "RelayToNonERDS").facts == {"repeated": "1"}


async def test_nothing_is_repeated_while_the_sent_list_cannot_be_read(crossing: Any) -> None:
    """An outage of the list is no proof that the package is not there."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["lost"]
    crossing.remote.faults["getSentEdocList"] = ["html", "empty", "no-fields", "html"]
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    assert not crossing.remote.faults["getSentEdocList"]
    assert crossing.asked("sendEdoc") == 1


@WAITING
async def test_by_policy_a_package_that_is_not_found_waits_for_an_operator(crossing: Any) -> None:
    """`unanswered = "wait"`: looked for again and again, never repeated."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["html"]
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")

    async def waits() -> None:
        delivery = await crossing.delivery(message_id)
        assert "not repeated by policy" in delivery["last_error"]
        assert delivery["state"] == "in-doubt"

    await crossing.until(waits)
    assert crossing.asked("sendEdoc") == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("18", "unknown-recipient"),
        ("23", "closed-recipient"),
        ("19", "policy"),
        ("22", "bad-envelope"),
    ],
)
async def test_a_refusal_comes_back_at_once_as_our_evidence(
    crossing: Any, code: str, reason: str
) -> None:
    """RelayToNonERDSFailure with the code and the digest of the FAIL."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = [f"fail:{code}"]
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    delivery = await crossing.until_state(message_id, "refused")
    assert delivery["reason"] == reason
    word = _word(delivery, "RelayToNonERDSFailure")
    assert word.facts == {"fail": code}
    assert word.answer


async def test_one_unknown_recipient_does_not_keep_the_other_from_it(crossing: Any) -> None:
    """FAIL 18 for a package of two: each gets one of its own."""
    crossing.remote.unknown = {"G05"}
    await crossing.start()
    document = crossing.document(to=("000.00.00.G22", "G05"))
    message_id = await crossing.dms.send(document, sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    refused = await crossing.until_state(message_id, "refused", "G05")
    assert refused["reason"] == "unknown-recipient"
    assert [one.to for one in crossing.remote.taken] == [["000.00.00.G22"]]


async def test_a_code_nobody_knows_is_a_refusal_at_the_fifth(crossing: Any) -> None:
    """Until then only this package waits."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["fail:77"] * 5
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    delivery = await crossing.until_state(message_id, "refused")
    assert delivery["reason"] == "policy"
    assert crossing.asked("sendEdoc") == 5


async def test_a_node_that_died_after_the_answer_was_stored_asks_nobody(crossing: Any) -> None:
    """The DocId is durable before the evidence: a restart signs it from there."""
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["lost"]
    crossing.remote.faults["getSentEdocList"] = ["html"] * 4000
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")

    async def in_doubt() -> None:
        assert (await crossing.delivery(message_id))["state"] == "in-doubt"

    await crossing.until(in_doubt)
    await crossing.stop()
    taken = crossing.remote.taken[0]
    with sqlite3.connect(crossing.running.folder / "data" / "journal.sqlite") as journal:
        journal.execute("UPDATE bridge_sent SET doc_id = ?, answer = ?", (taken.doc_id, "0" * 64))
    await crossing.start()
    await crossing.until_state(message_id, "relayed")
    assert crossing.asked("sendEdoc") == 1


async def test_what_expired_in_doubt_is_settled_once_the_remote_can_be_asked(crossing: Any) -> None:
    """outcome-unknown at first; its sent list supersedes that."""
    text = crossing.running.config.read_text(encoding="utf-8")
    short = "[delivery]\nexpiry_normal = 2\nexpiry_urgent = 2\nexpiry_express = 2\n"
    crossing.running.config.write_text(text.replace("[delivery]\n", short), encoding="utf-8")
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["lost"]
    crossing.remote.faults["getSentEdocList"] = ["html"] * 4000
    message_id = await crossing.dms.send(crossing.document(), sender="000.00.00.H01")
    delivery = await crossing.until_state(message_id, "expired")
    assert delivery["reason"] == "outcome-unknown"
    crossing.remote.faults.clear()
    delivery = await crossing.until_state(message_id, "relayed")
    assert _word(delivery, "RelayToNonERDS").facts == {"found": "content"}
    assert crossing.asked("sendEdoc") == 1


async def test_a_status_goes_over_as_it_is(crossing: Any) -> None:
    """messagetype status, to whom it answers."""
    await crossing.start()
    status = crossing.status("000.00.00.H01", "000.00.00.G22", "G22,1")
    message_id = await crossing.dms.send(
        status, sender="000.00.00.H01", message_type=MessageType.STATUS
    )
    await crossing.until_state(message_id, "relayed")
    assert [(one.kind, one.content) for one in crossing.remote.taken] == [("status", status)]


async def test_a_long_outage_harms_nothing_and_survives_a_restart(crossing: Any) -> None:
    """The remote is down, the node restarts, the remote comes back: all that waited goes over once."""
    await crossing.start()
    await crossing.remote.stop()
    sent = [await crossing.dms.send(crossing.document(), sender="000.00.00.H01") for _ in range(5)]

    async def failing() -> None:
        assert (await crossing.delivery(sent[0]))["last_error"]

    await crossing.until(failing)
    await crossing.restart()
    await crossing.remote.start()
    for message_id in sent:
        await crossing.until_state(message_id, "relayed")
    assert len(crossing.remote.taken) == 5


def _word(delivery: dict[str, Any], event: str) -> RemoteWord:
    found = [r for r in delivery["receipts"] if r["event"] == event]
    assert len(found) == 1
    word = read_word(found[0]["detail"])
    assert word is not None
    return word
