"""Reconciliation by HTTP: an agency's system hands in what it believes, an operator names a neighbour.

Touches: the reconciler's door; bodies up to their stated limit.
Trusts:  nothing of a body.
Raises:  RequestError, LengthError, MediaTypeError, NotFoundError, and what the door raises.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from aiohttp import web

from relay.delivery.ports import Caller
from relay.delivery.reconciling.ports import Claimed, Period, Reconciler, Report, Side
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError, NotFoundError
from relay.model import AgencyCode, DeliveryId, Digest, MessageId, MessageType, NodeId
from relay.transport.native.asking import (
    WHY_CHARACTERS,
    body,
    only,
    parse_object,
    text_member,
)
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.reconciled import CSV, as_json, as_sheet
from relay.transport.places import place
from relay.transport.problems import MediaTypeError, RequestError

BODY_BYTES: Final = 4 << 20
DOCUMENTS: Final = 10_000
BODIES_AT_ONCE: Final = 2
"""Of systems' claims, one of each caller: as objects they take several times their size."""
BODY_SECONDS: Final = 60.0
"""Or two who send theirs a byte at a time would keep everybody else out."""
TEXT_CHARACTERS: Final = 500
MOST_GRACE_SECONDS: Final = 86_400
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000
"""So that every instant can be told in every zone."""
_SMALL_BYTES: Final = 1 << 14
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PERIOD_MEMBERS: Final = ("since", "until", "grace_seconds")
CLAIM_MEMBERS: Final = (
    "direction",
    "message_id",
    "delivery_id",
    "document_id",
    "notation",
    "promulgation_date",
    "digest",
    "agency",
    "at",
)
_NAMES: Final = ("message_id", "delivery_id", "document_id", "notation", "digest")
"""One of them at the least."""
Value = TypeVar("Value")


