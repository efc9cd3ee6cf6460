"""A code closes between a document and what is said of it: both are about one agency all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.delivery.directory.succession import kin_of
from relay.delivery.ports import Acknowledgement, Caller, InboxQuery
from relay.model import AgencyCode
from relay.routing.directory import Directory
from relay.routing.next_hop import Place

SENDER, OLD, HEIR = "H01.16", AgencyCode("H01.9"), AgencyCode("H01")


class Closing:
    """The directory of all three nodes, in which H01.9 closes in favour of H01 when told to."""

    def __init__(self, row: Any, directory: Directory) -> None:
        self.row, self.directory = row, directory

    def close(self) -> None:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        listed = [agency for agency, _ in self.directory.walk()]
        changed = [
            replace(one, valid_to=yesterday, successors=(HEIR,)) if one.code == OLD else one
            for one in listed
        ]
        self.directory.become(Directory(self.directory.nodes.values(), changed).book)


@pytest.fixture
async def closing(rows: Any) -> AsyncIterator[Closing]:
    """Every node lets documents go on to successors."""
    shared = rows.keys["directory"]
    own = Directory(shared.nodes.values(), [agency for agency, _ in shared.walk()])
    rows.keys = {**rows.keys, "directory": own}
    async with rows.open() as row:
        for post in row.posts:
            for name in ("intake", "transfers"):
                desk = getattr(post, name)
                setattr(post, name, replace(desk, place=replace(desk.place, forwards=True)))
        yield Closing(row, own)


async def _stands(post: Any, document: Any) -> list[str]:
    return [o.state.value for o in await post.asked(document)]


def _take_back(row: Any, name: str, to: str = OLD) -> bytes:
    return bytes(row.status("13", name, sender=SENDER, to=to))


@pytest.mark.parametrize("named", [OLD, HEIR])
async def test_a_take_back_after_its_documents_code_closed_takes_it_back(
    closing: Closing, named: str
) -> None:
    """Written to the closed code, which goes to its successor, or to the successor itself."""
    row = closing.row
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=(OLD,)))).message_id
    await row.settle_down()
    assert await row.tinh.state(document, OLD) == "available"
    closing.close()
    asks = (await row.thon.submit(SENDER, _take_back(row, name, named))).message_id
    await row.settle_down()

    for post in row.posts:
        assert await _stands(post, document) == ["taken-back"]
    assert await row.tinh.state(asks, HEIR) == "taken-back"
    assert await row.tinh.listed(OLD) == await row.tinh.listed(HEIR) == []


async def test_a_take_back_that_overtakes_a_document_for_the_closed_code_is_joined_with_it(
    closing: Closing,
) -> None:
    """On its way the document keeps the code under which every node knows it."""
    row = closing.row
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=(OLD,)))).message_id
    await row.carry(row.thon, row.xa, document)
    assert await row.freeze(row.xa, row.tinh, document)
    closing.close()
    asks = (await row.thon.submit(SENDER, _take_back(row, name))).message_id
    await row.carry(row.thon, row.xa, asks)
    await row.carry(row.xa, row.tinh, asks)
    assert await row.tinh.state(asks, HEIR) == "available"
    await row.arrive(row.xa, row.tinh, document)
    await row.settle_down()

    for post in row.posts:
        assert await _stands(post, document) == ["taken-back"]
    assert await row.tinh.listed(HEIR) == []


async def test_a_successor_speaks_of_what_came_for_the_closed_code(closing: Closing) -> None:
    """Its statuses move the document's business state, its 15 answers what was asked."""
    row = closing.row
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=(OLD,)))).message_id
    await row.settle_down()
    assert await row.tinh.fetch(document, OLD)
    closing.close()
    await row.tinh.submit(HEIR, row.status("03", name, sender=HEIR))
    await row.thon.submit(SENDER, _take_back(row, name))
    await row.settle_down()
    for post in row.posts:
        assert await post.business(document, OLD) == "accepted"
        assert await _stands(post, document) == ["destruction-asked"]
    await row.tinh.submit(HEIR, row.status("15", name, sender=HEIR))
    await row.settle_down()
    for post in row.posts:
        assert await _stands(post, document) == ["agreed"]


async def test_who_inherits_what_it_was_sent_itself_has_it_once(closing: Closing) -> None:
    """Both were named while both were open; handed over, it is so for both."""
    row = closing.row
    document = (await row.thon.submit(SENDER, row.letter(to=(OLD, HEIR)))).message_id
    await row.carry(row.thon, row.xa, document)
    assert await row.freeze(row.xa, row.tinh, document)
    closing.close()
    await row.arrive(row.xa, row.tinh, document)
    caller = Caller("system:dms", frozenset({OLD, HEIR}))
    (item,) = await row.tinh.inbox.list(caller, InboxQuery(limit=10))
    await row.tinh.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.DONE)
    await row.settle_down()

    assert [await row.thon.state(document, code) for code in (OLD, HEIR)] == ["handed-over"] * 2


async def test_somebody_who_stands_for_nobody_takes_nothing_back(closing: Closing) -> None:
    """The successor gets the request; that of another sender about the same document changes nothing."""
    row = closing.row
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=(OLD,)))).message_id
    await row.settle_down()
    closing.close()
    await row.tinh.submit(HEIR, row.status("13", name, sender=HEIR, to=OLD), "H01.15")
    await row.settle_down()
    assert await row.tinh.state(document, OLD) == "available"
    assert await _stands(row.tinh, document) == []


def test_codes_are_kin_by_succession_only(closing: Closing) -> None:
    """Both ways, whether or not documents go on to successors; an agency without any, and with one form of its code, has none."""
    place = Place(closing.row.tinh.node, None, frozenset())
    assert kin_of(closing.directory, place, [OLD, HEIR, AgencyCode(SENDER)]) == {}
    closing.close()
    family = frozenset({OLD, HEIR})
    for code in (OLD, HEIR):
        assert kin_of(closing.directory, place, [code]) == dict.fromkeys(family, family)
    assert kin_of(closing.directory, place, [AgencyCode(SENDER)]) == {}
