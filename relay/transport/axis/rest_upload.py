"""sendEdoc of the REST variant: one file of a multipart form streams in, whatever its size.

Touches: the intake and the payload store, through their Protocols; holds one chunk of the file.
Trusts:  nothing of the form: neither its order, its sizes nor its names.
Raises:  RelayError, which the server answers in the dialect's JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from aiohttp import BodyPartReader, MultipartReader, hdrs, web

from relay.delivery.ports import Submission
from relay.envelope.parties import require_codes
from relay.errors import EnvelopeError, TransportError
from relay.lines import Line
from relay.model import Envelope, Payload
from relay.transport.axis import answers
from relay.transport.axis.dialect import AxisCall
from relay.transport.axis.expect import go_on
from relay.transport.axis.face import Face
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.intake_stream import receive, refuse_over
from relay.transport.repeats import admitted

FILE, KIND = "edocFile", "messageType"
FRAME_BYTES = 64 << 10
"""What a form may have around its file."""
MOST_PARTS = 16
_CHUNK_BYTES = 1 << 16
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})
_BROKEN = (ValueError, AssertionError, RuntimeError, LookupError)
"""What the library raises of a form it cannot read."""

log = structlog.get_logger("relay.axis")


@dataclass(slots=True)
class _Form:
    envelope: Envelope | None = None
    payload: Payload | None = None
    kind: str = ""


async def send(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """Answers only once the document is durable; a repeat gets the same DocId."""
    if request.content_type != "multipart/form-data":
        raise _bad_form("khong phai multipart/form-data", "not multipart/form-data")
    refuse_over(request.content_length, face.limits.envelope_bytes, FRAME_BYTES)
    async with admitted(face, call.system.caller(), request.content_length) as doors:
        await go_on(request)
        form = _Form()
        try:
            await _read(doors, request, form)
            return await _submit(doors, call, form)
        except EnvelopeError:
            if form.envelope is not None:
                require_codes(form.envelope, None)  # says in which element, where it is a code
            raise
        finally:
            if form.payload is not None:
                await doors.store.release(form.payload)


async def _read(face: Face, request: web.Request, form: _Form) -> None:
    try:
        reader = await request.multipart()
        for _ in range(MOST_PARTS):
            part = await _within(face, reader)
            if part is None:
                return
            await _take(face, part, form)
    except _BROKEN as error:
        raise _bad_form("sai dinh dang", type(error).__name__) from None
    except (web.RequestPayloadError, ConnectionError):
        raise TransportError("the form ended early or was framed wrongly") from None
    raise _bad_form("qua nhieu phan", f"more than {MOST_PARTS} parts")


async def _within(face: Face, reader: MultipartReader) -> BodyPartReader | None:
    try:
        async with asyncio.timeout(face.bounds.idle.total_seconds()):
            part = await reader.next()
    except TimeoutError:
        raise TransportError("the form stands still") from None
    if isinstance(part, MultipartReader):
        raise _bad_form("long nhau", "a form within the form")
    return part


async def _take(face: Face, part: BodyPartReader, form: _Form) -> None:
    if part.name == FILE:
        if form.payload is not None:
            raise _bad_form(f"co hai {FILE}", f"{FILE} twice")
        coding = part.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").strip().lower()
        if coding not in _PLAIN or hdrs.CONTENT_ENCODING in part.headers:
            raise _bad_form(f"{FILE} bi ma hoa lai", f"{FILE} is encoded, its own bytes are needed")
        form.envelope, form.payload = await receive(
            _chunks(part), face.store, face.limits, idle=face.bounds.idle
        )
        return
    text = await _small(face, part)
    if part.name == KIND:
        form.kind = text.strip().lower()


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk


async def _small(face: Face, part: BodyPartReader) -> str:
    content = bytearray()
    async for chunk in _chunks(part):
        content += chunk
        if len(content) > face.bounds.spare_body_bytes:
            raise _bad_form("phan qua lon", f"a part other than {FILE} that long")
    return content.decode("utf-8", "replace")


async def _submit(face: Face, call: AxisCall, form: _Form) -> web.StreamResponse:
    if form.envelope is None or form.payload is None:
        raise _bad_form(f"thieu {FILE}", f"no {FILE}")
    if form.kind not in ("", form.envelope.message_type):
        log.info(Line.MESSAGE_TYPE_DIFFERS, systemid=call.system.systemid)
    accepted = await face.intake.submit(
        Submission(call.system.caller(), form.envelope, form.payload)
    )
    return web.Response(
        body=answers.success({"DocId": accepted.message_id}), content_type="application/json"
    )


def _bad_form(vietnamese: str, english: str) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.FILE_ERROR,
        "bad-form",
        f"Bieu mau gui len khong hop le: {vietnamese}",
        f"the form cannot be used: {english}",
    )
