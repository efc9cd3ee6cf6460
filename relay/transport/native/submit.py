"""POST /v1/envelopes: take an envelope, alone or with the agency's own seal beside it, in the body or
uploaded before (uploads.py).

Touches: the payload store (through intake_stream) and the intake.
Trusts:  nothing of the body; the caller is known before the first byte of it is read.
Raises:  RequestError and its kin, OverloadError before the body is read, and what `receive` and
         Intake.submit raise.

The answer to a repeat is the first answer, byte for byte; only the header Relay-Repeated differs, and
where the repeat brought a seal, Relay-Seal-Kind: the seal that stands is the first message's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import cast

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from relay.delivery.ports import Accepted, Caller, Submission
from relay.envelope.limits import in_units
from relay.envelope.parties import require_codes
from relay.errors import EnvelopeError, NotFoundError, TransportError
from relay.model import Digest, Envelope, Payload
from relay.transport.intake_stream import IDLE, receive, refuse_over, while_moving
from relay.transport.native import uploads
from relay.transport.native.asking import codes, idempotency_key, only, refuse_coding, uploaded
from relay.transport.native.digests import Digests, Tapped, digests_of
from relay.transport.native.inside import Inside
from relay.transport.native.proceed import proceed
from relay.transport.native.views import json_bytes, stamp
from relay.transport.problems import LengthError, MediaTypeError, RequestError
from relay.transport.repeats import admitted

_PLAIN = frozenset(
    {"application/xml", "text/xml", "application/edxml+xml", "application/octet-stream"}
)
_PARTS = frozenset({"multipart/related", "multipart/form-data"})
_IN_ORDER = ("envelope", "seal")
_NAMES = {"envelope": "envelope", "envelope.edxml": "envelope", "seal": "seal", "seal.xml": "seal"}
_CALLED = (
    "a part must be called envelope or seal (form-data name, or Content-ID <envelope> or"
    " <envelope.edxml>, <seal> or <seal.xml>), each once; parts without a name come in that order"
)
_SEAL_BYTES = 1 << 18
"""A seal with a chain of three RSA-4096 certificates is under 16 KiB."""
_CHUNK_BYTES = 1 << 18
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
    only(request, "to", "upload")
    declared_to = codes(request, "to", inside.limits.recipients)
    key, upload = idempotency_key(request), uploaded(request)
    refuse_coding(request)
    _refuse_unfit(inside, request, upload)
    if upload is None:
        digest, size_bytes = digests_of(request).sha256, request.content_length
    else:
        digest, size_bytes = upload, uploads.size(inside, caller, upload)
    async with admitted(inside, caller, size_bytes, digest=digest, key=key) as doors:
        if upload is None:
            return await _submit(doors, caller, await _take(doors, request), declared_to, key)
        try:
            handed = await _take_uploaded(doors, caller, request, upload)
            return await _submit(doors, caller, handed, declared_to, key)
        except EnvelopeError:
            uploads.drop(inside, caller, upload)
            raise


async def _submit(
    inside: Inside,
    caller: Caller,
    handed: _Handed,
    declared_to: tuple[str, ...] | None,
    key: str | None,
) -> web.StreamResponse:
    submission = Submission(
        caller=caller,
        envelope=handed.envelope,
        payload=handed.payload,
        declared_to=declared_to,
        seal=handed.seal,
        idempotency_key=key,
    )
    try:
        accepted = await inside.intake.submit(submission)
        answer = _answer(accepted)
        if accepted.repeated and handed.seal is not None:
            answer.headers["Relay-Seal-Kind"] = await _seal_that_stands(inside, caller, accepted)
        return answer
    except EnvelopeError:
        require_codes(handed.envelope, declared_to)  # says in which element, where it is a code
        raise
    finally:
        await inside.store.release(handed.payload)


async def _seal_that_stands(inside: Inside, caller: Caller, accepted: Accepted) -> str:
    try:
        return (await inside.tracking.seal(caller, accepted.message_id)).kind.value
    except NotFoundError:
        return "not-yet"


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
    digests = digests_of(request)
    await proceed(request)
    if request.content_type in _PLAIN:
        return _Handed(
            *await receive(
                digests.over(request.content) if digests.expected else request.content,
                inside.store,
                inside.limits,
                declared_bytes=request.content_length,
            )
        )
    return await _take_parts(inside, request, digests)


async def _take_uploaded(
    inside: Inside, caller: Caller, request: web.Request, upload: Digest
) -> _Handed:
    """The envelope that came before; the body is the seal, or nothing."""
    seal = b""
    if request.can_read_body:
        await proceed(request)
        seal = await _seal_alone(while_moving(request.content))
    return _Handed(*await uploads.handed_in(inside, caller, upload), seal or None)


async def _seal_alone(chunks: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > _SEAL_BYTES:
            raise LengthError("a seal over the limit", limit=in_units(_SEAL_BYTES))
    return bytes(content)


def _refuse_unfit(inside: Inside, request: web.Request, upload: Digest | None) -> None:
    """By its head alone, and before there is asked for room: what is never taken is not told to come again."""
    if upload is not None:
        _refuse_unfit_seal(request)
    elif request.content_type in _PLAIN:
        refuse_over(request.content_length, inside.limits.envelope_bytes)
    elif request.content_type in _PARTS:
        _refuse_long(inside, request)
    else:
        kinds = ", ".join(sorted(_PLAIN | _PARTS))
        raise MediaTypeError(f"the body must be one of: {kinds}", parameter="Content-Type")


def _refuse_unfit_seal(request: web.Request) -> None:
    if not request.can_read_body:
        return
    if request.content_type not in _PLAIN:
        kinds = ", ".join(sorted(_PLAIN))
        raise MediaTypeError(f"the seal must be one of: {kinds}", parameter="Content-Type")
    if (request.content_length or 0) > _SEAL_BYTES:
        raise LengthError("a seal over the limit", limit=in_units(_SEAL_BYTES))


def _refuse_long(inside: Inside, request: web.Request) -> None:
    limit = inside.limits.envelope_bytes + _SEAL_BYTES + 4096
    if (request.content_length or 0) > limit:
        raise LengthError(
            f"parts of {in_units(request.content_length or 0)}", limit=in_units(limit)
        )


async def _take_parts(inside: Inside, request: web.Request, digests: Digests) -> _Handed:
    """The parts `envelope` and, if given, `seal`, each once and in any order, closed as they should be.

    A cut-off multipart body reads short without an error, so the closing boundary must be met.
    """
    tapped = Tapped(request.content, digests)
    try:
        reader = MultipartReader(
            request.headers,
            cast("StreamReader", tapped),
            max_field_size=request.protocol.max_field_size,
            max_headers=request.protocol.max_headers,
        )
    except _FRAMING:
        raise RequestError(
            "the multipart body has no usable boundary", parameter="Content-Type"
        ) from None
    parts: dict[str, tuple[Envelope, Payload] | bytes] = {}
    try:
        handed = await _read_parts(inside, reader, parts)
        await _finish(tapped)
        return handed
    except BaseException:
        if isinstance(taken := parts.get("envelope"), tuple):
            await inside.store.release(taken[1])
        raise


async def _finish(tapped: Tapped) -> None:
    try:
        async with asyncio.timeout(IDLE.total_seconds()):
            await tapped.finish()
    except TimeoutError:
        raise TransportError(f"no byte for {IDLE.total_seconds():g} s") from None
    except _FRAMING:
        raise _misframed() from None


async def _read_parts(
    inside: Inside,
    reader: MultipartReader,
    parts: dict[str, tuple[Envelope, Payload] | bytes],
) -> _Handed:
    while (part := await _next_part(reader)) is not None:
        name = _meant(_name_of(part), parts)
        if name == "seal":
            parts[name] = await _short(part)
        else:
            parts[name] = await receive(_chunks(part), inside.store, inside.limits)
    envelope, seal = parts.get("envelope"), parts.get("seal")
    if not isinstance(envelope, tuple):
        raise RequestError(f"the part is missing; {_CALLED}", parameter="envelope")
    return _Handed(*envelope, seal if isinstance(seal, bytes) else None)


def _meant(name: str, parts: Mapping[str, object]) -> str:
    """Which part this is: by its name, or without one the first of the two that has not come."""
    meant = _NAMES.get(name) if name else next((n for n in _IN_ORDER if n not in parts), None)
    if meant is None or meant in parts:
        raise RequestError(f"a part comes twice or is not known; {_CALLED}", parameter=name[:64])
    return meant


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
    content = await _seal_alone(_chunks(part))
    if not content:
        raise RequestError("the part is empty", parameter="seal")
    return content


def _misframed() -> RequestError:
    return RequestError("the multipart body ended early or was framed wrongly")
