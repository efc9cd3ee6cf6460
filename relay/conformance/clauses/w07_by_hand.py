"""W7: carry files, at the door that a native face has for them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import timedelta

from relay.conformance.by_hand import Entries, entries, hand_in, handed_out, opened, packed, told
from relay.conformance.certificates import issuing, past, sign_of
from relay.conformance.controls import takes_files
from relay.conformance.instants import now
from relay.conformance.listener import saying
from relay.conformance.peer import Answer, Prepared
from relay.conformance.resigned import handover
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    Part,
    require,
    require_equal,
)
from relay.model import Event, NodeId, digest_of
from relay.signing.xades import DocumentName, build
from relay.wire.archive import Archive, Head
from relay.wire.carry import read_carry

book = Book(Part.NEIGHBOUR, Part.AXIS, Part.OPERATOR, control=takes_files)
SOON = 20.0
DATE = b"\x21\x00"
"""1980-01-01, as a ZIP has it."""


def _prepared(stand: Stand) -> Prepared:
    return stand.peer.transfer(stand.letter_in(), [stand.subject.agency])


def _refused(answer: Answer) -> None:
    require(400 <= answer.status < 500, f"answered {answer.status}")


def _answered(stand: Stand, answer: Answer) -> list[str]:
    """The transfers that were answered; none where nothing is to be brought back."""
    if answer.status == 204:
        return []
    return [str(one.transfer_id) for _, one in opened(stand, answer).receipts(stand)]


# ------------------------------------------------------------ W7.1: the one form


@book.asserts("W7.1", "before", "A file with bytes before its first entry is refused")
async def before(stand: Stand) -> None:
    _refused(await hand_in(stand, b"x" + packed(entries(stand, [_prepared(stand)]))))


@book.asserts("W7.1", "date", "A file whose first entry has a date is refused")
async def date(stand: Stand) -> None:
    file = packed(entries(stand, [_prepared(stand)]))
    _refused(await hand_in(stand, file[:12] + b"\x55\x55" + file[14:]))


@book.asserts("W7.1", "flags", "A file with flags is refused from where they are")
async def flags(stand: Stand) -> None:
    """Those of the second transfer's payload: the first was answered, the second was not."""
    first, second = _prepared(stand), _prepared(stand)
    whole = packed(entries(stand, [first, second]))
    place = whole.index(f"payloads/{second.header.digest}".encode()) - 30 + 6
    answer = await hand_in(stand, whole[:place] + b"\x08" + whole[place + 1 :])
    require_equal(_answered(stand, answer), [first.header.transfer_id], "the transfers answered")


_ENDS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "behind": ("bytes behind its end", lambda file: file + b"x"),
    "comment": ("a comment", lambda file: file[:-2] + b"\x01\x00x"),
    "cut": ("no end", lambda file: file[:-10]),
    "central": (
        "another date in its central directory",
        lambda file: file[: file.rindex(DATE)] + b"\x22\x00" + file[file.rindex(DATE) + 2 :],
    ),
}


def _about_end(name: str, said: str, change: Callable[[bytes], bytes]) -> None:
    @book.asserts("W7.1", name, f"A file with {said} is told to be broken")
    async def ended(stand: Stand) -> None:
        file = change(packed(entries(stand, [_prepared(stand)])))
        answer = await hand_in(stand, file)
        if not 400 <= answer.status < 500:
            require_equal(answer.status, 200, "the status")
            require(bool(told(answer).get("broken")), "nothing says that the file is broken")


for _name, _end in _ENDS.items():
    _about_end(_name, *_end)


# ------------------------------------------------------------ W7.2, W7.3: what is in it


@book.asserts("W7.2", "order", "A file whose entries are in another order is refused")
async def order(stand: Stand) -> None:
    found = entries(stand, [_prepared(stand)])
    _refused(await hand_in(stand, packed([found[1], found[0], *found[2:]])))


@book.asserts("W7.2", "another-name", "An entry of another name ends what is taken")
async def another_name(stand: Stand) -> None:
    found = entries(stand, [_prepared(stand)])
    found[2] = (found[2][0].replace("payloads", "payload5"), found[2][1])
    require_equal(_answered(stand, await hand_in(stand, packed(found))), [], "what was answered")


