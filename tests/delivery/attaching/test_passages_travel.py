"""What waited at a node on its way is told to the origin: why, since when, and that it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.audit.proof_file import read_proof, write_proof
from relay.delivery.attaching import ports, sending
from relay.delivery.passing import watching
from relay.transport.nodes import server
from tests.delivery.attaching.conftest import Raise
from tests.delivery.attaching.test_proofs_travel import _hand_in
from tests.delivery.directory.conftest import Village

TOLD = "SELECT leaf, proof FROM passages"
SOON = "passages_after = 0.1"
OWN = 'SELECT max(entry_index) FROM entries WHERE instr(leaf, CAST(\'"event":"passage"\' AS BLOB))'


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LOOK_AGAIN_SECONDS", 0.1)


@pytest.fixture
async def waiting(raised: Raise) -> Village:
    """The district's uplink is down, and a document of the commune waits there."""
    village = await raised(log=SOON)
    await village.down("tinh")
    await village.send("xa", "H01.15.02", "H01")
    return village


async def _lines(village: Village, node: str) -> list[dict[str, Any]]:
    """Of the origin's timeline, what it says of that node by its proven log."""
    ((message,),) = village.rows(
        "xa", "SELECT message_id FROM messages WHERE message_type = 'edoc'"
    )
    status, told = await village.native("xa", "GET", f"/v1/messages/{message}/trace")
    assert status == 200
    stays, found = list(told["way"]), []
    while stays:
        stay = stays.pop()
        stays += stay["onward"]
        found += [
            one
            for one in stay["lines"]
            if one["source"]["kind"] == "proof" and stay["node"] == node
        ]
    return found


async def test_the_origin_sees_why_a_document_waits_and_that_it_went_on(waiting: Village) -> None:
    """While it waits, and then how long it did, with what the node found; a forged or foreign proof is refused."""

    async def told() -> list[dict[str, Any]]:
        lines = await _lines(waiting, "huyen")
        return [one for one in lines if one["event"] == "neighbour-unavailable"]

    (wait,) = await waiting.until(told)
    assert (wait["step"], wait["waited_seconds"]) == ("waited", None)
    assert wait["source"]["issuer"] == "huyen"
    (stands,) = [one for one in await _lines(waiting, "huyen") if one["step"] == "stands"]
    assert "cannot be reached" in stands["text"]
    (verified,) = [one for one in await _lines(waiting, "huyen") if one["step"] == "verified"]
    assert "kind node" in verified["text"]
    (before,) = waiting.rows("xa", TOLD)
    assert b"127.0.0.1" not in before[0]

    await waiting.up("tinh")

    async def went_on() -> bool:
        return "departed" in parse(waiting.rows("xa", TOLD)[0][0])

    await waiting.until(went_on)
    (wait,) = await told()
    assert wait["waited_seconds"] is not None
    assert not [one for one in await _lines(waiting, "huyen") if one["step"] == "stands"]
    assert waiting.rows("huyen", "SELECT 1 FROM watched") == []
    ((leaf, proof),) = waiting.rows("xa", TOLD)

    # Another node's log, other words, an older one: nothing of that changes what stands.
    read = read_proof(proof)
    forged = write_proof(replace(read, leaf=leaf.replace(b"neighbour-unavailable", b"held")))
    foreign = write_proof(replace(read, leaf=leaf.replace(b'"node":"huyen"', b'"node":"tinh"')))
    answers = await _hand_in(waiting, forged, foreign, before[1])
    assert [answer for answer, _ in answers] == ["refused", "refused", "kept"]
    assert waiting.rows("xa", TOLD) == [(leaf, proof)]


async def test_what_did_not_wait_leaves_nothing(
    raised: Raise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_SECONDS", 0.05)
    village = await raised()
    await village.send("xa", "H01.15.02", "H01")

    async def proved() -> bool:
        return len(village.rows("xa", "SELECT 1 FROM receipt_proofs")) >= 2

    await village.until(proved)
    for node in ("xa", "huyen", "tinh"):
        assert village.entries(node, "passage") == []
        assert village.rows(node, "SELECT 1 FROM watched") == []
    assert village.rows("xa", TOLD) == []


async def test_a_neighbour_of_an_older_version_gets_no_passages_and_its_proofs(
    raised: Raise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "PASSAGES_CAPABILITY", "something-else")
    village = await raised(log=SOON)
    await village.down("tinh")
    await village.send("xa", "H01.15.02", "H01")

    async def gone_through() -> bool:
        ((told,),) = village.rows("huyen", OWN)
        ((mark,),) = village.rows("huyen", "SELECT entry_index FROM attach_mark")
        passed = told is not None and mark > told
        return passed and not village.rows("huyen", "SELECT 1 FROM attachments")

    await village.until(gone_through)
    assert village.rows("xa", "SELECT 1 FROM receipt_proofs") == [(1,)]
    assert village.rows("xa", TOLD) == []
    assert ports.PASSAGES_CAPABILITY == "passages"
