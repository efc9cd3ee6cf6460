"""Tokens by HTTP, for operators: issue (the secret is shown once), list, revoke.

Touches: the tokens' door.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError, and what the door raises.
"""

from __future__ import annotations

import re

from aiohttp import web

from relay.delivery.ports import Caller
from relay.transport.native.asking import members, only, text_member, token_id
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import json_response, token_view
from relay.transport.problems import RequestError

_BODY_BYTES = 1 << 18
_MOST_SCOPES = 2_000
_SCOPE = re.compile(r"operator|auditor|agency:[A-Za-z0-9.]{1,35}")


async def issue(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("holder", "scopes"))
    holder = text_member(found, "holder", 200).strip()
    if not holder:
        raise RequestError("a token must name who holds it", parameter="holder")
    view, secret = await inside.tokens.issue(caller, holder, _scopes(found["scopes"]))
    response = json_response({"token": token_view(view), "secret": secret}, status=201)
    response.headers["Cache-Control"] = "no-store"
    return response


async def listing(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return json_response({"tokens": [token_view(view) for view in await inside.tokens.list()]})


async def revoke(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return json_response(token_view(await inside.tokens.revoke(caller, token_id(request))))


def _scopes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_SCOPES:
        raise RequestError(f"scopes must be a list of 1 to {_MOST_SCOPES}", parameter="scopes")
    for scope in value:
        if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
            raise RequestError("a scope is operator, auditor or agency:CODE", parameter="scopes")
    return tuple(dict.fromkeys(value))