@book.asserts("W7.3", "empty", "A file with nothing in it is refused")
async def empty(stand: Stand) -> None:
    found = entries(stand, taken=[digest_of(b"")])
    document = found[0][1]
    bare = document.split(b"<Taken>")[0] + b"<Taken></Taken><Payloads></Payloads></Carry>"
    signature = build(DocumentName.CARRY, digest_of(bare), "node", stand.peer.signer, now())
    _refused(await hand_in(stand, packed([(found[0][0], bare), (found[1][0], signature)])))


@book.asserts("W7.3", "form", "A manifest in another form is refused")
async def form(stand: Stand) -> None:
    found = entries(stand, [_prepared(stand)])
    document = found[0][1].replace(b"<Answers>", b" <Answers>", 1)
    signature = build(DocumentName.CARRY, digest_of(document), "node", stand.peer.signer, now())
    found[:2] = [(found[0][0], document), (found[1][0], signature)]
    _refused(await hand_in(stand, packed(found)))


# ------------------------------------------------------------ W7.4: whose file it is


@book.asserts("W7.4", "another-signer", "A file signed by another node is refused", Part.SECOND)
async def another_signer(stand: Stand) -> None:
    found = entries(stand, [_prepared(stand)], signer=stand.second.signer)
    _refused(await hand_in(stand, packed(found)))


@book.asserts("W7.4", "no-neighbour", "A file of a node that is no neighbour is refused")
async def no_neighbour(stand: Stand) -> None:
    other = stand.other_kit
    signer = stand.authority.of(other).signer()
    found = entries(stand, [_prepared(stand)], signer=signer, sent_by=other)
    _refused(await hand_in(stand, packed(found)))


@book.asserts("W7.4", "for-another", "A file for another node is refused")
async def for_another(stand: Stand) -> None:
    found = entries(stand, [_prepared(stand)], sent_to=NodeId(stand.other.id))
    _refused(await hand_in(stand, packed(found)))


@book.asserts("W7.4", "valid-now", "A file by a certificate that ended since is refused")
async def valid_now(stand: Stand) -> None:
    """As a connection is, for which the signature stands."""
    signer = (
        issuing(stand.authority, [stand.subject.id])
        .make(sign_of(stand.peer.node), past(20))
        .signer()
    )
    found = entries(stand, [_prepared(stand)])
    before = now() - timedelta(seconds=40)
    signature = build(DocumentName.CARRY, digest_of(found[0][1]), "node", signer, before)
    found[1] = (found[1][0], signature)
    _refused(await hand_in(stand, packed(found)))


# ------------------------------------------------------------ W7.5: as over the wire


@book.asserts("W7.5", "answered", "A transfer that came by hand is answered by hand")
async def answered(stand: Stand) -> None:
    prepared = _prepared(stand)
    answer = await hand_in(stand, packed(entries(stand, [prepared])))
    receipts = opened(stand, answer).receipts(stand)
    events = [one.event for _, receipt in receipts for one in receipt.evidence]
    require_equal(
        events, [Event.RELAY_ACCEPTANCE, Event.CONTENT_CONSIGNMENT], "the evidence that came back"
    )
    require_equal(len(await stand.dms.until_copies(prepared.envelope)), 1, "the copies")


@book.asserts("W7.5", "refused", "A transfer that is to be refused is, by hand as by wire")
async def refused_by_hand(stand: Stand) -> None:
    nobody = f"{stand.subject.agency}.404"
    prepared = stand.peer.transfer(stand.letter_in(to=[nobody]), [nobody])
    answer = await hand_in(stand, packed(entries(stand, [prepared])))
    receipts = opened(stand, answer).receipts(stand)
    events = [one.event for _, receipt in receipts for one in receipt.evidence]
    require_equal(events, [Event.RELAY_REJECTION], "the evidence that came back")


@book.asserts("W7.5", "one-memory", "What came by hand is the same transfer when it comes by wire")
async def one_memory(stand: Stand) -> None:
    prepared = _prepared(stand)
    answer = await hand_in(stand, packed(entries(stand, [prepared])))
    by_hand = [signed for signed, _ in opened(stand, answer).receipts(stand)]
    by_wire = [signed for signed, _ in stand.peer.receipts(await stand.peer.send(prepared))]
    require(by_wire == by_hand, "the answer by wire has other bytes")


