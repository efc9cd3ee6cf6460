"""W2: one form of each document, and nothing else that means the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from relay.conformance.controls import takes_transfers
from relay.conformance.instants import now
from relay.conformance.peer import Prepared
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require
from relay.model import Signed, digest_of
from relay.signing.xades import DocumentName, build

book = Book(control=takes_transfers)


def _with_header(stand: Stand, change: Callable[[bytes], bytes]) -> Prepared:
    """A transfer whose header was changed before it was signed: the signature holds."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    document = change(prepared.signed.document)
    if document == prepared.signed.document:
        raise AssertionError("the header was not changed")
    signature = build(DocumentName.TRANSFER, digest_of(document), "node", stand.peer.signer, now())
    return replace(prepared, signed=Signed(document, signature))


async def _require_refused(stand: Stand, change: Callable[[bytes], bytes]) -> None:
    answer = await stand.peer.send(_with_header(stand, change))
    require(400 <= answer.status < 500, f"answered {answer.status}: {answer.body[:200]!r}")


@book.asserts("W2.1", "white-space", "White space between elements is refused", Part.NEIGHBOUR)
async def white_space(stand: Stand) -> None:
    await _require_refused(stand, lambda text: text.replace(b"><MessageId>", b">\n<MessageId>"))


@book.asserts("W2.1", "declaration", "An XML declaration is refused", Part.NEIGHBOUR)
async def declaration(stand: Stand) -> None:
    await _require_refused(stand, lambda text: b'<?xml version="1.0" encoding="UTF-8"?>' + text)


@book.asserts("W2.1", "prefix", "The same names under a prefix are refused", Part.NEIGHBOUR)
async def prefix(stand: Stand) -> None:
    def prefixed(text: bytes) -> bytes:
        named = text.replace(b"</", b"\0").replace(b"<", b"<t:").replace(b"\0", b"</t:")
        return named.replace(b"<t:Transfer xmlns=", b"<t:Transfer xmlns:t=")

    await _require_refused(stand, prefixed)


@book.asserts("W2.1", "doctype", "A document type is refused", Part.NEIGHBOUR)
async def doctype(stand: Stand) -> None:
    await _require_refused(stand, lambda text: b'<!DOCTYPE Transfer [<!ENTITY e "1">]>' + text)


@book.asserts("W2.1", "reference", "A character reference is refused", Part.NEIGHBOUR)
async def reference(stand: Stand) -> None:
    await _require_refused(stand, lambda text: text.replace(b"<Priority>0<", b"<Priority>&#48;<"))


@book.asserts("W2.2", "upper-case-id", "An id in capitals is refused", Part.NEIGHBOUR)
async def upper_case(stand: Stand) -> None:
    def raised(text: bytes) -> bytes:
        head, start, rest = text.partition(b"<PayloadDigest>")
        return head + start + rest[:64].upper() + rest[64:]

    await _require_refused(stand, raised)


@book.asserts(
    "W2.2", "no-milliseconds", "An instant without milliseconds is refused", Part.NEIGHBOUR
)
async def no_milliseconds(stand: Stand) -> None:
    def shortened(text: bytes) -> bytes:
        head, start, rest = text.partition(b"<Created>")
        return head + start + rest[:19] + rest[23:]

    await _require_refused(stand, shortened)
