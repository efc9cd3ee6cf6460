"""The audit log for operators and auditors: wanted entries in pages or as they come, one whole, the head.

Touches: the log reader's door.
Trusts:  that leaves are canonical JSON on one line (audit/entries.py): they are passed on unparsed,
         so that what is read here is what was hashed.
Raises:  RequestError, NotFoundError; OverloadError where as many as may look or wait already do.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import AbstractContextManager

from aiohttp import web

from relay.audit.epochs import epoch_of
from relay.delivery.ports import Caller, LogPage
from relay.transport.native.asking import LARGEST, index_in_path, number, one, only
from relay.transport.native.following import awaited, stream
from relay.transport.native.inside import Inside
from relay.transport.native.leaves import member
from relay.transport.native.views import json_bytes
from relay.transport.native.wanting import FILTERS, since, wanted
from relay.transport.places import place
from relay.transport.problems import RequestError

MOST_WAIT_SECONDS = 60
MOST_LOOKS = 16
"""Pages looked for at a time: each passes over up to 200,000 entries, and takes turns with all who read the
journal."""
MOST_OF_ONE = 8


async def entries(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """A page; a client that accepts text/event-stream gets those to come, too."""
    only(request, "after", "limit", "last", "since", "wait", *FILTERS)
    filters = wanted(request)
    if "last" in request.query:
        last = _last(request)
        with _looking(inside, caller):
            return _page(await inside.log.last(filters, last))
    after = number(request, "after", 0, 0, LARGEST)
    limit = number(request, "limit", 100, 1, 1000)
    wait = number(request, "wait", 0, 0, MOST_WAIT_SECONDS)
    if (moment := since(request)) is not None:
        after = await inside.log.since(moment, after)
    if "text/event-stream" in request.headers.get("Accept", ""):
        return await stream(inside, caller, request, filters, after)
    if wait:
        return _page(await awaited(inside, caller, request, filters, after, limit, wait))
    with _looking(inside, caller):
        return _page(await inside.log.page(filters, after, limit))


def _looking(inside: Inside, caller: Caller) -> AbstractContextManager[None]:
    return place(
        inside.looking, caller.holder, "look through the log", most=MOST_LOOKS, of_one=MOST_OF_ONE
    )


async def entry(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """One entry with what stands around it. `leaf` has its exact bytes, as base64."""
    only(request)
    found = await inside.log.whole(index_in_path(request))
    rest = {
        "leaf": b64encode(found.entry.leaf).decode(),
        "leaf_hash": found.leaf_hash,
        "log": found.log,
        "epoch": epoch_of(found.log).number,
    }
    members = [
        member(found.entry)[1:-1],
        json_bytes(rest)[1:-1],
        b'"before":' + (b"null" if found.before is None else member(found.before)),
        b'"after":' + (b"null" if found.after is None else member(found.after)),
    ]
    return web.Response(body=b"{%s}" % b",".join(members), content_type="application/json")


async def head(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return web.Response(body=await inside.log.head(), content_type="text/plain", charset="utf-8")


def _last(request: web.Request) -> int:
    for name in ("after", "limit", "since", "wait"):
        if one(request, name) is not None:
            raise RequestError(f"last and {name} cannot both be given", parameter=name)
    if "text/event-stream" in request.headers.get("Accept", ""):
        raise RequestError("a live stream has no last entries", parameter="last")
    return number(request, "last", 0, 0, 1000)


def _page(page: LogPage) -> web.Response:
    lines = b",".join(map(member, page.entries))
    more = b"true" if page.more else b"false"
    return web.Response(
        body=b'{"entries":[%s],"next":%d,"more":%s}' % (lines, page.next, more),
        content_type="application/json",
    )
