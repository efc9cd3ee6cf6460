"""A judged node that is restored from a backup while the kit, as its neighbour, has what it lost.

It is done once for a stand, and what was seen is looked at by several assertions: a node is restored at the
expense of seconds, and answers otherwise for days.

Touches: what the stand's parts touch.
Raises:  InconclusiveError where the node does not recover in time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aiohttp import web

from relay.conformance.exchanges import Exchange
from relay.conformance.instants import now
from relay.conformance.peer import MULTIPART_TYPE, Answer, Prepared
from relay.conformance.requested import Arrived
from relay.conformance.resigned import handover, headed
from relay.conformance.stand import Stand
from relay.conformance.verdicts import InconclusiveError, Part
from relay.conformance.waited import answered, through
from relay.errors import RelayError
from relay.model import Signed, TransferId, digest_of, mint_uuid7

PATH = "/axis/v1/recovery"
RECOVERED_WITHIN = 30.0
LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Relayed:
    """What went through the node."""

    sent: Prepared
    arrived: Arrived
    comes_again: bool = False
    """Sent again by its origin, after the restore."""


@dataclass(slots=True)
class Seen:
    """What the node did."""

    honest: Arrived
    """What it sent before it was restored, and is given back as it came."""
    other_envelope: Arrived
    """Likewise, but given back with another envelope."""
    other_signer: Arrived
    """Likewise, but with a header that the kit signed."""
    acknowledged: Signed
    """A receipt about the first, handed back before that was given back."""
    of_another: Relayed | None = None
    """A document of the kit's second neighbour that it sent on, and is given back as one of its own."""
    submission: str = ""
    """What became of a document that was handed in meanwhile: empty where it was taken."""
    transfer: Answer | None = None
    """To a document of the kit's that came meanwhile."""
    receipt: Answer | None = None
    asked_meanwhile: Answer | None = None
    """Whether it knows a transfer that it answered before it was restored."""
    asked_unsent: Answer | None = None
    """The same of one that never came."""
    asked_afterwards: Answer | None = None
    repeated: Answer | None = None
    """To that transfer, sent again."""
    late: Answer | None = None
    """To another that expired meanwhile."""
    ids: dict[str, set[str]] = field(default_factory=dict)
    """Of each envelope the message ids under which it came, after each was handed in again."""
    exchanges: list[Exchange] = field(default_factory=list)


async def seen(stand: Stand) -> Seen:
    """What was seen, now or when it was first asked for."""
    found: Seen | None = stand.remembered.get("restored")
    if found is None:
        found = await _restored(stand)
        found.exchanges = list(stand.exchanges.held)
        stand.remembered["restored"] = found
    stand.exchanges.held = list(found.exchanges)
    return found


@dataclass(slots=True)
class _Memory:
    """The kit as the neighbour that has what the node lost."""

    sent: dict[str, bytes]
    """By transfer id, the body that is given back."""
    holding: bool = True
    """The node is told to come again."""
    given: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request, _: bytes) -> web.StreamResponse | None:
        path = request.path
        if path == f"{PATH}/receipts":
            return web.Response(status=204)
        if path == PATH:
            return web.Response(status=503) if self.holding else self._reminder()
        transfer_id = path.removeprefix("/axis/v1/transfers/").removesuffix("/sent")
        if path.endswith("/sent") and transfer_id in self.sent:
            self.given.add(transfer_id)
            body = self.sent[transfer_id]
            return web.Response(body=body, headers={"Content-Type": MULTIPART_TYPE})
        return None

    def _reminder(self) -> web.Response:
        counts = {"transfers": 0, "receipts": 0, "gone": 0, "cursor": None}
        text = json.dumps({**counts, "sent": list(self.sent)})
        return web.Response(text=text, content_type="application/json")


async def _restored(stand: Stand) -> Seen:
    await stand.back_up()
    first, second, third = [await _sent_out(stand) for _ in range(3)]
    inside, ended = await _sent_in(stand), await _sent_in(stand, expires=timedelta(seconds=4))
    made = Seen(first, second, third, handover(stand, about=first.header))
    made.of_another = await _relayed(stand)
    memory = _Memory(_given_back(stand, made))
    async with _remembering(stand, memory):
        await stand.restore()
        await _meanwhile(stand, made, inside)
        memory.holding = False
        await _until_recovered(stand, memory)
        await _afterwards(stand, made, inside, ended)
    return made


