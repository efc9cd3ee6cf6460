"""The directory by HTTP: pages, one agency, how a code is understood; and for operators its changes.

Touches: the directory's door.
Trusts:  that the gate let only an operator change anything; nothing of a table that is handed in.
Raises:  RequestError, NotFoundError, DirectoryError (422 with all problems), and what the door raises.
"""

from __future__ import annotations

from aiohttp import web

from relay.agencies import Agency, Stamp
from relay.delivery.directory.desk import DirectoryDoor
from relay.delivery.directory.explaining import explain
from relay.delivery.directory.ports import Changed, Explained, Request, RequestState
from relay.delivery.ports import Caller
from relay.errors import EnvelopeError, NotFoundError
from relay.routing.listing import READERS, Table
from relay.routing.rows import row_of
from relay.transport.native.asking import (
    LARGEST,
    body,
    members,
    number,
    one,
    only,
    text_member,
    word,
)
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import Json, json_response, stamp
from relay.transport.problems import MediaTypeError, RequestError

MOST_LISTED = 500
"""Some five milliseconds of writing."""
IMPORT_BYTES = 64 << 20
WHY_CHARACTERS = 500
CODE_CHARACTERS = 64
_BODY_BYTES = 1 << 14


async def listing(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """In the order of codes, tombstones too; `after` is the last code of the page before."""
    only(request, "after", "limit")
    directory, on = _door(inside).desk.directory, _door(inside).place.today()
    limit = number(request, "limit", 100, 1, MOST_LISTED)
    after = (one(request, "after") or "")[:CODE_CHARACTERS]
    found = directory.page(after, limit)
    return json_response(
        {
            "version": directory.version,
            "total": len(directory),
            "agencies": [_agency(a, directory.stamp(a.code), a.standing(on).value) for a in found],
            "next": found[-1].code if len(found) == limit else None,
        }
    )


async def show(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    told = _explained(inside, request)
    if told.agency is None:
        hint = next((s for s in told.sentences if "other form" in s and "may be" in s), "")
        raise NotFoundError(f"no agency {told.code} in the directory. {hint}".strip())
    return json_response(_agency(told.agency, told.stamp, told.standing))


async def explained(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    told = _explained(inside, request)
    known = told.agency
    return json_response(
        {
            "code": told.code,
            "form": told.form,
            "level": told.level,
            "parent": told.parent,
            "agency": None if known is None else _agency(known, told.stamp, told.standing),
            "next_hop": told.next_hop,
            "sentences": list(told.sentences),
        }
    )


async def take_over(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """A table of agencies as CSV or JSON: each row stands for its code from then on."""
    only(request, "why", "dry_run")
    why = _why(one(request, "why") or "")
    dry_run = word(request, "dry_run", ("true", "false")) == "true"
    if request.content_type not in READERS:
        raise MediaTypeError("the table is text/csv or application/json", parameter="Content-Type")
    await proceed(request)
    table = Table(request.content_type, await body(request, IMPORT_BYTES))
    done = await _door(inside).desk.take_over(caller, table, why, dry_run=dry_run)
    return json_response(_changed(done))


async def branches(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """What owners of branches signed and is in force here."""
    only(request)
    held = _door(inside).desk.keeper.held()
    return json_response(
        {
            "branches": [
                {
                    "issuer": one.issuer,
                    "version": one.version,
                    "digest": one.digest,
                    "expires_at": stamp(one.expires_at),
                    "expired": one.expires_at < inside.clock(),
                }
                for one in held
            ]
        }
    )


async def requests(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """What systems asked for and nobody has decided, the oldest first."""
    only(request, "after", "limit")
    after = number(request, "after", 0, 0, LARGEST)
    limit = number(request, "limit", 100, 1, MOST_LISTED)
    found = await _door(inside).desk.pending(after, limit)
    following = found[-1].request_id if len(found) == limit else None
    return json_response({"requests": [_request(one) for one in found], "next": following})


async def approve(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    return await _decide(inside, caller, request, RequestState.APPROVED)


async def reject(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    return await _decide(inside, caller, request, RequestState.REJECTED)


async def _decide(
    inside: Inside, caller: Caller, request: web.Request, state: RequestState
) -> web.StreamResponse:
    only(request)
    name = request.match_info["id"]
    if not (name.isascii() and name.isdigit() and len(name) < 16):
        raise NotFoundError("no request has that number")
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("why",))
    why = _why(text_member(found, "why", WHY_CHARACTERS))
    return json_response(_request(await _door(inside).desk.decide(caller, int(name), state, why)))


def _door(inside: Inside) -> DirectoryDoor:
    if inside.directory is None:
        raise NotFoundError("this face has no directory")
    return inside.directory


def _explained(inside: Inside, request: web.Request) -> Explained:
    door, code = _door(inside), request.match_info["code"]
    try:
        return explain(door.desk.directory, door.place, code)
    except EnvelopeError as error:
        raise RequestError(str(error), parameter="code") from None


def _why(text: str) -> str:
    reason = text.strip()
    if not reason or len(reason) > WHY_CHARACTERS or not reason.isprintable():
        raise RequestError(
            f"an operator's action needs a reason of up to {WHY_CHARACTERS} characters",
            parameter="why",
        )
    return reason


def _agency(agency: Agency, changed: Stamp | None, standing: str | None) -> Json:
    return {
        **row_of(agency),
        "standing": standing,
        "number": None if changed is None else changed.number,
        "version": None if changed is None else changed.version,
        "modified_at": None if changed is None else stamp(changed.modified_at),
    }


def _request(one: Request) -> Json:
    return {
        "request_id": one.request_id,
        "systemid": one.systemid,
        "kind": one.kind.value,
        "agency": row_of(one.agency),
        "state": one.state.value,
        "asked_at": stamp(one.asked_at),
        "decided_at": None if one.decided_at is None else stamp(one.decided_at),
        "by": one.by,
        "why": one.why,
    }


def _changed(done: Changed) -> Json:
    return {
        "version": done.version,
        "changed": done.changed,
        "agencies": done.agencies,
        "remarks": list(done.remarks),
    }
