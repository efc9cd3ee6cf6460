"""A period of the audit log as one signed container (wire format W17), streamed as it is put together.

Touches: the exporter's door.
Raises:  NotFoundError, RequestError, OverloadError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web

from relay.audit.exporting import ExportedLog, Period
from relay.delivery.ports import Caller
from relay.errors import NotFoundError, OverloadError
from relay.transport.native.asking import one, only, operators_words, word
from relay.transport.native.fragments import WHY, Json, content, in_query, operation
from relay.transport.native.inside import Inside
from relay.transport.native.sending import send_stream
from relay.transport.problems import RequestError
from relay.wire.bundle import MIMETYPE_CONTENT

CONTENT_TYPE = MIMETYPE_CONTENT.decode()
_MOST_AT_ONCE = 2


class LogExporter(Protocol):
    """What the native face asks."""

    async def export(self, caller: Caller, period: Period, why: str) -> ExportedLog:
        """Decide on an archive, sign it and note it in the log. It is the caller's to close. Raises
        NotFoundError, AuditError."""
        ...

    def write(self, export: ExportedLog) -> AsyncIterator[bytes]:
        """Its bytes, `size_bytes` of them; memory holds one chunk."""
        ...


async def export(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    only(request, "since", "until", "words", "why")
    if inside.log_exports is None:
        raise NotFoundError("this face exports no log")
    words = word(request, "words", ("true", "false")) == "true"
    period = Period(_instant(request, "since"), _instant(request, "until"), words)
    if period.since and period.until and period.until <= period.since:
        raise RequestError("must come after since", parameter="until")
    if len(inside.exporting) >= _MOST_AT_ONCE:
        raise OverloadError(f"{_MOST_AT_ONCE} exports under way, limit {_MOST_AT_ONCE}")
    place = object()
    inside.exporting.add(place)
    try:
        planned = await inside.log_exports.export(caller, period, operators_words(request))
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Content-Disposition": 'attachment; filename="log.asice"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        with closing(planned):
            chunks = inside.log_exports.write(planned)
            return await send_stream(request, 200, headers, planned.size_bytes, chunks)
    finally:
        inside.exporting.discard(place)


def _instant(request: web.Request, name: str) -> datetime | None:
    text = one(request, name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RequestError("must be an RFC 3339 instant with its offset", parameter=name)


def log_export_paths() -> Json:
    binary = {"type": "string", "contentMediaType": CONTENT_TYPE}
    instant = {"type": "string", "format": "date-time"}
    described = operation(
        "exportAudit",
        "A period of the audit log in one ASiC-E container, signed by the node",
        {"200": content("The container", CONTENT_TYPE, binary)},
        (400, 401, 403, 404, 503),
    )
    parameters = [
        in_query("since", instant, "From then on"),
        in_query("until", instant, "Before then"),
        in_query("words", {"type": "string", "enum": ["true", "false"]}, "With who and why"),
        WHY,
    ]
    return {"/v1/audit/export": {"get": {**described, "parameters": parameters}}}
