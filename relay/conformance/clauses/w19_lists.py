"""W19: what an evidence file lists, and what it tells people."""

from __future__ import annotations

from relay.conformance.clauses.w14_evidence import PARTS, exported_of
from relay.conformance.files import require_step
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, NotClaimedError, require
from relay.wire.bundle import receipts_among

book = Book(*PARTS)
LIST, SUMMARY = "about/contents.json", "about/summary-1.html"


@book.asserts("W19.1", "listed", "All that the list of contents names is there, and nothing else")
async def listed(stand: Stand) -> None:
    found = await exported_of(stand)
    if LIST not in found.entries:
        raise NotClaimedError("its evidence files have no list of contents: version 1")
    require_step(found.steps(stand), "list")


@book.asserts("W19.3", "proofs", "Each receipt is proven in the log, or listed as unproven")
async def proofs(stand: Stand) -> None:
    found = await exported_of(stand)
    if LIST not in found.entries:
        raise NotClaimedError("its evidence files have no list of contents: version 1")
    named = receipts_among(found.entries)
    proven = [f"proofs/{name.split('/')[1]}.tlog-proof" for name, _ in named]
    listing = found.entries[LIST]
    for (name, _), proof in zip(named, proven, strict=True):
        require(
            proof in found.entries or b'"unproven":{}' not in listing,
            f"{name} has no proof and nothing is listed as unproven",
        )
    if any(one in found.entries for one in proven):
        require_step(found.steps(stand), "proof")


@book.asserts("W19.7", "summary", "The summary tells what is proven, and nothing else")
async def summary(stand: Stand) -> None:
    found = await exported_of(stand)
    if SUMMARY not in found.entries:
        raise NotClaimedError("its evidence files have no summary")
    require_step(found.steps(stand), "summary")
