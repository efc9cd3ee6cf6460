"""W19: what an evidence file lists, and what it tells people."""

from __future__ import annotations

import json
from typing import Any

from relay.conformance.business import SOON, go_out, named, say_in
from relay.conformance.clauses.w14_evidence import PARTS, exported_of
from relay.conformance.files import entries_of, require_step
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    NotClaimedError,
    require,
    require_equal,
)
from relay.model import MessageType, digest_of
from relay.wire.bundle import receipts_among

book = Book(*PARTS)
LIST, SUMMARY = "about/contents.json", "about/summary-1.html"
WORDS = frozenset({"no-log", "not-in-log", "log-in-doubt", "no-room"})
"""For a receipt without a proof (W19.2)."""


@book.asserts("W19.1", "listed", "All that the list of contents names is there, and nothing else")
async def listed(stand: Stand) -> None:
    found = await exported_of(stand)
    if LIST not in found.entries:
        raise NotClaimedError("its evidence files have no list of contents: version 1")
    require_step(found.steps(stand), "list")


async def _list_of(stand: Stand, message_id: str) -> dict[str, Any]:
    answer = await stand.dms.native("GET", f"/v1/messages/{message_id}/evidence")
    require_equal(answer.status, 200, "the status")
    entries = entries_of(answer.body)
    if LIST not in entries:
        raise NotClaimedError("its evidence files have no list of contents: version 1")
    found = json.loads(entries[LIST])
    if not isinstance(found, dict):
        raise FailedError(f"{LIST} is no object")
    return found


@book.asserts(
    "W19.2",
    "left-out",
    "A status that its agency has not fetched is listed as left out, with a word",
)
async def left_out(stand: Stand) -> None:
    """Once it was fetched it is in the file."""
    arrived = await go_out(stand)
    said = await say_in(stand, "03", named(arrived.envelope, stand.subject.agency))
    document, status = arrived.header.message_id, said.header.message_id
    before = await _list_of(stand, document)
    require_equal(before["left_out"].get(status), "not-fetched", "the word for the status")
    if not await stand.dms.until_copies(said.envelope, SOON, MessageType.STATUS):
        raise InconclusiveError("the status is not at its agency's disposal")
    after = await _list_of(stand, document)
    require(status not in after["left_out"], "the status is left out though it was fetched")
    found = [one["message"] for one in after["statuses"]]
    require(status in found, "the status is neither in the file nor listed as left out")


@book.asserts("W19.3", "proofs", "Each receipt is proven in the log, or listed as unproven")
async def proofs(stand: Stand) -> None:
    found = await exported_of(stand)
    if LIST not in found.entries:
        raise NotClaimedError("its evidence files have no list of contents: version 1")
    unproven = json.loads(found.entries[LIST]).get("unproven")
    require(isinstance(unproven, dict), "`unproven` is no object")
    with_proof = []
    for name, _ in receipts_among(found.entries):
        proof = f"proofs/{name.split('/')[1]}.tlog-proof"
        if proof in found.entries:
            with_proof.append(proof)
            continue
        word = unproven.get(digest_of(found.entries[name]))
        require(word in WORDS, f"{name} has no proof, and the word for it is {word!r}"[:200])
    if with_proof:
        require_step(found.steps(stand), "proof")


@book.asserts("W19.7", "summary", "The summary tells what is proven, and nothing else")
async def summary(stand: Stand) -> None:
    found = await exported_of(stand)
    if SUMMARY not in found.entries:
        raise NotClaimedError("its evidence files have no summary")
    require_step(found.steps(stand), "summary")
