"""Bridges and a directory that changes: successors, closed codes, in both directions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import aiohttp
import pytest

from relay.delivery.ports import Acknowledgement
from relay.demo.native import at_socket
from relay.errors import RelayError
from relay.model import AgencyCode, NodeId, Tier
from relay.node.bridging import known_forms
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.routing.next_hop import Place

CLOSED = [
    {
        "code": "G09", "name": "Bộ cũ", "tier": "central", "node": "tinh",
        "valid_to": "2025-03-01", "successors": ["G22"],
    },
    {
        "code": "H01.15", "name": "Huyện cũ", "tier": "district", "node": "tinh",
        "valid_to": "2025-07-01", "successors": ["H01"],
    },
]  # fmt: skip


async def _begin(crossing: Any, closed_codes: str) -> None:
    config = crossing.running.config
    text = config.read_text(encoding="utf-8")
    line = f'[directory]\nclosed_codes = "{closed_codes}"\n'
    config.write_text(text.replace("[directory]\n", line), encoding="utf-8")
    await crossing.start()
    connector = aiohttp.UnixConnector(path=str(crossing.running.control))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(
            "http://node/v1/directory/import?why=a%20decree",
            data=json.dumps({"agencies": CLOSED, "nodes": []}),
            headers={"Content-Type": "application/json"},
        ) as response,
    ):
        assert response.status == 200, await response.text()


async def test_a_document_for_a_closed_code_goes_over_the_bridge_to_its_successor(
    crossing: Any,
) -> None:
    """The remote is told the successor's code, and its word about that one moves the delivery."""
    await _begin(crossing, "forward")
    document = crossing.document(to=("G09",))
    message_id = await crossing.dms.send(document, sender="000.00.00.H01")
    await crossing.until_state(message_id, "relayed")
    (taken,) = crossing.remote.taken
    assert (taken.content, taken.to) == (document, ["G22"])
    taken.words["G22"] = ("done", "done")
    await crossing.until_state(message_id, "handed-over")


async def test_by_default_a_closed_code_behind_a_bridge_is_refused_with_its_successor(
    crossing: Any,
) -> None:
    """The remote is not asked."""
    await _begin(crossing, "refuse")
    with pytest.raises(RelayError, match="successor G22"):
        await crossing.dms.send(crossing.document(to=("G09",)), sender="000.00.00.H01")
    assert crossing.asked("sendEdoc") == 0


async def test_what_comes_in_for_a_closed_code_goes_to_its_successor(crossing: Any) -> None:
    """As a delivery of its own, with a finding that names both; the remote hears that it was taken."""
    await _begin(crossing, "forward")
    document = crossing.document("000.00.00.G22", ("H01.15",))
    package = crossing.remote.offer(document, "000.00.00.G22", "H01.15")
    (row,) = await crossing.until_listed(1)
    assert await crossing.dms.get(row.docId) == document
    async with at_socket(crossing.running.control) as operator:
        (item,) = await operator.every_delivery()
        message = await operator.message(item["message_id"])
    assert [one["recipient"] for one in message["deliveries"]] == ["H01"]
    assert [one["code"] for one in message["findings"]] == ["closed-recipient"]

    async def told() -> None:
        assert package.told == ["processing", "done"]

    await crossing.until(told)


async def test_what_comes_in_for_a_closed_code_is_refused_by_default(crossing: Any) -> None:
    """The remote is told fail, and nobody is delivered anything."""
    await _begin(crossing, "refuse")
    document = crossing.document("000.00.00.G22", ("H01.15",))
    package = crossing.remote.offer(document, "000.00.00.G22", "H01.15")

    async def told() -> None:
        assert package.told == [Acknowledgement.FAIL]

    await crossing.until(told)
    assert await crossing.listed() == []


async def test_what_a_closed_agency_sent_still_comes_in(crossing: Any) -> None:
    """It lies behind the bridge as before; whether it may still write is not the way's to say."""
    text = crossing.running.config.read_text(encoding="utf-8")
    text = text.replace('agencies = ["G22", "G05"]\npoll', 'agencies = ["G22", "G05", "G09"]\npoll')
    crossing.running.config.write_text(text, encoding="utf-8")
    await _begin(crossing, "refuse")
    document = crossing.document("G09", ("000.00.00.H01",))
    crossing.remote.offer(document, "G09", "000.00.00.H01")
    (row,) = await crossing.until_listed(1)
    assert await crossing.dms.get(row.docId) == document


def test_a_remotes_row_about_a_successor_is_about_what_was_for_the_closed_code() -> None:
    """On the way a delivery keeps the code that all nodes know it by; the remote was told the other."""
    tinh = NodeId("tinh")
    old = Agency(
        AgencyCode("G09"), "Bộ cũ", Tier.CENTRAL, tinh,
        valid_to=date(2025, 3, 1), successors=(AgencyCode("G22"),),
    )  # fmt: skip
    new = Agency(AgencyCode("G22"), "Bộ", Tier.CENTRAL, tinh, AgencyCode("000.00.00.G22"))
    directory = Directory((NodeEntry(tinh, Tier.PROVINCE),), (old, new))
    place = Place(tinh, None, frozenset(), forwards=True, today=lambda: date(2025, 3, 1))
    assert known_forms(directory, place)("000.00.00.G22") == {"G09", "G22", "000.00.00.G22"}
    refusing = replace(place, forwards=False)
    assert known_forms(directory, refusing)("G22") == {"G22", "000.00.00.G22"}
