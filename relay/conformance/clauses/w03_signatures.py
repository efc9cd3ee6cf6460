"""W3: the one shape of a signature, and whose word counts."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from relay.conformance.controls import takes_transfers
from relay.conformance.credentials import stranger
from relay.conformance.instants import now
from relay.conformance.peer import Answer, Prepared
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import AgencyCode, Event, Reason, SealKind, Signed, digest_of
from relay.signing import evidence
from relay.signing.seal import make_seal
from relay.signing.xades import DocumentName, build

book = Book(control=takes_transfers)
_EMPTY = Callable[[bytes], bytes]
_REFERENCE = re.compile(rb"<ds:Reference Id=.*?</ds:Reference>", re.DOTALL)
_CERTIFICATE = re.compile(rb"<ds:X509Certificate>.*?</ds:X509Certificate>", re.DOTALL)
_SHA256, _SHA1 = (
    b"http://www.w3.org/2001/04/xmlenc#sha256",
    b"http://www.w3.org/2000/09/xmldsig#sha1",
)
_EXCLUSIVE = b"http://www.w3.org/2001/10/xml-exc-c14n#"
_INCLUSIVE = b"http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


def _twice(text: bytes) -> bytes:
    return _REFERENCE.sub(lambda found: found[0] + found[0], text, count=1)


def _wrapped(text: bytes) -> bytes:
    """The signed one inside an Object of another of the same Id: the classical wrapping."""
    outer = text.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA", 1)
    return outer.replace(b"</ds:Signature>", b"<ds:Object>" + text + b"</ds:Object></ds:Signature>")


def _another_value(text: bytes) -> bytes:
    head, start, rest = text.partition(b"<ds:SignatureValue>")
    value, end, tail = rest.partition(b"</ds:SignatureValue>")
    spoilt = bytearray(base64.b64decode(value))
    spoilt[10] ^= 1
    return head + start + base64.b64encode(spoilt) + end + tail


SPOILT: dict[str, tuple[str, _EMPTY]] = {
    "value": ("another value", _another_value),
    "sha1": ("SHA-1", lambda text: text.replace(_SHA256, _SHA1, 1)),
    "inclusive": (
        "inclusive canonical form",
        lambda text: text.replace(_EXCLUSIVE, _INCLUSIVE, 1),
    ),
    "no-reference": ("no reference to the document", lambda text: _REFERENCE.sub(b"", text)),
    "two-references": ("the reference twice", _twice),
    "another-uri": (
        "a reference to another name",
        lambda text: re.sub(rb'URI="[a-z.]+"', b'URI="other.xml"', text, count=1),
    ),
    "empty-uri": (
        "a reference to the signature's own document",
        lambda text: re.sub(rb'URI="[a-z.]+"', b'URI=""', text, count=1),
    ),
    "xpath": (
        "an XPath transform",
        lambda text: text.replace(
            b"<ds:Transforms>",
            b'<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
            b"<ds:XPath>true()</ds:XPath></ds:Transform>",
            1,
        ),
    ),
    "wrapped": ("a signature within another", _wrapped),
    "no-certificate": ("no certificate", lambda text: _CERTIFICATE.sub(b"", text)),
    "role": (
        "another claimed role",
        lambda text: re.sub(rb"<xades:ClaimedRole>[a-z-]+<", b"<xades:ClaimedRole>exporter<", text),
    ),
    "comment": (
        "a comment",
        lambda text: text.replace(b"<ds:KeyInfo>", b"<!-- --><ds:KeyInfo>", 1),
    ),
    "doctype": ("a document type", lambda text: b"<!DOCTYPE x>" + text),
    "entity": (
        "an entity",
        lambda text: b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + text,
    ),
    "object": (
        "a second object",
        lambda text: text.replace(b"</ds:Signature>", b"<ds:Object></ds:Object></ds:Signature>"),
    ),
    "empty": ("nothing", lambda _: b"x"),
}


def _prepared(stand: Stand) -> Prepared:
    return stand.peer.transfer(stand.letter_in(), [stand.subject.agency])


def _spoilt(found: bytes, change: _EMPTY) -> bytes:
    changed = change(found)
    if changed == found:
        raise AssertionError("the signature was not changed")
    return changed


def _require_no_evidence(answer: Answer, what: str) -> None:
    """What is not proven gets no receipt, and is refused as it is or to come again."""
    require(answer.status != 200, f"{what} was answered 200")
    require(400 <= answer.status < 500, f"{what} was answered {answer.status}")


def _about_header(name: str, said: str, change: _EMPTY) -> None:
    @book.asserts(
        "W3.3",
        f"header-{name}",
        f"A transfer's signature with {said} is refused",
        Part.NEIGHBOUR,
    )
    async def refused(stand: Stand) -> None:
        prepared = _prepared(stand)
        signature = _spoilt(prepared.signed.signature, change)
        answer = await stand.peer.send(
            replace(prepared, signed=Signed(prepared.signed.document, signature))
        )
        _require_no_evidence(answer, f"a signature with {said}")


def _about_seal(name: str, said: str, change: _EMPTY) -> None:
    @book.asserts("W3.3", f"seal-{name}", f"A seal with {said} is refused, signed", Part.NEIGHBOUR)
    async def refused(stand: Stand) -> None:
        prepared = _prepared(stand)
        answer = await stand.peer.send(replace(prepared, seal=_spoilt(prepared.seal, change)))
        _require_bad_seal(stand, answer)


def _require_bad_seal(stand: Stand, answer: Answer) -> None:
    receipt = stand.peer.receipt(answer)
    require_equal(
        [(one.event, one.reason) for one in receipt.evidence],
        [(Event.RELAY_REJECTION, Reason.BAD_SEAL)],
        "the evidence",
    )


for _name, (_said, _change) in SPOILT.items():
    _about_header(_name, _said, _change)
    _about_seal(_name, _said, _change)


@book.asserts(
    "W3.3", "other-bytes", "A seal of other bytes than the envelope's is refused", Part.NEIGHBOUR
)
async def other_bytes(stand: Stand) -> None:
    prepared = _prepared(stand)
    seal = make_seal(digest_of(b"other"), SealKind.NODE, stand.peer.signer, now())
    _require_bad_seal(stand, await stand.peer.send(replace(prepared, seal=seal.signature)))


@book.asserts(
    "W3.4",
    "no-agency",
    "A seal of kind `agency` by a node's certificate is refused",
    Part.NEIGHBOUR,
)
async def no_agency(stand: Stand) -> None:
    prepared = _prepared(stand)
    seal = build(DocumentName.ENVELOPE, prepared.header.digest, "agency", stand.peer.signer, now())
    _require_bad_seal(stand, await stand.peer.send(replace(prepared, seal=seal)))


@book.asserts(
    "W3.5",
    "another-signer",
    "A header signed by another node than the connection's is refused",
    Part.NEIGHBOUR,
)
async def another_signer(stand: Stand) -> None:
    other = stand.other_kit
    prepared = _prepared(stand)
    signer = stand.authority.of(other).signer()
    header = replace(prepared.header, sent_by=other)
    signed = evidence.sign_transfer(header, signer, now())
    answer = await stand.peer.send(replace(prepared, header=header, signed=signed))
    _require_no_evidence(answer, "another node's header")


@book.asserts(
    "W3.5", "untrusted", "A header signed under an unknown root is refused", Part.NEIGHBOUR
)
async def untrusted(stand: Stand) -> None:
    prepared = _prepared(stand)
    with tempfile.TemporaryDirectory(prefix="relay-stranger-") as folder:
        signer = stranger(Path(folder), stand.peer.node, now()).signer()
    signed = evidence.sign_transfer(prepared.header, signer, now())
    _require_no_evidence(
        await stand.peer.send(replace(prepared, signed=signed)), "a header under an unknown root"
    )


@book.asserts(
    "W3.6",
    "not-served",
    "A node's seal counts for no agency that another node serves",
    Part.NEIGHBOUR,
)
async def not_served(stand: Stand) -> None:
    agency = AgencyCode(stand.subject.agency)
    envelope = stand.letter_from(agency, [agency])
    prepared = stand.peer.transfer(envelope, [agency], sender=agency)
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal([one.event for one in receipt.evidence], [Event.RELAY_REJECTION], "the evidence")
