"""An agency is one whichever form of its code a document came under and a status names.

The first node knows only its own branch, so that a code goes on in the form in which it was written;
the others know both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from relay.delivery.arrived import ArrivalDesk
from relay.delivery.directory.succession import kin_of
from relay.delivery.ports import Acknowledgement, Caller, InboxQuery, SentQuery
from relay.delivery.saying import Speaker
from relay.envelope.writer import Business, ReceiverChange
from relay.journal.business import Arrivals
from relay.model import AgencyCode, MessageType
from relay.offline import spoken_for
from relay.routing.directory import Directory
from relay.routing.next_hop import Place

SENDER, NEW, OLD = "H01.16", AgencyCode("H01"), AgencyCode("000.00.00.H01")
BOTH = frozenset({NEW, OLD})


@pytest.fixture
async def forms(rows: Any) -> AsyncIterator[Any]:
    shared = rows.keys["directory"]
    listed = [agency for agency, _ in shared.walk()]
    whole = Directory(
        shared.nodes.values(),
        [replace(one, old_code=OLD) if one.code == NEW else one for one in listed],
    )
    own = Directory(shared.nodes.values(), [one for one in listed if one.node == "thon"])
    rows.keys = {**rows.keys, "directory": whole}
    async with rows.open() as row:
        for name in ("intake", "transfers"):
            desk = getattr(row.thon, name)
            place = replace(desk.place, unknown_to_uplink=True)
            setattr(row.thon, name, replace(desk, directory=own, place=place))
        yield row


async def _letter(row: Any, *to: str) -> tuple[str, Any]:
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=to))).message_id
    await row.settle_down()
    return name, document


@pytest.mark.parametrize("written", [NEW, OLD])
async def test_a_status_is_matched_with_what_came_under_the_other_form(
    forms: Any, written: str
) -> None:
    """At each node that knows both; DMSs write themselves in one form, whichever they are written to in."""
    name, document = await _letter(forms, written)
    for code in ("01", "03"):
        await forms.tinh.submit(NEW, forms.status(code, name, sender=NEW))
    await forms.settle_down()

    for post in (forms.tinh, forms.xa):
        assert await post.business(document, written) == "accepted"


async def test_a_node_that_knows_neither_form_goes_by_the_one_above(forms: Any) -> None:
    """Of a status the transfer names its sender in the form of the fuller directory, the status in the other."""
    name, document = await _letter(forms, OLD, "H01.9")
    await forms.tinh.submit(NEW, forms.status("03", name, sender=OLD))
    await forms.settle_down()

    assert await forms.thon.business(document, OLD) == "accepted"
    assert await forms.thon.business(document, "H01.9") == "none"


async def test_a_status_that_names_nobody_else_finds_the_sender_of_what_came_under_the_other_form(
    forms: Any,
) -> None:
    name, _ = await _letter(forms, OLD)
    said = await forms.tinh.submit(NEW, forms.status("03", name, sender=NEW, to=NEW))
    await forms.settle_down()

    assert await forms.thon.state(said.message_id, SENDER) == "available"


async def test_a_take_back_that_names_the_other_form_takes_the_document_back(forms: Any) -> None:
    name, document = await _letter(forms, OLD)
    await forms.thon.submit(SENDER, forms.status("13", name, sender=SENDER, to=NEW), NEW)
    await forms.settle_down()

    assert await forms.tinh.state(document, OLD) == "taken-back"
    assert await forms.tinh.listed(OLD) == []


def test_both_forms_of_a_code_are_kin(forms: Any) -> None:
    """And nobody else: what is one agency is one by the directory's word alone."""
    place = Place(forms.tinh.node, None, frozenset())
    directory = forms.tinh.intake.directory

    assert kin_of(directory, place, [OLD]) == dict.fromkeys(BOTH, BOTH)
    assert kin_of(directory, place, [AgencyCode("H01.9"), AgencyCode("H99")]) == {}


async def test_who_is_removed_under_the_other_form_is_not_asked_to_update(forms: Any) -> None:
    """It is asked to destroy what it has, and nothing else."""
    name, document = await _letter(forms, OLD)
    assert await forms.tinh.fetch(document, OLD)
    update = Business(
        operation=2,
        document_id=name,
        updates_receivers=True,
        receivers=(ReceiverChange(NEW, added=False),),
    )
    await forms.thon.submit(SENDER, forms.letter(business=update, to=(OLD,)))
    await forms.settle_down()

    assert [one.kind.value for one in await forms.tinh.every()] == ["destroy"]


async def _speaks_for(post: Any, agency: AgencyCode) -> ArrivalDesk:
    settings: Any = SimpleNamespace(
        node=SimpleNamespace(id=post.node), business=SimpleNamespace(arrived_status_for=(agency,))
    )
    speaker = Speaker(post.node, post.intake, post.journal, post.clock)
    agencies = spoken_for(settings, post.intake.directory)
    desk = ArrivalDesk(agencies, Arrivals(post.journal), speaker)
    await desk.book.speak_for(frozenset(agencies))
    return desk


