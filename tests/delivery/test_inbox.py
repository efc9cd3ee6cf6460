"""The recipient's side over a real journal: what is gone is said to be gone, and counts as nothing."""

from __future__ import annotations

from typing import Any

import pytest

from relay.delivery.inbox import InboxDesk
from relay.delivery.ports import Caller, InboxQuery
from relay.errors import GoneError
from relay.model import AgencyCode, NodeId


async def test_fetching_what_left_by_retention_changes_nothing(world: Any) -> None:
    """An error of its own, and no trace of a fetch; the list and the message still show it."""
    accepted = await world.submit("H01.18")
    desk = InboxDesk(NodeId("xa"), world.journal, world.keys["xa"], world.clock, lambda _: None)
    caller = Caller("system:tram-y-te", frozenset({AgencyCode("H01.18")}))
    (item,) = await desk.list(caller, InboxQuery())
    await world.journal.perform(lambda tx: tx.run("DELETE FROM payloads"))

    with pytest.raises(GoneError, match="retention"):
        await desk.fetch(caller, item.delivery_id)

    assert await desk.list(caller, InboxQuery()) == [item]
    view = await world.journal.message(accepted.message_id)
    assert view.digest == item.digest
