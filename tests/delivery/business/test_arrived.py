"""Status 01 by the node, for agencies whose systems cannot say it, and only for those."""

from __future__ import annotations

from typing import Any

import pytest

from relay.delivery.arrived import ArrivalDesk
from relay.delivery.ports import Acknowledgement, Caller
from relay.delivery.saying import Speaker
from relay.journal.business import Arrivals
from relay.model import AgencyCode, NodeId

SENDER, RECIPIENT = "H01.16", "H01"


def _desk(row: Any, *agencies: str) -> ArrivalDesk:
    post = row.tinh
    return ArrivalDesk(
        {AgencyCode(code): AgencyCode(code) for code in agencies},
        Arrivals(post.journal),
        Speaker(NodeId("tinh"), post.intake, post.journal, post.clock),
    )


async def _acknowledged(row: Any) -> tuple[str, Any]:
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    (item,) = [i for i in await row.tinh.listed() if i.message_id == document]
    caller = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))
    await row.tinh.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.DONE)
    return name, document


async def test_an_acknowledged_document_is_told_of_once_and_in_the_nodes_own_words(
    row: Any,
) -> None:
    """Marked as not the recipient's, and once although the process died before it noted so."""
    desk = _desk(row, RECIPIENT)
    await desk.book.speak_for(frozenset(desk.agencies))
    _, document = await _acknowledged(row)
    (waiting,) = await desk.book.waiting(10)
    assert await desk.sweep() == 1
    await row.tinh.journal.perform(lambda tx: tx.run("INSERT INTO arrived VALUES (?)", waiting.row))
    await row.tinh.journal.perform(lambda tx: tx.run("DELETE FROM business"))
    assert await desk.sweep() == 1
    await row.settle_down()

    view = await row.thon.journal.message(document)
    (status,) = view.deliveries[0].statuses
    assert (status.status_code, status.sender) == ("01", RECIPIENT)
    assert status.description.startswith("[Trục liên thông tự động thông báo, không phải của")
    assert await row.thon.business(document) == "arrived"


@pytest.mark.parametrize("agencies", [(), ("H01.9",)])
async def test_nobody_is_spoken_for_unasked(row: Any, agencies: tuple[str, ...]) -> None:
    """Nothing is even kept for agencies that are not in the configuration."""
    desk = _desk(row, *agencies)
    await desk.book.speak_for(frozenset(desk.agencies))
    _, document = await _acknowledged(row)

    assert await desk.sweep() == 0
    assert await row.tinh.business(document) == "none"


async def test_a_system_that_speaks_for_itself_is_not_spoken_for(row: Any) -> None:
    """Its own 03 came before the node looked."""
    desk = _desk(row, RECIPIENT)
    await desk.book.speak_for(frozenset(desk.agencies))
    name, document = await _acknowledged(row)
    await row.tinh.submit(RECIPIENT, row.status("03", name))

    assert await desk.sweep() == 1
    view = await row.tinh.journal.message(document)
    assert [s.status_code for s in view.deliveries[0].statuses] == ["03"]
