"""W14: everything about one message in one file, judged offline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from io import BytesIO

from aiohttp import web

from relay.conformance.absence import require_at_work
from relay.conformance.files import entries_of, require_step, trust_of
from relay.conformance.instants import now
from relay.conformance.peer import RECEIPTS_TYPE, Answer
from relay.conformance.published import LOOK_SECONDS, SOON
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.errors import SignatureError, WireError
from relay.model import Event, Signed, digest_of
from relay.signing.batches import sign_batch
from relay.signing.bundle_steps import BundleJudge
from relay.signing.bundle_words import Step
from relay.signing.stamped import parted
from relay.wire import bundle
from relay.wire.container import write_receipts
from relay.wire.receipt import write_receipt

book = Book()
PARTS = (Part.NEIGHBOUR, Part.AXIS, Part.NATIVE)
OF_THE_MOMENT = ("proofs/", "about/")
MORE_BECOMES_KNOWN = 5
RECEIPTS = 2
"""That the kit gives about each of these messages: the answer, and the handover."""


@dataclass(frozen=True, slots=True)
class _Exported:
    content: bytes
    arrived: Arrived

    @property
    def entries(self) -> dict[str, bytes]:
        return entries_of(self.content)

    def steps(self, stand: Stand) -> list[Step]:
        return list(BundleJudge(BytesIO(self.content), trust_of(stand)).steps())


async def _asked(stand: Stand, message_id: str) -> Answer:
    return await stand.dms.native("GET", f"/v1/messages/{message_id}/evidence")


async def _delivered(stand: Stand) -> Arrived:
    """A document of the node's own agency, at the kit and acknowledged there."""
    envelope = stand.letter_out()
    await stand.dms.send(envelope)
    arrived = await stand.listener.transfer_of(digest_of(envelope))
    receipt = stand.listener.receipt(arrived, Event.CONTENT_HANDOVER)
    handover = replace(receipt, transfer_id=None, sent_by=None)
    answer = await stand.peer.hand_back(stand.peer.sign(handover))
    require_equal(answer.status, 204, "the status of a receipt handed back")
    return arrived


async def exported_of(
    stand: Stand, delivered: Callable[[Stand], Awaitable[Arrived]] = _delivered
) -> _Exported:
    """The evidence of such a document, as soon as both the kit's receipts are in it."""
    arrived = await delivered(stand)
    end = asyncio.get_running_loop().time() + SOON
    while asyncio.get_running_loop().time() < end:
        answer = await _asked(stand, arrived.header.message_id)
        require_equal(answer.status, 200, "the status")
        if answer.body.count(f"<Issuer>{stand.peer.node}<".encode()) >= RECEIPTS:
            return _Exported(answer.body, arrived)
        await asyncio.sleep(LOOK_SECONDS)
    late = f"the kit's receipts did not come into the evidence within {SOON:g} s"
    await require_at_work(stand, SOON, late)
    raise FailedError(late)


@book.asserts("W14.1", "one-form", "An evidence file is a ZIP of the one form", *PARTS)
async def one_form(stand: Stand) -> None:
    arrived = await _delivered(stand)
    answer = await _asked(stand, arrived.header.message_id)
    require_equal(answer.status, 200, "the status")
    require_equal(answer.kind, bundle.MIMETYPE_CONTENT.decode(), "the Content-Type")
    require_step(_Exported(answer.body, arrived).steps(stand), "container", "contents")


