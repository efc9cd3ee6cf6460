"""The archive by HTTP: its files, and legal holds; evidence out of it is asked for as any other.

Touches: the archive's door.
Trusts:  that the gate let only a reader in, and only an operator to what changes something.
Raises:  RequestError, NotFoundError, EnvelopeError, and what the door raises.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.evidence.archive_ports import ArchiveDoor, Hold, HoldKind, WrittenFile
from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native.asking import LARGEST, WHY_CHARACTERS, members, number, one, only
from relay.transport.native.asking import text_member as text
from relay.transport.native.fragments import (
    LIMIT,
    cursor,
    in_query,
    json_answer,
    json_body,
    operation,
)
from relay.transport.native.fragments import Json as Described
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.schemas import (
    DIGEST,
    INSTANT,
    TEXT,
    WHOLE,
    Schema,
    list_of,
    or_null,
    record,
    reference,
    word,
)
from relay.transport.native.views import Json, json_response, stamp
from relay.transport.problems import RequestError

_BODY_BYTES = 1 << 14
_NAME_CHARACTERS = 64
_MOST = 1_000


async def files(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "after", "limit")
    after = number(request, "after", 0, 0, LARGEST)
    found = await _door(inside).files(after, number(request, "limit", 100, 1, _MOST))
    return json_response({"files": [_file(file) for file in found]})


async def holds(inside: Inside, by: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "after", "limit")
    kind, _, name = (one(request, "after") or "").partition(":")
    found = await _door(inside).holds((kind, name), number(request, "limit", 100, 1, _MOST))
    return json_response({"holds": [_hold(each) for each in found]})


async def place(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    kind, name, why = await _asked(request)
    await _door(inside).hold(caller, kind, name, why)
    return json_response({"kind": kind, "name": name})


async def release(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    kind, name, why = await _asked(request)
    await _door(inside).release(caller, kind, name, why)
    return json_response({"kind": kind, "name": name})


async def _asked(request: web.Request) -> tuple[HoldKind, str, str]:
    only(request)
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("kind", "name", "why"))
    kind, name = text(found, "kind", 16), text(found, "name", _NAME_CHARACTERS).strip()
    why = text(found, "why", WHY_CHARACTERS).strip()
    if kind not in set(HoldKind):
        raise RequestError(f"must be one of: {', '.join(HoldKind)}", parameter="kind")
    for member, value in (("name", name), ("why", why)):
        if not value:
            raise RequestError("must not be empty", parameter=member)
    return HoldKind(kind), name, why


def _door(inside: Inside) -> ArchiveDoor:
    if inside.archive is None:
        raise NotFoundError("this face has no archive")
    return inside.archive


def _file(file: WrittenFile) -> Json:
    return {
        "number": file.number,
        "name": file.name,
        "digest": file.digest,
        "previous": file.previous,
        "size_bytes": file.size_bytes,
        "messages": file.messages,
        "written_at": stamp(file.written_at),
    }


def _hold(found: Hold) -> Json:
    return {
        "kind": found.kind,
        "name": found.name,
        "by": found.by,
        "why": found.why,
        "held_at": stamp(found.held_at),
    }


def archive_paths() -> Described:
    after = in_query("after", TEXT, "`kind:name` of the last one seen")
    refusals = (400, 401, 403, 404, 413, 415, 422, 503)
    answer = {"200": json_answer("Held")}
    listed = operation(
        "listArchiveFiles",
        "The archive's files, oldest first",
        {"200": json_answer("ArchiveFiles")},
        (400, 401, 403, 404, 503),
    )
    held = operation(
        "listHolds",
        "What must not leave, and why",
        {"200": json_answer("Holds")},
        (400, 401, 403, 404, 503),
    )
    placed = operation(
        "hold", "What is named leaves neither journal nor node; audited", answer, refusals
    )
    ended = operation("releaseHold", "Retention applies again; audited", answer, refusals)
    return {
        "/v1/archive": {"get": {**listed, "parameters": cursor("Number of the last file seen")}},
        "/v1/archive/holds": {
            "get": {**held, "parameters": [after, LIMIT]},
            "post": {**placed, "requestBody": json_body("HoldRequest")},
        },
        "/v1/archive/holds/release": {"post": {**ended, "requestBody": json_body("HoldRequest")}},
    }


ARCHIVE_SCHEMAS: dict[str, Schema] = {
    "ArchiveFiles": record("A page of them.", files=list_of(reference("ArchiveFile"))),
    "ArchiveFile": record(
        "An archive file; `digest` is of all its bytes, `previous` that of the file before it.",
        number=WHOLE,
        name=TEXT,
        digest=DIGEST,
        previous=or_null(DIGEST),
        size_bytes=WHOLE,
        messages=WHOLE,
        written_at=INSTANT,
    ),
    "Holds": record("A page of them.", holds=list_of(reference("LegalHold"))),
    "LegalHold": record(
        "Nothing of a message, or of all messages an agency sent or received, may leave.",
        kind=word(HoldKind),
        name=TEXT,
        by=TEXT,
        why=TEXT,
        held_at=INSTANT,
    ),
    "HoldRequest": record(
        "A message's id or an agency's code, and the reason.",
        kind=word(HoldKind),
        name=TEXT,
        why=TEXT,
    ),
    "Held": record("What was acted on, as it was named.", kind=word(HoldKind), name=TEXT),
}
