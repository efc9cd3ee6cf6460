"""The kit as a node on the way that tells how a message fared with it (W18): its own log's entries, made up, and proven.

Touches: the second neighbour's log, and what the stand's parts touch.
Raises:  what the parts raise.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from relay.audit.entries import AuditEvent, entry, instant
from relay.audit.proof_file import write_proof
from relay.conformance.instants import now
from relay.conformance.listener import Listener, container
from relay.conformance.proofs import answers_of, handed, proven_in
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.waited import answered, through
from relay.model import Event, Signed, digest_of
from relay.wire.container import read_receipts

LIMIT_BYTES = 1 << 20
KNOWN_WITHIN = 15.0
LOOK_SECONDS = 0.1
UNKNOWN = "unknown-receipt"
WAITED = timedelta(seconds=40)
"""How long it says that a message has been there."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What the kit's second neighbour took over from the judged node, and its answer."""

    stand: Stand
    arrived: Arrived
    receipt: Signed

    def fields(self, at: datetime, **changes: Any) -> dict[str, Any]:
        """Of a passage as W18.2 has it, but for what is to be otherwise."""
        since = instant(at - WAITED)
        honest = {
            "message": self.arrived.header.message_id,
            "origin": self.arrived.header.origin,
            "receipt": self.receipt.digest,
            "neighbour": self.stand.subject.id,
            "recipients": [self.stand.second.agency],
            "arrived": since,
            "seal": "node",
            "waits": [wait(at)],
            "attempts": 2,
        }
        return honest | changes

    def proof(self, at: datetime | None = None, **changes: Any) -> bytes:
        """Of such an entry, which is in the neighbour's log from now on."""
        log, when = self.stand.second_log, at or now()
        leaf = entry(AuditEvent.PASSAGE, when, log.signer.node, **self.fields(when, **changes)).leaf
        return write_proof(proven_in(log, log.write(leaf)))

    async def tell(self, proof: bytes) -> str:
        """What the node answers to it, once it has the receipt that it is about."""
        end = asyncio.get_running_loop().time() + KNOWN_WITHIN
        while True:
            (said,) = answers_of(await handed(self.stand.second, proof))
            if said != UNKNOWN or asyncio.get_running_loop().time() > end:
                return said
            await asyncio.sleep(LOOK_SECONDS)


def wait(at: datetime, reason: str = "held", **more: Any) -> dict[str, Any]:
    return {"reason": reason, "since": instant(at - WAITED), **more}


async def taken_over(stand: Stand) -> TakenOver:
    """A document of the kit's first neighbour, which went through the node to the second."""
    prepared = through(stand, stand.peer, stand.second)
    await answered(stand.peer, prepared)
    return await _arrived(stand, prepared.header.digest)


async def taken_over_from_node(stand: Stand) -> TakenOver:
    """A document of the node's own agency that the second neighbour has taken over, and nothing more."""
    envelope = stand.letter_out(stand.second.agency)
    listener = stand.second_listener

    async def accepts(arrived: Arrived) -> web.StreamResponse:
        return _accepted(listener, arrived)

    with listener.answering(accepts):
        await stand.dms.send(envelope)
        return await _arrived(stand, digest_of(envelope))


def _accepted(listener: Listener, arrived: Arrived) -> web.Response:
    given = listener.given
    transfer_id = arrived.header.transfer_id
    given.setdefault(transfer_id, listener.answer(arrived, Event.RELAY_ACCEPTANCE))
    return container(given[transfer_id])


async def _arrived(stand: Stand, digest: str) -> TakenOver:
    arrived = await stand.second_listener.transfer_of(digest)
    given = stand.second_listener.given[arrived.header.transfer_id]
    return TakenOver(stand, arrived, read_receipts(given, LIMIT_BYTES)[0])
