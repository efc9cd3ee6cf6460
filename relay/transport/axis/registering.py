"""What a document-management system may ask to change in the directory: registerAgency, deleteAgency.

Touches: the directory's desk.
Trusts:  the call, whose signature holds; not the body of registerAgency, which no signature covers.
Raises:  AxisRefusal and other RelayErrors.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from aiohttp import web

from relay.agencies import Agency
from relay.delivery.directory.desk import DirectoryDesk
from relay.delivery.directory.ports import RequestKind, RequestState
from relay.errors import (
    DirectoryError,
    EnvelopeError,
    NotFoundError,
    QuotaError,
    TransportError,
)
from relay.routing.rows import NAME_LIMIT
from relay.transport.axis import answers, expect
from relay.transport.axis.dialect import MAX_CODE, AxisCall
from relay.transport.axis.face import Face
from relay.transport.axis.listing import not_offered
from relay.transport.axis.refusals import AxisRefusal, ErrorCode, both
from relay.wire.values import fit_detail

HELD_TEXT = both("Da tiep nhan, cho quan tri duyet", "received, waits for an operator's approval")
_FIELDS = ("id", "pcode", "code", "name", "mail", "mobile", "fax")


async def register(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    """A new agency under one of the system's own, or other words for one of its own."""
    if face.agencies is None:
        return await not_offered(face, call, request)
    said = _members(await _body(face, request))
    systemid, caller = call.system.systemid, call.system.caller()
    desk = face.agencies
    if not said["code"] or not said["name"]:
        raise _unusable("ma va ten don vi la bat buoc", "code and name are needed")

    def record() -> Agency:
        above = said["pcode"]
        return desk.registration(caller, systemid, said["code"], above, said["name"], said["mail"])

    return await _ask(face, call, desk, RequestKind.REGISTER, record)


async def unregister(face: Face, call: AxisCall, request: web.Request) -> web.StreamResponse:
    if face.agencies is None:
        return await not_offered(face, call, request)
    desk, code = face.agencies, call.values.get("agencycode", "")
    if not code or len(code) > MAX_CODE:
        raise _unusable("thieu header AgencyCode", "header AgencyCode is missing or too long")
    systemid, caller = call.system.systemid, call.system.caller()

    def record() -> Agency:
        try:
            return desk.deletion(caller, systemid, code)
        except NotFoundError:
            raise _unlisted(code) from None  # it is no document that was not found

    return await _ask(face, call, desk, RequestKind.DELETE, record)


async def _ask(
    face: Face,
    call: AxisCall,
    desk: DirectoryDesk,
    kind: RequestKind,
    record: Callable[[], Agency],
) -> web.Response:
    system = call.system
    try:
        request = await desk.ask(system.caller(), system.systemid, kind, record())
    except EnvelopeError as error:
        raise _unusable("ma don vi khong hop le", str(error)) from None
    except DirectoryError as error:
        raise _unusable("khong ghi duoc vao danh muc", str(error)) from None
    except QuotaError as error:
        raise AxisRefusal(
            ErrorCode.SYSTEM_ERROR,
            "quota",
            "Qua nhieu yeu cau dang cho duyet, hay thu lai sau",
            str(error),
        ) from None
    waits = request.state is RequestState.PENDING
    body = answers.success({"ErrorDesc": HELD_TEXT} if waits else {})
    return web.Response(body=body, content_type="application/json")


async def _body(face: Face, request: web.Request) -> bytes:
    await expect.go_on(request)
    body, most = bytearray(), face.bounds.spare_body_bytes
    try:
        async with asyncio.timeout(face.bounds.idle.total_seconds()):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise _unusable("noi dung qua lon", f"a body of over {most >> 10} KiB")
    except (TimeoutError, OSError, web.RequestPayloadError):
        raise TransportError("the body ended early or stood still") from None
    return bytes(body)


def _members(content: bytes) -> dict[str, str]:
    """The seven members as texts; what is not there is empty, what is not known is not looked at."""
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _unusable("noi dung khong phai JSON", "the body is not a JSON object")
    return {name: _text(found, name) for name in _FIELDS}


def _text(found: dict[str, object], name: str) -> str:
    value = found.get(name)
    text = "" if value is None else value
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str) or len(text) > NAME_LIMIT or fit_detail(text) != text:
        raise _unusable(
            f"truong {name} khong hop le", f"{name} must be a text of up to {NAME_LIMIT} characters"
        )
    return text.strip()


def _unusable(vietnamese: str, english: str) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.SENDER_NOT_REGISTERED,
        "bad-agency",
        f"Khong dang ky duoc don vi: {vietnamese}",
        english,
    )


def _unlisted(code: str) -> AxisRefusal:
    return AxisRefusal(
        ErrorCode.SENDER_NOT_REGISTERED,
        "unknown-agency",
        f"Khong co don vi {code} trong danh muc",
        f"no agency {code} in the directory",
    )
