"""E1: envelopes, tolerant where they are carried and strict where they could do harm."""

from __future__ import annotations

from collections.abc import Callable

from relay.conformance.controls import takes_transfers
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, NotClaimedError, Part, require_equal
from relay.model import Event, Reason

book = Book(control=takes_transfers)
AHEAD_OVER_BYTES = 1 << 20
"""What is longer goes ahead of its transfer (W6.1): nothing here is."""
QCVN = b"http://www.mic.gov.vn/TBT/QCVN_102_2016"
_SUBJECT = b"<edXML:Subject>"


async def _evidence(stand: Stand, envelope: bytes) -> list[tuple[Event, Reason | None]]:
    if len(envelope) > AHEAD_OVER_BYTES:
        raise AssertionError(f"an envelope of {len(envelope)} bytes")
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    return [(one.event, one.reason) for one in receipt.evidence]


def _changed(stand: Stand, change: Callable[[bytes], bytes]) -> bytes:
    envelope = stand.letter_in(size_bytes=20)
    found = change(envelope)
    if found == envelope:
        raise AssertionError("the envelope was not changed")
    return found


def _taken(clause: str, name: str, title: str, change: Callable[[bytes], bytes]) -> None:
    @book.asserts(clause, name, title, Part.NEIGHBOUR)
    async def taken(stand: Stand) -> None:
        """And carried: where the kit is a system there, it fetches what it sent."""
        envelope = _changed(stand, change)
        found = await _evidence(stand, envelope)
        accepted = [(Event.RELAY_ACCEPTANCE, None), (Event.CONTENT_CONSIGNMENT, None)]
        require_equal(found, accepted, "the evidence")
        if Part.AXIS in stand.subject.parts:
            copies = await stand.dms.until_copies(envelope)
            require_equal(len(copies), 1, "the copies with these bytes")


def _refused(clause: str, name: str, title: str, change: Callable[[bytes], bytes]) -> None:
    @book.asserts(clause, name, title, Part.NEIGHBOUR)
    async def refused(stand: Stand) -> None:
        found = await _evidence(stand, _changed(stand, change))
        require_equal(found, [(Event.RELAY_REJECTION, Reason.BAD_ENVELOPE)], "the evidence")


