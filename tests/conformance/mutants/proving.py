"""Faults in what follows receipts, in what evidence lists, and in what is told to neighbours that compare."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from relay.audit.checkpoint import head_of
from relay.audit.proof_file import read_proof, write_proof
from relay.delivery.attaching.keeping import ProofKeeper
from relay.delivery.attaching.sending import ProofCourier
from relay.delivery.evidence import exporting
from relay.delivery.evidence.around import Around
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.reconciling.listing import ListingDesk
from relay.delivery.reconciling.ports import Listing, Standing, Told
from relay.errors import WireError
from relay.journal.exchanged import ExchangeTable
from relay.model import NodeId
from relay.node import attaching as node_attaching
from relay.signing.attached import AttachedJudge, OpenedProof, ProvenEntry
from relay.transport.nodes import attaching, attaching_client
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.reconciling import ListingFace
from relay.wire import attached, bundle
from relay.wire.attached import Answer, Answered
from tests.conformance.mutants import mutant, put_in


@mutant("hands over proofs that lead nowhere", "W20.1/follows")
def hands_over_false_proofs() -> None:
    def spoilt(proof: bytes) -> bytes:
        found = read_proof(proof)
        return write_proof(replace(found, hashes=tuple(bytes(32) for _ in found.hashes)))

    put_in(
        attaching_client,
        "write_proofs",
        lambda several: attached.write_proofs(list(map(spoilt, several))),
    )


@mutant("hands receipts back only to who takes their proofs", "W20.1/not-waiting")
def waits_for_its_proofs() -> None:
    honest = NodesClient.hand_back

    async def hand_back(self: NodesClient, neighbour: Any, receipts: Any) -> None:
        body, headers = (
            attached.write_proofs([b"a proof"]),
            {"Content-Type": attaching.CONTENT_TYPE},
        )
        async with self._ask(neighbour, "POST", attaching.PATH, body, headers):
            await honest(self, neighbour, receipts)

    put_in(NodesClient, "hand_back", hand_back)


@mutant(
    "keeps whatever is said to prove a receipt that it has",
    "W20.4/path",
    "W20.4/checkpoint",
    "W20.4/another-log",
    "W20.4/another-key",
    "W20.4/purpose",
    "W20.4/revoked",
)
def keeps_any_proof() -> None:
    def prove(_: AttachedJudge, opened: OpenedProof, *__: Any) -> ProvenEntry:
        return ProvenEntry(head_of(opened.read.note), 0)

    put_in(AttachedJudge, "prove", prove)


@mutant("keeps proofs under heads that it did not cosign", "W20.4/another-history")
def keeps_proofs_of_two_histories() -> None:
    async def contradicts(*_: Any) -> bool:
        return False

    put_in(node_attaching.WitnessedHeads, "contradicts", contradicts)


@mutant("keeps no proofs", "W20.4/kept")
def keeps_no_proofs() -> None:
    async def take(self: ProofKeeper, _: Any, proofs: Sequence[bytes]) -> list[Answered]:
        return [Answered(Answer.REFUSED, "none is kept") for _ in proofs]

    put_in(ProofKeeper, "take", take)


@mutant("sends again what was refused", "W20.3/refused-once")
def sends_refused_proofs_again() -> None:
    honest = ProofCourier._answered

    async def answered(self: ProofCourier, neighbour: Any, batch: Any, answers: Any) -> None:
        unknown = Answered(Answer.UNKNOWN)
        said = [unknown if one.answer is Answer.REFUSED else one for one in answers]
        await honest(self, neighbour, batch, said)

    put_in(ProofCourier, "_answered", answered)


@mutant("takes proofs in whatever form", "W20.3/another-form")
def takes_proofs_in_any_form() -> None:
    honest = attached.read_proofs

    def read_proofs(content: bytes) -> tuple[bytes, ...]:
        try:
            return honest(content)
        except WireError:
            return (b"whatever it is",)

    put_in(attaching, "read_proofs", read_proofs)


@mutant("answers the first proof of a request alone", "W20.3/in-order")
def answers_the_first_proof() -> None:
    honest = ProofKeeper.take

    async def take(self: ProofKeeper, *arguments: Any) -> list[Answered]:
        return (await honest(self, *arguments))[:1]

    put_in(ProofKeeper, "take", take)


@mutant(
    "says that it keeps a proof, whatever it is, and forgets it",
    "W20.4/own",
    "W20.4/nonsense",
    "W20.6/handed-on",
)
def forgets_proofs() -> None:
    async def take(self: ProofKeeper, _: Any, proofs: Sequence[bytes]) -> list[Answered]:
        return [Answered(Answer.KEPT) for _ in proofs]

    put_in(ProofKeeper, "take", take)


@mutant("answers a question about what was exchanged in whatever form", "W21.1/parameters")
def lists_whatever_is_asked() -> None:
    honest = ListingFace.listing

    async def listing(self: ListingFace, request: web.Request) -> web.Response:
        try:
            found: web.Response = await honest(self, request)
            return found
        except WireError:
            return web.json_response({"transfers": [], "cursor": None})

    put_in(ListingFace, "listing", listing)


@mutant("tells a neighbour what others sent", "W21.2/its-own")
def tells_of_others() -> None:
    honest = ExchangeTable.listing

    async def listing(self: ExchangeTable, _: Any, *arguments: Any) -> Listing:
        rows = await self.journal.rows("SELECT DISTINCT neighbour FROM arrivals", {})
        pages = [await honest(self, one, *arguments) for (one,) in rows]
        every = [one for page in pages for one in page.transfers]
        return Listing(tuple(sorted(every, key=lambda one: one.transfer_id)), None)

    put_in(ExchangeTable, "listing", listing)


@mutant("lists no recipient that it refused", "W21.6/each")
def lists_what_it_took() -> None:
    honest = ListingDesk.listing

    async def listing(self: ListingDesk, *arguments: Any) -> Told:
        told = await honest(self, *arguments)
        kept = tuple(
            replace(
                one,
                recipients=tuple(r for r in one.recipients if r.standing is not Standing.REFUSED),
            )
            for one in told.listing.transfers
        )
        return replace(told, listing=replace(told.listing, transfers=kept))

    put_in(ListingDesk, "listing", listing)


@mutant("lists another exporter of its evidence", "W19.1/listed")
def lists_another_exporter() -> None:
    honest = Around._list

    def listed(self: Around, view: Any) -> Any:
        return replace(honest(self, view), node=NodeId("somebody-else"))

    put_in(Around, "_list", listed)


@mutant("lists nothing of what it leaves out", "W19.2/left-out")
def lists_nothing_left_out() -> None:
    honest = Around._list

    def listed(self: Around, view: Any) -> Any:
        return replace(honest(self, view), left_out={})

    put_in(Around, "_list", listed)


@mutant("leaves proofs out and says so of one receipt alone", "W19.3/proofs")
def says_so_of_one_alone() -> None:
    honest, listing = Around.files, Around._list

    async def files(self: Around, view: Any) -> AsyncIterator[tuple[str, bytes]]:
        own = {bundle.proof_name(number) for number in self.proofs}
        async for name, content in honest(self, view):
            if name not in own:
                yield name, content

    def listed(self: Around, view: Any) -> Any:
        found = listing(self, view)
        return replace(found, unproven={exporting._receipts(view)[0]: "no-log"})

    put_in(Around, "files", files)
    put_in(Around, "_list", listed)


@mutant("puts the proof of one receipt beside another", "W19.3/proofs")
def mixes_proofs_up() -> None:
    honest = Around.files

    async def files(self: Around, view: Any) -> AsyncIterator[tuple[str, bytes]]:
        own = {bundle.proof_name(number): proof for number, proof in self.proofs.items()}
        turned = dict(zip(own, [*list(own.values())[1:], *list(own.values())[:1]], strict=True))
        async for name, content in honest(self, view):
            yield name, turned.get(name, content)

    put_in(Around, "files", files)


@mutant("tells people more than is proven", "W19.7/summary")
def tells_more() -> None:
    honest = EvidenceDesk._summary

    async def summary(self: EvidenceDesk, *arguments: Any) -> bytes | None:
        found = await honest(self, *arguments)
        return found and found.replace(b"</body>", b"<p>And it is so.</p></body>")

    put_in(EvidenceDesk, "_summary", summary)
