"""Documents and statuses across four nodes: hops are shared, refusals travel back, outages pass."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from relay.demo.network import Network
from relay.model import DeliveryState, MessageType, ResponseFor

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SENDER, MINISTRY, PROVINCE, UNKNOWN_THERE = "H01.15.02", "G22", "H01", "G99"


def _directories_differ(network: Network) -> None:
    """All nodes but the ministry's believe that it serves one agency more."""
    shared = network.folder / "directory.toml"
    own = network.folder / "directory-tw.toml"
    own.write_text(shared.read_text(encoding="utf-8"), encoding="utf-8")
    config = network.nodes["tw"].config
    text = config.read_text(encoding="utf-8").replace("../directory.toml", "../directory-tw.toml")
    config.write_text(text, encoding="utf-8")
    with shared.open("a", encoding="utf-8") as file:
        file.write(
            f'\n[[agencies]]\ncode = "{UNKNOWN_THERE}"\nname = "Bộ đã giải thể"\n'
            'tier = "central"\nnode = "tw"\n'
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tw", "tinh", "xa", "xb"], after_build=_directories_differ) as town:
        yield town


async def test_hops_are_shared_while_the_way_is_the_same(town: Any) -> None:
    """One transfer to the province for five recipients; from there one to each branch."""
    recipients = [MINISTRY, PROVINCE, "H01.151", "H01.16", "H01.17"]
    content = town.document(SENDER, recipients)
    message_id = await town.send("xa", content, SENDER)
    await town.settled("xa", message_id, DeliveryState.AVAILABLE)

    assert len(town.transfers("xa", message_id)) == 1
    assert sorted(t["neighbour"] for t in town.transfers("tinh", message_id)) == ["tw", "xb"]
    assert [len(town.inbox(n, content)) for n in ("tw", "tinh", "xb")] == [1, 2, 2]
    for name in ("tw", "tinh", "xb"):
        assert await town.dms(name).get(town.inbox(name, content)[0]["delivery_id"]) == content
    town.logs_hold()


async def test_sender_and_receiver_speak_of_a_delivery_by_the_same_id(town: Any) -> None:
    """The sent list's receiverDocId is the docId under which the recipient's system finds it."""
    content = town.document(SENDER, [MINISTRY])
    message_id = await town.send("xa", content, SENDER)
    await town.settled("xa", message_id, DeliveryState.AVAILABLE)

    sent = [r for r in await town.dms("xa").sent_list() if r.senderDocId == message_id]
    received = [r.docId for r in await town.dms("tw").received_list()]
    assert len(sent) == 1
    assert sent[0].receiverDocId in received


async def test_a_large_document_arrives_as_it_was_sent(town: Any) -> None:
    """It goes ahead of its transfer on each hop."""
    content = town.document(SENDER, [MINISTRY], padding_bytes=3 << 20)
    message_id = await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tw", content)

    assert await town.dms("tw").get(delivered["delivery_id"]) == content
    await town.settled("xa", message_id, DeliveryState.AVAILABLE)
    for name in ("tinh", "tw"):
        assert not [
            f for f in (town.node(name).folder / "data" / "ahead").rglob("*") if f.is_file()
        ]


async def test_a_refusal_travels_back_hop_by_hop(town: Any) -> None:
    """The last node knows no such agency: the sender's list says who refused, and why, while the
    other recipient of the same message has it."""
    content = town.document(SENDER, [UNKNOWN_THERE, MINISTRY])
    message_id = await town.send("xa", content, SENDER)
    rows = await town.settled("xa", message_id, DeliveryState.REFUSED, DeliveryState.AVAILABLE)

    assert {r["recipient"]: (r["state"], r["reason"], r["failed_at_node"]) for r in rows} == {
        UNKNOWN_THERE: ("refused", "unknown-recipient", "tw"),
        MINISTRY: ("available", None, None),
    }
    assert ("tw", "RelayRejection") in town.events("xa", message_id)
    sent = await town.dms("xa").sent_list(doc_id=message_id)
    assert {row.toCode for row in sent} == {UNKNOWN_THERE, MINISTRY}
    # The same again begins anew for the refused one only.
    renewed = await town.send("xa", content, SENDER)
    assert renewed != message_id
    (again,) = await town.settled("xa", renewed, DeliveryState.REFUSED)
    assert again["recipient"] == UNKNOWN_THERE
    assert len(town.inbox("tw", content)) == 1


async def test_the_origin_sees_one_timeline_over_all_tiers(town: Any) -> None:
    """Out of the receipts that came back, without asking anybody: who had it when, by whose receipt; the
    refused recipient's branch ends at the node that refused."""
    content = town.document(SENDER, [UNKNOWN_THERE, MINISTRY, "H01.16"])
    message_id = await town.send("xa", content, SENDER)
    (delivery,) = await town.delivered("tw", content)
    await town.acknowledge("tw", delivery["delivery_id"])
    handed = {DeliveryState.REFUSED, DeliveryState.AVAILABLE, DeliveryState.HANDED_OVER}

    async def told() -> bool:
        return {r["state"] for r in town.deliveries("xa", message_id)} == handed

    await town.until(told)
    found = await asyncio.to_thread(_tracked, town, "xa", message_id)
    (xa,) = found["way"]
    (tinh,) = xa["onward"]
    branches = {stay["node"]: stay for stay in tinh["onward"]}
    assert (xa["node"], tinh["node"], set(branches)) == ("xa", "tinh", {"tw", "xb"})
    assert set(tinh["recipients"]) == {UNKNOWN_THERE, MINISTRY, "H01.16"}
    assert branches["xb"]["recipients"] == ["H01.16"]
    assert {stay["known"] for stay in (xa, tinh, *branches.values())} == {"signed"}
    ended = [line for line in branches["tw"]["lines"] if line["step"] == "ended"]
    assert [(line["recipients"], line["reason"]) for line in ended] == [
        ([UNKNOWN_THERE], "unknown-recipient")
    ]
    done = [line for line in branches["tw"]["lines"] if line["event"] == "ContentHandover"]
    assert [line["recipients"] for line in done] == [[MINISTRY]]
    assert all("CN=" in line["source"]["signer"] for line in done)
    proven = [line for stay in (xa, tinh) for line in stay["lines"] if line["source"]["receipt"]]
    stored = {row["digest"] for row in town.rows("xa", "SELECT digest FROM receipts")}
    assert {line["source"]["receipt"] for line in proven} <= stored
    # In the middle: those before it by the header of the transfer, those behind it by receipts.
    middle = await asyncio.to_thread(_tracked, town, "tinh", message_id)
    assert [middle["way"][0][name] for name in ("node", "known")] == ["xa", "header"]


def _tracked(town: Any, name: str, message_id: str) -> Any:
    command = [sys.executable, "-m", "relay", "track", message_id, "--json", "--config"]
    command.append(str(town.node(name).config))
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(shown.stdout)["timeline"]


async def test_an_outage_delays_and_loses_nothing(town: Any) -> None:
    """The province is down while three documents are handed in, and the commune restarts, too."""
    contents = [town.document(SENDER, [MINISTRY]) for _ in range(3)]
    async with town.outage("tinh"):
        ids = [await town.send("xa", content, SENDER) for content in contents]
        async with town.outage("xa"):
            pass
        states = {r["state"] for m in ids for r in town.deliveries("xa", m)}
        assert states <= {"queued", "in-flight", "in-doubt"}

    for content, message_id in zip(contents, ids, strict=True):
        assert len(await town.delivered("tw", content)) == 1
        await town.settled("xa", message_id, DeliveryState.AVAILABLE)
    town.logs_hold()


async def test_kills_in_the_middle_of_a_crowd_lose_and_double_nothing(town: Any) -> None:
    """Sixty documents while each node on the way is killed once, at no chosen point."""
    contents = [town.document(SENDER, [MINISTRY, "H01.16"]) for _ in range(60)]
    sending = asyncio.gather(*(town.send("xa", content, SENDER) for content in contents))
    for name in ("tinh", "tw", "xa", "xb"):
        before = sum(len(town.inbox("tw", content)) for content in contents)

        async def moved(least: int = before) -> bool:
            return sum(len(town.inbox("tw", c)) for c in contents) > min(least + 3, 59)

        await town.until(moved)
        async with town.outage(name):
            pass
    ids = await sending

    for content, message_id in zip(contents, ids, strict=True):
        await town.settled("xa", message_id, DeliveryState.AVAILABLE)
        assert len(town.inbox("tw", content)) == len(town.inbox("xb", content)) == 1
    assert len(set(ids)) == len(contents)
    town.logs_hold()


# ---------------------------------------------------------------- statuses


async def _report(town: Any, about: ResponseFor, code: str) -> tuple[str, bytes]:
    status = town.status(MINISTRY, about, code)
    return await town.send("tw", status, MINISTRY, kind=MessageType.STATUS), status


def _matched(town: Any, content: bytes) -> list[tuple[str, str]]:
    """(code, matched message) of the report these bytes are, as the commune's node has it."""
    from relay.model import digest_of

    found = town.rows(
        "xa",
        "SELECT r.status_code, d.message_id FROM reports r JOIN messages m USING (message_row)"
        " JOIN messages d ON d.message_row = r.matched_row WHERE m.digest = ?",
        digest_of(content),
    )
    return [(row["status_code"], row["message_id"]) for row in found]


@pytest.mark.parametrize("organ", [SENDER, "H63.99", MINISTRY], ids=["sender", "unknown", "itself"])
async def test_a_status_finds_the_sender_of_its_document(town: Any, organ: str) -> None:
    """By ResponseFor; when that names nobody known, or the one who reports, by its document."""
    number = f"D-{organ}"
    content = town.document(SENDER, [MINISTRY], document_id=number)
    message_id = await town.send("xa", content, SENDER)
    await town.delivered("tw", content)

    for code in ("01", "03"):
        _, status = await _report(town, ResponseFor(organ, "", number, "2026/11/23"), code)
        await town.delivered("xa", status)
        assert _matched(town, status) == [(code, message_id)]


async def test_a_status_that_comes_before_its_document_is_matched_later(town: Any) -> None:
    """By number and date, which is all that some systems tell."""
    _, status = await _report(town, ResponseFor(SENDER, "4711/CV-M", "", "2026/11/23"), "01")
    await town.delivered("xa", status)
    assert _matched(town, status) == []

    content = town.document(SENDER, [MINISTRY], number="4711")
    message_id = await town.send("xa", content, SENDER)

    assert _matched(town, status) == [("01", message_id)]


async def test_a_repeated_status_is_one_status(town: Any) -> None:
    """The same answer, and the sender of the document sees it once."""
    content = town.document(SENDER, [MINISTRY], document_id="D-repeat")
    await town.send("xa", content, SENDER)
    await town.delivered("tw", content)
    first, status = await _report(town, ResponseFor(SENDER, "", "D-repeat", "2026/11/23"), "01")
    await town.delivered("xa", status)

    again = await town.send("tw", status, MINISTRY, kind=MessageType.STATUS)

    assert again == first
    assert len(town.inbox("xa", status)) == 1
