"""A recipient's system that takes a document and fails without end."""

from __future__ import annotations

from typing import Any

from relay.delivery.ports import Acknowledgement, Caller
from relay.model import AgencyCode

SENDER, RECIPIENT = "H01.16", "H01"
DMS = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))


async def _fails(row: Any, delivery: Any, reason: str) -> None:
    for word in (Acknowledgement.PROCESSING, Acknowledgement.FAIL):
        await row.tinh.inbox.acknowledge(DMS, delivery, word, reason)


async def _told(post: Any) -> int:
    return sum("ContentHandoverFailure" in str(one.get("type")) for one in await post.events())


async def test_its_sender_is_told_of_each_reason_and_not_of_each_attempt(row: Any) -> None:
    """Each receipt is signed, kept and carried over all nodes: a loop makes one, ten reasons five."""
    document = (await row.thon.submit(SENDER, row.letter())).message_id
    await row.settle_down()
    (item,) = await row.tinh.listed()
    for _ in range(20):
        await _fails(row, item.delivery_id, "")
    await row.settle_down()
    assert [await _told(post) for post in (row.tinh, row.thon)] == [1, 1]
    for number in range(10):
        await _fails(row, item.delivery_id, f"lý do {number}")
    await row.settle_down()
    assert [await _told(post) for post in (row.tinh, row.thon)] == [5, 5]
    (again,) = await row.tinh.listed()
    assert again.put_back_because == "lý do 9"
    await row.tinh.inbox.acknowledge(DMS, item.delivery_id, Acknowledgement.DONE)
    await row.settle_down()
    assert await row.thon.state(document) == "handed-over"