@book.asserts("W14.2", "names", "Its files have their names, and stand in their order", *PARTS)
async def names(stand: Stand) -> None:
    found = list((await exported_of(stand)).entries)
    receipts = [one for one in found if one.startswith("receipts/")]
    expected = [
        name for number in range(1, len(receipts) // 2 + 1) for name in bundle.receipt_names(number)
    ]
    require_equal(receipts, expected, "the receipts")
    require(len(expected) >= 2 * RECEIPTS, "the kit's receipts are not there under their names")
    ends = [bundle.MANIFEST, bundle.SEAL, bundle.EXPORT]
    require_equal(found[:2], [bundle.MIMETYPE, bundle.ENVELOPE], "the first files")
    require_equal(found[-3:], ends, "the last files")
    order = ["receipts/", "batches/", "certificates/", "revocation/"]
    places = [order.index(f"{one.partition('/')[0]}/") for one in found[2:-3] if _known(one, order)]
    require_equal(places, sorted(places), "the order of the folders")


def _known(name: str, folders: list[str]) -> bool:
    return any(name.startswith(one) for one in folders)


@book.asserts("W14.3", "seal", "The seal in it is the seal that was sent, to the letter", *PARTS)
async def seal(stand: Stand) -> None:
    exported = await exported_of(stand)
    content = exported.entries.get(bundle.SEAL, b"")
    try:
        found, _ = parted(bundle.unwrapped(content, bundle.SEAL))
    except (WireError, SignatureError) as error:
        raise FailedError(f"{bundle.SEAL}: {error}") from error
    require(found == exported.arrived.seal, "it is another than the transfer's")
    require_step(exported.steps(stand), "seal", "timestamp")
    require_equal(
        digest_of(exported.entries.get(bundle.ENVELOPE, b"")),
        exported.arrived.header.digest,
        "the envelope's digest",
    )


@book.asserts("W14.4", "exporter", "The node's signature covers each file, once", *PARTS)
async def exporter(stand: Stand) -> None:
    steps = (await exported_of(stand)).steps(stand)
    require_step(steps, "manifest", "export")
    by = next(one.facts.get("by") for one in steps if one.what == "export")
    require_equal(by, stand.subject.id, "the exporter")


@book.asserts("W14.5", "one-message", "Every receipt in it is about that message", *PARTS)
async def one_message(stand: Stand) -> None:
    await exported_of(stand)
    exported = await exported_of(stand)
    require_step(exported.steps(stand), "document", "receipt", "message")
    about = exported.arrived.header.message_id
    for name, content in exported.entries.items():
        if name.endswith("/receipt.xml"):
            require(f"<MessageId>{about}<".encode() in content, f"{name} is of another message")


@book.asserts(
    "W14.6", "again", "The same evidence gives the same bytes, but for the signature", *PARTS
)
async def again(stand: Stand) -> None:
    """What became known of the message in between is another input: then the next two are compared."""
    exported = await exported_of(stand)
    before, after = _of_the_message(exported.entries), await _once_more(stand, exported)
    for _ in range(MORE_BECOMES_KNOWN):
        if after.keys() == before.keys():
            break
        before, after = after, await _once_more(stand, exported)
    else:
        raise InconclusiveError("each time more was known of the message than before")
    require_equal(list(after), list(before), "the names")
    other = [name for name in before if before[name] != after[name]]
    require_equal(other, [], "what is another in the second")


async def _once_more(stand: Stand, exported: _Exported) -> dict[str, bytes]:
    answer = await _asked(stand, exported.arrived.header.message_id)
    require_equal(answer.status, 200, "the status of the second")
    return _of_the_message(entries_of(answer.body))


def _of_the_message(entries: dict[str, bytes]) -> dict[str, bytes]:
    """Without what is of the moment: the signature, proofs under the head of then, and what lists those. The seal is
    named with its timestamps, for one more is other evidence."""
    return {
        _with_timestamps(content) if name == bundle.SEAL else name: content
        for name, content in entries.items()
        if name not in {bundle.EXPORT, bundle.MANIFEST} and not name.startswith(OF_THE_MOMENT)
    }


def _with_timestamps(seal: bytes) -> str:
    return f"{bundle.SEAL} with {seal.count(b'<xades:SignatureTimeStamp>')} timestamps"


@book.asserts(
    "W14.7",
    "once-fetched",
    "A recipient's agency is given the evidence once it fetched the document, and not before",
    *PARTS,
)
async def once_fetched(stand: Stand) -> None:
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    before = await _asked(stand, prepared.header.message_id)
    require(400 <= before.status < 500, f"before it was fetched the answer is {before.status}")
    if not await stand.dms.until_copies(envelope):
        raise InconclusiveError("the document is not at its recipient's disposal")
    after = await _asked(stand, prepared.header.message_id)
    require_equal(after.status, 200, "the status once it was fetched")


# ------------------------------------------------------------ receipts that the kit signed in a batch


async def _delivered_in_a_batch(stand: Stand) -> Arrived:
    """As `_delivered`, answer and handover under one signature."""
    envelope, later = stand.letter_out(), list[Signed]()

    async def in_a_batch(arrived: Arrived) -> web.StreamResponse:
        if arrived.header.digest != digest_of(envelope):
            return stand.listener.honestly(arrived)
        events = (Event.RELAY_ACCEPTANCE, Event.CONTENT_CONSIGNMENT)
        answer = stand.listener.receipt(arrived, *events)
        handover = stand.listener.receipt(arrived, Event.CONTENT_HANDOVER)
        plain = [answer, replace(handover, transfer_id=None, sent_by=None)]
        signer = stand.listener.signer
        signed = sign_batch([write_receipt(one) for one in plain], stand.peer.node, signer, now())
        later[:] = signed[1:]
        return web.Response(
            body=write_receipts(signed[:1]), headers={"Content-Type": RECEIPTS_TYPE}
        )

    with stand.listener.answering(in_a_batch):
        await stand.dms.send(envelope)
        arrived = await stand.listener.transfer_of(digest_of(envelope))
    answer = await stand.peer.hand_back(*later)
    require_equal(answer.status, 204, "the status of a receipt of a batch handed back")
    return arrived


@book.asserts(
    "W14.12",
    "batches",
    "The batches of its receipts stand in it, each once with its signature",
    *PARTS,
    capability="batched-receipts",
)
async def batches(stand: Stand) -> None:
    exported = await exported_of(stand, _delivered_in_a_batch)
    entries = exported.entries
    if not bundle.batches_among(entries):
        raise InconclusiveError("no batch stands beside the receipts, which W14.12 leaves open")
    require_step(exported.steps(stand), "receipt", "batches")
    documents = [entries[document] for document, _ in bundle.batches_among(entries)]
    require_equal(len(documents), len(set(documents)), "the number of different batches")
