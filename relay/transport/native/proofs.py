"""Proofs that an entry stands in the log: for auditors, and of a receipt for whoever may see it.

Touches: the prover's door, the tracking's.
Raises:  NotFoundError, RequestError, AuditError, JournalError.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.operators.proving import Proofs
from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native.asking import digest, index_in_path, only, word
from relay.transport.native.fragments import Json, content, in_path, in_query, operation
from relay.transport.native.inside import Inside
from relay.transport.native.schemas import DIGEST, TEXT, WHOLE


async def entry(inside: Inside, _: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "newer")
    index = index_in_path(request)
    return _file(await _prover(inside).entry(index, newer=_newer(request)))


async def receipt(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "newer")
    signed = await inside.tracking.receipt(caller, digest(request))
    return _file(await _prover(inside).receipt(signed, newer=_newer(request)))


def _prover(inside: Inside) -> Proofs:
    if inside.proofs is None:
        raise NotFoundError("this face gives no proofs")
    return inside.proofs


def _newer(request: web.Request) -> bool:
    return word(request, "newer", ("true", "false")) == "true"


def _file(content: bytes) -> web.Response:
    return web.Response(body=content, content_type="text/plain", charset="utf-8")


def proof_paths() -> Json:
    answer = {"200": content("A C2SP tlog-proof with its leaf", "text/plain", TEXT)}
    newer = in_query(
        "newer",
        {"type": "string", "enum": ["true", "false"], "default": "false"},
        "With the newest head, and the proof that it continues the one proven against",
    )
    described = operation(
        "getEntryProof",
        "That an entry stands in the log, checked before it is given",
        answer,
        (400, 401, 403, 404, 503),
    )
    of_receipt = operation(
        "getReceiptProof",
        "The same of the first entry that names a receipt, with the receipt in it",
        answer,
        (400, 401, 404, 503),
    )
    return {
        "/v1/audit/entries/{id}/proof": {
            "get": {**described, "parameters": [newer]},
            "parameters": [in_path("id", WHOLE)],
        },
        "/v1/receipts/{digest}/proof": {
            "get": {**of_receipt, "parameters": [newer]},
            "parameters": [in_path("digest", DIGEST)],
        },
    }
