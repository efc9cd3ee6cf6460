"""Statistics by HTTP: figures of agencies and periods, each defined in docs/statistics.md.

Touches: the door of statistics.
Trusts:  that the door shows a caller only its own.
Raises:  RequestError, NotFoundError, and what the door raises.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date

from aiohttp import web

from relay.delivery.ports import Caller
from relay.delivery.statistics.figures import RECEIVED, SENT, By, Line, Question, Report, share
from relay.delivery.statistics.periods import FIRST, Per, label, last_of
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError, NotFoundError
from relay.model import AgencyCode
from relay.transport.native.asking import one, only, word
from relay.transport.native.fragments import Json as Described
from relay.transport.native.fragments import in_query, json_answer, operation
from relay.transport.native.inside import Inside
from relay.transport.native.schemas import INSTANT, TEXT, WHOLE, Schema, list_of, or_null, record
from relay.transport.native.schemas import word as words
from relay.transport.native.views import Json, json_bytes, stamp
from relay.transport.problems import RequestError

BY = ("agency", "tier", "type")
TOTAL = "total"
"""Told apart by nothing but the period."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LAST = date(2999, 12, 31)


async def report(inside: Inside, caller: Caller, request: web.Request) -> web.StreamResponse:
    """The figures of every agency the caller may see, of whole days of Vietnam's calendar."""
    only(request, "since", "until", "per", "by", "agency")
    if inside.statistics is None:
        raise NotFoundError("this node keeps no statistics")
    per = Per(word(request, "per", [per.value for per in Per]) or Per.MONTH)
    since, until = inside.statistics.period(_day(request, "since"), _day(request, "until"), per)
    question = Question(since, until, per, _by(request), _agency(request))
    found = await inside.statistics.report(caller, question)
    body = await asyncio.to_thread(_rendered, found)
    return web.Response(body=body, content_type="application/json")


def _day(request: web.Request, name: str) -> date | None:
    text = one(request, name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST <= day <= _LAST:
        said = f"{name} must be a day from {FIRST} to {_LAST}, such as 2026-11-29"
        raise RequestError(said, parameter=name)
    return day


def _by(request: web.Request) -> By:
    """agency, tier and type, in any number, with commas between; agency where nothing is said."""
    text = one(request, "by")
    if text is None:
        return By()
    if text == TOTAL:
        return By(agency=False)
    found = text.split(",") if len(text) <= sum(map(len, BY)) + 2 else [""]
    if not set(found) <= set(BY) or len(set(found)) < len(found):
        raise RequestError(f"by must be some of {', '.join(BY)}; or {TOTAL}", parameter="by")
    return By("agency" in found, "tier" in found, "type" in found)


def _agency(request: web.Request) -> AgencyCode | None:
    text = one(request, "agency")
    try:
        return None if text is None else normalise(text)
    except EnvelopeError:
        raise RequestError("agency must be an agency code", parameter="agency") from None


# ---------------------------------------------------------------- answered


def _rendered(found: Report) -> bytes:
    """Line by line, so that the event loop gets its turn between them."""
    question, by = found.question, found.question.by
    named = zip(BY, (by.agency, by.tier, by.document_type), strict=True)
    head = {
        "since": question.since.isoformat(),
        "until": question.until.isoformat(),
        "per": question.per.value,
        "by": [name for name, wanted in named if wanted],
        "zone": "+07:00",
        "counted_at": stamp(found.at),
    }
    lines = b",".join(json_bytes(one) for one in _lines(found))
    return b"%s,%s:[%s]}" % (json_bytes(head)[:-1], b'"lines"', lines)


def _lines(found: Report) -> Iterator[Json]:
    for line in found.lines:
        yield {**_period(line, found.question), **_told_apart(line), **_counts(line)}


def _period(line: Line, question: Question) -> Json:
    """Cut where the question begins or ends within it."""
    last = last_of(line.first, question.per)
    return {
        "period": label(line.first, question.per),
        "from": max(line.first, question.since).isoformat(),
        "until": min(last, question.until).isoformat(),
    }


def _told_apart(line: Line) -> Json:
    return {
        "agency": line.agency,
        "agency_name": line.agency_name,
        "tier": line.tier,
        "document_type": line.document_type,
    }


def _counts(line: Line) -> Json:
    sent, received = line.sent, line.received
    return {
        "sent": {
            **sent,
            "electronic_share": _electronic(sent),
            "on_time_share": share(sent["same_day"] + sent["next_morning"], sent["late"]),
        },
        "received": {
            **received,
            "electronic_share": _electronic(received),
            "to_01": asdict(line.arrived),
            "to_03": asdict(line.accepted),
        },
    }


def _electronic(counts: Mapping[str, int]) -> float | None:
    return share(counts["electronic"], counts["with_paper"])


# ---------------------------------------------------------------- described


def statistics_paths() -> Described:
    day: Schema = {"type": "string", "format": "date"}
    return {
        "/v1/stats": {
            "get": {
                **operation(
                    "getStatistics",
                    "Figures of agencies and periods; docs/statistics.md defines each",
                    {"200": json_answer("Statistics")},
                    (400, 401, 403, 404, 503),
                ),
                "parameters": [
                    in_query("since", day, "The first day (UTC+7); else that of until's period"),
                    in_query("until", day, "The last day, which counts; else today"),
                    in_query("per", {**words(Per), "default": "month"}, "How long a period is"),
                    in_query(
                        "by", TEXT, "Some of agency, tier, type, with commas between; or total"
                    ),
                    in_query("agency", TEXT, "What this agency sent and received only"),
                ],
            }
        }
    }


_SHARE: Schema = or_null({"type": "number", "minimum": 0, "maximum": 1})
_ANSWERING = record(
    "How long it took, in minutes begun",
    count=WHOLE,
    median_minutes=or_null(WHOLE),
    p90_minutes=or_null(WHOLE),
)
STATISTICS_SCHEMAS: dict[str, Schema] = {
    "Statistics": record(
        "The figures that were asked for, oldest period first.",
        since=TEXT,
        until=TEXT,
        per=words(Per),
        by=list_of({"type": "string", "enum": list(BY)}),
        zone=TEXT,
        counted_at=INSTANT,
        lines=list_of({"$ref": "#/components/schemas/StatisticsLine"}),
    ),
    "StatisticsLine": record(
        "One period of one agency, tier or type; null where they are not told apart.",
        **{
            "period": TEXT,
            "from": TEXT,
            "until": TEXT,
            "agency": or_null(TEXT),
            "agency_name": or_null(TEXT),
            "tier": or_null(TEXT),
            "document_type": or_null(TEXT),
            "sent": record(
                "Of what was sent",
                **dict.fromkeys(SENT, WHOLE),
                electronic_share=_SHARE,
                on_time_share=_SHARE,
            ),
            "received": record(
                "Of what was received",
                **dict.fromkeys(RECEIVED, WHOLE),
                electronic_share=_SHARE,
                to_01=_ANSWERING,
                to_03=_ANSWERING,
            ),
        },
    ),
}
