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
from relay.delivery.ports import Acknowledgement, Caller
from relay.delivery.saying import Speaker
from relay.envelope.writer import Business, ReceiverChange
from relay.journal.business import Arrivals
from relay.model import AgencyCode
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


async def test_the_node_says_01_for_what_came_under_the_other_form(forms: Any) -> None:
    """Once, in the name of the agency as the directory has it."""
    post = forms.tinh
    settings: Any = SimpleNamespace(
        node=SimpleNamespace(id="tinh"), business=SimpleNamespace(arrived_status_for=(NEW,))
    )
    speaker = Speaker(post.node, post.intake, post.journal, post.clock)
    agencies = spoken_for(settings, post.intake.directory)
    desk = ArrivalDesk(agencies, Arrivals(post.journal), speaker)
    await desk.book.speak_for(frozenset(agencies))
    _, document = await _letter(forms, OLD)
    (item,) = await post.listed(OLD)
    caller = Caller("system:dms", BOTH)
    await post.inbox.acknowledge(caller, item.delivery_id, Acknowledgement.DONE)
    assert await desk.sweep() == 1
    await forms.settle_down()

    assert await post.business(document, OLD) == "arrived"
    assert [one.sender for one in await forms.thon.listed(SENDER)] == [NEW]
