"""W19, as a reader of files has it: cosignatures, statuses, the exporter's findings, and what became of a document."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from relay.conformance.certificates import sign_of
from relay.conformance.drafts import Draft, Status, Told
from relay.conformance.office import NEXT, ORIGIN, RECIPIENT, WITNESS, Office, spoilt
from relay.conformance.reading import EVIDENCE, Make, Said
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import Event, Finding, Reason, ResponseFor, Signed
from relay.signing.keys import LogSigner
from relay.signing.pki_profiles import Span
from relay.wire.remote_word import RemoteWord, write_word


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, cosigned)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)
OTHER_MESSAGE = "other-message"
SURELY = "revocation: not-revoked; every signature of others holds"


async def _holds(stand: Stand, make: Make) -> Said:
    return (await EVIDENCE.said(stand, make)).must_hold()


async def _refused(stand: Stand, make: Make, *words: str) -> None:
    (await EVIDENCE.said(stand, make)).must_be_refused(*words)


# ------------------------------------------------------------ W19.4: cosignatures


def _cosigned_by(office: Office, key: LogSigner, node: str = WITNESS) -> bytes:
    """The exporter's head, cosigned in that node's name by a key of which the list names the certificates."""
    told = Told(office)
    told.line = office.cosignature(told.log.note, node, key)
    told.witnesses[key.node] = key.chain
    return told.file()


@EVIDENCE.file
def cosigned(office: Office) -> bytes:
    return Told(office).file()


@EVIDENCE.file
def badly_cosigned(office: Office) -> bytes:
    told = Told(office)
    told.line = spoilt(told.line)
    return told.file()


@EVIDENCE.file
def cosigned_by_another_key(office: Office) -> bytes:
    """The certificate listed for the witness is another node's, which made the line."""
    told, key = Told(office), office.log_keys[NEXT]
    told.line = office.cosignature(told.log.note, WITNESS, key)
    told.witnesses = {WITNESS: key.chain}
    return told.file()


@EVIDENCE.file
def cosigned_by_no_log(office: Office) -> bytes:
    return _cosigned_by(office, office.log_key(WITNESS, sign_of(WITNESS)))


@EVIDENCE.file
def cosigned_after_the_end(office: Office) -> bytes:
    """The witness's certificate ended before it cosigned."""
    span = Span(office.span.start, office.at.replace(microsecond=0))
    return _cosigned_by(office, office.log_key(WITNESS, span=span))


@EVIDENCE.file
def certified_later(office: Office) -> bytes:
    """The witness's key was certified anew after it cosigned."""
    span = Span(office.at.replace(microsecond=0) + timedelta(days=2), office.span.end)
    return _cosigned_by(office, office.log_key(WITNESS, span=span))


@EVIDENCE.file
def cosigned_by_an_unlisted(office: Office) -> bytes:
    told = Told(office)
    told.witnesses = {}
    return told.file()


@EVIDENCE.file
def cosigned_by_itself(office: Office) -> bytes:
    return _cosigned_by(office, office.log_keys[ORIGIN], ORIGIN)


async def _counted(stand: Stand, make: Make, *witnesses: str) -> None:
    """Of every proof of the exporter's log, these and no others."""
    proofs = (await _holds(stand, make)).dicts("proofs")
    found = [one.get("cosigned_by") for one in proofs if one.get("log") == ORIGIN]
    require_equal(found, [list(witnesses)] * 3, f"in {make.__name__}, who cosigned each proof")


@book.asserts("W19.4", "counted", "A cosignature by a listed witness counts")
async def counted(stand: Stand) -> None:
    await _counted(stand, cosigned, WITNESS)


@book.asserts("W19.4", "does-not-hold", "One by a listed witness that does not hold is refused")
async def does_not_hold(stand: Stand) -> None:
    await _refused(stand, badly_cosigned)


@book.asserts("W19.4", "another-node", "The certificate must be that node's")
async def another_node(stand: Stand) -> None:
    await _refused(stand, cosigned_by_another_key)


@book.asserts("W19.4", "log-certificate", "The certificate must be for a log")
async def log_certificate(stand: Stand) -> None:
    await _refused(stand, cosigned_by_no_log)


@book.asserts("W19.4", "ended", "One of after the witness's certificate is refused")
async def ended(stand: Stand) -> None:
    await _refused(stand, cosigned_after_the_end)


@book.asserts("W19.4", "issued-later", "One of before the certificate is judged as of its issue")
async def issued_later(stand: Stand) -> None:
    await _counted(stand, certified_later, WITNESS)


