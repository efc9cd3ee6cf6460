"""POST /v1/reconcile on the wire: who may, what is refused, and what a clerk's spreadsheet is given."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.delivery.ports import Caller
from relay.delivery.reconciling.ports import (
    AgencyLine,
    Claimed,
    Difference,
    Kind,
    Period,
    Report,
    Side,
    What,
)
from relay.errors import NotPossibleError
from relay.model import AgencyCode, MessageType, NodeId
from relay.sheets import safe
from relay.transport.native import native_runner
from relay.transport.native import reconcile as face
from relay.transport.native.asking import body

AT = datetime(2026, 11, 28, 17, tzinfo=UTC)
SINCE = "2026-11-01T00:00:00+07:00"
H13 = AgencyCode("000.00.20.H13")
ID = "01900000-0000-7000-8000-000000000001"
LETTER = {"direction": "sent", "message_id": ID}
Http = Callable[..., aiohttp.ClientSession]


class Reconciles:
    """delivery.reconciling.ports.Reconciler that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.document = "12/CV-M"

    async def with_neighbour(
        self, caller: Caller, neighbour: NodeId, period: Period, why: str
    ) -> Report:
        self.asked.append((caller.holder, neighbour, period, why))
        if neighbour == "old":
            raise NotPossibleError("old is of a release without it")
        return self._report(neighbour, period)

    async def with_system(
        self,
        caller: Caller,
        agency: str,
        period: Period,
        types: Collection[MessageType],
        claims: Sequence[Claimed],
    ) -> Report:
        self.asked.append((caller.holder, agency, period, set(types), list(claims)))
        return self._report(agency, period)

    def _report(self, party: str, period: Period) -> Report:
        one = Difference(
            Kind.MISSING, What.NOT_KNOWN, Side.SENT, "relay", H13, H13, H13, ID, "", self.document, AT
        )  # fmt: skip
        counts = {kind: int(kind is Kind.MISSING) for kind in Kind}
        line = AgencyLine(H13, 2, counts)
        compared = {Side.SENT: 3, Side.RECEIVED: 0}
        return Report(party, period.since, period.until, AT, AT, 0, compared, 2, counts, (line,), (one,), 0)  # fmt: skip


@pytest.fixture
def reconciles() -> Reconciles:
    return Reconciles()


