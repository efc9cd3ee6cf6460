"""A restored node asks its neighbours (docs/wire-format.md W8), over the connections it has anyway.

Touches: sockets through NodesClient, the payload store. Trusts: nothing of an answer.
Raises:  TransportError, UnansweredError, PeerError; JournalError when our own disk refuses.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.delivery.ports import PayloadStore
from relay.delivery.recovery.ports import Described, Newest, OwnReceipts, Reminder, SentBack
from relay.envelope.limits import Limits
from relay.errors import WireError
from relay.model import NodeId, Signed, TransferId
from relay.transport.intake_stream import receive
from relay.transport.nodes.answers import json_object, whole
from relay.transport.nodes.client import NodesClient
from relay.transport.nodes.parts import Body, read_parts
from relay.transport.nodes.reminding import CURSOR, OWN_RECEIPTS_PATH, RECOVERY_PATH
from relay.wire import values
from relay.wire.container import read_receipts

RECEIPTS_LIMIT_BYTES = 32 << 20
MOST_NAMED = 10_000
"""Transfers of one page, capabilities of one node."""


@dataclass(frozen=True, slots=True)
class RecoveryClient:
    """delivery.recovery.ports.RecoveryWire."""

    nodes: NodesClient
    store: PayloadStore
    limits: Limits

    async def describe(self, neighbour: NodeId) -> Described:
        async with self.nodes.call(neighbour, "GET", "/axis/v1/node") as response:
            told = await json_object(response)
        words = told.get("capabilities")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise WireError("the neighbour names no capabilities")
        newest = told.get("newest")
        shown = newest if isinstance(newest, dict) else {}
        time = told.get("time")
        return Described(
            frozenset(words[:MOST_NAMED]),
            Newest(_signed(shown.get("receipt")), _signed(shown.get("transfer"))),
            None if time is None else values.instant(str(time), "time"),
        )

    async def time(self, neighbour: NodeId) -> datetime | None:
        """What time it is there (delivery/agreeing.py)."""
        return (await self.describe(neighbour)).time

    async def own_receipts(
        self, neighbour: NodeId, since: datetime, cursor: int | None
    ) -> OwnReceipts:
        query = _query(since, cursor)
        async with self.nodes.call(neighbour, "GET", OWN_RECEIPTS_PATH, **query) as response:
            following = _cursor(response.headers.get(CURSOR), cursor)
            if response.status == 204:
                return OwnReceipts((), following)
            body = await whole(response, RECEIPTS_LIMIT_BYTES)
        return OwnReceipts(read_receipts(body, RECEIPTS_LIMIT_BYTES), following)

    async def remind(self, neighbour: NodeId, since: datetime, cursor: int | None) -> Reminder:
        query = _query(since, cursor)
        async with self.nodes.call(neighbour, "POST", RECOVERY_PATH, **query) as response:
            told = await json_object(response)
        sent = told.get("sent")
        if not isinstance(sent, list) or len(sent) > MOST_NAMED:
            raise WireError("a reminder names the transfers that were sent")
        following = told.get("cursor")
        return Reminder(
            _count(told, "transfers"),
            _count(told, "receipts"),
            _count(told, "gone"),
            tuple(TransferId(values.uuid7(str(one), "sent")) for one in sent),
            _cursor(None if following is None else str(following), cursor),
        )

    async def sent(self, neighbour: NodeId, transfer_id: TransferId) -> SentBack:
        path = f"/axis/v1/transfers/{transfer_id}/sent"
        async with self.nodes.call(neighbour, "GET", path) as response:
            content_type = response.headers.get("Content-Type", "")
            found = await read_parts(Body(response.content, content_type))
            if found.envelope is None:
                raise WireError("the envelope is missing")
            envelope, payload = await receive(
                found.envelope.chunks(),
                self.store,
                self.limits,
                declared_bytes=found.envelope.size_bytes,
                idle=None,
            )
        return SentBack(found.header, found.seal, envelope, payload)


def _query(since: datetime, cursor: int | None) -> dict[str, str]:
    query = {"since": values.instant_text(since)}
    return query if cursor is None else {**query, "cursor": str(cursor)}


def _cursor(text: str | None, before: int | None) -> int | None:
    """The next page's; pages go backwards, or a neighbour could lead us round for ever."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise WireError(f"cursor {values.shown(text)} is not of the required form")
    following = int(text)
    if following < 1 or (before is not None and following >= before):
        raise WireError(f"cursor {following} after {before}, limit {before}")
    return following


def _count(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise WireError(f"a reminder says how many {name}")
    return value


def _signed(shown: object) -> Signed | None:
    if not isinstance(shown, dict):
        return None
    try:
        return Signed(
            b64decode(str(shown.get("document", "")), validate=True),
            b64decode(str(shown.get("signature", "")), validate=True),
        )
    except (ValueError, binascii.Error):
        raise WireError("a signed document is not base64") from None
