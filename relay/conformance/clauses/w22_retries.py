"""W22: retries, contact, expiry; what is in doubt goes nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from relay.conformance.absence import transfer_awaited
from relay.conformance.business import SOON, come_in, evidence_of, settled, soon_expired
from relay.conformance.instants import now
from relay.conformance.link import Weather
from relay.conformance.listener import lost, saying
from relay.conformance.peer import Prepared
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
from relay.delivery.ports import Acknowledgement
from relay.errors import WireError
from relay.model import Digest, Event, Evidence, Reason, digest_of
from relay.wire.container import read_receipts
from relay.wire.receipt import read_receipt

book = Book()
REFUSED_SECONDS = 2.0
ATTEMPTS = 12
"""In that time, by a node that waits longer each time."""
LONG_ENOUGH = 0.4
LONG = 40.0
"""Seconds between two attempts, for the next to be told from one that a contact caused."""
TRIALS = 5
CUT_SECONDS = 0.3
"""In which a node finds that a connection that it kept is gone."""
LIMIT_BYTES = 32 << 20
ENDED = (Event.RELAY_FAILURE, Event.RELAY_REJECTION)


def _digests(stand: Stand) -> list[Digest]:
    """Of every attempt, in the order they came."""
    return [one.header.digest for one in stand.listener.arrived]


# ------------------------------------------------------------ W22.2


@book.asserts(
    "W22.2",
    "again",
    "What was not taken over is sent again, until it is",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def again(stand: Stand) -> None:
    envelope = stand.letter_out()
    with stand.listener.answering(saying(503)):
        await stand.dms.send(envelope)
        await _comes(stand, envelope, 2)
        count = _digests(stand).count(digest_of(envelope))
    await _comes(stand, envelope, count + 1)
    await settled(stand, envelope)


async def _comes(stand: Stand, envelope: bytes, count: int) -> Arrived:
    return await transfer_awaited(stand, digest_of(envelope), SOON, f"attempt {count}", count)


@book.asserts(
    "W22.2",
    "waits",
    "A neighbour that refuses is left alone between the attempts",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def waits(stand: Stand) -> None:
    await soon_expired(stand)  # while it is waited here, for W22.8
    envelope = stand.letter_out()
    with stand.listener.answering(saying(503)):
        await stand.dms.send(envelope)
        await stand.listener.transfer_of(digest_of(envelope))
        before = len(stand.listener.arrived)
        await asyncio.sleep(REFUSED_SECONDS)
        count = len(stand.listener.arrived) - before
    require(count <= ATTEMPTS, f"{count} attempts in {REFUSED_SECONDS:g} s")
    await settled(stand, envelope)


# ------------------------------------------------------------ W22.3


@book.asserts(
    "W22.3",
    "one-refused",
    "A transfer that the neighbour refuses holds up no other",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def one_refused(stand: Stand) -> None:
    bad, good = stand.letter_out(), stand.letter_out()

    async def answers(arrived: Arrived) -> web.StreamResponse:
        refused = arrived.header.digest == digest_of(bad)
        return await saying(422)(arrived) if refused else stand.listener.honestly(arrived)

    with stand.listener.answering(answers):
        await stand.dms.send(bad)
        await stand.listener.transfer_of(digest_of(bad))
        count = _digests(stand).count(digest_of(bad))
        await stand.dms.send(good)

        def told() -> bool:
            found = _digests(stand)
            return digest_of(good) in found or found.count(digest_of(bad)) > count + 3

        await stand.listener.until(told, SOON, "either of the two")
        require(digest_of(good) in _digests(stand), "what is refused comes, and nothing else")
    await settled(stand, bad, good)


@book.asserts(
    "W22.3",
    "one-receipt-refused",
    "A receipt that the neighbour refuses holds up no other",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def one_receipt_refused(stand: Stand) -> None:
    bad, good = await come_in(stand), await come_in(stand)
    with _refusing(stand, bad) as refused:
        await _acknowledge(stand, bad)
        await stand.listener.until(lambda: refused, SOON, "the receipt")
        await _acknowledge(stand, good)
        await evidence_of(stand, good.header.message_id, Event.CONTENT_HANDOVER)


async def _acknowledge(stand: Stand, prepared: Prepared) -> None:
    copies = await stand.dms.until_copies(prepared.envelope)
    if not copies:
        raise InconclusiveError("the document is not at its recipient's disposal")
    await stand.dms.client.update_status(copies[0], Acknowledgement.DONE)


@contextmanager
def _refusing(stand: Stand, prepared: Prepared) -> Iterator[list[bytes]]:
    """Containers with a receipt about this message are refused (422) until the end of the block."""
    refused: list[bytes] = []

    async def others(request: web.Request, body: bytes) -> web.StreamResponse | None:
        if request.path != "/axis/v1/receipts" or not _speaks_of(body, prepared):
            return None
        refused.append(body)
        return web.Response(status=422)

    before, stand.listener.others = stand.listener.others, others
    try:
        yield refused
    finally:
        stand.listener.others = before


def _speaks_of(body: bytes, prepared: Prepared) -> bool:
    try:
        receipts = [read_receipt(one.document) for one in read_receipts(body, LIMIT_BYTES)]
    except WireError:
        return False
    return any(one.message_id == prepared.header.message_id for one in receipts)


# ------------------------------------------------------------ W22.4


@book.asserts(
    "W22.4",
    "wakes",
    "A neighbour that was dead gets what waits for it as soon as it speaks",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def wakes(stand: Stand) -> None:
    """Waits never become much shorter from one attempt to the next, so what comes in a quarter of the last
    one was caused by the contact. Once is enough: it may be slow for reasons of its own."""
    envelope = stand.letter_out()
    with stand.listener.answering(saying(503)):
        await stand.dms.send(envelope)
        attempts = _Attempts(stand, 0)
        woken = False
        for _ in range(TRIALS):
            span = await attempts.long_wait()
            await stand.peer.node_document()
            woken = await attempts.next(span / 4)
            if woken:
                break
    await settled(stand, envelope)
    require(woken, "it waited on, whatever the neighbour said")


@dataclass(slots=True)
class _Attempts:
    """Of anything that the node has for the kit, one after another."""

    stand: Stand
    seen: int

    def __post_init__(self) -> None:
        self.seen = len(self.stand.listener.arrived)

    async def next(self, seconds: float) -> bool:
        """Whether another came in that time."""

        def more() -> bool:
            return len(self.stand.listener.arrived) > self.seen

        try:
            await self.stand.listener.until(more, seconds, "an attempt")
        except InconclusiveError:
            return False
        self.seen = len(self.stand.listener.arrived)
        return True

    async def long_wait(self) -> float:
        """Until two attempts lie so far apart, the second just made: how far."""
        loop = asyncio.get_running_loop()
        began, waited = loop.time(), 0.0
        while waited < LONG_ENOUGH:
            if not await self.next(SOON):
                raise InconclusiveError("no attempt came")
            began, waited = loop.time(), loop.time() - began
        return waited


# ------------------------------------------------------------ W22.5, W22.6


async def _soon_over(stand: Stand, seconds: float) -> Prepared:
    """A document for the other node's agency that the judged node took over, and that soon expires."""
    at = now()
    prepared = stand.peer.transfer(
        stand.letter_in(size_bytes=60_000, to=[stand.other.agency]),
        [stand.other.agency],
        expires_at=at + timedelta(seconds=seconds),
    )
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].event, Event.RELAY_ACCEPTANCE, "the evidence")
    return prepared