@book.asserts("W19.4", "unlisted", "One by a witness that is not listed is passed over")
async def unlisted(stand: Stand) -> None:
    await _counted(stand, cosigned_by_an_unlisted)


@book.asserts("W19.4", "itself", "One by the log's own node is passed over")
async def itself(stand: Stand) -> None:
    await _counted(stand, cosigned_by_itself)


# ------------------------------------------------------------ W19.5: statuses


def _with_status(office: Office, make: Callable[[Told], Status]) -> bytes:
    told = Told(office)
    told.statuses = [make(told)]
    return told.file()


def _unnamed(told: Told) -> ResponseFor:
    """The document by its number and date."""
    return replace(told.named, document_id="")


@EVIDENCE.file
def status(office: Office) -> bytes:
    return _with_status(office, lambda told: told.status(told.named))


@EVIDENCE.file
def status_by_number(office: Office) -> bytes:
    return _with_status(office, lambda told: told.status(_unnamed(told)))


@EVIDENCE.file
def status_of_another(office: Office) -> bytes:
    """Its `ResponseFor` has the document's number and date, and another's id."""
    return _with_status(
        office, lambda told: told.status(replace(told.named, document_id="X,1,1/KT"))
    )


@EVIDENCE.file
def status_of_another_number(office: Office) -> bytes:
    return _with_status(office, lambda told: told.status(replace(_unnamed(told), code="1/KX")))


@EVIDENCE.file
def status_of_another_date(office: Office) -> bytes:
    other = "01/01/2001"
    return _with_status(
        office, lambda told: told.status(replace(_unnamed(told), promulgation_date=other))
    )


@EVIDENCE.file
def status_badly_sealed(office: Office) -> bytes:
    """Its seal is of another status."""

    def make(told: Told) -> Status:
        return replace(told.status(told.named), seal=told.status(told.named).seal)

    return _with_status(office, make)


@EVIDENCE.file
def status_not_listed(office: Office) -> bytes:
    """Another status with a good seal stands there than the one that is listed."""

    def make(told: Told) -> Status:
        return replace(told.status(told.named), listed=told.status(told.named).listed)

    return _with_status(office, make)


@book.asserts("W19.5", "by-id", "A status that names the document by its id is taken")
async def by_id(stand: Stand) -> None:
    await _holds(stand, status)


@book.asserts("W19.5", "by-number", "One without an id is taken by number and date")
async def by_number(stand: Stand) -> None:
    await _holds(stand, status_by_number)


@book.asserts("W19.5", "another-document", "A status about another document is refused")
async def another_document(stand: Stand) -> None:
    await _refused(stand, status_of_another, OTHER_MESSAGE)


@book.asserts("W19.5", "another-number", "One that names another number or date is refused")
async def another_number(stand: Stand) -> None:
    await _refused(stand, status_of_another_number, OTHER_MESSAGE)
    await _refused(stand, status_of_another_date, OTHER_MESSAGE)


@book.asserts("W19.5", "seal", "A status whose seal does not hold is refused")
async def seal(stand: Stand) -> None:
    await _refused(stand, status_badly_sealed)


@book.asserts("W19.5", "bytes", "A status of other bytes than those listed is refused")
async def other_bytes(stand: Stand) -> None:
    await _refused(stand, status_not_listed, OTHER_MESSAGE)


# ------------------------------------------------------------ W19.6: the exporter's word


@EVIDENCE.file
def reassuring(office: Office) -> bytes:
    """Its exporter found what only who judges can find."""
    told = Told(office)
    told.findings = (Finding("verified", f"{SURELY} ({secrets.token_hex(8)})"),)
    return told.file()


@book.asserts("W19.6", "whose-word", "What the exporter found is told as its word alone")
async def whose_word(stand: Stand) -> None:
    said = await _holds(stand, reassuring)
    words = [one.get("by") for one in said.dicts("findings") if SURELY in str(one.get("said"))]
    require(all(one == ORIGIN for one in words), f"it is told as the word of {words}"[:200])
    rest = {name: value for name, value in said.line.items() if name != "findings"}
    require(SURELY not in str(rest), "the exporter's word is told as what was judged")
    require_equal(said.found("revocation", str), "unknown", "what is said of revocation")


# ------------------------------------------------------------ W19.8: what became of it


def _after(office: Office, *receipts: Callable[[Draft, Signed], Signed]) -> bytes:
    """A file of the acceptance, and of these after it."""
    draft = Draft(office)
    first = draft.receipts[0]
    draft.receipts = [first, *(make(draft, first) for make in receipts)]
    return draft.file()


