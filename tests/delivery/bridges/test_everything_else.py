"""A bridge in an uplink's place: whatever is not in this node's branch goes over it and comes over it."""

from __future__ import annotations

from typing import Any

import pytest

from relay.errors import RelayError
from relay.model import MessageType

pytestmark = pytest.mark.parametrize("crossing", ["everything_else = true"], indirect=True)
H01, STRANGE = "000.00.00.H01", "H63"
"""An agency here; one that no directory here lists."""


async def test_a_document_for_a_code_nobody_here_knows_goes_there_and_is_followed(
    crossing: Any,
) -> None:
    """To the byte, addressed as the sender wrote it; beside one that is listed, in one package."""
    await crossing.start()
    document = crossing.document(to=(STRANGE, "000.00.00.G22"))
    message_id = await crossing.dms.send(document, sender=H01)
    await crossing.until_state(message_id, "relayed", STRANGE)
    (taken,) = crossing.remote.taken
    assert (taken.content, taken.to) == (document, [STRANGE, "000.00.00.G22"])
    taken.words[STRANGE] = ("done", "done")
    await crossing.until_state(message_id, "handed-over", STRANGE)
    await crossing.until_state(message_id, "relayed")
    rows = {row.toCode: row.sendStatus for row in await crossing.dms.sent_list()}
    assert rows == {STRANGE: "done", "000.00.00.G22": "processing"}


async def test_what_a_code_nobody_here_knows_sends_comes_in_and_is_answered(crossing: Any) -> None:
    """A document, the status that answers it on its way back, and the other side's word on ours."""
    await crossing.start()
    document = crossing.document(STRANGE, (H01,))
    package = crossing.remote.offer(document, STRANGE, H01)
    (row,) = await crossing.until_listed(1)
    assert await crossing.dms.get(row.docId) == document

    async def told() -> None:
        assert package.told == ["processing", "done"]

    await crossing.until(told)
    answer = crossing.status(H01, STRANGE, f"{STRANGE},1")
    sent = await crossing.dms.send(answer, sender=H01, message_type=MessageType.STATUS)
    await crossing.until_state(sent, "relayed", STRANGE)
    assert [(one.kind, one.content, one.to) for one in crossing.remote.taken] == [
        ("status", answer, [STRANGE])
    ]


async def test_a_code_of_this_nodes_own_branch_never_goes_over_it(crossing: Any) -> None:
    """Unknown here is unknown, whatever lies beyond."""
    await crossing.start()
    with pytest.raises(RelayError, match=r"code 18: .*H01\.99"):
        await crossing.dms.send(crossing.document(to=("H01.99",)), sender=H01)
    assert crossing.asked("sendEdoc") == 0


async def test_nobody_beyond_speaks_for_this_nodes_own_branch(crossing: Any) -> None:
    """What comes from there as if from an agency here, listed or not, is refused, and said so."""
    await crossing.start()
    for sender in (H01, "H01.99"):
        package = crossing.remote.offer(crossing.document(sender, (H01,)), sender, H01)

        async def told(package: Any = package) -> None:
            assert package.told == ["fail"]

        await crossing.until(told)
    assert await crossing.listed() == []
