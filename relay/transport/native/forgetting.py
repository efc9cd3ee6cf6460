"""Removing the words beside the log by HTTP, for operators, with its description.

Touches: the desk that removes them.
Trusts:  that the gate let only an operator in.
Raises:  RequestError, NotFoundError.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiohttp import web

from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native.asking import members, only, text_member
from relay.transport.native.fragments import Json as Described
from relay.transport.native.fragments import json_answer, json_body, operation
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.schemas import WHOLE, Schema, record
from relay.transport.native.views import json_response
from relay.transport.problems import RequestError

_BODY_BYTES: Final = 1 << 14
_WHY_CHARACTERS: Final = 500
_HOLDER_CHARACTERS: Final = 100
_MOST_DAYS: Final = 36_500


async def forget(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("why",), ("holder", "older_than_days"))
    why = text_member(found, "why", _WHY_CHARACTERS).strip()
    holder = text_member(found, "holder", _HOLDER_CHARACTERS).strip()
    if not why:
        raise RequestError("an operator's action needs a reason", parameter="why")
    if ("holder" in found) == ("older_than_days" in found):
        raise RequestError("give either holder or older_than_days", parameter="holder")
    if inside.words is None:
        raise NotFoundError("this node keeps no words beside its log")
    if "holder" in found:
        if not holder:
            raise RequestError("must not be empty", parameter="holder")
        count = await inside.words.of_holder(caller, why, holder)
    else:
        count = await inside.words.older(caller, why, _age(found["older_than_days"]))
    return json_response({"forgotten": count})


def _age(days: object) -> timedelta:
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= _MOST_DAYS:
        raise RequestError(
            f"must be a whole number up to {_MOST_DAYS}", parameter="older_than_days"
        )
    return timedelta(days=days)


FORGETTING_SCHEMAS: dict[str, Schema] = {
    "ForgetRequest": {
        "type": "object",
        "description": "Whose words to remove, or of entries how old; one of the two.",
        "properties": {
            "why": {"type": "string", "minLength": 1, "maxLength": _WHY_CHARACTERS},
            "holder": {"type": "string", "minLength": 1, "maxLength": _HOLDER_CHARACTERS},
            "older_than_days": {"type": "integer", "minimum": 0, "maximum": _MOST_DAYS},
        },
        "required": ["why"],
        "additionalProperties": False,
    },
    "Forgotten": record("How many entries no longer have words beside them.", forgotten=WHOLE),
}


def forgetting_paths() -> Described:
    forgets = operation(
        "forgetWords",
        "Remove who and why from beside the audit log; the log stays whole",
        {"200": json_answer("Forgotten")},
        (400, 401, 403, 404, 413, 415, 503),
    )
    return {"/v1/audit/forget": {"post": {**forgets, "requestBody": json_body("ForgetRequest")}}}
