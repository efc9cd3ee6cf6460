"""A running node judges signatures made by others after it has answered, in a process without a network."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from relay.journal.judging import JudgingTable
from relay.judgement import Flaw, Judgement, Verdict
from relay.model import NodeId
from tests.signing.others.papers import attached, envelope, hierarchy, pdf, sign_pdf

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def document() -> bytes:
    """With a PDF that strangers signed; made before a loop runs."""
    hall = hierarchy()
    now = datetime.now(UTC)
    signed = sign_pdf(sign_pdf(pdf(), hall.person, at=now), hall.organisation, field="S2", at=now)
    return envelope(attached(signed))


async def _judged(hub: Any, message_id: str) -> Judgement:
    async with asyncio.timeout(60):
        while True:
            view = await hub.running._journal.message(message_id)
            if view.judgement is not None:
                return view.judgement  # type: ignore[no-any-return]
            await asyncio.sleep(0.05)


def _children() -> list[str]:
    """What runs below this process and is a worker."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes()
            above = (place / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if b"others.worker" in line and above == str(os.getpid()):
            found.append(place.name)
    return found


async def test_a_document_that_arrives_is_answered_at_once_and_judged_then(
    hub: Any, document: bytes
) -> None:
    xa = hub.peers["xa"]
    transfer = xa.transfer(document)
    await xa.carry(transfer)
    assert hub.states(transfer.header.message_id) == {"H01": "available"}

    found = await _judged(hub, transfer.header.message_id)
    assert found.verdict is Verdict.UNKNOWN
    (part,) = found.parts
    assert len(part.signatures) == 2
    assert all(Flaw.UNTRUSTED in one.flaws for one in part.signatures)
    assert part.signatures[0].signer is not None
    table = JudgingTable(hub.running._journal, NodeId("tinh"))
    assert await table.export(transfer.header.message_id)


async def test_what_holds_nothing_to_judge_costs_no_worker(hub: Any) -> None:
    xa = hub.peers["xa"]
    before = _children()
    transfer = xa.transfer()
    await xa.carry(transfer)
    found = await _judged(hub, transfer.header.message_id)
    assert (found.verdict, found.parts) == (None, ())
    assert _children() == before
