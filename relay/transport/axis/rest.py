"""The REST variant of provincial gateways (LGSP), below a prefix of the axis listener's paths.

Six calls, proven by the secret itself in a header, so never to be served without TLS. A system uses it
only where its operator switched it on. Each call becomes the dialect's own and is answered by it.

Touches: HTTP, the intake and the inside of the face.
Trusts:  nothing before `prove`; the multipart framing is a client's.
Raises:  RelayError, which the server answers in the dialect's JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime

from aiohttp import web

from relay.transport.axis import answers, listing, rest_upload
from relay.transport.axis.dialect import AxisCall, Call, doc_id
from relay.transport.axis.expect import go_on
from relay.transport.axis.face import Face
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.axis.systems import System, Systems

SYSTEM_HEADER, SECRET_HEADER = "X-SystemId", "X-SecretKey"
_DATE = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})(.*)", re.DOTALL)
_FILTERS = ("messageType", "fromDate", "toDate", "status", "pageSize", "pageIndex")

Handler = Callable[[Face, AxisCall, web.Request], Awaitable[web.StreamResponse]]


def call_at(prefix: str, path: str) -> str | None:
    """The call's name where the path is one of the variant's."""
    begin = f"{prefix}/v1/"
    return path[len(begin) :] if path.startswith(begin) else None


def meant(name: str) -> Call:
    """The dialect's call whose fields the answer has. Raises HTTPNotFound."""
    if name not in _CALLS:
        raise web.HTTPNotFound
    return _CALLS[name][1]


async def answer(
    face: Face,
    name: str,
    request: web.Request,
    prove: Callable[[], System],
    own: Mapping[Call, Handler],
) -> web.StreamResponse:
    """`own`: the dialect's handlers, for what the variant answers in no way of its own."""
    method, call, values, handler = _CALLS[name]
    if request.method != method:
        raise web.HTTPMethodNotAllowed(request.method, (method,))
    system = prove()
    if not system.rest:
        raise AxisRefusal(
            ErrorCode.BAD_SYSTEM,
            "rest-off",
            f"He thong {system.systemid} chua duoc mo giao dien REST, hay bao quan tri",
            f"the REST variant is not switched on for system {system.systemid}, tell its operator",
        )
    used = await values(face, request)
    handler = handler or own[call]
    return await handler(face, AxisCall(call, system, used, frozenset(), "", None), request)


def prove(
    request: web.Request,
    systems: Systems,
    now: datetime,
    failed: Callable[[System], None],
) -> System:
    """The system whose secret is in the header; as much work for a stranger as for anyone."""
    systemid, secret = (_one(request, name) for name in (SYSTEM_HEADER, SECRET_HEADER))
    system = systems.lookup(systemid)
    given = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
    holds = False
    for key, counts in systems.keys(system, now):
        holds |= hmac.compare_digest(hashlib.sha256(key).digest(), given) & counts
    if system is not None and not holds:
        failed(system)
    if system is None or not holds:
        raise AxisRefusal(
            ErrorCode.BAD_SYSTEM,
            "unknown-system" if system is None else "bad-secret",
            "Sai systemid hoac khoa bi mat",
            "unknown systemid, or not its secret",
        )
    return system


def _one(request: web.Request, name: str) -> str:
    values = request.headers.getall(name, [])
    if len(values) != 1 or not values[0]:
        raise AxisRefusal(
            ErrorCode.BAD_SYSTEM,
            "missing-header",
            f"Can dung mot header {name}",
            f"header {name} is needed once",
        )
    return values[0]


# ---------------------------------------------------------------- what a call says

Values = Mapping[str, str]


async def _filters(_: Face, request: web.Request) -> Values:
    """Dates come as yyyy/MM/dd here; the dialect has dd/MM/yyyy."""
    return {name.lower(): _date(value) for name, value in _query(request, _FILTERS)}


async def _doc_id(_: Face, request: web.Request) -> Values:
    return {name.lower(): value for name, value in _query(request, ("docId", "docid"))}


async def _nothing(_: Face, request: web.Request) -> Values:
    return {}


async def _acknowledged(face: Face, request: web.Request) -> Values:
    """{"docId": …, "status": …, "reason"?: …}"""
    await go_on(request)
    content = bytearray()
    async for chunk in request.content.iter_any():
        content += chunk
        if len(content) > face.bounds.spare_body_bytes:
            raise _no_object("a body that long")
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _no_object("no JSON object")
    kept = ((name, found.get(name)) for name in ("docId", "status", "reason"))
    return {name.lower(): value for name, value in kept if isinstance(value, str) and value}


def _query(request: web.Request, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        if value := request.query.get(name):
            yield name, value


def _date(text: str) -> str:
    found = _DATE.fullmatch(text)
    return f"{found[3]}/{found[2]}/{found[1]}{found[4]}" if found else text


def _no_object(what: str) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.SYSTEM_ERROR,
        "bad-parameter",
        'Noi dung phai la JSON {"docId","status"}',
        f'the body must be JSON {{"docId","status"}}, this is {what}',
    )


# ---------------------------------------------------------------- what has no call of its own there


async def _receive_status(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """A row for each recipient of a package this system sent."""
    doc_id(call)
    response = await listing.sent(face, call, request)
    if isinstance(response, web.Response) and response.body == answers.success({"data": []}):
        raise AxisRefusal(
            ErrorCode.FILE_ERROR,
            "not-found",
            "Khong tim thay van ban da gui voi docId nay",
            "no document sent by this system has that docId",
        )
    return response


_Row = tuple[str, Call, Callable[[Face, web.Request], Awaitable[Values]], Handler | None]
_CALLS: Mapping[str, _Row] = {
    "sendEdoc": ("POST", Call.SEND, _nothing, rest_upload.send),
    "syncReceivedEdocList": ("GET", Call.RECEIVED, _filters, None),
    "getEdoc": ("GET", Call.GET, _doc_id, None),
    "updateStatus": ("POST", Call.UPDATE, _acknowledged, None),
    "getReceiveStatus": ("GET", Call.SENT, _doc_id, _receive_status),
    "getAgenciesList": ("GET", Call.AGENCIES, _nothing, None),
}
