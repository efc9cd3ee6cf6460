"""A message for those who may know of it: where each delivery stands, its seal, its receipts; and
what a sender sent, with how each delivery of it ended.

Touches: the tracking and the outbox door.
Raises:  NotFoundError, RequestError.
"""

from __future__ import annotations

import pybase64
from aiohttp import web

from relay.delivery.ports import Caller, SentQuery
from relay.delivery.tracking import shown_to
from relay.model import MessageId, MessageType, Seal
from relay.transport.native.asking import digest, message_id, number, only, uuid, word
from relay.transport.native.inside import Inside
from relay.transport.native.views import json_response, message_view, sent_item, stamp
from relay.wire.container import write_receipts

MOST_SKIPPED = 1_000_000


async def message(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    view = await inside.tracking.message(caller, message_id(request))
    return json_response(message_view(shown_to(caller, view), inside.clock()))


async def seal(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return seal_response(await inside.tracking.seal(caller, message_id(request)))


async def statements(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """The certificates of its seal and receipts, and what was said of their revocation."""
    only(request)
    found = await inside.tracking.beside(caller, message_id(request))
    return json_response(
        {
            "certificates": [pybase64.b64encode(one).decode() for one in found.certificates],
            "statements": [
                {
                    "kind": one.kind,
                    "digest": one.digest,
                    "this_update": stamp(one.this_update),
                    "next_update": None if one.next_update is None else stamp(one.next_update),
                    "content": pybase64.b64encode(one.content).decode(),
                }
                for one in found.statements
            ],
        }
    )


async def sent(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """One row for each delivery, the newest message first; an unknown `message_id` has no rows."""
    only(request, "skip", "limit", "type", "message_id")
    kind = word(request, "type", [kind.value for kind in MessageType])
    named = uuid(request, "message_id")
    query = SentQuery(
        message_type=None if kind is None else MessageType(kind),
        message_id=None if named is None else MessageId(named),
        skip=number(request, "skip", 0, 0, MOST_SKIPPED),
        limit=number(request, "limit", 100, 1, 1000),
    )
    items = await inside.outbox.list(caller, query)
    return json_response({"sent": [sent_item(item) for item in items]})


async def receipt(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """One signed receipt in the container that nodes exchange: its exact bytes and its signature's."""
    only(request)
    signed = await inside.tracking.receipt(caller, digest(request))
    return web.Response(body=write_receipts([signed]), content_type="application/xml")


def seal_response(seal: Seal) -> web.Response:
    return web.Response(
        body=seal.signature, content_type="application/xml", headers={"Relay-Seal-Kind": seal.kind}
    )
