"""One package that a remote cannot give, or will not hear of, holds up nothing else of that bridge."""

from __future__ import annotations

from typing import Any

import pytest

from relay.model import MessageType

G22, H01 = "000.00.00.G22", "000.00.00.H01"
OTHERS = 12
"""More than are fetched at once."""


@pytest.mark.parametrize("fault", ["html", "lost"])
async def test_a_package_that_never_comes_whole_holds_up_nothing_else(
    crossing: Any, fault: str
) -> None:
    """Not the documents listed behind it, no status, nothing that goes out; and it comes once it can."""
    bad = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    for call in ("downloadEdoc", "getEdoc"):
        crossing.remote.spoilt[(call, bad.doc_id)] = fault
    for _ in range(OTHERS):
        crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.offer(crossing.status(G22, H01, f"{H01},1"), G22, H01, kind="status")
    await crossing.start()
    await crossing.until_listed(OTHERS)
    await crossing.until_listed(1, MessageType.STATUS)
    message_id = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(message_id, "relayed")
    assert bad.told == []
    crossing.remote.spoilt.clear()
    await crossing.until_listed(OTHERS + 1)


@pytest.mark.parametrize("fault", ["html", "empty", "fail:20"])
async def test_an_acknowledgement_that_never_gets_through_holds_up_nothing_else(
    crossing: Any, fault: str
) -> None:
    """It is repeated until it does."""
    bad = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.spoilt[("updateStatus", bad.doc_id)] = fault
    await crossing.start()
    await crossing.until_listed(1)
    later = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    await crossing.until_listed(2)

    async def told(package: Any) -> None:
        assert package.told == ["processing", "done"]

    await crossing.until(lambda: told(later))
    assert bad.told == []
    crossing.remote.spoilt.clear()
    await crossing.until(lambda: told(bad))


@pytest.mark.parametrize("fault", ["html", "fail:21"])
async def test_a_package_that_is_not_shown_any_more_hides_no_other(
    crossing: Any, fault: str
) -> None:
    """What became of the other is heard, though the first is asked for before it."""
    await crossing.start()
    for _ in range(2):
        message_id = await crossing.dms.send(crossing.document(), sender=H01)
        await crossing.until_state(message_id, "relayed")
    older, newer = crossing.remote.taken
    crossing.remote.spoilt[("getSentEdocList", newer.doc_id)] = fault
    older.words[G22] = ("done", "done")

    async def heard() -> None:
        rows = await crossing.dms.sent_list()
        assert sorted(row.receiveStatus for row in rows) == ["done", "initial"]

    await crossing.until(heard)


NO_HEADER = ["Tài liệu 1", "a\x00b", "\ud800"]
"""DocIds that a header cannot carry, nor the journal keep, as they are."""


@pytest.mark.parametrize("doc_id", NO_HEADER, ids=["unicode", "nul", "surrogate"])
async def test_a_listed_docid_that_no_header_carries_stops_no_node(
    crossing: Any, doc_id: str
) -> None:
    """It cannot be asked for; what is listed beside it comes in."""
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01).doc_id = doc_id
    good = crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    await crossing.start()

    async def told() -> None:
        assert good.told == ["processing", "done"]

    await crossing.until(told)
    await crossing.until_listed(1)


@pytest.mark.parametrize("doc_id", NO_HEADER, ids=["unicode", "nul", "surrogate"])
async def test_an_answered_docid_that_no_header_carries_stops_no_node(
    crossing: Any, doc_id: str
) -> None:
    """The remote took the package and said so; it is not sent again, and others are followed."""
    take = crossing.remote._take

    def taking(*package: Any) -> str:
        take(*package)
        if len(crossing.remote.taken) == 1:
            crossing.remote.taken[0].doc_id = doc_id
        return str(crossing.remote.taken[-1].doc_id)

    crossing.remote._take = taking
    await crossing.start()
    for _ in range(2):
        message_id = await crossing.dms.send(crossing.document(), sender=H01)
        await crossing.until_state(message_id, "relayed")
    crossing.remote.taken[1].words[G22] = ("done", "done")
    await crossing.until_state(message_id, "handed-over")
    assert len(crossing.remote.taken) == 2


async def test_a_message_type_in_other_letters_hides_no_document(crossing: Any) -> None:
    """`EDOC` for what was asked for as `edoc`: in the list, and where a lost answer is looked for."""
    crossing.remote.says_kind = str.upper
    crossing.remote.offer(crossing.document(G22, (H01,)), G22, H01)
    crossing.remote.faults["sendEdoc"] = ["lost"]
    await crossing.start()
    await crossing.until_listed(1)
    message_id = await crossing.dms.send(crossing.document(), sender=H01)
    await crossing.until_state(message_id, "relayed")
    assert len(crossing.remote.taken) == 1
