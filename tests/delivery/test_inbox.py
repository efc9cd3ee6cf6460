"""The recipient's side over a real journal: what is gone is said to be gone, and counts as nothing."""

from __future__ import annotations

from typing import Any

import pytest

from relay.delivery.inbox import InboxDesk
from relay.delivery.ports import Caller, InboxQuery, Submission
from relay.envelope.reader import read
from relay.errors import GoneError, LostPayloadError
from relay.journal.payloads import INLINE_BYTES
from relay.model import AgencyCode, NodeId, Priority


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


async def test_what_the_disk_has_lost_is_not_fetched(world: Any) -> None:
    """Or a take-back would be answered as if the recipient had it."""
    content = world.document(("H01.18",), Priority.NORMAL, "H01.15")
    content += b"<!--" + b"." * INLINE_BYTES + b"-->"
    upload = world.journal.begin(1 << 20)
    upload.write(content)
    payload = await upload.finish()
    sender = Caller("system:test", frozenset({AgencyCode("H01.15")}))
    await world.intake.submit(Submission(sender, read(content), payload, "H01.15", ("H01.18",)))
    payload.path.unlink()
    desk = InboxDesk(NodeId("xa"), world.journal, world.keys["xa"], world.clock, lambda _: None)
    caller = Caller("system:tram-y-te", frozenset({AgencyCode("H01.18")}))
    (item,) = await desk.list(caller, InboxQuery())

    with pytest.raises(LostPayloadError):
        await desk.fetch(caller, item.delivery_id)

    assert await desk.list(caller, InboxQuery()) == [item]
    payload.path.write_bytes(content)
    assert (await desk.fetch(caller, item.delivery_id)).payload.digest == payload.digest
