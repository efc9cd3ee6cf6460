"""Documents and what is said of them by statuses, as the kit sends them and sees them come back.

Touches: what the stand's parts touch.
Raises:  FailedError where evidence does not come back; what the parts raise.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from relay.conformance import papers
from relay.conformance.absence import awaited, require_at_work, transfer_awaited
from relay.conformance.instants import now
from relay.conformance.listener import Listener
from relay.conformance.peer import Answer, Prepared
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import FailedError, InconclusiveError
from relay.envelope.reader import read
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageType,
    Reason,
    Receipt,
    ResponseFor,
    digest_of,
)

SOON = 15.0
SETTLED_SECONDS = 30.0
EXPIRES_AFTER = timedelta(seconds=2)


# ------------------------------------------------------------ what is sent


def named(envelope: bytes, to: str) -> ResponseFor:
    """The document by its DocumentId, its number and its date; `to` is who is spoken to."""
    found = read(envelope)
    return ResponseFor(to, found.notation, found.document_id, found.promulgation_date)


async def come_in(stand: Stand, envelope: bytes | None = None) -> Prepared:
    """A document of the kit's agency for the node's own: accepted, and fetched by nobody."""
    content = stand.letter_in() if envelope is None else envelope
    prepared = stand.peer.transfer(content, [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    return prepared


async def soon_expired(stand: Stand) -> tuple[Prepared, Answer]:
    """A document whose time is over soon, and its answer: handed in once for a stand, so that its wait is
    beside another."""
    made: tuple[Prepared, Answer] | None = stand.remembered.get("soon expired")
    if made is None:
        prepared = stand.peer.transfer(
            stand.letter_in(), [stand.subject.agency], expires_at=now() + EXPIRES_AFTER
        )
        made = prepared, await stand.peer.send(prepared)
        stand.remembered["soon expired"] = made
    return made


async def say_in(
    stand: Stand, code: str, about: ResponseFor, prepared: Prepared | None = None
) -> Prepared:
    """A status of the kit's agency to the node's own; `prepared` was made before, and comes now."""
    made = prepared or saying(stand, code, about)
    receipt = stand.peer.receipt(await stand.peer.send(made))
    if receipt.evidence[0].event is not Event.RELAY_ACCEPTANCE:
        raise FailedError(f"a status {code} is answered {receipt.evidence[0].event}")
    return made


def saying(stand: Stand, code: str, about: ResponseFor, **changes: Any) -> Prepared:
    """Not sent yet."""
    content = papers.status(stand.peer.agency, about, code, now())
    return stand.peer.transfer(
        content, [stand.subject.agency], message_type=MessageType.STATUS, **changes
    )


async def go_out(stand: Stand, envelope: bytes | None = None) -> Arrived:
    """A document of the node's agency, taken over by the kit's node."""
    content = stand.letter_out() if envelope is None else envelope
    await stand.dms.send(content)
    return await stand.listener.transfer_of(digest_of(content))


async def say_out(stand: Stand, code: str, about: ResponseFor) -> bytes:
    """A status by the system of the node's agency."""
    content = papers.status(stand.subject.agency, about, code, now())
    await stand.dms.send(content, MessageType.STATUS)
    return content


def later(
    stand: Stand, arrived: Arrived, event: Event, reason: Reason | None = None, to: str = ""
) -> Receipt:
    """A receipt by the kit's node about what came to it."""
    header = arrived.header
    code = AgencyCode(to or stand.peer.agency)
    return Receipt.about(
        header,
        issuer=stand.peer.node,
        at=now(),
        evidence=(Evidence(event, code, header.trace[-1].receipt, reason),),
    )


# ------------------------------------------------------------ what comes back


def returned(stand: Stand, message_id: str) -> list[Evidence]:
    """All evidence about a message that travelled back to the kit, proven."""
    proven = [stand.peer.proven(one) for one in stand.listener.receipts]
    return [item for one in proven if one.message_id == message_id for item in one.evidence]


async def evidence_of(
    stand: Stand, message_id: str, *events: Event, seconds: float = SOON
) -> Evidence:
    """The first of these events that travels back about a message. FAIL when none does."""

    def found() -> Evidence | None:
        return next((one for one in returned(stand, message_id) if one.event in events), None)

    item: Evidence = await awaited(stand, found, seconds, " or ".join(events))
    return item


async def came_out(stand: Stand, envelope: bytes, what: str) -> Arrived:
    """What the node must carry to the kit. FAIL when it does not come."""
    return await transfer_awaited(stand, digest_of(envelope), SOON, what)


async def settled(stand: Stand, *envelopes: bytes, listener: Listener | None = None) -> None:
    """Until the kit took over each: what waits would stand before what the next assertion sends."""
    wanted = {digest_of(one) for one in envelopes}
    here = listener or stand.listener

    def all_taken() -> bool:
        taken = {one.header.digest for one in here.arrived if one.header.transfer_id in here.given}
        return wanted <= taken

    await stand.peer.node_document()  # it is there again
    await here.until(all_taken, SETTLED_SECONDS, "what waited")


async def require_obligation(stand: Stand, document_id: str, state: str) -> None:
    """What was last asked about a document comes to this state. FAIL when it does not."""
    began = asyncio.get_running_loop().time()
    found = await obligation(stand, document_id, state)
    if found != state:
        said = f"its state is {found}, not {state}"
        await require_at_work(stand, asyncio.get_running_loop().time() - began, said)
        raise FailedError(said)


async def obligation(stand: Stand, document_id: str, *states: str) -> str:
    """The state of what was last asked about a document, as soon as it is one of these; else as it
    stands when the time is over."""
    for _ in range(60):
        state = await _asked(stand, document_id)
        if state in states:
            return state
        await asyncio.sleep(0.1)
    return state


async def _asked(stand: Stand, document_id: str) -> str:
    path = f"/v1/obligations?limit=1000&agency={stand.subject.agency}"
    answer = await stand.dms.native("GET", path)
    if answer.status != 200:
        raise InconclusiveError(f"GET {path} is answered {answer.status}")
    asked = json.loads(answer.body)["obligations"]
    states = [one["state"] for one in asked if one["document_id"] == document_id]
    return states[-1] if states else "none"