@asynccontextmanager
async def _remembering(stand: Stand, memory: _Memory) -> AsyncIterator[None]:
    listener = stand.listener
    before = listener.others, listener.capabilities
    listener.others, listener.capabilities = memory.answer, [*listener.capabilities, "recovery"]
    try:
        yield
    finally:
        listener.others, listener.capabilities = before


def _given_back(stand: Stand, made: Seen) -> dict[str, bytes]:
    honest, other, false = map(_as_sent, (made.honest, made.other_envelope, made.other_signer))
    several = [
        honest,
        replace(other, envelope=other.envelope.replace(b">KT<", b">KX<")),
        headed(false, stand.peer.signer),
    ]
    if made.of_another is not None:
        several.append(_as_sent(made.of_another.arrived))
    return {one.header.transfer_id: one.body() for one in several}


def _as_sent(arrived: Arrived) -> Prepared:
    return Prepared(arrived.header, arrived.signed, arrived.seal, arrived.envelope)


async def _sent_out(stand: Stand) -> Arrived:
    envelope = stand.letter_out()
    await stand.dms.send(envelope)
    return await stand.listener.transfer_of(digest_of(envelope))


async def _relayed(stand: Stand) -> Relayed | None:
    if Part.SECOND not in stand.subject.parts:
        return None
    sent = through(stand, stand.second, stand.peer)
    await answered(stand.second, sent)
    return Relayed(sent, await stand.listener.transfer_of(sent.header.digest))


async def _sent_in(stand: Stand, expires: timedelta = timedelta(days=1)) -> Prepared:
    prepared = stand.peer.transfer(
        stand.letter_in(), [stand.subject.agency], expires_at=now() + expires
    )
    stand.peer.receipt(await stand.peer.send(prepared))
    return prepared


async def _meanwhile(stand: Stand, made: Seen, inside: Prepared) -> None:
    """While it waits for the kit to remember."""
    try:
        await stand.dms.send(stand.letter_out())
    except RelayError as error:
        made.submission = str(error) or type(error).__name__
    fresh = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    made.transfer = await stand.peer.send(fresh)
    made.receipt = await stand.peer.hand_back(made.acknowledged)
    made.asked_meanwhile = await _asked(stand, inside.header.transfer_id)
    made.asked_unsent = await _asked(stand, TransferId(mint_uuid7(now(), bytes(10))))


async def _afterwards(stand: Stand, made: Seen, inside: Prepared, ended: Prepared) -> None:
    made.asked_afterwards = await _asked(stand, inside.header.transfer_id)
    made.repeated = await stand.peer.send(inside)
    await _until(ended.header.expires_at)
    made.late = await stand.peer.send(ended)
    before = len(stand.listener.arrived)
    outside = (made.honest, made.other_envelope, made.other_signer)
    for arrived in outside:
        await stand.dms.send(arrived.envelope)
    if made.of_another is not None:
        sent = made.of_another.sent
        again = stand.second.transfer(
            sent.envelope, sent.header.recipients, message_id=sent.header.message_id
        )
        await answered(stand.second, again)
    await _sent_out(stand)  # comes behind them
    for arrived in outside:
        digest = arrived.header.digest
        came = [one.header for one in stand.listener.arrived[before:]]
        made.ids[digest] = {one.message_id for one in came if one.digest == digest}
    if made.of_another is not None:
        digest = made.of_another.sent.header.digest
        behind = stand.listener.arrived[before:]
        made.of_another.comes_again = any(one.header.digest == digest for one in behind)


async def _asked(stand: Stand, transfer_id: TransferId) -> Answer:
    return await stand.peer.get(f"/axis/v1/transfers/{transfer_id}")


async def _until(instant: datetime) -> None:
    await asyncio.sleep(max(0.0, (instant - now()).total_seconds() + 0.1))


async def _until_recovered(stand: Stand, memory: _Memory) -> None:
    """It has asked for all of it, and takes submissions again. Each sign of life makes it ask."""
    loop = asyncio.get_running_loop()
    end = loop.time() + RECOVERED_WITHIN
    while loop.time() < end:
        await stand.peer.node_document()
        if memory.given == memory.sent.keys() and await _takes_submissions(stand):
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise InconclusiveError(f"the node did not recover within {RECOVERED_WITHIN:g} s")


async def _takes_submissions(stand: Stand) -> bool:
    try:
        await stand.dms.send(stand.letter_out())
    except RelayError:
        return False
    return True
