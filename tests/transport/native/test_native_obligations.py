"""GET /v1/obligations: what is asked for, page by page, and nothing that was misspelt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from relay.delivery.ports import Caller, ObligationQuery, ObligationView
from relay.model import AgencyCode, MessageId, ObligationKind, ObligationState
from relay.transport.native.obligations import OBLIGATION_SCHEMAS

AT = datetime(2020, 1, 2, tzinfo=UTC)
SENDER = {"Authorization": "Bearer sender"}
ASKED = ObligationView(
    cursor=7,
    kind=ObligationKind.TAKE_BACK,
    state=ObligationState.REQUESTED,
    answer=None,
    cause=MessageId("0199aaaa-0000-7000-8000-000000000000"),
    document=None,
    delivery_id=None,
    sender=AgencyCode("H13.20"),
    recipient=AgencyCode("H01"),
    document_id="D-1",
    notation="",
    promulgation_date="",
    asked_at=AT,
    due_at=AT,
    settled_at=None,
)


class Book:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Caller, ObligationQuery]] = []

    async def list(self, caller: Caller, query: ObligationQuery) -> list[ObligationView]:
        self.asked.append((caller, query))
        return [ASKED] if query.after < ASKED.cursor else []


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def client(build: Callable[..., web.Application], book: Book) -> Any:
    async with TestClient(TestServer(build(obliged=book))) as client:
        yield client


async def test_a_page_has_every_member_of_the_description(client: Any, book: Book) -> None:
    """Absent values are null; overdue is judged by the node's clock; `next` goes on behind."""
    answer = await client.get("/v1/obligations", headers=SENDER)
    page = await answer.json()
    (one,) = page["obligations"]

    assert set(one) == set(OBLIGATION_SCHEMAS["Obligation"]["required"])
    assert (one["overdue"], one["answer"], one["due_at"]) == (
        True,
        None,
        "2020-01-02T00:00:00.000Z",
    )
    assert page["next"] == 7
    again = await client.get("/v1/obligations?after=7", headers=SENDER)
    assert await again.json() == {"obligations": [], "next": 7}
    assert book.asked[0][0].agencies


async def test_filters_reach_the_door(client: Any, book: Book) -> None:
    """In either form of a code."""
    path = "/v1/obligations?agency=12.h53&state=agreed&overdue=true&after=3&limit=9"
    assert (await client.get(path, headers=SENDER)).status == 200
    assert book.asked[-1][1] == ObligationQuery(
        AgencyCode("000.00.12.H53"), ObligationState.AGREED, overdue=True, after=3, limit=9
    )


@pytest.mark.parametrize(
    "query", ["agency=a%20b", "state=done", "overdue=yes", "limit=0", "after=-1", "stat=agreed"]
)
async def test_what_is_misspelt_is_refused(client: Any, query: str) -> None:
    """A filter that was ignored would show what nobody asked for."""
    assert (await client.get(f"/v1/obligations?{query}", headers=SENDER)).status == 400


async def test_nobody_without_a_token_sees_any(client: Any) -> None:
    assert (await client.get("/v1/obligations")).status == 401