@pytest.fixture
async def base(build: Callable[..., web.Application], reconciles: Reconciles) -> AsyncIterator[str]:
    runner = native_runner(build(reconciler=reconciles), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_system_is_asked_for_what_it_believes_and_told_what_differs(
    http: Http, reconciles: Reconciles
) -> None:
    named = {
        **LETTER,
        "agency": "28.22.H17",
        "digest": "a" * 64,
        "at": "2026-11-02T08:00:00.1239+07:00",
    }
    asked = {"since": SINCE, "documents": [named], "statuses": True, "agency": "H13"}
    async with http().post("/v1/reconcile", json=asked) as answer:
        assert answer.status == 200
        found = await answer.json()
    ((holder, agency, period, types, (claim,)),) = reconciles.asked
    assert (holder, agency, types) == ("sender", "H13", set(MessageType))
    assert (period.since, period.grace_seconds) == (datetime(2026, 10, 31, 17, tzinfo=UTC), 900)
    assert (claim.side, claim.message_id, claim.agency) == (Side.SENT, ID, "000.28.22.H17")
    assert claim.at == datetime(2026, 11, 2, 1, 0, 0, 123_000, tzinfo=UTC)
    assert (found["agrees"], found["counts"]["missing"]) == (False, 1)
    assert found["agencies"][0]["same"] == 2
    assert (found["differences"][0]["what"], found["differences"][0]["where"]) == (
        "not-known",
        "relay",
    )


async def test_the_sheet_names_its_columns_in_both_languages_and_runs_nothing(
    http: Http, reconciles: Reconciles
) -> None:
    """A document's own number is whatever its author wrote."""
    reconciles.document = "=HYPERLINK(1)\r\n+1"
    asked = {"since": SINCE, "documents": []}
    headers = {"Accept": "text/csv"}
    async with http().post("/v1/reconcile", json=asked, headers=headers) as answer:
        assert answer.content_type == "text/csv"
        content = await answer.read()
    assert content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert row["KẾT LUẬN / KIND"] == "thiếu / missing"
    assert row["SỐ, KÝ HIỆU / DOCUMENT"] == "'=HYPERLINK(1)\\r\\n+1"
    assert row["THỜI ĐIỂM / TIME"] == "2026-11-29 00:00:00"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@A", "\t=1", "\r1", " =1", "|x", "%x", "＝1"])
def test_nothing_that_is_written_is_reckoned_with(text: str) -> None:
    assert safe(text).startswith("'")
    assert safe("1" + text).startswith("1")


async def test_readers_of_the_log_compare_with_neighbours_and_agencies_may_not(
    http: Http, reconciles: Reconciles
) -> None:
    asked = {"since": SINCE, "until": "2026-11-02T00:00:00Z", "agency": "h13", "why": "hằng ngày"}
    for token, status in (("operator", 200), ("auditor", 200), ("sender", 403), (None, 401)):
        async with http(token).post("/v1/reconcile/tinh", json=asked) as answer:
            assert answer.status == status
    holder, neighbour, period, why = reconciles.asked[0]
    assert (holder, neighbour, period.agency, why) == ("operator", "tinh", "H13", "hằng ngày")
    async with http("operator").post("/v1/reconcile/old", json={"since": SINCE}) as answer:
        assert answer.status == 409
    async with http("operator").post("/v1/reconcile/..%2F", json={"since": SINCE}) as answer:
        assert answer.status == 404


def _of(**members: object) -> dict[str, object]:
    return {"since": SINCE, "documents": [], **members}


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"documents": []}, "since"),
        ({"since": SINCE}, "documents"),
        (_of(since="2026-11-01"), "since"),
        (_of(since=5), "since"),
        (_of(since="2999-01-01T00:00:00Z"), "since"),
        (_of(until="2026-10-01T00:00:00Z"), "until"),
        (_of(since="9999-12-31T23:59:59-23:59"), "since"),
        (_of(grace_seconds=-1), "grace_seconds"),
        (_of(grace_seconds=True), "grace_seconds"),
        (_of(grace_seconds=10**30), "grace_seconds"),
        (_of(statuses="yes"), "statuses"),
        (_of(agency="'; DROP"), "agency"),
        (_of(more=1), "more"),
        (_of(documents={}), "documents"),
        (_of(documents=[1]), "documents[0]"),
        (_of(documents=[LETTER, {}]), "documents[1].direction"),
        (_of(documents=[{"direction": ["sent"]}]), "documents[0].direction"),
        (_of(documents=[{"direction": "sent"}]), "documents[0]"),
        (_of(documents=[{**LETTER, "message_id": "1"}]), "documents[0].message_id"),
        (_of(documents=[{**LETTER, "digest": "A" * 64}]), "documents[0].digest"),
        (_of(documents=[{**LETTER, "digest": {}}]), "documents[0].digest"),
        (_of(documents=[{**LETTER, "notation": "x" * 501}]), "documents[0].notation"),
        (_of(documents=[{**LETTER, "notation": "x\u202e"}]), "documents[0].notation"),
        (_of(documents=[{**LETTER, "agency": "H" * 65}]), "documents[0].agency"),
        (_of(documents=[{**LETTER, "at": "now"}]), "documents[0].at"),
        (_of(documents=[{**LETTER, "at": "9999-12-31T23:59:59Z"}]), "documents[0].at"),
        (_of(documents=[{**LETTER, "at": "0001-01-01T00:00:00Z"}]), "documents[0].at"),
        (_of(documents=[{**LETTER, "x": 1}]), "documents[0].x"),
        (_of(documents=[LETTER] * (face.DOCUMENTS + 1)), "documents"),
    ],
    ids=range(29),
)
async def test_what_is_asked_in_another_shape_is_refused_by_name(
    http: Http, reconciles: Reconciles, asked: dict[str, object], parameter: str
) -> None:
    body, headers = io.BytesIO(json.dumps(asked).encode()), {"Content-Type": "application/json"}
    async with http().post("/v1/reconcile", data=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["parameter"] == parameter
    assert reconciles.asked == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 200_000, 400),
        (b"\xff", 400),
        (b'{"since":1,"since":2}', 400),
        (b'{"since":NaN}', 400),
        (b"[]", 400),
        (b" " * (face.BODY_BYTES + 1), 413),
    ],
    ids=range(7),
)
async def test_a_body_that_is_no_object_or_too_long_is_refused(
    http: Http, reconciles: Reconciles, body: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    async with http().post("/v1/reconcile", data=io.BytesIO(body), headers=headers) as answer:
        assert answer.status == status
    form = {"Content-Type": "text/plain"}
    whole = json.dumps(_of())
    async with http().post("/v1/reconcile", data=whole, headers=form) as answer:
        assert answer.status == 415
    async with http().post("/v1/reconcile?since=x", json=_of()) as answer:
        assert answer.status == 400
    assert reconciles.asked == []


async def test_a_body_that_trickles_takes_nobody_elses_place_and_not_its_own_for_ever(
    http: Http, reconciles: Reconciles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each caller; and whoever does not get done loses the place."""
    headers, gate = {"Content-Type": "application/json"}, asyncio.Event()
    reading = asyncio.Event()

    async def told(request: web.Request, limit_bytes: int) -> bytes:
        reading.set()
        return await body(request, limit_bytes)

    monkeypatch.setattr(face, "body", told)
    monkeypatch.setattr(face, "BODY_SECONDS", 0.5)

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await gate.wait()

    async def refused() -> int:
        async with http().post("/v1/reconcile", data=trickle(), headers=headers) as answer:
            return answer.status

    slow = asyncio.create_task(refused())
    await reading.wait()
    async with http().post("/v1/reconcile", json=_of()) as again:
        assert again.status == 503
    assert await slow == 400
    gate.set()
    async with http().post("/v1/reconcile", json=_of()) as again:
        assert again.status == 200


async def test_no_more_bodies_are_read_at_once_than_memory_allows(
    http: Http, reconciles: Reconciles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whoever is refused may come again: a place is given back, whatever became of the request."""
    for _ in range(face.BODIES_AT_ONCE + 1):
        async with http().post("/v1/reconcile", json={}) as answer:
            assert answer.status == 400
    monkeypatch.setattr(face, "BODIES_AT_ONCE", 0)
    async with http().post("/v1/reconcile", json=_of()) as answer:
        assert answer.status == 503
        assert "Retry-After" in answer.headers
    assert reconciles.asked == []
