"""sendEdoc: the sender is checked before its body is asked for, then the body streams in.

Touches: the intake and the payload store, through their Protocols.
Trusts:  the call, whose signature holds; neither body nor codes.
Raises:  RelayError, which the server answers in the dialect.
"""

from __future__ import annotations

import structlog
from aiohttp import hdrs, web

from relay.delivery.ports import Submission
from relay.envelope.parties import require_codes
from relay.errors import EnvelopeError, RelayError
from relay.lines import Line
from relay.model import MessageType
from relay.transport.axis import answers, dialect
from relay.transport.axis.dialect import AxisCall
from relay.transport.axis.expect import go_on
from relay.transport.axis.face import Face
from relay.transport.axis.refusals import AxisRefusal, ErrorCode
from relay.transport.intake_stream import CRLF_BYTES, receive, refuse_over
from relay.transport.repeats import admitted

log = structlog.get_logger("relay.axis")


async def send(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """Answers only once the document is durable; a repeat gets the same DocId (A1.4)."""
    declared_type = dialect.message_type(call)
    declared_from = _own_sender(face, call)
    declared_to = dialect.declared_recipients(call, face.limits.recipients)
    expected = _hash_file(call)
    _refuse_coding(request)
    refuse_over(request.content_length, face.limits.envelope_bytes, CRLF_BYTES)
    size_bytes = request.content_length
    async with admitted(face, call.system.caller(), size_bytes, digest=expected) as doors:
        return await _take(
            doors, call, request, declared_type, declared_from, declared_to, expected
        )


async def _take(
    face: Face,
    call: AxisCall,
    request: web.Request,
    declared_type: MessageType | None,
    declared_from: str,
    declared_to: tuple[str, ...] | None,
    expected: str,
) -> web.StreamResponse:
    await go_on(request)
    envelope, payload = await receive(
        request.content,
        face.store,
        face.limits,
        expected=expected,
        strip_crlf=True,
        declared_bytes=request.content_length,
        idle=face.bounds.idle,
    )
    if declared_type not in (None, envelope.message_type):
        log.info(
            Line.MESSAGE_TYPE_DIFFERS, systemid=call.system.systemid, declared=declared_type.value
        )
    submission = Submission(
        caller=call.system.caller(),
        envelope=envelope,
        payload=payload,
        declared_from=declared_from,
        declared_to=declared_to,
    )
    try:
        accepted = await face.intake.submit(submission)
    except EnvelopeError:
        require_codes(envelope, declared_to)  # says in which element, where it is a code
        raise
    finally:
        await face.store.release(payload)
    return web.Response(
        body=answers.success({"DocId": accepted.message_id}), content_type="application/json"
    )


def _own_sender(face: Face, call: AxisCall) -> str:
    """The signed `from`, as the client wrote it; it must name an agency of the system (A1.8)."""
    code = call.values.get("from", "")
    try:
        own = face.resolve(code) in call.system.agencies
    except RelayError:
        own = False
    if not own:
        shown, systemid = code[: dialect.MAX_CODE], call.system.systemid
        raise AxisRefusal(
            ErrorCode.SENDER_NOT_REGISTERED,
            "not-its-own",
            f"Don vi gui {shown} khong dung voi ma da dang ky: {systemid}",
            f"sender {shown} is not registered with {systemid}",
        )
    return code


def _hash_file(call: AxisCall) -> str:
    """What the document that follows must come to (A1.3)."""
    expected = call.values.get("hash-file")
    if expected is None:
        raise AxisRefusal(
            ErrorCode.FILE_ERROR,
            "no-hash-file",
            "Thieu header hash-file da ky",
            "no signed hash-file: the document could change on its way",
        )
    return expected


def _refuse_coding(request: web.Request) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise AxisRefusal(
            ErrorCode.FILE_ERROR,
            "coded-body",
            "Khong nhan noi dung nen (Content-Encoding)",
            "a body with Content-Encoding is not taken",
        )
