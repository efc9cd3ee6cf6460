"""What a remote has for us: stored before it is acknowledged, once, and never mistaken for nothing."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from relay.delivery.ports import Acknowledgement
from relay.demo.native import at_socket
from relay.model import MessageType, SealKind, digest_of
from relay.signing.seal import verify_seal
from relay.signing.trust import TrustStore
from relay.wire.remote_word import read_word
from tests.evidence.stranger import judged

G22, H01 = "000.00.00.G22", "000.00.00.H01"


async def test_a_listed_document_is_delivered_and_then_acknowledged(crossing: Any) -> None:
    """processing, then done; a gateway seal over the exact bytes, and ReceivedFromNonERDS."""
    document = crossing.document(G22, (H01,))
    package = crossing.remote.offer(document, G22, H01)
    await crossing.start()
    (row,) = await crossing.until_listed(1)
    assert await crossing.dms.get(row.docId) == document
    await crossing.until(lambda: _told(package, ["processing", "done"]))
    async with at_socket(crossing.running.control) as operator:
        seal = await operator.delivery_seal(row.docId)
        (item,) = await operator.every_delivery()
        message = await operator.message(item["message_id"])
        told = judged(await operator.evidence(item["message_id"]), crossing.root)
    trust = TrustStore([crossing.root.read_bytes()])
    proven = verify_seal(seal, digest_of(document), trust, None)
    assert (proven.kind, proven.node) == (SealKind.GATEWAY, "tinh")
    first = message["deliveries"][0]["receipts"][0]
    word = read_word(first["detail"])
    assert first["event"] == "ReceivedFromNonERDS"
    assert word is not None
    assert (word.remote, word.doc_id, word.answer) == (
        "truc-qg",
        package.doc_id,
        digest_of(document),
    )
    assert [s["evidence"] for s in message["deliveries"][0]["trace"]] == ["none", "signed"]
    assert told.refused == []
    assert "vouched for by the gateway alone" in told.said("seal")
    assert "H01: truc-qg gives no evidence: tinh repeats its word" in told.of("hops")[0].notes


@pytest.mark.parametrize("fault", ["html", "empty", "no-fields", "fail:20", "bad-row", "slow:3"])
async def test_a_list_that_is_no_list_is_an_outage_and_never_an_empty_inbox(
    crossing: Any, fault: str
) -> None:
    """The bridge shows as failing, and the document comes once the list is one."""
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.faults["getReceivedEdocList"] = [fault] * 1000
    await crossing.start()

    async def failing() -> None:
        async with at_socket(crossing.running.control) as operator:
            shape = await operator._object("GET", "/v1/queue/shape")
        (view,) = [row["state"] for row in shape["rows"] if row["neighbour"] == "truc-qg"]
        assert view["bridge"]
        assert view["last_error"]

    await crossing.until(failing)
    assert await crossing.listed() == []
    crossing.remote.faults.clear()
    await crossing.until_listed(1)


@pytest.mark.parametrize("fault", ["cut", "page", "html", "empty", "fail:20"])
async def test_a_document_that_comes_broken_is_fetched_again(crossing: Any, fault: str) -> None:
    """Neither refused nor acknowledged until it came whole."""
    document = crossing.document(G22, (H01,))
    package = crossing.remote.offer(document, G22, H01)
    crossing.remote.faults["downloadEdoc"] = [fault, fault]
    crossing.remote.faults["getEdoc"] = ["html", "html"]
    await crossing.start()
    (row,) = await crossing.until_listed(1)
    assert await crossing.dms.get(row.docId) == document
    await crossing.until(lambda: _told(package, ["processing", "done"]))


async def test_what_is_no_envelope_at_three_polls_is_refused(crossing: Any) -> None:
    """updateStatus fail, once; the reason is kept."""
    package = crossing.remote.offer(b"<khong-phai-edxml/>", G22, H01)
    await crossing.start()
    await crossing.until(lambda: _told(package, ["fail"]))
    assert crossing.asked("downloadEdoc") == 3
    assert _refusals(crossing) == [("bad-envelope",)]


@pytest.mark.parametrize(
    ("sender", "to", "reason"),
    [
        (G22, "000.00.00.H99", "unknown-recipient"),
        (G22, "G05", "unreachable"),
        (H01, H01, "policy"),
        ("000.00.00.H99", H01, "policy"),
    ],
)
async def test_what_is_for_nobody_here_or_from_nobody_there_is_refused(
    crossing: Any, sender: str, to: str, reason: str
) -> None:
    """With fail and a reason; nothing is delivered, and it is not asked for again at each poll."""
    package = crossing.remote.offer(crossing.document(sender, (to,)), sender, to)
    crossing.remote.never_shrinks = True
    await crossing.start()
    await crossing.until(lambda: _told(package, ["fail"]))
    polls = crossing.asked("getReceivedEdocList")

    async def polled() -> None:
        assert crossing.asked("getReceivedEdocList") > polls + 5

    await crossing.until(polled)
    assert package.told == ["fail"]
    assert crossing.asked("downloadEdoc") == 1
    assert _refusals(crossing) == [(reason,)]
    assert await crossing.listed() == []


async def test_what_policy_refuses_by_its_signatures_is_turned_away(crossing: Any) -> None:
    """A PDF that nobody can read is UNKNOWN; told by the node's own worker before anything is delivered."""
    config = crossing.running.config
    strict = '\n[signatures]\npolicy = "refuse"\nunknown = "refuse"\n'
    config.write_text(config.read_text("utf-8") + strict, "utf-8")
    package = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    await crossing.start()
    await crossing.until(lambda: _told(package, ["fail"]))
    assert _refusals(crossing) == [("policy",)]
    assert await crossing.listed() == []


