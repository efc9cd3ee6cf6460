"""The published log (wire format W16): which logs there are, and their checkpoints and tiles.

Touches: the published log's door.
Raises:  RequestError, NotFoundError.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from relay.delivery.operators.published import PublishedLog, Trouble
from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native.asking import only
from relay.transport.native.fragments import Json, in_path, json_answer, operation
from relay.transport.native.inside import Inside
from relay.transport.native.schemas import TEXT, WHOLE, Schema, list_of, reference
from relay.transport.native.views import json_response
from relay.transport.published import published_file

INDEX: Final = "/log/"
FILES: Final = "/log/{epoch}/{path:.+}"
PUBLISHED_SCHEMAS: dict[str, Schema] = {
    "PublishedLogs": {
        "type": "object",
        "required": ["logs"],
        "properties": {"logs": list_of(reference("PublishedLog"))},
    },
    "PublishedLog": {
        "type": "object",
        "description": "One epoch's log: its first `size` entries are published",
        "required": ["epoch", "origin", "vkey", "size", "closed", "trouble"],
        "properties": {
            "epoch": TEXT,
            "origin": TEXT,
            "vkey": TEXT,
            "size": WHOLE,
            "closed": {"type": "boolean"},
            "trouble": {"enum": [None, *(one.value for one in Trouble)]},
        },
    },
}


async def index(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    found = [] if inside.published is None else await inside.published.logs()
    return json_response({"logs": [_view(one) for one in found]})


async def file(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    epoch, path = request.match_info["epoch"], request.match_info["path"]
    if inside.published is None or request.rel_url.raw_path != f"{INDEX}{epoch}/{path}":
        raise NotFoundError("no file of the log has that name")
    return await published_file(
        request,
        inside.published,
        epoch,
        path,
        public=inside.public_log,
        sending=inside.sending_log,
    )


def _view(one: PublishedLog) -> Json:
    return {
        "epoch": one.epoch,
        "origin": one.origin,
        "vkey": one.vkey,
        "size": one.size,
        "closed": one.closed,
        "trouble": None if one.trouble is None else one.trouble.value,
    }


def published_paths() -> Json:
    listed = operation(
        "listPublishedLogs",
        "Every epoch's log with its verifier key; open to anyone where [log] public is set",
        {"200": json_answer("PublishedLogs")},
        (400, 401, 403, 503),
    )
    binary: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}
    one = operation(
        "getPublishedFile",
        "The published checkpoint, a hash tile or an entry bundle of a log, as C2SP tlog-tiles names them",
        {
            "200": {
                "description": "The file",
                "content": {
                    "application/octet-stream": {"schema": binary},
                    "text/plain": {"schema": TEXT},
                },
            },
            "304": {"description": "It is as the client has it"},
        },
        (400, 401, 403, 404, 503),
    )
    return {
        INDEX: {"get": listed, "head": {**listed, "operationId": "headPublishedLogs"}},
        "/log/{epoch}/{path}": {
            "get": one,
            "head": {**one, "operationId": "headPublishedFile"},
            "parameters": [in_path("epoch", TEXT), in_path("path", TEXT)],
        },
    }
