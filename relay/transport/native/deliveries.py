"""The recipient's side: list by cursor, fetch the exact bytes and their seal, acknowledge.

Touches: the inbox and the payload store, through their doors; files of payloads for ranges.
Trusts:  that the inbox shows a caller its own deliveries only.
Raises:  RequestError and its kin, NotFoundError, and what the inbox raises.

Fetching the envelope or its seal marks the delivery `fetched`, durably, before the first byte leaves.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.ports import Acknowledgement, Caller, InboxQuery
from relay.errors import GoneError, TakenBackError
from relay.model import MessageType
from relay.transport.native.asking import (
    LARGEST,
    delivery_id,
    members,
    number,
    only,
    text_member,
    word,
)
from relay.transport.native.inside import Inside
from relay.transport.native.messages import seal_response
from relay.transport.native.proceed import proceed
from relay.transport.native.sending import send_payload
from relay.transport.native.views import inbox_item, json_response
from relay.transport.problems import RequestError

_BODY_BYTES = 1 << 16
_SAID = {ack.value: ack for ack in Acknowledgement if ack is not Acknowledgement.INITIAL}
_LISTED = ("open", "all", *(ack.value for ack in Acknowledgement))


async def listing(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """What came after the cursor `after`; `next` is the cursor to ask with next time."""
    only(request, "after", "limit", "type", "acknowledgement")
    after = number(request, "after", 0, 0, LARGEST)
    kind = word(request, "type", [kind.value for kind in MessageType])
    listed = word(request, "acknowledgement", _LISTED) or "open"
    items = await inside.inbox.list(
        caller,
        InboxQuery(
            message_type=None if kind is None else MessageType(kind),
            acknowledgement=None if listed in ("open", "all") else Acknowledgement(listed),
            every_state=listed == "all",
            after=after,
            limit=number(request, "limit", 100, 1, 1000),
        ),
    )
    return json_response(
        {
            "deliveries": [inbox_item(item) for item in items],
            "next": items[-1].cursor if items else after,
        }
    )


async def envelope(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    fetched = await inside.inbox.fetch(caller, delivery_id(request))
    return await send_payload(request, inside.store, fetched.payload)


async def seal(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """Also of an envelope whose retention time is over: the seal is kept with what is known of it."""
    only(request)
    named = delivery_id(request)
    try:
        return seal_response((await inside.inbox.fetch(caller, named)).seal)
    except TakenBackError:
        raise
    except GoneError:
        item = await inside.inbox.find(caller, named)
        return seal_response(await inside.tracking.seal(caller, item.message_id))


async def acknowledge(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    named = delivery_id(request)
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("status",), ("reason", "why"))
    said = _SAID.get(str(found["status"]))
    if said is None:
        raise RequestError(f"must be one of: {', '.join(_SAID)}", parameter="status")
    reason = text_member(found, "reason", 2000, lines=True)
    why = text_member(found, "why", 500).strip()
    item = await inside.inbox.acknowledge(caller, named, said, reason, why)
    return json_response(inbox_item(item))