async def _waiting(stand: Stand) -> bytes:
    """A document of the node's that the kit does not take."""
    envelope = stand.letter_out()
    await stand.dms.send(envelope)
    await stand.listener.transfer_of(digest_of(envelope), SOON)
    return envelope


@book.asserts("W7.5", "to-the-letter", "A header is the same by hand as by wire")
async def to_the_letter(stand: Stand) -> None:
    with stand.listener.answering(saying(503)):
        digest = digest_of(await _waiting(stand))
        carried = opened(stand, await handed_out(stand))
    name = next((one for one in carried.contents if one == f"payloads/{digest}"), None)
    if name is None:
        raise FailedError("the document that waits is not in the file")
    first = await stand.listener.transfer_of(digest, SOON)
    mine = carried.contents.get(f"transfers/{first.header.transfer_id}/transfer.xml")
    require(mine == first.signed.document, "the header by hand is another")


@book.asserts("W7.5", "in-doubt", "What left by hand goes in no other transfer")
async def in_doubt(stand: Stand) -> None:
    """Each attempt by wire failed before anything was taken over, and might go otherwise but for the file."""
    with stand.listener.answering(saying(503)):
        digest = digest_of(await _waiting(stand))
        carried = opened(stand, await handed_out(stand))
    await stand.listener.until(lambda: _later(stand, digest), SOON, "the transfer, by wire")
    ids = {one.header.transfer_id for one in stand.listener.arrived if one.header.digest == digest}
    by_hand = {
        one.transfer_id
        for payload in carried.manifest.payloads
        if payload.digest == digest
        for one in payload.transfers
    }
    require_equal(ids, by_hand, "the transfers by wire")


def _later(stand: Stand, digest: str) -> bool:
    return any(
        one.header.digest == digest and one.header.transfer_id in stand.listener.given
        for one in stand.listener.arrived
    )


# ------------------------------------------------------------ W7.6 to W7.8


@book.asserts("W7.6", "damaged", "A damaged entry costs its own transfers only")
async def damaged(stand: Stand) -> None:
    several = [_prepared(stand) for _ in range(3)]
    found = entries(stand, several)
    file = _with_damage(found, f"payloads/{several[1].header.digest}")
    answer = await hand_in(stand, file)
    left = [several[0].header.transfer_id, several[2].header.transfer_id]
    require_equal(sorted(_answered(stand, answer)), sorted(left), "the transfers answered")


def _with_damage(found: Entries, name: str) -> bytes:
    """One byte of that entry is another than its checksum says."""
    archive, made = Archive(), b""
    for one, content in found:
        made += archive.head(one, Head(len(content), zlib.crc32(content)))
        made += content[:-1] + bytes([content[-1] ^ 1]) if one == name else content
    return made + archive.ending()


@book.asserts("W7.7", "again", "A file handed in again is answered with the same receipts")
async def again(stand: Stand) -> None:
    file = packed(entries(stand, [_prepared(stand)]))
    first = opened(stand, await hand_in(stand, file)).receipts(stand)
    second = opened(stand, await hand_in(stand, file)).receipts(stand)
    require(first == second, "the receipts are others the second time")


@book.asserts("W7.7", "taken", "Receipts that came by hand are told to be taken")
async def taken(stand: Stand) -> None:
    envelope = stand.letter_out()
    await stand.dms.send(envelope)
    arrived = await stand.listener.transfer_of(digest_of(envelope), SOON)
    signed = handover(stand, about=arrived.header)
    answer = await hand_in(stand, packed(entries(stand, receipts=[signed])))
    require(signed.digest in opened(stand, answer).manifest.taken, "the receipt is not in `Taken`")


@book.asserts("W7.8", "nothing", "A file without transfers and receipts is not answered: 204")
async def nothing(stand: Stand) -> None:
    found = entries(stand, taken=[digest_of(b"a receipt")])
    require(not read_carry(found[0][1]).payloads, "the kit's file has a payload")
    require_equal((await hand_in(stand, packed(found))).status, 204, "the status")
