"""The evidence of one message as one file (wire format W14), streamed as it is put together.

Touches: the evidence door.
Raises:  NotFoundError, AccessError, GoneError, TakenBackError, RequestError.
"""

from __future__ import annotations

from aiohttp import web

from relay.delivery.ports import Caller
from relay.errors import NotFoundError
from relay.transport.native.asking import message_id, only, operators_words
from relay.transport.native.fragments import WHY, Json, content, in_path, operation
from relay.transport.native.inside import Inside
from relay.transport.native.schemas import UUID
from relay.transport.native.sending import send_stream
from relay.wire.bundle import MIMETYPE_CONTENT

CONTENT_TYPE = MIMETYPE_CONTENT.decode()


async def export(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "why")
    if inside.evidence is None:
        raise NotFoundError("this face gives no evidence files")
    file = await inside.evidence.export(caller, message_id(request), operators_words(request))
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Disposition": f'attachment; filename="{file.message_id}.asice"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return await send_stream(request, 200, headers, file.size_bytes, inside.evidence.write(file))


def evidence_paths() -> Json:
    binary = {"type": "string", "contentMediaType": CONTENT_TYPE}
    described = operation(
        "exportEvidence",
        "Document, seal, receipts, proofs of the log, statuses and certificates in one ASiC-E container, signed by the node",
        {"200": content("The container", CONTENT_TYPE, binary)},
        (400, 401, 403, 404, 409, 410, 503),
    )
    parameters = [in_path("id", UUID)]
    return {
        "/v1/messages/{id}/evidence": {
            "get": {**described, "parameters": [WHY]},
            "parameters": parameters,
        }
    }
