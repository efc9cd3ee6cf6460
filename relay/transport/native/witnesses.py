"""Witnesses by HTTP: the cosigned head, how it stands, alarms cleared; and `add-checkpoint` for logs that are no
neighbour's (docs/wire-format.md W15).

Touches: the witnesses' door.
Trusts:  nothing of a stranger's request but a signature by a log that the settings name.
Raises:  RequestError, LengthError, NotFoundError, OverloadError.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from aiohttp import web

from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native.asking import WHY_CHARACTERS, members, only, text_member
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import Json, json_response, stamp
from relay.transport.places import place
from relay.transport.problems import RequestError
from relay.transport.witnessing import read_body, shown
from relay.witness.ports import Alarm, Watched, WitnessDoor, WitnessStanding

_BODY_BYTES: Final = 1 << 14
ORIGIN_CHARACTERS: Final = 256
_STRANGERS: Final = 8
"""Requests of anyone, being read or judged: each may hold as much as a checkpoint may be long."""
_PRESENTED: Final = "checkpoints are being taken"


async def checkpoint(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """The newest head that was cosigned, with its cosignatures: a signed note."""
    only(request)
    note = await _door(inside).checkpoint()
    return web.Response(body=note, content_type="text/plain", charset="utf-8")


async def overview(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    found = await _door(inside).overview()
    return json_response(
        {
            "at": stamp(found.at),
            "origin": found.origin,
            "size": found.size,
            "witnesses": [_standing(one) for one in found.witnesses],
            "watched": [_watched(one) for one in found.watched],
            "alarms": [_alarm(one) for one in found.alarms],
        }
    )


async def clear(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    await proceed(request)
    found = await members(request, _BODY_BYTES, ("origin", "why"))
    origin = text_member(found, "origin", ORIGIN_CHARACTERS)
    why = text_member(found, "why", WHY_CHARACTERS).strip()
    if not why:
        raise RequestError("an operator's action needs a reason", parameter="why")
    return json_response({"cleared": await _door(inside).clear(origin, caller.holder, why)})


async def add_checkpoint(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    """From anyone: what counts is who signed. Only for logs that the settings name."""
    door = _door(inside)
    with place(inside.presenting, "", _PRESENTED, most=_STRANGERS, of_one=_STRANGERS):
        await proceed(request)
        return shown(await door.add_checkpoint(await read_body(request), "native"))


def _door(inside: Inside) -> WitnessDoor:
    if inside.witnesses is None:
        raise NotFoundError("this face tells nothing of witnesses")
    return inside.witnesses


def _standing(one: WitnessStanding) -> Json:
    return {
        "witness": one.witness,
        "size": one.size,
        "cosigned_at": None if one.cosigned_at is None else stamp(one.cosigned_at),
        "behind": one.behind,
        "trouble": one.trouble,
    }


def _watched(one: Watched) -> Json:
    return {
        "log": one.log,
        "origin": one.origin,
        "size": one.size,
        "cosigned_at": stamp(one.cosigned_at),
        "note": one.note.decode(),
    }


def _alarm(one: Alarm) -> Json:
    return {
        "number": one.number,
        "log": one.log,
        "origin": one.origin,
        "kind": one.kind,
        "why": one.why,
        "ours": one.ours.decode(),
        "theirs": one.theirs.decode(),
        "proof": [b64encode(each).decode() for each in one.proof],
        "first_entry": b64encode(one.leaf).decode(),
        "handed_in_by": one.handed_in_by,
        "at": stamp(one.at),
        "cleared_at": None if one.cleared_at is None else stamp(one.cleared_at),
    }