async def with_system(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """What an agency's system believes of a period, against what this node keeps. Changes nothing."""
    only(request)
    door, what = _door(inside), "reconciliations under way"
    with place(inside.reconciling, caller.holder, what, most=BODIES_AT_ONCE, of_one=1):
        return await _with_system(inside, door, caller, request)


async def _with_system(
    inside: Inside, door: Reconciler, caller: Caller, request: web.Request
) -> web.Response:
    known = "agency", "statuses", "documents", *PERIOD_MEMBERS
    try:
        async with asyncio.timeout(BODY_SECONDS):
            asked = await _asked(request, BODY_BYTES, known)
    except TimeoutError:
        raise RequestError(f"the body did not come whole within {BODY_SECONDS:.0f} s") from None
    period = _period(asked, inside.clock())
    claims = await asyncio.to_thread(_claims, asked)
    statuses = asked.get("statuses", False)
    if not isinstance(statuses, bool):
        raise RequestError("must be true or false", parameter="statuses")
    types = set(MessageType) if statuses else {MessageType.DOCUMENT}
    agency = text_member(asked, "agency", 64)
    if agency:
        _code(agency, "agency")
    return await _answer(request, await door.with_system(caller, agency, period, types, claims))


async def with_neighbour(
    inside: Inside, caller: Caller, request: web.Request
) -> web.StreamResponse:
    only(request)
    door = _door(inside)
    neighbour = request.match_info["neighbour"]
    if not _NODE.fullmatch(neighbour):
        raise NotFoundError("no neighbour has that id")
    asked = await _asked(request, _SMALL_BYTES, ("agency", "why", *PERIOD_MEMBERS))
    period = _period(asked, inside.clock(), _maybe(asked, "agency", _code))
    why = text_member(asked, "why", WHY_CHARACTERS)
    return await _answer(request, await door.with_neighbour(caller, NodeId(neighbour), period, why))


def _door(inside: Inside) -> Reconciler:
    if inside.reconciler is None:
        raise NotFoundError("this face reconciles nothing")
    return inside.reconciler


async def _answer(request: web.Request, report: Report) -> web.Response:
    if CSV in request.headers.get("Accept", ""):
        content = await asyncio.to_thread(as_sheet, report)
        return web.Response(body=content, content_type=CSV, charset="utf-8")
    content = await asyncio.to_thread(as_json, report)
    return web.Response(body=content, content_type="application/json")


# ---------------------------------------------------------------- asked


async def _asked(
    request: web.Request, limit_bytes: int, known: tuple[str, ...]
) -> dict[str, object]:
    if request.content_type != "application/json":
        raise MediaTypeError("the body must be application/json", parameter="Content-Type")
    await proceed(request)
    found = await asyncio.to_thread(parse_object, await body(request, limit_bytes))
    for name in found:
        if name not in known:
            raise RequestError("unknown member", parameter=name[:64])
    return found


def _period(asked: Mapping[str, object], now: datetime, agency: AgencyCode | None = None) -> Period:
    if "since" not in asked:
        raise RequestError("member is missing", parameter="since")
    since = _instant(asked["since"], "since")
    if since >= now:
        raise RequestError("lies in the future", parameter="since")
    until = now if asked.get("until") is None else _instant(asked["until"], "until")
    if until <= since:
        raise RequestError("must come after since", parameter="until")
    grace = asked.get("grace_seconds", 900)
    whole = isinstance(grace, int) and not isinstance(grace, bool)
    if not whole or not 0 <= grace <= MOST_GRACE_SECONDS:  # type: ignore[operator]
        said = f"must be a whole number from 0 to {MOST_GRACE_SECONDS}"
        raise RequestError(said, parameter="grace_seconds")
    return Period(since, until, agency, int(str(grace)))


def _claims(asked: Mapping[str, object]) -> list[Claimed]:
    documents = asked.get("documents")
    if not isinstance(documents, list):
        raise RequestError("must be a list", parameter="documents")
    if len(documents) > DOCUMENTS:
        said = f"{len(documents)} documents, limit {DOCUMENTS}: compare a shorter period"
        raise RequestError(said, parameter="documents")
    return [_claim(one, number) for number, one in enumerate(documents)]


def _claim(one: object, number: int) -> Claimed:
    try:
        return _read(one)
    except RequestError as error:
        where = f"documents[{number}]"
        named = f"{where}.{error.parameter}" if error.parameter else where
        raise RequestError(str(error), parameter=named) from None


def _read(one: object) -> Claimed:
    if not isinstance(one, dict):
        raise RequestError("must be an object")
    for name in one:
        if name not in CLAIM_MEMBERS:
            raise RequestError("unknown member", parameter=name[:64])
    if one.get("direction") not in list(Side):
        raise RequestError("must be sent or received", parameter="direction")
    if not any(one.get(name) for name in _NAMES):
        raise RequestError(f"names nothing: one of {', '.join(_NAMES)}")
    return Claimed(
        side=Side(one["direction"]),
        message_id=_maybe(one, "message_id", _uuid(MessageId)),
        delivery_id=_maybe(one, "delivery_id", _uuid(DeliveryId)),
        document_id=_text(one, "document_id"),
        notation=_text(one, "notation"),
        promulgation_date=_text(one, "promulgation_date"),
        digest=_maybe(one, "digest", _digest),
        agency=_maybe(one, "agency", _code),
        at=_maybe(one, "at", _instant),
    )


def _text(one: Mapping[str, object], name: str) -> str:
    return "" if one.get(name) is None else text_member(dict(one), name, TEXT_CHARACTERS).strip()


def _maybe(
    one: Mapping[str, object], name: str, read: Callable[[object, str], Value]
) -> Value | None:
    value = one.get(name)
    return None if value is None or value == "" else read(value, name)


def _uuid(make: Callable[[str], Value]) -> Callable[[object, str], Value]:
    def read(value: object, name: str) -> Value:
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            raise RequestError("must be an id as this API gives them", parameter=name)
        return make(value)

    return read


def _digest(value: object, name: str) -> Digest:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise RequestError("must be a SHA-256 as 64 lower-case hex digits", parameter=name)
    return Digest(value)


def _code(value: object, name: str) -> AgencyCode:
    try:
        if isinstance(value, str) and len(value) <= 64:
            return normalise(value)
    except EnvelopeError:
        pass
    raise RequestError("must be an agency code", parameter=name)


def _instant(value: object, name: str) -> datetime:
    try:
        if isinstance(value, str) and len(value) <= 64:
            found = datetime.fromisoformat(value)
            if found.tzinfo is not None and FIRST_YEAR <= found.year <= LAST_YEAR:
                whole = found.microsecond // 1000 * 1000  # as ids and the wire have it
                return found.astimezone(UTC).replace(microsecond=whole)
    except (ValueError, OverflowError):
        pass
    raise RequestError("must be an RFC 3339 instant with its offset", parameter=name)
