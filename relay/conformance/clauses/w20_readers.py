"""W20, as a reader of files has it: proofs of the logs of those who signed the receipts."""

from __future__ import annotations

from relay.conformance.drafts import Told
from relay.conformance.files import entries_of
from relay.conformance.office import NEXT, WITNESS, Office, spoilt
from relay.conformance.reading import EVIDENCE, Make, Said
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require_equal
from relay.model import digest_of
from relay.wire.bundle import issuer_proof_name, receipt_names


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, followed)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)


@EVIDENCE.file
def followed(office: Office) -> bytes:
    return Told(office).file()


@EVIDENCE.file
def proof_of_another_log(office: Office) -> bytes:
    """In the place of the next node's stands a proof of the witness's log."""
    told = Told(office)
    receipt = told.receipts[1]
    proof = told.logged(WITNESS, told.receipts).proof(1, receipt)
    told.other_proofs = {issuer_proof_name(2): proof}
    return told.file()


@EVIDENCE.file
def proof_of_another_receipt(office: Office) -> bytes:
    told = Told(office)
    told.other_proofs = {issuer_proof_name(2): told.next_log.proof(1, told.receipts[2])}
    return told.file()


@EVIDENCE.file
def spoilt_on_the_way(office: Office) -> bytes:
    told = Told(office)
    told.next_line = spoilt(told.next_line)
    return told.file()


@EVIDENCE.file
def one_without(office: Office) -> bytes:
    told = Told(office)
    told.followed = told.receipts[2:]
    return told.file()


async def _holds(stand: Stand, make: Make) -> Said:
    return (await EVIDENCE.said(stand, make)).must_hold()


def _hops(said: Said) -> list[object]:
    """Who cosigned each proof of the next node's log."""
    return [one.get("cosigned_by") for one in said.dicts("proofs") if one.get("log") == NEXT]


@book.asserts("W20.10", "named", "The witnesses of each proof of an issuer's log are named")
async def named(stand: Stand) -> None:
    said = await _holds(stand, followed)
    require_equal(_hops(said), [[WITNESS]] * 2, "who cosigned each proof of the issuer's log")
    require_equal(said.found("no_proof_came", list), [], "the receipts of which no proof came")


@book.asserts("W20.10", "another-log", "A proof of another node's log than the issuer's is refused")
async def another_log(stand: Stand) -> None:
    (await EVIDENCE.said(stand, proof_of_another_log)).must_be_refused()


@book.asserts("W20.10", "another-receipt", "A proof of another receipt is refused")
async def another_receipt(stand: Stand) -> None:
    (await EVIDENCE.said(stand, proof_of_another_receipt)).must_be_refused()


@book.asserts(
    "W20.10", "counts-for-nothing", "A cosignature of it that does not hold is passed over"
)
async def counts_for_nothing(stand: Stand) -> None:
    said = await _holds(stand, spoilt_on_the_way)
    require_equal(_hops(said), [[], []], "who cosigned each proof of the issuer's log")


@book.asserts("W20.10", "no-proof-came", "Receipts of other nodes of which no proof came are named")
async def no_proof_came(stand: Stand) -> None:
    said = await _holds(stand, one_without)
    document, _ = receipt_names(2)
    missing = digest_of(entries_of(said.content)[document])
    require_equal(said.found("no_proof_came", list), [missing], "the receipts of which none came")