async def _over(stand: Stand) -> bytes:
    """Another document for the other node's agency: it arrives, so the way is there."""
    envelope = stand.letter_in(to=[stand.other.agency])
    stand.peer.receipt(await stand.peer.send(stand.peer.transfer(envelope, [stand.other.agency])))
    if not await stand.other_dms.until_copies(envelope):
        raise InconclusiveError("nothing goes over any more")
    return envelope


BETWEEN = (Part.NEIGHBOUR, Part.AXIS, Part.LINK)


@book.asserts(
    "W22.5",
    "expired",
    "What nobody took over in time ends with a signed RelayFailure, and goes no further",
    *BETWEEN,
)
async def expired(stand: Stand) -> None:
    prepared = await _expired(stand)
    stand.link.become(Weather.CLEAR)
    await _over(stand)
    require_equal(await stand.other_dms.copies(prepared.envelope), [], "what went over of it")


async def _expired(stand: Stand) -> Prepared:
    """One that went nowhere. An attempt over a connection that was just cut is in doubt, honestly."""
    stand.link.become(Weather.DOWN)
    for _ in range(TRIALS):
        await asyncio.sleep(CUT_SECONDS)
        prepared = await _soon_over(stand, 2)
        item = await _ended(stand, prepared)
        require_equal(item.event, Event.RELAY_FAILURE, "the event")
        if item.reason is not Reason.OUTCOME_UNKNOWN:
            require_equal(item.reason, Reason.EXPIRED, "the reason")
            return prepared
    raise InconclusiveError("each time the node had a connection that was cut as it used it")


