"""Envelopes handed in piece by piece, so that a cut link costs only what was under way: /v1/uploads/{sha256}.

An upload is its caller's alone and accepted is nothing of it: that is for POST /v1/envelopes?upload={sha256},
whose body is then the agency's own seal or nothing. It stays for a while after that, so that whoever lost
the answer gets it by asking again; like those that nobody goes on with it leaves by `[retention] uploads`,
or sooner where its owner has more to bring than there is room for.

Touches: what is ahead, through its store.
Trusts:  nothing of the bytes: they are read and compared with the digest when they are handed in.
Raises:  AccessError, NotFoundError, MediaTypeError, TooLargeError, OverloadError, TransportError.
"""

from __future__ import annotations

import hashlib

from aiohttp import web

from relay.delivery.ports import Caller
from relay.delivery.pressure.quota import caller_party
from relay.errors import AccessError, NotFoundError
from relay.model import Digest, Envelope, Payload
from relay.transport.ahead import OFFSET, PARTIAL, AheadStore, append, misplaced, told
from relay.transport.intake_stream import receive, refuse_over
from relay.transport.native.asking import only, refuse_coding, upload_digest
from relay.transport.native.fragments import Json, in_path, operation
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.schemas import DIGEST
from relay.transport.problems import MediaTypeError, problem_of, problem_response
from relay.transport.requests import REQUEST_ID


def owner_of(caller: Caller) -> str:
    """The name of its uploads; no node id begins like this, and no path is made of what a holder is called."""
    return f"@{hashlib.sha256(caller.holder.encode()).hexdigest()[:32]}"


async def offset(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request)
    return told(_store(inside, caller).offset(owner_of(caller), upload_digest(request)))


async def extend(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """Append at the offset that is here; any other is a conflict that names it."""
    only(request)
    refuse_coding(request)
    store, owner, digest = _store(inside, caller), owner_of(caller), upload_digest(request)
    if request.content_type != PARTIAL:
        raise MediaTypeError(f"the body must be {PARTIAL}", parameter="Content-Type")
    have = store.offset(owner, digest)
    if (error := misplaced(request, have)) is not None:
        response = problem_response(problem_of(error), request[REQUEST_ID])
        response.headers[OFFSET] = str(have)
        return response
    limit = inside.limits.envelope_bytes
    refuse_over(have + (request.content_length or 0), limit)
    with inside.gate.body(caller_party(caller.holder), request.content_length):
        await proceed(request)
        return await append(store, owner, digest, request, limit)


def size(inside: Inside, caller: Caller, digest: Digest) -> int:
    """How much of it is here."""
    return _store(inside, caller).offset(owner_of(caller), digest)


async def handed_in(inside: Inside, caller: Caller, digest: Digest) -> tuple[Envelope, Payload]:
    """What was uploaded, whole. Raises DamagedError for other bytes, which are dropped, and what `receive` does."""
    store, owner = _store(inside, caller), owner_of(caller)
    have = store.offset(owner, digest)
    if not have:
        raise NotFoundError("nothing of that upload is here: it is to be brought first, or again")
    stream = store.read(owner, digest)
    return await receive(stream, inside.store, inside.limits, expected=digest, declared_bytes=have)


def drop(inside: Inside, caller: Caller, digest: Digest) -> None:
    """What was refused for what it is, would be again."""
    _store(inside, caller).forget(owner_of(caller), digest)


def _store(inside: Inside, caller: Caller) -> AheadStore:
    if not caller.agencies:
        raise AccessError("uploads are for callers that send for an agency")
    if inside.ahead is None:
        raise NotFoundError("no uploads are taken here")
    return inside.ahead


def upload_paths() -> Json:
    where = {OFFSET: {"schema": {"type": "integer", "minimum": 0}, "description": "Bytes here"}}
    answer = {"204": {"description": "How far it has come", "headers": where}}
    return {
        "/v1/uploads/{digest}": {
            "head": operation(
                "uploadOffset",
                "How much of an envelope is here; 0 for nothing",
                answer,
                (400, 401, 403, 404),
            ),
            "patch": {
                **operation(
                    "extendUpload",
                    "More of an envelope, from the offset on that is here",
                    answer,
                    (400, 401, 403, 404, 409, 413, 415, 503),
                ),
                "parameters": [
                    {
                        "name": OFFSET,
                        "in": "header",
                        "required": True,
                        "schema": {"type": "integer", "minimum": 0},
                        "description": "Where the body begins; 409 names the offset here",
                    }
                ],
                "requestBody": {"required": True, "content": {PARTIAL: {}}},
            },
            "parameters": [in_path("digest", DIGEST)],
        }
    }
