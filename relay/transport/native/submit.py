"""POST /v1/envelopes: take an envelope, alone or with the agency's own seal beside it.

Touches: the payload store (through intake_stream) and the intake.
Trusts:  nothing of the body; the caller is known before the first byte of it is read.
Raises:  RequestError and its kin, and what `receive` and Intake.submit raise.

The answer to a repeat is the first answer, byte for byte; only the header Relay-Repeated differs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from relay.delivery.ports import Accepted, Caller, Submission
from relay.envelope.limits import in_units
from relay.envelope.parties import require_codes
from relay.errors import EnvelopeError, OverloadError
from relay.model import Envelope, Payload
from relay.transport.intake_stream import receive
from relay.transport.native.asking import codes, idempotency_key, only, refuse_coding
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import json_bytes, stamp
from relay.transport.problems import LengthError, MediaTypeError, RequestError

_PLAIN = frozenset(
    {"application/xml", "text/xml", "application/edxml+xml", "application/octet-stream"}
)
_PARTS = frozenset({"multipart/related", "multipart/form-data"})
_SEAL_BYTES = 1 << 18
"""A seal with a chain of three RSA-4096 certificates is under 16 KiB."""
_CHUNK_BYTES = 1 << 18
_COME_AGAIN_SECONDS = 30
_FRAMING = (
    ValueError,
    RuntimeError,
    AssertionError,
    LookupError,
    web.RequestPayloadError,
    HttpProcessingError,
)
"""How aiohttp's multipart reader complains of bytes that are not framed as they should be."""


@dataclass(frozen=True, slots=True)
class _Handed:
    envelope: Envelope
    payload: Payload
    seal: bytes | None = None


async def envelope(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "to")
    declared_to = codes(request, "to", inside.limits.recipients)
    key = idempotency_key(request)
    refuse_coding(request)
    _require_ready(inside)
    handed = await _take(inside, request)
    submission = Submission(
        caller=caller,
        envelope=handed.envelope,
        payload=handed.payload,
        declared_to=declared_to,
        seal=handed.seal,
        idempotency_key=key,
    )
    try:
        return _answer(await inside.intake.submit(submission))
    except EnvelopeError:
        require_codes(handed.envelope, declared_to)  # says in which element, where it is a code
        raise
    finally:
        await inside.store.release(handed.payload)


def _require_ready(inside: Inside) -> None:
    """Before the first byte of a body that would not be taken."""
    if (reason := inside.ready()) is not None:
        raise OverloadError(f"nothing is taken in now: {reason}", _COME_AGAIN_SECONDS)


def _answer(accepted: Accepted) -> web.Response:
    headers = {"Location": f"/v1/messages/{accepted.message_id}"}
    if accepted.repeated:
        headers["Relay-Repeated"] = "true"
    document = {
        "message_id": accepted.message_id,
        "accepted_at": stamp(accepted.accepted_at),
        "receipt": accepted.receipt,
    }
    return web.Response(
        status=202, body=json_bytes(document), content_type="application/json", headers=headers
    )


async def _take(inside: Inside, request: web.Request) -> _Handed:
    if request.content_type in _PLAIN:
        await proceed(request)
        return _Handed(
            *await receive(
                request.content,
                inside.store,
                inside.limits,
                declared_bytes=request.content_length,
            )
        )
    if request.content_type in _PARTS:
        _refuse_long(inside, request)
        await proceed(request)
        return await _take_parts(inside, request)
    kinds = ", ".join(sorted(_PLAIN | _PARTS))
    raise MediaTypeError(f"the body must be one of: {kinds}", parameter="Content-Type")


def _refuse_long(inside: Inside, request: web.Request) -> None:
    limit = inside.limits.envelope_bytes + _SEAL_BYTES + 4096
    if (request.content_length or 0) > limit:
        raise LengthError(
            f"parts of {in_units(request.content_length or 0)}", limit=in_units(limit)
        )


async def _take_parts(inside: Inside, request: web.Request) -> _Handed:
    """The parts `envelope` and, if given, `seal`, each once and in any order, closed as they should be.

    A cut-off multipart body reads short without an error, so the closing boundary must be met.
    """
    try:
        reader = await request.multipart()
    except _FRAMING:
        raise RequestError(
            "the multipart body has no usable boundary", parameter="Content-Type"
        ) from None
    parts: dict[str, tuple[Envelope, Payload] | bytes] = {}
    try:
        return await _read_parts(inside, reader, parts)
    except BaseException:
        if isinstance(taken := parts.get("envelope"), tuple):
            await inside.store.release(taken[1])
        raise


async def _read_parts(
    inside: Inside,
    reader: MultipartReader,
    parts: dict[str, tuple[Envelope, Payload] | bytes],
) -> _Handed:
    while (part := await _next_part(reader)) is not None:
        name = _name_of(part)
        if name in parts or name not in {"envelope", "seal"}:
            raise RequestError(
                "a part must be called envelope or seal, each once", parameter=name[:64]
            )
        if name == "seal":
            parts[name] = await _short(part)
        else:
            parts[name] = await receive(_chunks(part), inside.store, inside.limits)
    envelope, seal = parts.get("envelope"), parts.get("seal")
    if not isinstance(envelope, tuple):
        raise RequestError("the part is missing", parameter="envelope")
    return _Handed(*envelope, seal if isinstance(seal, bytes) else None)


async def _next_part(reader: MultipartReader) -> BodyPartReader | None:
    try:
        part = await reader.next()
    except _FRAMING:
        raise _misframed() from None
    if isinstance(part, MultipartReader):
        raise RequestError("a part must not be multipart itself")
    if part is not None and _is_coded(part):
        raise MediaTypeError(
            "a part must come as it is, without coding", parameter=_name_of(part)[:64]
        )
    return part


def _is_coded(part: BodyPartReader) -> bool:
    transfer = part.headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    return transfer not in ("binary", "8bit", "7bit") or "Content-Encoding" in part.headers


def _name_of(part: BodyPartReader) -> str:
    """The name of its Content-Disposition, or in multipart/related its Content-ID."""
    return part.name or part.headers.get("Content-ID", "").strip().strip("<>")


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        try:
            chunk = await part.read_chunk(_CHUNK_BYTES)
        except _FRAMING:
            raise _misframed() from None
        if not chunk:
            return
        yield bytes(chunk)


async def _short(part: BodyPartReader) -> bytes:
    content = bytearray()
    async for chunk in _chunks(part):
        content += chunk
        if len(content) > _SEAL_BYTES:
            raise LengthError("a seal over the limit", limit=in_units(_SEAL_BYTES))
    if not content:
        raise RequestError("the part is empty", parameter="seal")
    return bytes(content)


def _misframed() -> RequestError:
    return RequestError("the multipart body ended early or was framed wrongly")