async def _ended(stand: Stand, prepared: Prepared) -> Evidence:
    try:
        return await evidence_of(stand, prepared.header.message_id, *ENDED)
    except FailedError:
        stand.link.become(Weather.CLEAR)
        await evidence_of(stand, prepared.header.message_id, *ENDED)
        raise InconclusiveError("it had not given up yet: did it start just now?") from None


@book.asserts(
    "W22.6",
    "unknown",
    "What may have been taken over ends as outcome-unknown, never as expired; and is asked about again",
    *BETWEEN,
)
async def unknown(stand: Stand) -> None:
    stand.link.become(Weather.NO_ANSWERS, cut_bytes=30_000)
    prepared = await _soon_over(stand, 4)
    if not await stand.other_dms.until_copies(prepared.envelope, 10.0):
        raise InconclusiveError("the document did not go over before its answer was lost")
    stand.link.become(Weather.DOWN)
    message_id = prepared.header.message_id
    item = await _given_up(stand, message_id)
    require_equal(
        (item.event, item.reason), (Event.RELAY_FAILURE, Reason.OUTCOME_UNKNOWN), "the evidence"
    )
    stand.link.become(Weather.CLEAR)
    await _over(stand)
    await evidence_of(stand, message_id, Event.CONTENT_CONSIGNMENT)


async def _given_up(stand: Stand, message_id: str) -> Evidence:
    """INCONCLUSIVE where it waits on, as a node may that has just started (W22.5), and asks once it can."""
    try:
        return await evidence_of(stand, message_id, *ENDED)
    except FailedError:
        stand.link.become(Weather.CLEAR)
        await _over(stand)
        await evidence_of(stand, message_id, *ENDED, Event.CONTENT_CONSIGNMENT, seconds=LONG)
        raise InconclusiveError("it had not given up yet: did it start just now?") from None


# ------------------------------------------------------------ W22.7


@book.asserts(
    "W22.7",
    "nowhere-else",
    "What is in doubt at one neighbour is sent to no other",
    *BETWEEN,
)
async def nowhere_else(stand: Stand) -> None:
    """What goes over between the nodes is sealed from the kit; that so much goes over is not."""
    envelope = stand.letter_out(size_bytes=300_000)
    stand.link.over_bytes = 0
    with stand.listener.answering(lost):
        await stand.dms.send(envelope)
        await stand.listener.transfer_of(digest_of(envelope), count=3)
        over = stand.link.over_bytes
    await settled(stand, envelope)
    require(over < len(envelope), f"{over} bytes went to the other node meanwhile")