@pytest.mark.parametrize("written", [(OLD,), (OLD, NEW)])
async def test_the_node_says_01_for_what_came_under_the_other_form(
    forms: Any, written: tuple[str, ...]
) -> None:
    """Once, in the name of the agency as the directory has it."""
    post = forms.tinh
    desk = await _speaks_for(post, NEW)
    _, document = await _letter(forms, *written)
    (item,) = await post.listed(OLD)
    caller = Caller("system:dms", BOTH)
    await post.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.DONE)
    assert await desk.sweep() == 1
    await forms.settle_down()

    assert await post.business(document, OLD) == "arrived"
    assert [one.sender for one in await forms.thon.listed(SENDER)] == [NEW]


async def test_a_signed_list_in_the_other_form_differs_in_nothing(forms: Any) -> None:
    """Who is named outside the document and in it is one agency; another one is a finding."""
    said = []
    for outside in (OLD, "H01.9"):
        sent = await forms.xa.submit(SENDER, forms.letter(to=(NEW,)), outside)
        view = await forms.xa.journal.message(sent.message_id)
        said.append([one.code for one in view.findings])

    assert said == [[], ["recipients-differ"]]


# ---------------------------------------------------------------- both forms in one document


async def _to_both(row: Any) -> tuple[str, Any, Any]:
    name, document = await _letter(row, OLD, NEW, "H01.9")
    (item,) = await row.tinh.inbox.list(Caller("system:dms", BOTH), InboxQuery(limit=10))
    return name, document, item


async def test_an_agency_named_in_both_forms_gets_the_document_once(forms: Any) -> None:
    """Fetched and acknowledged once, it is so for both, in one receipt; others have their own."""
    _, document, item = await _to_both(forms)
    caller = Caller("system:dms", BOTH)
    assert item.recipient == OLD  # the first that the document names
    assert await forms.tinh.inbox.count(caller, MessageType.DOCUMENT) == 1
    await forms.tinh.inbox.fetch(caller, item.delivery_id)
    assert [await forms.tinh.state(document, code) for code in BOTH] == ["fetched"] * 2
    await forms.tinh.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.DONE)
    await forms.settle_down()

    for post in forms.posts:
        assert [await post.state(document, code) for code in BOTH] == ["handed-over"] * 2
        assert await post.state(document, "H01.9") == "available"
    view = await forms.thon.journal.message(document)
    receipts = [
        one.digest for d in view.deliveries for one in d.receipts if one.event == "ContentHandover"
    ]
    assert len(receipts) == 2
    assert len(set(receipts)) == 1


async def test_what_the_one_system_puts_back_is_put_back_for_both(forms: Any) -> None:
    """And waits once."""
    _, _, item = await _to_both(forms)
    caller = Caller("system:dms", BOTH)
    await forms.tinh.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.FAIL, "lỗi")
    await forms.settle_down()

    sent = await forms.thon.journal.sent(frozenset({AgencyCode(SENDER)}), SentQuery())
    told = {one.recipient: one.acknowledgement.value for one in sent}
    assert told == {OLD: "fail", NEW: "fail", "H01.9": "initial"}
    assert len(await forms.tinh.listed(OLD)) + len(await forms.tinh.listed(NEW)) == 1


@pytest.mark.parametrize("named", ["document", "delivery"])
async def test_a_take_back_takes_it_back_for_both(forms: Any, named: str) -> None:
    """Whichever it names, and by whichever name: the agency has one document, and then none."""
    name, document, item = await _to_both(forms)
    said = name if named == "document" else item.delivery_id
    await forms.thon.submit(SENDER, forms.status("13", said, sender=SENDER, to=NEW), NEW)
    await forms.settle_down()

    for post in (forms.tinh, forms.thon):
        assert [await post.state(document, code) for code in BOTH] == ["taken-back"] * 2
    assert await forms.tinh.listed(OLD) == await forms.tinh.listed(NEW) == []


async def test_what_follows_in_the_other_form_is_not_listed_again(forms: Any) -> None:
    """One of the two was held on its way and comes by itself."""
    name = forms.name()
    document = (await forms.thon.submit(SENDER, forms.letter(name, to=(OLD, NEW)))).message_id
    await forms.carry(forms.thon, forms.xa, document)
    later = "UPDATE deliveries SET state = 'held' WHERE recipient = ?"
    await forms.xa.journal.perform(lambda tx: tx.run(later, NEW))
    await forms.carry(forms.xa, forms.tinh, document)
    go_on = "UPDATE deliveries SET state = 'queued' WHERE recipient = ?"
    await forms.xa.journal.perform(lambda tx: tx.run(go_on, NEW))
    await forms.carry(forms.xa, forms.tinh, document)

    assert [await forms.tinh.state(document, code) for code in BOTH] == ["available"] * 2
    assert len(await forms.tinh.listed(OLD)) + len(await forms.tinh.listed(NEW)) == 1
