"""W8.1 to W8.4: recovery of a restored node. The kit as that one asks the judged node."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from relay.conformance.absence import awaited, transfer_awaited
from relay.conformance.instants import now
from relay.conformance.peer import RECEIPTS_TYPE, Answer, Peer, Prepared, json_object
from relay.conformance.requested import Arrived, parts_of
from relay.conformance.resigned import handover
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.delivery.ports import Acknowledgement
from relay.errors import SignatureError, WireError
from relay.model import Event, Receipt, Signed, TransferId, digest_of, mint_uuid7
from relay.signing.evidence import verify_receipt
from relay.signing.trust import TrustStore
from relay.wire.container import read_receipts
from relay.wire.values import instant_text

CAPABILITY = "recovery"
PATH = "/axis/v1/recovery"
RECEIPTS_PATH = "/axis/v1/recovery/receipts"
CURSOR = "Recovery-Cursor"
CONTAINER_LIMIT_BYTES = 32 << 20
MOST_PAGES = 100
SOON = 15.0
EARLIER = timedelta(seconds=1)


def _query(since: datetime, cursor: object = None) -> str:
    text = f"?since={quote(instant_text(since))}"
    return text if cursor is None else f"{text}&cursor={cursor}"


async def _own_receipts(peer: Peer, since: datetime) -> list[Signed]:
    """W8.2: every page. FAIL where their cursors do not grow smaller (W8.1)."""
    found: list[Signed] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = await peer.get(RECEIPTS_PATH + _query(since, cursor))
        found += _page(answer)
        following = answer.headers.get(CURSOR)
        if following is None:
            return found
        require(
            cursor is None or int(following) < int(cursor),
            f"cursor {following} comes after {cursor}",
        )
        cursor = following
    raise FailedError(f"more than {MOST_PAGES} pages")


def _page(answer: Answer) -> list[Signed]:
    if answer.status == 204:
        return []
    require_equal((answer.status, answer.kind), (200, RECEIPTS_TYPE), "status and Content-Type")
    try:
        return list(read_receipts(answer.body, CONTAINER_LIMIT_BYTES))
    except WireError as error:
        raise FailedError(f"the answer is no container of receipts: {error}") from error


async def _reminded(peer: Peer, since: datetime) -> dict[str, Any]:
    """W8.3: the sums of all pages."""
    sums: dict[str, Any] = {"transfers": 0, "receipts": 0, "gone": 0, "sent": []}
    cursor: int | None = None
    for _ in range(MOST_PAGES):
        page = _reminder(await peer.post(PATH + _query(since, cursor), b""))
        for name in sums:
            sums[name] += page[name]
        following = page["cursor"]
        if following is None:
            return sums
        require(cursor is None or following < cursor, f"cursor {following} comes after {cursor}")
        cursor = following
    raise FailedError(f"more than {MOST_PAGES} pages")


async def _remembers(stand: Stand) -> None:
    """An honest question is answered, and what was sent is given back."""
    await _own_receipts(stand.peer, now())
    await _reminded(stand.peer, now())
    prepared = await _sent_in(stand)
    _require_same(await stand.peer.get(_path(prepared.header.transfer_id)), prepared)


book = Book(Part.NEIGHBOUR, capability=CAPABILITY, control=_remembers)


def _reminder(answer: Answer) -> dict[str, Any]:
    found = json_object(answer)
    for name in ("transfers", "receipts", "gone"):
        require(type(found.get(name)) is int and found[name] >= 0, f"`{name}` is no count")
    require(isinstance(found.get("sent"), list), "`sent` is no list")
    cursor = found.get("cursor")
    require(cursor is None or type(cursor) is int, "`cursor` is neither a number nor null")
    return found


async def _sent_in(stand: Stand) -> Prepared:
    """A document of the kit's, answered by the node."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    return prepared


async def _sent_out(stand: Stand) -> Arrived:
    """A document of the node's, answered by the kit."""
    envelope = stand.letter_out()
    await stand.dms.send(envelope)
    return await stand.listener.transfer_of(digest_of(envelope))