_taken(
    "E1.1",
    "e-doc",
    "The namespace of the e-doc schema is taken",
    lambda text: text.replace(QCVN, b"http://www.e-doc.vn/Schema/"),
)
_taken(
    "E1.1",
    "soap",
    "The namespace that old software binds to edXML is taken",
    lambda text: text.replace(QCVN, b"http://schemas.xmlsoap.org/soap/envelope/"),
)
_taken(
    "E1.1",
    "none",
    "No namespace at all is taken",
    lambda text: (
        text.replace(b' xmlns="%b"' % QCVN, b"")
        .replace(b' xmlns:edXML="%b"' % QCVN, b"")
        .replace(b"edXML:", b"")
    ),
)
_taken(
    "E1.1",
    "another-order",
    "Elements in another order are taken",
    lambda text: _moved(text, b"edXML:From", b"edXML:DocumentId"),
)
_taken(
    "E1.2",
    "unknown",
    "An element that nobody knows is carried",
    lambda text: text.replace(_SUBJECT, b"<edXML:Vendor><x>1</x></edXML:Vendor>" + _SUBJECT),
)
_taken(
    "E1.2",
    "comment",
    "A comment is carried",
    lambda text: text.replace(_SUBJECT, b"<!-- vendor -->" + _SUBJECT),
)
_taken(
    "E1.2",
    "impossible-date",
    "A date that is none is carried",
    lambda text: _filled(text, b"edXML:PromulgationDate", b"2014/02/30"),
)
_taken(
    "E1.2",
    "business",
    "The right spelling of Bussiness is carried",
    lambda text: text.replace(b"Bussiness", b"Business"),
)
_taken(
    "E1.2",
    "media-type",
    "A media type that is none is carried",
    lambda text: text.replace(b"application/pdf", b"application/xslx"),
)
_taken(
    "E1.2",
    "no-to",
    "A document that names no recipient goes where its transfer says",
    lambda text: _without(text, b"edXML:To"),
)
_refused(
    "E1.3",
    "doctype",
    "A document type is refused",
    lambda text: text.replace(b"?>", b"?><!DOCTYPE edXML>", 1),
)
_refused(
    "E1.3",
    "entity",
    "An entity of the document's own is refused",
    lambda text: text.replace(
        b"?>", b'?><!DOCTYPE edXML [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>', 1
    ).replace(_SUBJECT, _SUBJECT + b"&b;"),
)
_refused(
    "E1.3",
    "external",
    "Anything that would have to be fetched is refused",
    lambda text: text.replace(
        b"?>", b'?><!DOCTYPE edXML [<!ENTITY x SYSTEM "file:///etc/hostname">]>', 1
    ).replace(_SUBJECT, _SUBJECT + b"&x;"),
)
_refused(
    "E1.3",
    "not-well-formed",
    "What is not well-formed is refused",
    lambda text: text.replace(b"</edXML:Subject>", b"</edXML:Subjekt>"),
)
_refused("E1.3", "junk", "Bytes before the declaration are refused", lambda text: b"junk " + text)
_refused(
    "E1.3",
    "no-sender",
    "An envelope without a sender's code is refused",
    lambda text: _without(text, b"edXML:From"),
)
_taken(
    "E1.4",
    "sixteen-deep",
    "Sixteen elements deep is taken",
    lambda text: text.replace(_SUBJECT, b"<v>" * 10 + b"</v>" * 10 + _SUBJECT),
)
_taken(
    "E1.4",
    "recipients",
    "Five thousand recipients are taken",
    lambda text: _times(_filled(text, b"edXML:To", _organ(text)), b"edXML:To", 5_000),
)
_taken(
    "E1.4",
    "attachments",
    "A thousand attachments are taken",
    lambda text: _times(text, b"Attachment", 1_000),
)
_refused(
    "E1.4",
    "too-deep",
    "Ten thousand elements deep is refused",
    lambda text: text.replace(_SUBJECT, b"<v>" * 10_000 + b"</v>" * 10_000 + _SUBJECT),
)
_refused(
    "E1.4",
    "too-many",
    "A quarter of a million elements are refused",
    lambda text: text.replace(_SUBJECT, b"<v/>" * 250_000 + _SUBJECT),
)
_refused(
    "E1.4",
    "attributes",
    "An element of ten thousand attributes is refused",
    lambda text: text.replace(
        _SUBJECT,
        b"<v %b/>" % b" ".join(b'a%d="1"' % number for number in range(10_000)) + _SUBJECT,
    ),
)


@book.asserts(
    "E1.5",
    "either-form",
    "A document for the other form of an agency's code is accepted for the agency",
    Part.NEIGHBOUR,
)
async def either_form(stand: Stand) -> None:
    if stand.subject.also is None:
        raise NotClaimedError("its file names no other form of the agency's code")
    envelope = stand.letter_in(to=[stand.subject.also])
    prepared = stand.peer.transfer(envelope, [stand.subject.also])
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    events = [one.event for one in receipt.evidence]
    require_equal(events, [Event.RELAY_ACCEPTANCE, Event.CONTENT_CONSIGNMENT], "the evidence")


def _element(text: bytes, name: bytes) -> tuple[int, int]:
    """Where an element begins, and where what follows it does."""
    start = text.index(b"<%b>" % name)
    end = text.index(b"</%b>" % name, start) + len(name) + 3
    return start, end


def _without(text: bytes, name: bytes) -> bytes:
    start, end = _element(text, name)
    return text[:start] + text[end:]


def _filled(text: bytes, name: bytes, content: bytes) -> bytes:
    start, end = _element(text, name)
    return text[:start] + b"<%b>%b</%b>" % (name, content, name) + text[end:]


def _organ(text: bytes) -> bytes:
    """The recipient's code, without what else is said of it."""
    recipient = slice(*_element(text, b"edXML:To"))
    return text[recipient][slice(*_element(text[recipient], b"edXML:OrganId"))]


def _moved(text: bytes, name: bytes, behind: bytes) -> bytes:
    start, end = _element(text, name)
    moved = text[start:end]
    rest = text[:start] + text[end:]
    place = _element(rest, behind)[1]
    return rest[:place] + moved + rest[place:]


def _times(text: bytes, name: bytes, count: int) -> bytes:
    start, end = _element(text, name)
    return text[:start] + text[start:end] * count + text[end:]
