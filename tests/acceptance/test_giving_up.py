"""When time runs out: a signed answer all the same, and the truth when it comes later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from relay.model import DeliveryState, Event, Reason

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
SENDER, RECIPIENT = "H01.15.02", "H01"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(found_town: Callable[..., Any]) -> AsyncIterator[Any]:
    async with found_town(["tinh", "xa"], extra="expiry_normal = 4\n") as town:
        yield town


def _verdicts(town: Any, message_id: str) -> set[Reason | None]:
    return {
        evidence.reason
        for receipt in town.receipts("xa", message_id)
        for evidence in receipt.evidence
        if evidence.event is Event.RELAY_FAILURE
    }


async def test_an_unreachable_neighbour_ends_in_a_signed_failure(town: Any) -> None:
    """What was never sent is expired; what was sent without an answer is of unknown outcome, until
    the recipient's own receipt says that it arrived."""
    doubtful = town.document(SENDER, [RECIPIENT])
    town.down.add("tinh")
    town.arm("tinh", "take_in:committed")
    in_doubt = await town.send("xa", doubtful, SENDER)
    await town.settled("xa", in_doubt, DeliveryState.IN_DOUBT)
    never_sent = await town.send("xa", town.document(SENDER, [RECIPIENT]), SENDER)

    await asyncio.gather(
        town.settled("xa", in_doubt, DeliveryState.EXPIRED),
        town.settled("xa", never_sent, DeliveryState.EXPIRED),
    )
    assert _verdicts(town, in_doubt) == {Reason.OUTCOME_UNKNOWN}
    assert _verdicts(town, never_sent) == {Reason.EXPIRED}

    await town.up("tinh")
    (delivered,) = await town.delivered("tinh", doubtful)
    await town.acknowledge("tinh", delivered["delivery_id"])

    (row,) = await town.settled("xa", in_doubt, DeliveryState.HANDED_OVER)
    assert (row["reason"], row["failed_at_node"]) == (None, None)
    (row,) = town.deliveries("xa", never_sent)
    assert (row["state"], row["reason"], row["failed_at_node"]) == ("expired", "expired", "xa")
    town.logs_hold()
