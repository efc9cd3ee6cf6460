"""The crash table: a node dies at each row of it, and the document is delivered once all the same.

Three real nodes in a row: a commune sends to a ministry by way of its province. At every point one
node is killed with SIGKILL and started again; the sender repeats whatever got no answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from relay.model import DeliveryState, digest_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SENDER, RECIPIENT = "H01.15.02", "G22"
EVENTS = [
    ("tinh", "RelayAcceptance"),
    ("tw", "ContentConsignment"),
    ("tw", "ContentHandover"),
    ("tw", "RelayAcceptance"),
    ("xa", "SubmissionAcceptance"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tw", "tinh", "xa"]) as town:
        yield town


@pytest.mark.parametrize(
    ("node", "point"),
    [
        # before admit commits; after it, before the answer
        ("xa", "admit:uncommitted"),
        ("xa", "admit:committed"),
        # holding a lease: nothing sent, or not known to be
        ("xa", "freeze:uncommitted"),
        ("xa", "freeze:committed"),
        ("xa", "carry:begin"),
        ("tinh", "freeze:committed"),
        # the neighbour dies with the transfer in its hands
        ("tinh", "take_in:uncommitted"),
        # after the peer committed, before its receipt arrives
        ("tinh", "take_in:committed"),
        ("tw", "take_in:committed"),
        # after the receipt, before settle commits
        ("xa", "carry:answered"),
        ("xa", "settle:uncommitted"),
        ("tinh", "settle:uncommitted"),
        # after settle
        ("xa", "settle:committed"),
        ("tinh", "settle:committed"),
        # receipts on their way back: at whoever hands them back, and at whoever takes them
        ("tinh", "hand_back:begin"),
        ("tinh", "hand_back:answered"),
        ("tinh", "returned:uncommitted"),
        ("xa", "record_receipts:uncommitted"),
        ("xa", "record_receipts:committed"),
        ("tinh", "record_receipts:committed"),
        # the recipient acknowledges
        ("tw", "acknowledge:uncommitted"),
        ("tw", "acknowledge:committed"),
    ],
)
async def test_a_crash_neither_loses_nor_doubles(town: Any, node: str, point: str) -> None:
    """Delivered once, one message at every node, every receipt of the way proven, every log whole;
    and the same submission again gets the same answer."""
    content = town.document(SENDER, [RECIPIENT])
    town.crashed.clear()
    town.arm(node, point)

    message_id = await town.send("xa", content, SENDER)
    (delivered,) = await town.delivered("tw", content)
    await town.acknowledge("tw", delivered["delivery_id"])
    await town.settled("xa", message_id, DeliveryState.HANDED_OVER)
    await town.until(lambda: _all_returned(town))

    assert town.crashed == [node]
    assert len(town.inbox("tw", content)) == 1
    for name in ("xa", "tinh", "tw"):
        assert _count(town, name, content) == 1
    assert town.events("xa", message_id) == EVENTS
    receipt = _first_receipt(town, message_id)
    assert await town.send("xa", content, SENDER) == message_id
    assert _first_receipt(town, message_id) == receipt
    assert len(town.inbox("tw", content)) == 1
    town.logs_hold()


async def _all_returned(town: Any) -> bool:
    waiting = [
        *(town.rows(n, "SELECT 1 FROM returns") for n in ("xa", "tinh", "tw")),
        *(town.rows(n, "SELECT 1 FROM transfers WHERE open = 1") for n in ("xa", "tinh")),
    ]
    return not any(waiting)


def _count(town: Any, name: str, content: bytes) -> int:
    return len(town.rows(name, "SELECT 1 FROM messages WHERE digest = ?", digest_of(content)))


def _first_receipt(town: Any, message_id: str) -> list[str]:
    return [
        row["receipt"]
        for row in town.rows(
            "xa",
            "SELECT a.receipt FROM arrivals a JOIN messages m USING (message_row)"
            " WHERE m.message_id = ? AND a.neighbour IS NULL",
            message_id,
        )
    ]
