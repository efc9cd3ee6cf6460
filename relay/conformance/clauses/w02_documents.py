"""W2: one form of each document, and nothing else that means the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from relay.conformance.business import go_out, later
from relay.conformance.controls import takes_receipts, takes_transfers
from relay.conformance.instants import now
from relay.conformance.peer import RECEIPTS_TYPE, Answer, Prepared
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import Event, Signed, digest_of
from relay.signing.xades import DocumentName, build
from relay.wire.container import write_receipts
from relay.wire.receipt import write_receipt

book = Book(control=takes_transfers)
Change = Callable[[bytes], bytes]


def _as_it_is(text: bytes) -> bytes:
    return text


def _with_header(stand: Stand, change: Change) -> Prepared:
    """A transfer whose header was changed before it was signed: the signature holds."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    document = change(prepared.signed.document)
    if document == prepared.signed.document:
        raise AssertionError("the header was not changed")
    signature = build(DocumentName.TRANSFER, digest_of(document), "node", stand.peer.signer, now())
    return replace(prepared, signed=Signed(document, signature))


async def _require_refused(stand: Stand, change: Change) -> None:
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


# ------------------------------------------------------------ receipts, and their containers


async def _hand_back(
    stand: Stand, document: Change = _as_it_is, container: Change = _as_it_is
) -> Answer:
    """An honest handover, its document changed before it was signed, its container afterwards."""
    made = write_receipt(later(stand, await go_out(stand), Event.CONTENT_HANDOVER))
    changed = document(made)
    signature = build(DocumentName.RECEIPT, digest_of(changed), "node", stand.peer.signer, now())
    whole = write_receipts([Signed(changed, signature)])
    body = container(whole)
    if (changed, body) == (made, whole):
        raise AssertionError("nothing was changed")
    return await stand.peer.post("/axis/v1/receipts", body, {"Content-Type": RECEIPTS_TYPE})


_OTHERWISE: dict[str, tuple[str, Change]] = {
    "white-space": ("white space between elements", lambda text: text.replace(b"><", b">\n<", 1)),
    "declaration": ("an XML declaration", lambda text: b'<?xml version="1.0"?>' + text),
    "trailing": ("a line's end behind it", lambda text: text + b"\n"),
}


def _about(name: str, said: str, change: Change) -> None:
    @book.asserts(
        "W2.1",
        f"receipt-{name}",
        f"A receipt with {said} is refused",
        *(Part.NEIGHBOUR, Part.AXIS),
        control=takes_receipts,
    )
    async def receipt(stand: Stand) -> None:
        answer = await _hand_back(stand, document=change)
        require_equal(answer.status, 422, "the status")

    @book.asserts(
        "W2.1",
        f"container-{name}",
        f"A container of receipts with {said} is refused",
        *(Part.NEIGHBOUR, Part.AXIS),
        control=takes_receipts,
    )
    async def container(stand: Stand) -> None:
        answer = await _hand_back(stand, container=change)
        require(400 <= answer.status < 500, f"answered {answer.status}")


for _name, _said in _OTHERWISE.items():
    _about(_name, *_said)


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