def _next(event: Event, seconds: int, **more: str) -> Callable[[Draft, Signed], Signed]:
    """Of the next node, on the acceptance."""
    failed = event is Event.CONTENT_CONSIGNMENT_FAILURE
    reason = Reason.UNREACHABLE if failed else None

    def said(draft: Draft, first: Signed) -> Signed:
        return draft.said(NEXT, seconds, draft.about(event, first, reason, **more))

    return said


def _doubt(seconds: int) -> Callable[[Draft, Signed], Signed]:
    """The origin gives up without an answer."""

    def said(draft: Draft, first: Signed) -> Signed:
        unknown = draft.about(Event.RELAY_FAILURE, first, Reason.OUTCOME_UNKNOWN)
        return draft.said(ORIGIN, seconds, unknown)

    return said


@EVIDENCE.file
def handed_over_then_failed(office: Office) -> bytes:
    """A failure that was said after the handover."""
    return _after(
        office, _next(Event.CONTENT_HANDOVER, 10), _next(Event.CONTENT_CONSIGNMENT_FAILURE, 20)
    )


@EVIDENCE.file
def failed_then_doubted(office: Office) -> bytes:
    return _after(office, _next(Event.CONTENT_CONSIGNMENT_FAILURE, 10), _doubt(20))


@EVIDENCE.file
def taken_then_doubted(office: Office) -> bytes:
    """The next node took it over, the origin did not hear it."""
    return _after(office, _next(Event.RELAY_ACCEPTANCE, 10), _doubt(20))


@EVIDENCE.file
def doubted(office: Office) -> bytes:
    return _after(office, _doubt(20))


@EVIDENCE.file
def taken_over(office: Office) -> bytes:
    return _after(office, _next(Event.RELAY_ACCEPTANCE, 10))


@EVIDENCE.file
def remote_says(office: Office) -> bytes:
    """A handover that a remote without evidence of its own has told of."""
    word = write_word(RemoteWord("truc-mau", "getEdoc"))
    return _after(office, _next(Event.CONTENT_HANDOVER, 10, detail=word))


@EVIDENCE.file
def without_the_one_before(office: Office) -> bytes:
    draft = Draft(office)
    draft.receipts = [draft.receipts[0], draft.receipts[2]]
    return draft.file()


async def _became(stand: Stand, make: Make, event: Event, by: str, *without: str) -> None:
    recipients = (await _holds(stand, make)).found("recipients", dict)
    told = recipients.get(RECIPIENT)
    require(isinstance(told, dict), f"in {make.__name__} nothing is told of {RECIPIENT}")
    require_equal((told.get("event"), told.get("by")), (event.value, by), "what became of it")
    gaps = told.get("without_evidence")
    require(isinstance(gaps, list), f"what has no evidence is {gaps!r}"[:200])
    require_equal(sorted(map(str, gaps)), sorted(without), "what has no evidence")


@book.asserts("W19.8", "handed-over", "That it was handed over counts before all")
async def handed_over(stand: Stand) -> None:
    await _became(stand, handed_over_then_failed, Event.CONTENT_HANDOVER, NEXT)


@book.asserts("W19.8", "certain", "What is certain counts before that the outcome is unknown")
async def certain(stand: Stand) -> None:
    await _became(stand, failed_then_doubted, Event.CONTENT_CONSIGNMENT_FAILURE, NEXT)


@book.asserts("W19.8", "next-node", "A doubt gives way to what the next node says of that hop")
async def next_node(stand: Stand) -> None:
    await _became(stand, taken_then_doubted, Event.RELAY_ACCEPTANCE, NEXT, "after")


@book.asserts("W19.8", "in-doubt", "Where nobody else says anything the outcome is unknown")
async def in_doubt(stand: Stand) -> None:
    await _became(stand, doubted, Event.RELAY_FAILURE, ORIGIN, "after")


@book.asserts("W19.8", "no-end", "A way that nothing in the file ends is told as without evidence")
async def no_end(stand: Stand) -> None:
    await _became(stand, taken_over, Event.RELAY_ACCEPTANCE, NEXT, "after")


@book.asserts("W19.8", "remote", "A remote's word is told as without evidence")
async def remote(stand: Stand) -> None:
    await _became(stand, remote_says, Event.CONTENT_HANDOVER, NEXT, "remote")


@book.asserts("W19.8", "before", "A `Previous` that is not in the file is told as without evidence")
async def before(stand: Stand) -> None:
    await _became(stand, without_the_one_before, Event.CONTENT_HANDOVER, NEXT, "before")
