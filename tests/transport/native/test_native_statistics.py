"""GET /v1/stats: every figure described, shares of nothing null, and no parameter taken on trust."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from relay.delivery.ports import Caller
from relay.delivery.statistics.figures import (
    RECEIVED,
    SENT,
    Answering,
    By,
    Line,
    Question,
    Report,
)
from relay.delivery.statistics.periods import Per
from relay.model import AgencyCode
from relay.transport.native.statistics import STATISTICS_SCHEMAS

AT = datetime(2026, 11, 29, tzinfo=UTC)
SENDER = {"Authorization": "Bearer sender"}
SENT_FIGURES = dict.fromkeys(SENT, 0) | {
    "electronic": 2,
    "with_paper": 1,
    "same_day": 1,
    "next_morning": 1,
    "late": 2,
}
LINE = Line(
    date(2026, 10, 1),
    AgencyCode("H01"),
    None,
    None,
    SENT_FIGURES,
    dict.fromkeys(RECEIVED, 0),
    arrived=Answering(3, 4, 5),
)


class Book:
    def __init__(self) -> None:
        self.asked: list[Question] = []

    def period(self, since: date | None, until: date | None, per: Per) -> tuple[date, date]:
        return since or date(2026, 11, 1), until or date(2026, 11, 29)

    async def report(self, caller: Caller, question: Question) -> Report:
        self.asked.append(question)
        return Report(question, AT, (LINE,))


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def client(build: Callable[..., web.Application], book: Book) -> Any:
    async with TestClient(TestServer(build(statistics=book))) as client:
        yield client


async def test_an_answer_has_every_member_of_the_description(client: Any) -> None:
    """A period is cut where the question is; a share of nothing is null."""
    path = "/v1/stats?since=2026-10-05&per=quarter"
    page = await (await client.get(path, headers=SENDER)).json()
    (line,) = page["lines"]

    assert set(page) == set(STATISTICS_SCHEMAS["Statistics"]["required"])
    described = STATISTICS_SCHEMAS["StatisticsLine"]
    assert set(line) == set(described["required"])
    for side in ("sent", "received"):
        assert set(line[side]) == set(described["properties"][side]["required"])
    assert (line["period"], line["from"], line["until"]) == ("2026-Q4", "2026-10-05", "2026-11-29")
    assert (line["sent"]["electronic_share"], line["sent"]["on_time_share"]) == (0.6667, 0.5)
    assert line["received"]["electronic_share"] is None
    assert line["received"]["to_01"] == {"count": 3, "median_minutes": 4, "p90_minutes": 5}
    assert line["received"]["to_03"]["median_minutes"] is None


async def test_what_is_asked_reaches_the_door(client: Any, book: Book) -> None:
    """Days, period, breakdown, and an agency in either form of its code."""
    await client.get(
        "/v1/stats?since=2026-01-01&until=2026-01-31&per=week&by=type,tier&agency=12.h53",
        headers=SENDER,
    )
    by = By(agency=False, tier=True, document_type=True)
    assert book.asked == [
        Question(date(2026, 1, 1), date(2026, 1, 31), Per.WEEK, by, AgencyCode("000.00.12.H53"))
    ]


async def test_a_total_is_told_apart_by_nothing_but_its_period(client: Any, book: Book) -> None:
    """One line a period, of all that the caller may see."""
    page = await (await client.get("/v1/stats?by=total&per=year", headers=SENDER)).json()
    assert book.asked[0].by == By(agency=False)
    assert (page["by"], page["lines"][0]["period"]) == ([], "2026")


@pytest.mark.parametrize(
    "query",
    [
        "since=20260101",
        "since=2026-W01-1",
        "since=2026-02-30",
        "since=2026-01-01T00:00",
        "since=1969-12-31",
        "until=9999-12-31",
        "until=%D9%A2%D9%A0%D9%A2%D9%A6-01-01",
        "since=2026-01-01&since=2026-01-02",
        "per=century",
        "by=",
        "by=agency,agency",
        "by=agency,tier,type,x",
        "by=subject",
        "by=total,agency",
        "agency=%3Cscript%3E",
        "agency=" + "H" * 5000,
        "limit=1",
    ],
)
async def test_hostile_parameters_are_refused(client: Any, book: Book, query: str) -> None:
    """With 400 and the name of the one at fault; nothing is counted."""
    answer = await client.get(f"/v1/stats?{query}", headers=SENDER)
    problem = await answer.json()
    assert (answer.status, book.asked) == (400, [])
    assert query.split("=", 1)[0] in str(problem)


async def test_a_day_beyond_the_first_and_the_last_is_told_by_both(client: Any) -> None:
    """It is a day, and no other words would say what is wrong with it."""
    for query in ("since=1969-12-31", "until=9999-12-31"):
        problem = await (await client.get(f"/v1/stats?{query}", headers=SENDER)).json()
        assert "must be a day from 1970-01-01 to 2999-12-31" in problem["detail"]


async def test_nobody_is_told_without_a_token(client: Any, book: Book) -> None:
    """401, and nothing is counted."""
    assert (await client.get("/v1/stats")).status == 401
    assert book.asked == []