async def test_the_same_document_under_other_bytes_and_docids_is_delivered_once(
    crossing: Any,
) -> None:
    """The remote re-serialises, lists each row twice, and has the document under three docIds: one
    delivery, every docId acknowledged."""
    document = crossing.document(G22, (H01,), zipped=False)
    packages = [crossing.remote.offer(document, G22, H01)]
    crossing.remote.lists_twice = True
    await crossing.start()
    await crossing.until_listed(1)
    crossing.remote.reserialises = True
    packages += [crossing.remote.offer(document, G22, H01) for _ in range(2)]
    for package in packages:
        await crossing.until(lambda package=package: _told(package, ["processing", "done"]))
    await crossing.until_listed(1)


async def test_a_document_that_differs_in_an_attachment_is_another(crossing: Any) -> None:
    """Never dropped for its DocumentId, number or title."""
    await crossing.start()
    for page in (b"%PDF-1.7 mot", b"%PDF-1.7 hai"):
        crossing.remote.offer(crossing.document(G22, (H01,), content=page, number="9"), G22, H01)
    await crossing.until_listed(2)


async def test_a_list_that_never_shrinks_is_acknowledged_again_and_delivered_once(
    crossing: Any,
) -> None:
    """After some polls, for the acknowledgement may be what was lost."""
    package = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.never_shrinks = True
    await crossing.start()
    await crossing.until(lambda: _told(package, ["processing", "done", "processing", "done"]))
    assert crossing.asked("downloadEdoc") == 1
    await crossing.until_listed(1)


async def test_an_acknowledgement_that_was_lost_is_made_again_after_a_restart(
    crossing: Any,
) -> None:
    """The document is here; the remote hears of it when it can."""
    package = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.faults["updateStatus"] = ["html"] * 1000
    await crossing.start()
    await crossing.until_listed(1)
    await crossing.stop()
    assert package.told == []
    crossing.remote.faults.clear()
    await crossing.start()
    await crossing.until(lambda: _told(package, ["processing", "done"]))
    await crossing.until_listed(1)


async def test_nothing_is_acknowledged_before_it_is_durable(crossing: Any) -> None:
    """At each updateStatus the journal, as another process sees it, has the message."""
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    seen: list[int] = []
    serve = crossing.remote._updateStatus

    def looking(values: dict[str, str], body: bytes, fault: str) -> Any:
        path = crossing.running.folder / "data" / "journal.sqlite"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
            seen.append(journal.execute("SELECT count(*) FROM messages").fetchone()[0])
        return serve(values, body, fault)

    crossing.remote._updateStatus = looking
    await crossing.start()
    await crossing.until_listed(1)

    async def told() -> None:
        assert len(seen) >= 2

    await crossing.until(told)
    assert set(seen) == {1}


async def test_a_status_finds_the_document_it_speaks_of(crossing: Any) -> None:
    """It is delivered to the sender, and stands beside its document when one tracks it."""
    await crossing.start()
    document = crossing.document(number="1")
    message_id = await crossing.dms.send(document, sender=H01)
    await crossing.until_state(message_id, "relayed")
    crossing.remote.offer(crossing.status(G22, H01, f"{H01},1"), G22, H01, kind="status")
    (row,) = await crossing.until_listed(1, MessageType.STATUS)
    await crossing.dms.update_status(row.docId, Acknowledgement.DONE)
    assert [s["status_code"] for s in (await crossing.delivery(message_id))["statuses"]] == ["03"]


@pytest.mark.parametrize("crossing", ['message_types = ["status"]'], indirect=True)
async def test_only_configured_message_types_are_asked_for(crossing: Any) -> None:
    """A bridge for statuses leaves documents where they are."""
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.offer(crossing.status(G22, H01, "x"), G22, H01, kind="status")
    await crossing.start()
    await crossing.until_listed(1, MessageType.STATUS)
    kinds = {v["messagetype"] for c, v in crossing.remote.calls if c == "getReceivedEdocList"}
    assert kinds == {"status"}


async def test_a_list_that_is_refused_holds_up_no_other(crossing: Any) -> None:
    """A remote without lists of documents gives its statuses all the same, and its word on what it has."""
    crossing.remote.refused_kinds = {"edoc"}
    crossing.remote.offer(crossing.status(G22, H01, "x"), G22, H01, kind="status")
    await crossing.start()
    message_id = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_listed(1, MessageType.STATUS)
    await crossing.until_state(message_id, "relayed")
    crossing.remote.taken[0].words[G22] = ("done", "done")
    await crossing.until_state(message_id, "handed-over")


async def test_a_flush_asks_at_once(crossing: Any) -> None:
    """However long the bridge was to be left alone."""
    text = crossing.running.config.read_text(encoding="utf-8")
    crossing.running.config.write_text(
        text.replace("retry_first = 0.05", "retry_first = 600").replace(
            "retry_cap = 0.2", "retry_cap = 600"
        ),
        encoding="utf-8",
    )
    crossing.remote.faults["getReceivedEdocList"] = ["html"]
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    await crossing.start()

    async def blocked() -> None:
        assert not crossing.remote.faults["getReceivedEdocList"]

    await crossing.until(blocked)
    async with at_socket(crossing.running.control) as operator:
        await operator._object(
            "POST", "/v1/queue/flush", {"neighbour": "truc-qg", "why": "thử lại ngay"}
        )
    await crossing.until_listed(1)


async def _told(package: Any, words: list[str]) -> None:
    assert package.told[: len(words)] == words


def _refusals(crossing: Any) -> list[tuple[str]]:
    path = crossing.running.folder / "data" / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        return journal.execute("SELECT reason FROM bridge_received").fetchall()