async def _handed_back(stand: Stand) -> Signed:
    """What the kit's recipient acknowledged of a document of the node's."""
    arrived = await _sent_out(stand)
    signed = handover(stand, about=arrived.header)
    require_equal((await stand.peer.hand_back(signed)).status, 204, "the status of the receipt")
    return signed


# ------------------------------------------------------------ W8.1, W8.2: what the kit signed


_QUERIES = {
    "no-since": ("without `since`", ""),
    "bad-since": ("whose `since` is no instant", "?since=yesterday"),
    "bad-cursor": ("whose `cursor` is no number", "?since=2026-01-01T00:00:00.000Z&cursor=-1"),
}


def _about_query(name: str, said: str, query: str) -> None:
    @book.asserts("W8.1", name, f"A question {said} is refused")
    async def refused(stand: Stand) -> None:
        for answer in (
            await stand.peer.get(RECEIPTS_PATH + query),
            await stand.peer.post(PATH + query, b""),
        ):
            require(400 <= answer.status < 500, f"answered {answer.status}")


for _name, _about in _QUERIES.items():
    _about_query(_name, *_about)


@book.asserts(
    "W8.2",
    "own-receipts",
    "A restored node is given what its recipients acknowledged, as it signed it",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def own_receipts(stand: Stand) -> None:
    since = now() - EARLIER
    signed = await _handed_back(stand)
    require(signed in await _own_receipts(stand.peer, since), "the receipt is not given back")


def _signed_by_the_kit(stand: Stand, one: Signed) -> Receipt:
    """Under its own root: the judged nodes' roots need not lead to it."""
    try:
        return verify_receipt(one, TrustStore([stand.authority.root.read_bytes()]), None)
    except (SignatureError, WireError) as error:
        raise FailedError(f"it gives back what the kit never signed: {error}") from error


@book.asserts(
    "W8.2",
    "no-answers",
    "The answers of a restored node are left out",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def no_answers(stand: Stand) -> None:
    since = now() - EARLIER
    await _handed_back(stand)
    for one in await _own_receipts(stand.peer, since):
        receipt = _signed_by_the_kit(stand, one)
        require(receipt.transfer_id is None, "an answer to a transfer is among the receipts")


@book.asserts(
    "W8.2", "no-others", "No neighbour is given another's receipts", Part.SECOND, Part.AXIS
)
async def no_others(stand: Stand) -> None:
    since = now() - EARLIER
    signed = await _handed_back(stand)
    require(signed not in await _own_receipts(stand.second, since), "another's receipt is given")


@book.asserts("W8.2", "none", "A page without any is 204")
async def none(stand: Stand) -> None:
    answer = await stand.peer.get(RECEIPTS_PATH + _query(now() + timedelta(minutes=1)))
    require_equal(answer.status, 204, "the status")


# ------------------------------------------------------------ W8.3: reminded


@book.asserts(
    "W8.3",
    "transfers-again",
    "A restored node is sent again, to the letter, what it answered since",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def transfers_again(stand: Stand) -> None:
    since = now() - EARLIER
    first = await _sent_out(stand)
    found = await _reminded(stand.peer, since)
    require(found["transfers"] >= 1, "no transfer is repeated")
    again = await _again(stand, first)
    require(again.signed == first.signed, "header or signature of the repeat differ")
    require(again.envelope == first.envelope, "the envelope of the repeat differs")


async def _again(stand: Stand, first: Arrived) -> Arrived:
    return await transfer_awaited(stand, first.header.digest, SOON, "the transfer again", 2)


@book.asserts(
    "W8.3",
    "receipts-again",
    "Receipts about a restored node's messages are handed to it again",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def receipts_again(stand: Stand) -> None:
    since = now() - EARLIER
    prepared = await _sent_in(stand)
    copies = await stand.dms.until_copies(prepared.envelope)
    if not copies:
        raise InconclusiveError("the document is not at its recipient's disposal")
    await stand.dms.client.update_status(copies[0], Acknowledgement.DONE)

    first = await _handover_of(stand, prepared)
    found = await _reminded(stand.peer, since)
    require(found["receipts"] >= 1, "no receipt is handed back again")
    again = lambda: stand.listener.receipts.count(first) > 1  # noqa: E731
    await awaited(stand, again, SOON, "the receipt again")


async def _handover_of(stand: Stand, prepared: Prepared) -> Signed:
    """What the node's recipient acknowledged, as soon as it came."""

    def come() -> Signed | None:
        for one in stand.listener.receipts:
            said = stand.peer.proven(one)
            about = said.message_id == prepared.header.message_id
            if about and said.evidence[0].event is Event.CONTENT_HANDOVER:
                return one
        return None

    found: Signed = await stand.listener.until(come, SOON, "the handover")
    return found


@book.asserts("W8.3", "sent", "A restored node is told what it sent of its own")
async def sent(stand: Stand) -> None:
    since = now() - EARLIER
    prepared = await _sent_in(stand)
    found = await _reminded(stand.peer, since)
    require(prepared.header.transfer_id in found["sent"], "the transfer is not in `sent`")


@book.asserts("W8.3", "repeatable", "A restored node may ask again and is told the same")
async def repeatable(stand: Stand) -> None:
    since = now() - EARLIER
    await _sent_in(stand)
    first = await _reminded(stand.peer, since)
    again = await _reminded(stand.peer, since)
    require_equal(sorted(again["sent"]), sorted(first["sent"]), "`sent` of the second time")


@book.asserts("W8.3", "since", "A restored node is told nothing of before `since`")
async def since(stand: Stand) -> None:
    prepared = await _sent_in(stand)
    found = await _reminded(stand.peer, now() + timedelta(minutes=1))
    require(prepared.header.transfer_id not in found["sent"], "an earlier transfer is in `sent`")


@book.asserts("W8.3", "no-others", "No neighbour is told what another sent", Part.SECOND)
async def sent_by_no_others(stand: Stand) -> None:
    since = now() - EARLIER
    prepared = await _sent_in(stand)
    found = await _reminded(stand.second, since)
    require(prepared.header.transfer_id not in found["sent"], "another's transfer is in `sent`")


# ------------------------------------------------------------ W8.4: what it sent, back


def _path(transfer_id: TransferId) -> str:
    return f"/axis/v1/transfers/{transfer_id}/sent"


def _require_same(answer: Answer, prepared: Prepared) -> None:
    require_equal(answer.status, 200, "the status")
    found = parts_of(answer.body)
    for name, content in replace(prepared, with_envelope=True).parts():
        require(found.get(name) == content, f"{name} is another than the one that was sent")


@book.asserts("W8.4", "as-it-came", "A transfer is given back to its sender as it came")
async def as_it_came(stand: Stand) -> None:
    prepared = await _sent_in(stand)
    _require_same(await stand.peer.get(_path(prepared.header.transfer_id)), prepared)


@book.asserts("W8.4", "with-envelope", "An envelope that had gone ahead is in it")
async def with_envelope(stand: Stand) -> None:
    envelope = stand.letter_in(size_bytes=1_200_000)
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    await stand.peer.ask(
        "PATCH",
        f"/axis/v1/payloads/{prepared.header.digest}",
        envelope,
        {"Upload-Offset": "0"},
    )
    stand.peer.receipt(await stand.peer.send(replace(prepared, with_envelope=False)))
    _require_same(await stand.peer.get(_path(prepared.header.transfer_id)), prepared)


@book.asserts("W8.4", "unknown", "A transfer that never came is 404")
async def unknown(stand: Stand) -> None:
    unheard = TransferId(mint_uuid7(now(), bytes(10)))
    require_equal((await stand.peer.get(_path(unheard))).status, 404, "the status")


@book.asserts("W8.4", "anothers", "A transfer is given to nobody but its sender", Part.SECOND)
async def anothers(stand: Stand) -> None:
    prepared = await _sent_in(stand)
    answer = await stand.second.get(_path(prepared.header.transfer_id))
    require_equal(answer.status, 404, "the status")
