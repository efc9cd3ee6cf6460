"""Bridges and documents' business: what is taken back over one, or before it went over one."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import aiohttp
import pytest

from relay.delivery.bridges import answering
from relay.delivery.ports import Acknowledgement
from relay.envelope.reader import read
from relay.errors import RelayError
from relay.model import MessageType

G22, H01 = "000.00.00.G22", "000.00.00.H01"


def _rest(crossing: Any) -> None:
    """The REST variant, switched on for the system."""
    config = crossing.running.config
    text = config.read_text(encoding="utf-8")
    line = f'systemid = "{crossing.running.systemid}"\n'
    config.write_text(text.replace(line, f"{line}rest = true\n"), encoding="utf-8")


async def _by_rest(crossing: Any, call: str, **query: str) -> dict[str, Any]:
    running = crossing.running
    headers = {"X-SystemId": running.systemid, "X-SecretKey": running.secret}
    url = f"{running.axis_url}/lgsp/v1/{call}"
    async with crossing.session.get(url, params=query, headers=headers) as response:
        return dict(await response.json(content_type=None))


async def _obligations(crossing: Any) -> list[dict[str, Any]]:
    connector = aiohttp.UnixConnector(path=str(crossing.running.control))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://node/v1/obligations") as response,
    ):
        return list(json.loads(await response.read())["obligations"])


async def _until_obliged(crossing: Any, state: str) -> None:
    async def look() -> None:
        assert [one["state"] for one in await _obligations(crossing)] == [state]

    await crossing.until(look)


async def test_a_take_back_over_a_bridge_takes_its_document_out_of_every_list(
    crossing: Any,
) -> None:
    """The dialect's list, the REST variant's and the counts; whoever still asks is told what happened."""
    _rest(crossing)
    document = crossing.document(G22, (H01,))
    crossing.remote.offer(document, G22, H01)
    await crossing.start()
    (row,) = await crossing.until_listed(1)
    taken_back = crossing.status(G22, G22, f"{G22},1", "13")
    crossing.remote.offer(taken_back, G22, H01, kind="status")
    await _until_obliged(crossing, "taken-back")
    for kind in MessageType:
        assert await crossing.dms.received_list(kind) == []
        assert (await _by_rest(crossing, "syncReceivedEdocList", messageType=kind.value))[
            "data"
        ] == []
    assert (await crossing.dms.count_documents(), await crossing.dms.count_statuses()) == (0, 0)
    told = await _by_rest(crossing, "getEdoc", docId=row.docId)
    assert (told["status"], told["ErrorCode"]) == ("FAIL", "21")
    assert "took this document back" in told["ErrorDesc"]
    with pytest.raises(RelayError, match="took this document back"):
        await crossing.dms.get(row.docId)
    with pytest.raises(RelayError, match="took this document back"):
        await crossing.dms.update_status(row.docId, Acknowledgement.DONE)


async def test_a_take_back_over_a_bridge_asks_for_destruction_of_what_was_fetched(
    crossing: Any,
) -> None:
    """Put back by `fail` or not: its bytes were given out, so the request is offered."""
    document = crossing.document(G22, (H01,))
    crossing.remote.offer(document, G22, H01)
    await crossing.start()
    (row,) = await crossing.until_listed(1)
    await crossing.dms.get(row.docId)
    await crossing.dms.update_status(row.docId, Acknowledgement.FAIL)
    crossing.remote.offer(crossing.status(G22, G22, f"{G22},1", "13"), G22, H01, kind="status")
    await _until_obliged(crossing, "destruction-asked")
    await crossing.until_listed(1, MessageType.STATUS)
    await crossing.until_listed(1)


async def test_what_is_taken_back_before_it_went_over_a_bridge_never_goes(crossing: Any) -> None:
    """Nobody can have it: document and 13 both end here, and the 13 is no failure in the list of what
    was sent."""
    config = crossing.running.config
    text = config.read_text(encoding="utf-8")
    slow = text.replace("retry_first = 0.05", "retry_first = 300").replace(
        "_cap = 0.2", "_cap = 300"
    )
    config.write_text(slow, encoding="utf-8")
    await crossing.start()
    crossing.remote.faults["sendEdoc"] = ["fail:20"]
    first = await crossing.dms.send(crossing.document(), sender=H01)  # holds the bridge's back-off

    async def fails() -> None:
        assert (await crossing.delivery(first))["last_error"]

    await crossing.until(fails)
    document = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.dms.send(
        crossing.status(H01, G22, f"{H01},2", "13"), sender=H01, message_type=MessageType.STATUS
    )
    await crossing.until_state(document, "taken-back")
    await _until_obliged(crossing, "taken-back")
    rows = await crossing.dms.sent_list(MessageType.STATUS)
    assert [row.sendStatus for row in rows] == ["done"]
    rows = {row.senderDocId: row for row in await crossing.dms.sent_list()}
    assert rows[document].sendStatus == "fail"
    assert crossing.remote.taken == []
    assert crossing.asked("sendEdoc") == 1


async def test_a_take_back_follows_its_document_over_a_bridge(crossing: Any) -> None:
    """The remote gets the 13; what it does with it is not known here until an answer comes back."""
    await crossing.start()
    document = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(document, "relayed")
    taken_back = crossing.status(H01, G22, f"{H01},1", "13")
    sent = await crossing.dms.send(taken_back, sender=H01, message_type=MessageType.STATUS)
    await crossing.until_state(sent, "relayed")
    assert [one.content for one in crossing.remote.taken][-1] == taken_back
    await _until_obliged(crossing, "requested")
    answer = crossing.status(G22, H01, f"{H01},1", "15")
    crossing.remote.offer(answer, G22, H01, kind="status")
    await _until_obliged(crossing, "agreed")


@pytest.mark.parametrize("crossing", ["page = 2"], indirect=True)
async def test_a_take_back_that_is_listed_before_its_document_waits_for_it(crossing: Any) -> None:
    """Its document is on the second page of documents; the 13 alone on the first of statuses."""
    crossing.remote.pages = True
    for _ in range(3):
        crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    about = crossing.status(G22, G22, f"{G22},3", "13").replace(b"1/VP-TH", b"3/VP-TH")
    crossing.remote.offer(about, G22, H01, kind="status")
    await crossing.start()
    await _until_obliged(crossing, "taken-back")
    rows = await crossing.until_listed(2)
    assert {row.docId for row in rows} == {row.docId for row in await crossing.listed()}
    assert await crossing.dms.received_list(MessageType.STATUS) == []


async def test_a_take_back_of_a_document_that_never_comes_is_taken_in_all_the_same(
    crossing: Any,
) -> None:
    """Nothing else is listed: it is kept for its document, and offered."""
    crossing.remote.offer(crossing.status(G22, G22, f"{G22},1", "13"), G22, H01, kind="status")
    await crossing.start()
    await crossing.until_listed(1, MessageType.STATUS)
    await _until_obliged(crossing, "requested")


async def test_who_is_beyond_is_told_that_its_take_back_succeeded(
    crossing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a status 15 about its document, marked as the node's, once."""
    monkeypatch.setattr(answering, "LOOK_SECONDS", 0.1)
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    await crossing.start()
    await crossing.until_listed(1)
    taken_back = crossing.status(G22, G22, f"{G22},1", "13")
    crossing.remote.offer(taken_back, G22, H01, kind="status")

    async def told() -> Any:
        assert len(crossing.remote.taken) == 1
        return crossing.remote.taken[0]

    one = await crossing.until(told)
    said = read(one.content)
    assert said.status is not None
    assert (one.kind, one.sender, one.to) == ("status", "H01", [G22])
    assert said.status.status_code == "15"
    assert said.status.description.startswith("[Trục liên thông tự động thông báo")
    assert "taken back before the recipient had it" in said.status.description
    assert said.response_for[0].document_id == f"{G22},1"
    await _until_obliged(crossing, "taken-back")
    await crossing.restart()
    await crossing.stop()
    assert len(crossing.remote.taken) == 1


@pytest.mark.parametrize("crossing", ["answers_take_backs = false"], indirect=True)
async def test_nobody_is_told_where_the_bridge_is_set_not_to(
    crossing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The take-back itself is decided all the same."""
    monkeypatch.setattr(answering, "LOOK_SECONDS", 0.1)
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    await crossing.start()
    await crossing.until_listed(1)
    crossing.remote.offer(crossing.status(G22, G22, f"{G22},1", "13"), G22, H01, kind="status")
    await _until_obliged(crossing, "taken-back")

    async def looked_at() -> None:
        with sqlite3.connect(crossing.running.folder / "data" / "journal.sqlite") as journal:
            assert journal.execute("SELECT count(*) FROM answers_due").fetchone() == (0,)

    await crossing.until(looked_at)
    assert crossing.remote.taken == []
