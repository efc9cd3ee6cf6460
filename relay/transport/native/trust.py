"""Whom the node trusts, by HTTP, for operators: looked at, and read anew from its files.

Touches: the desk of trust.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError, NotPossibleError (the files do not serve: nothing was changed).
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from relay.delivery.operators.trusting import Entry, TrustDoor, Trusted
from relay.delivery.ports import Caller
from relay.errors import NotFoundError, NotPossibleError, SettingsError
from relay.transport.native.asking import members, only, text_member
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import Json, json_response, stamp
from relay.transport.problems import RequestError

BODY_BYTES: Final = 1 << 14
WHY_CHARACTERS: Final = 500
_SHOWN_CHARACTERS: Final = 500


async def show(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    view = _desk(inside).show()
    return json_response(
        {"certificates": [_certificate(one) for one in view.certificates], "problem": view.problem}
    )


async def reload(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, BODY_BYTES, ("why",))
    why = text_member(found, "why", WHY_CHARACTERS).strip()
    if not why:
        raise RequestError("an operator's action needs a reason", parameter="why")
    try:
        done = await _desk(inside).reload(caller, why)
    except SettingsError as error:
        told = "; ".join(error.problems)[:_SHOWN_CHARACTERS]
        raise NotPossibleError(f"nothing was changed: {told}") from None
    return json_response(
        {
            "added": [_entry(one) for one in done.added],
            "removed": [_entry(one) for one in done.removed],
            "closed": list(done.closed),
        }
    )


def _desk(inside: Inside) -> TrustDoor:
    if inside.trust is None:
        raise NotFoundError("this node shows nothing of whom it trusts")
    return inside.trust


def _certificate(one: Trusted) -> Json:
    return {
        "listed_as": one.listed_as,
        "sha256": one.sha256,
        "subject": one.subject[:_SHOWN_CHARACTERS],
        "not_after": stamp(one.not_after),
        "branches": list(one.branches),
    }


def _entry(one: Entry) -> Json:
    return {"listed_as": one[0], "sha256": one[1]}
