"""Document-management systems by HTTP, for operators: add, list, rotate and revoke their secrets.

Touches: the desk of systems.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError, and what the desk raises.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Final

from aiohttp import web

from relay.delivery.operators.systems import KnownSystem, SystemsDesk
from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.model import AgencyCode
from relay.transport.native.asking import members, only, text_member
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import Json, json_response, stamp
from relay.transport.problems import RequestError

BODY_BYTES: Final = 1 << 18
MOST_ROWS: Final = 2_000
"""Agencies, addresses or certificates of one system."""
NAME_CHARACTERS: Final = 64
SECRET_CHARACTERS: Final = 256
WHY_CHARACTERS: Final = 500
_DAY_SECONDS: Final = 86_400
_OPTIONAL = ("secret", "addresses", "certificates", "freshness", "window_seconds", "rest")


async def add(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, BODY_BYTES, ("systemid", "agencies"), _OPTIONAL)
    system = KnownSystem(
        systemid=_name(found),
        agencies=tuple(AgencyCode(code) for code in _texts(found, "agencies")),
        addresses=_texts(found, "addresses"),
        certificates=tuple(_der(text) for text in _texts(found, "certificates")),
        freshness=text_member(found, "freshness", 10) or "warn",
        window=timedelta(seconds=_seconds(found, "window_seconds", _DAY_SECONDS)),
        rest=_flag(found, "rest"),
    )
    desk = _desk(inside)
    secret = await desk.add(caller, system, _secret(found))
    view = next(one for one in await desk.list() if one.systemid == system.systemid)
    return _shown_once(view, secret, 201)


async def listing(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return json_response({"systems": [_view(one) for one in await _desk(inside).list()]})


async def rotate(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, BODY_BYTES, ("systemid",), ("overlap_seconds", "secret"))
    overlap = timedelta(seconds=_seconds(found, "overlap_seconds", 7 * _DAY_SECONDS))
    view, secret = await _desk(inside).rotate(caller, _name(found), overlap, _secret(found))
    return _shown_once(view, secret, 200)


async def revoke(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, BODY_BYTES, ("systemid", "why"))
    why = text_member(found, "why", WHY_CHARACTERS).strip()
    if not why:
        raise RequestError("an operator's action needs a reason", parameter="why")
    return json_response(_view(await _desk(inside).revoke(caller, _name(found), why)))


def _desk(inside: Inside) -> SystemsDesk:
    if inside.systems is None:
        raise NotFoundError("this node serves no systems")
    return inside.systems


def _shown_once(view: KnownSystem, secret: str, status: int) -> web.Response:
    response = json_response({"system": _view(view), "secret": secret}, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _view(one: KnownSystem) -> Json:
    return {
        "systemid": one.systemid,
        "configured": one.configured,
        "agencies": list(one.agencies),
        "addresses": list(one.addresses),
        "certificates": [hashlib.sha256(der).hexdigest() for der in one.certificates],
        "freshness": one.freshness,
        "window_seconds": int(one.window.total_seconds()),
        "rest": one.rest,
        "created_at": None if one.created_at is None else stamp(one.created_at),
        "secrets": [
            {
                "secret_id": secret.secret_id,
                "created_at": None if secret.created_at is None else stamp(secret.created_at),
                "ends_at": None if secret.ends_at is None else stamp(secret.ends_at),
            }
            for secret in one.secrets
        ],
    }


def _name(found: dict[str, object]) -> str:
    text = text_member(found, "systemid", NAME_CHARACTERS)
    if not text:
        raise RequestError("a systemid is needed", parameter="systemid")
    return text


def _secret(found: dict[str, object]) -> str | None:
    return text_member(found, "secret", SECRET_CHARACTERS) if "secret" in found else None


def _texts(found: dict[str, object], name: str) -> tuple[str, ...]:
    value = found.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        raise RequestError(f"{name} must be a list of up to {MOST_ROWS}", parameter=name)
    if not all(isinstance(one, str) and len(one) < 16_384 for one in value):
        raise RequestError(f"{name} must be a list of texts", parameter=name)
    return tuple(dict.fromkeys(value))


def _der(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise RequestError("a certificate is DER in base64", parameter="certificates") from None


def _seconds(found: dict[str, object], name: str, otherwise: int) -> int:
    value = found.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 31:
        raise RequestError("must be a number of seconds", parameter=name)
    return value


def _flag(found: dict[str, object], name: str) -> bool:
    value = found.get(name, False)
    if not isinstance(value, bool):
        raise RequestError("must be true or false", parameter=name)
    return value
