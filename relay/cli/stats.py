"""`relay stats`: the figures of agencies and periods for a report, as a table, CSV or JSON.

Touches: the node.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.headings import TABLE, Language, heading, worded
from relay.cli.instants import days_of
from relay.cli.outcome import USAGE, CommandError, remark
from relay.cli.sheet import show_sheet
from relay.cli.show import show_json, show_table

_SIDES = ("sent", "received")
_TOLD_APART = {"AGENCY": "agency", "TIER": "tier", "TYPE": "document_type"}
_EMPTY = ("period", "from", "until", "agency", "agency_name", "tier", "document_type")
_UNKNOWN = {
    Language.EN: "{} counted from before this node kept what headers say: their type, Paper and "
    "deadline are unknown, and in no share",
    Language.VI: "{} được đếm từ trước khi nút lưu thông tin phần đầu văn bản: không rõ loại, bản giấy "
    "và hạn xử lý, không tính vào tỷ lệ nào",
}


class Per(StrEnum):
    """As delivery.statistics.periods.Per, which help need not wait for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class By(StrEnum):
    AGENCY = "agency"
    TIER = "tier"
    TYPE = "type"
    TOTAL = "total"


@reaching
def stats(
    node: Connection,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="The first day, as 2026-11-01.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day, which counts; else today.")
    ] = None,
    per: Annotated[Per, typer.Option(help="How long a period is.")] = Per.MONTH,
    by: Annotated[
        list[By] | None,
        typer.Option(help="What lines are told apart by; may be repeated. `total`: by nothing."),
    ] = None,
    agency: Annotated[
        str | None, typer.Option(metavar="CODE", help="What it sent and received only.")
    ] = None,
    language: Annotated[
        Language, typer.Option("--lang", help="Headings: names, or Vietnamese for a report.")
    ] = Language.EN,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every figure, for a spreadsheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Count what agencies sent and received, day by day of Vietnam's calendar (docs/statistics.md)."""
    if as_csv and as_json:
        raise CommandError("--csv and --json cannot both be given", USAGE)
    query = {**days_of(since, until), "agency": agency, "per": per.value}
    if by:
        query["by"] = ",".join(dict.fromkeys(one.value for one in by))
    found = asyncio.run(_report(node, {k: v for k, v in query.items() if v is not None}))
    if as_json:
        show_json(found)
    elif as_csv:
        _show_csv(found["lines"], language)
    else:
        _show(found, language)


def _show(found: dict[str, Any], language: Language) -> None:
    """Without the columns that were not asked for."""
    hidden = {
        column
        for column, name in _TOLD_APART.items()
        if name.removeprefix("document_") not in found["by"]
    }
    rows = [
        {column: cell for column, cell in _row(line, language).items() if column not in hidden}
        for line in found["lines"]
    ]
    columns = [heading(column, language) for column in TABLE if column not in hidden]
    ids = range(1 + len(_TOLD_APART) - len(hidden))
    show_table(columns, [tuple(row.values()) for row in rows], ids=ids)
    unknown = sum(line[side]["not_kept"] for line in found["lines"] for side in _SIDES)
    if unknown:
        remark(_UNKNOWN[language].format(unknown))


def _row(line: dict[str, Any], language: Language) -> dict[str, object]:
    """In the order of TABLE."""
    sent, received = line["sent"], line["received"]
    cells = (
        line["period"],
        line["agency"],
        worded(line["tier"], language),
        worded(line["document_type"], language),
        sent["documents"],
        _percent(sent["electronic_share"]),
        _percent(sent["on_time_share"]),
        sent["failed"],
        sent["refused"],
        sent["taken_back"],
        received["documents"],
        _times(received["to_01"]),
        _times(received["to_03"]),
        received["refused"],
        received["late"],
    )
    return dict(zip(TABLE, cells, strict=True))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _times(answering: dict[str, int | None]) -> str:
    """Median and 90th percentile."""
    if not answering["count"]:
        return ""
    return f"{_span(answering['median_minutes'])} / {_span(answering['p90_minutes'])}"


def _span(minutes: int | None) -> str:
    hours, rest = divmod(minutes or 0, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours}h{rest:02}" if hours else f"{rest}m"


def _show_csv(lines: list[dict[str, Any]], language: Language) -> None:
    rows = [dict(_flat(line)) for line in lines]
    for row in rows:
        row.update({name: worded(row[name], language) for name in ("tier", "document_type")})
    columns = [heading(name, language) for name in (rows[0] if rows else _EMPTY)]
    show_sheet(columns, [list(row.values()) for row in rows], mark=language is Language.VI)


def _flat(line: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """received_to_01_median_minutes and its kind."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}_")
        else:
            yield f"{before}{name}", value


async def _report(node: Connection, query: dict[str, str]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/stats", **query)
