"""W21.7: a node that asks the kit for its list, and is answered pages that no neighbour should give.

That it asks is for its operator to say, and what came of it is told to nobody else: both go over the native
face of this release (`POST /v1/reconcile/NEIGHBOUR`). A node that has none is not judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from relay.conformance.business import go_out
from relay.conformance.instants import now
from relay.conformance.peer import CONTAINER_LIMIT_BYTES, Answer, json_object
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    InconclusiveError,
    NotClaimedError,
    Part,
    require,
)
from relay.model import mint_uuid7, minted_at
from relay.wire import values
from relay.wire.container import read_receipts

CAPABILITY = "reconcile"
book = Book(Part.NEIGHBOUR, Part.AXIS, Part.OPERATOR, capability=CAPABILITY)
PATH = "/axis/v1/reconcile"
NOT_THERE = (404, 405)
Row = dict[str, Any]
Page = dict[str, Any]
Faulty = Callable[["_Exchanged"], Sequence[Page]]


@dataclass(frozen=True, slots=True)
class _Exchanged:
    """A document that the kit took over, and the period that begins shortly before it."""

    since: datetime
    row: Row
    """As the kit lists it."""

    def changed(self, **members: Any) -> Row:
        return {**self.row, **members}

    def standing(self, *words: str) -> Row:
        """Its one recipient, once for each word."""
        code, _, changed = self.row["recipients"][0]
        return self.changed(recipients=[[code, word, changed] for word in words])

    def minted(self, later: timedelta) -> str:
        """A transfer id of another time than its own."""
        minted = minted_at(self.row["transfer"])
        if minted is None:
            raise InconclusiveError("its transfer's id says no time")
        return mint_uuid7(minted + later, bytes(10))


async def _exchanged(stand: Stand) -> _Exchanged:
    told = (await stand.peer.node_document()).get("time")
    if not isinstance(told, str):
        raise InconclusiveError("the node does not say what time it is there")
    arrived = await go_out(stand)
    await stand.peer.node_document()  # comes behind the kit's answer
    return _Exchanged(values.instant(told, "time"), _row(stand, arrived))


def _row(stand: Stand, arrived: Arrived) -> Row:
    """W21.5."""
    header, at = arrived.header, values.instant_text(now())
    given = read_receipts(stand.listener.given[header.transfer_id], CONTAINER_LIMIT_BYTES)
    return {
        "transfer": header.transfer_id,
        "message": header.message_id,
        "origin": header.origin,
        "type": header.message_type,
        "sender": header.sender,
        "digest": header.digest,
        "answer": given[0].digest,
        "at": values.instant_text(header.created_at),
        "recipients": [[code, "available", at] for code in header.recipients],
    }


def _page(*rows: Row, cursor: str | None = None) -> Page:
    """W21.4."""
    at = values.instant_text(now())
    kept_since = values.instant_text(now() - timedelta(days=90))
    return {"now": at, "kept_since": kept_since, "transfers": list(rows), "cursor": cursor}


@contextmanager
def _listing(stand: Stand, pages: Sequence[Page]) -> Iterator[list[Page]]:
    """Until the end of the block the kit lists this of what it received, and nothing of what it sent.

    Given are the pages that were asked for; whoever asks for more gets an empty last one.
    """
    given: list[Page] = []

    async def others(request: web.Request, _: bytes) -> web.StreamResponse | None:
        if request.path != PATH:
            return None
        if request.query.get("side") != "received":
            return web.json_response(_page())
        given.append(pages[len(given)] if len(given) < len(pages) else _page())
        return web.json_response(given[-1])

    listener = stand.listener
    before = listener.others, listener.capabilities
    listener.others, listener.capabilities = others, [*listener.capabilities, CAPABILITY]
    try:
        yield given
    finally:
        listener.others, listener.capabilities = before


async def _compared(stand: Stand, since: datetime) -> Answer:
    """What the operator is told, who has the node compare with the kit."""
    asked = {"since": values.instant_text(since), "why": "conformance kit"}
    answer = await stand.dms.native(
        "POST",
        f"/v1/reconcile/{stand.peer.node}",
        json.dumps(asked).encode(),
        token=stand.subject.operator,
        **{"Content-Type": "application/json"},
    )
    if answer.status in NOT_THERE:
        raise NotClaimedError("an operator cannot ask it to compare with a neighbour")
    return answer


async def _honestly(stand: Stand) -> tuple[_Exchanged, Answer]:
    """What the operator is told of a page that is as it should be."""
    exchanged = await _exchanged(stand)
    with _listing(stand, [_page(exchanged.row)]) as given:
        answer = await _compared(stand, exchanged.since)
    if not given:
        raise InconclusiveError(f"the node did not ask for the list: {answer.status}")
    return exchanged, answer


@book.asserts("W21.7", "compared", "A page that is as it should be is compared")
async def compared(stand: Stand) -> None:
    exchanged, answer = await _honestly(stand)
    told = json_object(answer)
    message = exchanged.row["message"]
    differing = [one for one in told["differences"] if one["message_id"] == message]
    require(not differing, f"what both say alike is told as a difference: {differing}")
    require(told["same"] > 0, "nothing is the same, though both list one document")


def _refused(name: str, title: str, faulty: Faulty) -> None:
    @book.asserts("W21.7", name, f"{title} is refused, and nothing of it used")
    async def refused(stand: Stand) -> None:
        exchanged, honest = await _honestly(stand)
        if honest.status != 200:
            raise InconclusiveError(f"an honest page is not compared either: {honest.status}")
        with _listing(stand, faulty(exchanged)) as given:
            answer = await _compared(stand, exchanged.since)
        if not given:
            raise InconclusiveError(f"the node did not ask for the list: {answer.status}")
        require(answer.status >= 400, f"it is compared: {answer.body[:200]!r}")


_LATER, _LONG_AGO = timedelta(milliseconds=1), timedelta(days=-1)
_refused(
    "outside",
    "A page with a transfer outside of the period",
    lambda one: [_page(one.changed(transfer=one.minted(_LONG_AGO)), one.row)],
)
_refused(
    "order",
    "A page out of order",
    lambda one: [_page(one.changed(transfer=one.minted(_LATER)), one.row)],
)
_refused("twice", "A page with a transfer twice", lambda one: [_page(one.row, one.row)])
_refused(
    "recipient-twice",
    "A page with a recipient twice in one transfer",
    lambda one: [_page(one.standing("available", "taken"))],
)
_refused(
    "standing",
    "A page with an unknown standing",
    lambda one: [_page(one.standing("somewhere"))],
)
_refused(
    "before-1970",
    "A page with an instant before 1970",
    lambda one: [_page(one.changed(at="1969-12-31T23:59:59.999Z"))],
)
_refused(
    "after-9000",
    "A page with an instant after the year 9000",
    lambda one: [_page(one.changed(at="9001-01-01T00:00:00.000Z"))],
)
_refused(
    "cursor",
    "A page whose cursor does not go on",
    lambda one: [_page(one.row, cursor=one.row["transfer"]), _page(cursor=one.row["transfer"])],
)
