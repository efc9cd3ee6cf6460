"""Statuses over real journals: in any order and number, before and after their document, at every node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.envelope.reader import read
from relay.model import delivery_id_of

SENDER, RECIPIENT = "H01.16", "H01"
WORK = st.sampled_from(
    (
        ("01", "02"),
        ("01", "03", "06"),
        ("01", "03", "04", "05", "06"),
        ("01", "03", "05", "05"),
        ("03", "05"),
    )
)
TALK = st.sampled_from(((), ("13",), ("13", "15"), ("13", "16"), ("13", "16", "13", "15")))
STATES = {"02": "refused", "06": "completed", "05": "in-progress"}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(work=WORK, talk=TALK, data=st.data())
def test_any_order_and_duplication_of_a_legal_history_ends_alike_at_every_node(
    rows: Any, work: tuple[str, ...], talk: tuple[str, ...], data: st.DataObject
) -> None:
    """The document itself may come in between or last; it was fetched before anything was asked."""

    async def play() -> None:
        async with rows.open() as row:
            name = row.name()
            document = (await row.thon.submit(SENDER, row.letter(name))).message_id
            asked = [
                row.take_back(name) if code == "13" else row.status(code, name) for code in talk
            ]
            said = [row.status(code, name) for code in work] + asked
            order = data.draw(st.permutations(said * 2))
            await row.settle_down()
            assert await row.tinh.fetch(document)
            for content in order:
                ours = read(content).sender.organ_id == SENDER
                post, sender = (row.thon, SENDER) if ours else (row.tinh, RECIPIENT)
                await post.submit(sender, content)
                if data.draw(st.booleans()):
                    await row.settle_down()
            await row.settle_down()
            asks = talk.count("13")
            ends = {"15": "agreed", "16": "declined", "13": "destruction-asked"}
            for post in row.posts:
                assert await post.business(document) == STATES[work[-1]]
                found = [one.state for one in await post.asked(document)]
                assert len(found) == asks
                if talk:
                    assert sorted(found) == sorted(["declined"] * (asks - 1) + [ends[talk[-1]]])

    asyncio.run(play())


async def test_a_status_that_overtakes_its_document_is_kept_and_matched(row: Any) -> None:
    """By the name of the delivery, by DocumentId, by number and date: whatever the system writes."""
    for way in ("delivery", "id", "number"):
        name = row.name()
        letter = row.letter(name)
        document = (await row.thon.submit(SENDER, letter)).message_id
        named = {
            "delivery": delivery_id_of("thon", document, RECIPIENT),  # type: ignore[arg-type]
            "id": name,
            "number": "",
        }[way]
        number = read(letter).notation if way == "number" else ""
        await row.tinh.submit(RECIPIENT, row.status("03", named, number=number))
        await row.settle_down()
        for post in row.posts:
            assert await post.business(document) == "accepted", (way, post.node)


async def test_transport_and_business_never_mix(row: Any) -> None:
    """A completed document that its system never fetched here stays available; a fetched one says nothing."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    assert await row.tinh.business(document) == "none"
    await row.tinh.submit(RECIPIENT, row.status("06", name))
    await row.settle_down()

    for post in row.posts:
        assert await post.business(document) == "completed"
        assert await post.state(document) == "available"
    (item,) = [i for i in await row.tinh.listed() if i.message_id == document]
    assert (item.state.value, item.business.value) == ("available", "completed")


async def test_only_the_recipient_itself_speaks_of_its_document(row: Any) -> None:
    """Another agency, or the sender in the recipient's words, changes nothing."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=(RECIPIENT, "H01.9")))).message_id
    await row.settle_down()
    await row.thon.submit(SENDER, row.status("06", name, sender=SENDER, to=RECIPIENT))
    await row.tinh.submit("H01.9", row.status("02", name, sender="H01.9"))
    await row.settle_down()

    for post in row.posts:
        assert await post.business(document) == "none"
        assert await post.business(document, "H01.9") == "refused"


@pytest.mark.parametrize("code", ["99", "1", "x"])
async def test_a_code_the_table_does_not_have_is_carried_and_changes_nothing(
    row: Any, code: str
) -> None:
    """Kept with the document; "1" is 01."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    content = row.status("01", name).replace(b"StatusCode>01<", f"StatusCode>{code}<".encode())
    await row.tinh.submit(RECIPIENT, content)
    await row.settle_down()

    assert await row.thon.business(document) == ("arrived" if code == "1" else "none")
    view = await row.thon.journal.message(document)
    assert [s.status_code for s in view.deliveries[0].statuses] == [code]
