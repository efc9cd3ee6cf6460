"""The log over HTTP for those who want some of it: filters, long poll, live streams, one entry whole."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.audit.tail import VIETNAM
from relay.audit.tree import leaf_hash
from relay.transport.native import audit, following, live, native_runner

Http = Callable[..., aiohttp.ClientSession]
Build = Callable[..., web.Application]
Serve = Callable[..., Awaitable[str]]
SSE = {"Accept": "text/event-stream"}
UUID = "0190f0a0-0000-7000-8000-000000000001"


def log_time() -> datetime:
    return datetime(2026, 11, 23, 5, tzinfo=UTC)


async def asked(http: Http, query: str = "") -> dict[str, Any]:
    async with http("auditor").get(f"/v1/audit{query}") as response:
        assert response.status == 200, await response.text()
        return dict(await response.json())


def indexes(page: dict[str, Any]) -> list[int]:
    return [one["index"] for one in page["entries"]]


@pytest.fixture
async def serve(build: Build) -> AsyncIterator[Serve]:
    """A face of its own for a test that changes it: its base URL."""
    runners: list[web.AppRunner] = []

    async def _serve(**changed: Any) -> str:
        runner = native_runner(build(**changed), shutdown_timeout=1.0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return "http://{}:{}".format(*runner.addresses[0][:2])

    yield _serve
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def log(world: Any) -> Any:
    """Six entries, one a second."""
    at = world.clock()
    rows: list[tuple[str, dict[str, str]]] = [
        ("node-started", {}),
        ("message-accepted", {"sender": "H01.1", "message": UUID}),
        ("delivery-failed", {"recipient": "H01.2", "message": UUID}),
        ("transfer-refused", {"neighbour": "tinh"}),
        ("delivery-expired", {"recipient": "H01.3"}),
        ("node-stopped", {}),
    ]
    for second, (event, fields) in enumerate(rows):
        await world.log.append(event, at + timedelta(seconds=second), **fields)
    return world.log


# ---------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("event=delivery-failed", [2]),
        ("event=delivery", [2, 4]),
        ("event=node&event=delivery-failed", [0, 2, 5]),
        ("agency=H01.2", [2]),
        ("agency=H01.1&agency=H01.3", [1, 4]),
        ("agency=h01.2", [2]),
        (f"message={UUID}", [1, 2]),
        (f"message={UUID}&event=delivery", [2]),
        ("node=tinh", [3]),
        ("node=huyen", []),
        ("last=2", [4, 5]),
        ("last=1&event=delivery", [4]),
        ("last=0", []),
        ("after=3&event=delivery", [4]),
    ],
)
async def test_a_page_holds_what_is_wanted(
    log: Any, http: Http, query: str, found: list[int]
) -> None:
    """And leads past what is not: `next` is where the next entry will stand."""
    page = await asked(http, f"?{query}")

    assert indexes(page) == found
    assert page["next"] == 6
    assert page["more"] is False


async def test_a_page_begins_at_an_instant(log: Any, http: Http) -> None:
    """In any zone, with a cursor that may be further on."""
    at = datetime.fromisoformat(json.loads(log.leaves[3])["at"]).astimezone(VIETNAM)
    async with http("auditor").get("/v1/audit", params={"since": at.isoformat()}) as response:
        assert indexes(await response.json()) == [3, 4, 5]
    params = {"since": at.isoformat(), "after": "5"}
    async with http("auditor").get("/v1/audit", params=params) as response:
        assert indexes(await response.json()) == [5]


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("event=delivry-failed", "event", "nearest: delivery-failed"),
        ("event=" + "x" * 65, "event", "up to 64"),
        ("event=%0a", "event", "printable"),
        ("event=", "event", "printable"),
        ("event=qqqq", "event", "such as"),
        ("&".join(["event=node"] * 17), "event", "limit 16"),
        ("&".join(["agency=H01"] * 17), "agency", "limit 16"),
        ("agency=%22OR+1=1", "agency", "agency code"),
        ("agency=.", "agency", "agency code"),
        ("message=x", "message", "UUID"),
        (f"message={UUID}&message={UUID}", "message", "limit 1"),
        ("node=%C3%A9", "node", "ASCII"),
        ("since=yesterday", "since", "RFC 3339"),
        ("since=2026-11-23", "since", "zone"),
        ("since=2026-11-23T00:00:00+07:00", "since", "%2B"),
        ("since=" + "9" * 5000, "since", "RFC 3339"),
        ("wait=61", "wait", "from 0 to 60"),
        ("wait=-1", "wait", "from 0 to 60"),
        ("last=1001", "last", "from 0 to 1000"),
        ("last=1&after=0", "after", "both"),
        ("last=1&wait=1", "wait", "both"),
        ("after=9223372036854775808", "after", "whole number"),
        ("agencies=H01", "agencies", "unknown"),
    ],
)
async def test_what_nobody_could_mean_is_refused(
    http: Http, query: str, parameter: str, said: str
) -> None:
    """400 with the parameter's name and a reason; a misspelt event is answered with its neighbours."""
    async with http("auditor").get(f"/v1/audit?{query}") as response:
        problem = await response.json()

    assert (response.status, problem["parameter"]) == (400, parameter)
    assert said in problem["detail"]


async def test_an_instant_at_the_edge_of_the_calendar_is_no_trouble(log: Any, http: Http) -> None:
    """The first and last there are, in a zone that would leave it."""
    for text in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        async with http("auditor").get(f"/v1/audit?since={text}") as response:
            assert response.status in {200, 400}


# ---------------------------------------------------------------- long poll


async def test_a_long_poll_answers_at_once_when_something_is_there(log: Any, http: Http) -> None:
    """As it does the moment something wanted is committed, passing over what is not."""
    assert indexes(await asked(http, "?event=delivery&wait=60")) == [2, 4]
    waiting = asyncio.create_task(asked(http, "?after=6&event=delivery-failed&wait=60"))
    await asyncio.sleep(0.05)
    await log.append("node-started", log_time())
    await log.append("delivery-failed", log_time())

    page = await asyncio.wait_for(waiting, 10)
    assert (indexes(page), page["next"]) == ([7], 8)


async def test_a_long_poll_that_finds_nothing_moves_on(log: Any, http: Http) -> None:
    """After its time an empty page, whose `next` is past what was looked at."""
    waiting = asyncio.create_task(asked(http, "?after=6&event=delivery&wait=1"))
    await asyncio.sleep(0.05)
    await log.append("node-started", log_time())

    page = await asyncio.wait_for(waiting, 10)
    assert (indexes(page), page["next"], page["more"]) == ([], 7, False)


async def test_a_long_poll_ends_when_the_node_stops(world: Any, build: Build) -> None:
    """Shutdown does not wait for someone who only waits."""
    runner = native_runner(build(), shutdown_timeout=30.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    headers = {"Authorization": "Bearer auditor"}
    async with aiohttp.ClientSession(headers=headers) as session:
        waiting = asyncio.create_task(session.get(f"http://{host}:{port}/v1/audit?wait=60"))
        while not world.log.waiting:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(runner.cleanup(), 5)
        async with await waiting as response:
            assert (await response.json())["entries"] == []


async def test_who_left_keeps_no_place(
    serve: Serve, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long poll whose client went away ends soon, not after its time."""
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.05)
    url = await serve(followers=1) + "/v1/audit"
    headers = {"Authorization": "Bearer auditor"}
    async with aiohttp.ClientSession(headers=headers) as session:
        with pytest.raises(TimeoutError):
            await session.get(f"{url}?wait=60", timeout=aiohttp.ClientTimeout(0.1))
        for _ in range(100):
            stream = await session.get(url, headers=SSE)
            if stream.status == 200:
                break
            await asyncio.sleep(0.05)
        assert stream.status == 200
        async with session.get(f"{url}?wait=1") as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
        stream.close()


async def test_so_many_pages_are_looked_for_at_a_time(
    world: Any, serve: Serve, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may pass over much of the log: one caller has half of the places, and others' are free."""
    monkeypatch.setattr(audit, "MOST_OF_ONE", 2)
    go, page = asyncio.Event(), world.log.page

    async def slow(*asked: Any) -> Any:
        await go.wait()
        return await page(*asked)

    monkeypatch.setattr(world.log, "page", slow)
    url = await serve() + "/v1/audit?event=delivery"

    async def look(session: aiohttp.ClientSession, who: str) -> tuple[int, bool]:
        async with session.get(url, headers={"Authorization": f"Bearer {who}"}) as response:
            return response.status, "Retry-After" in response.headers

    async with aiohttp.ClientSession() as session:
        looks = [asyncio.create_task(look(session, "auditor")) for _ in range(3)]
        done, waiting = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result() for one in done] == [(503, True)]
        other = asyncio.create_task(look(session, "operator"))
        go.set()
        assert [await one for one in (*waiting, other)] == [(200, False)] * 3
        assert await look(session, "auditor") == (200, False)


# ---------------------------------------------------------------- live streams


async def event(stream: aiohttp.ClientResponse) -> bytes:
    return await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 5)


async def test_a_filtered_stream_moves_its_id_past_what_is_not_wanted(
    log: Any, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an event without data, in the silence: a client that comes again has nothing looked at twice."""
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.05)
    async with http("auditor").get("/v1/audit?event=delivery-failed", headers=SSE) as stream:
        assert await event(stream) == b"id: 2\ndata: " + log.leaves[2] + b"\n\n"
        assert await event(stream) == b": still here\nid: 5\n\n"
        assert await event(stream) == b": still here\n\n"
        await log.append("delivery-failed", log_time())
        while (came := await event(stream)).startswith(b":"):
            pass
        assert came.startswith(b"id: 6\n")
    looked = len(log.looked)
    resumed = {**SSE, "Last-Event-ID": "5"}
    async with http("auditor").get("/v1/audit?event=delivery-failed", headers=resumed) as stream:
        assert (await event(stream)).startswith(b"id: 6\n")
    assert min(log.looked[looked:], default=6) >= 6


async def test_a_silence_is_broken_however_busy_the_log_is(
    log: Any, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that nobody wanted are no sign of life to a proxy: the comment comes all the same."""
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.1)

    async def busy() -> None:
        while True:
            await log.append("node-started", log_time())
            await asyncio.sleep(0.01)

    others = asyncio.create_task(busy())
    query = "/v1/audit?event=delivery-failed&after=6"
    async with http("auditor").get(query, headers=SSE) as stream:
        assert (await event(stream)).startswith(b": still here\nid: ")
    others.cancel()


async def test_a_revoked_token_reads_on_nowhere(
    log: Any, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a stream nor a poll that were open before: what came since is not for it."""
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.05)
    asked_for = {"holder": "auditor", "scopes": ["auditor"]}
    async with http("operator").post("/v1/tokens", json=asked_for) as response:
        issued = await response.json()
    session = http(issued["secret"])
    poll = asyncio.create_task(session.get("/v1/audit?after=6&wait=60"))
    async with session.get("/v1/audit?after=5", headers=SSE) as stream:
        assert await event(stream) == b"id: 5\ndata: " + log.leaves[5] + b"\n\n"
        while not log.waiting:
            await asyncio.sleep(0.01)
        async with http("operator").delete(f"/v1/tokens/{issued['token']['token_id']}") as gone:
            assert gone.status == 200
        await asyncio.sleep(0.1)
        await log.append("node-started", log_time())
        assert b"node-started" not in await asyncio.wait_for(stream.content.read(), 5)
    async with await poll as refused:
        assert refused.status == 401


async def test_nobody_takes_the_places_of_all(serve: Serve) -> None:
    """One caller has half of them at most, waiting or streaming: whoever else reads the log gets in."""
    url = await serve(followers=4) + "/v1/audit?after=1000"

    def as_(who: str) -> dict[str, str]:
        return {**SSE, "Authorization": f"Bearer {who}"}

    async with aiohttp.ClientSession() as session:
        got = [
            await session.get(url, headers=as_(who))
            for who in ("auditor", "auditor", "auditor", "operator", "operator", "operator")
        ]
        assert [one.status for one in got] == [200, 200, 503, 200, 200, 503]
        assert got[2].headers["Retry-After"]
        for one in got:
            one.close()


@pytest.mark.parametrize("busy", [False, True])
async def test_who_cut_a_stream_keeps_no_place(
    serve: Serve, log: Any, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """Noticed in the silence, and on a log where only others' entries come; not with the next event."""
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.05)
    url = await serve(followers=1) + "/v1/audit?event=delivery-failed&after=6"
    headers = {"Authorization": "Bearer auditor", **SSE}
    async with aiohttp.ClientSession(headers=headers) as session:
        cut = await session.get(url)
        assert cut.status == 200
        cut.close()
        for _ in range(100):
            if busy:
                await log.append("node-started", log_time())
            async with session.get(url) as another:
                if another.status == 200:
                    break
            await asyncio.sleep(0.05)
        assert another.status == 200


async def test_a_reader_who_takes_nothing_is_dropped(
    world: Any, base: str, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded, and so is its place."""
    monkeypatch.setattr(live, "SLOW_SECONDS", 0.2)
    for _ in range(400):
        await world.log.append("node-started", log_time(), release="x" * 60_000)
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(
        b"GET /v1/audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer auditor\r\n"
        b"Accept: text/event-stream\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(1.0)
    taken = 0
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while taken < 400 * 60_000:
            taken += len(await reader.readexactly(1024))
    writer.close()

    assert taken < 400 * 60_000
    async with http("auditor").get("/v1/audit", headers=SSE) as stream:
        assert stream.status == 200


# ---------------------------------------------------------------- one entry


async def test_one_entry_is_shown_whole(log: Any, http: Http) -> None:
    """Its exact bytes with their hash, its log, and the entries around it; 404 for what is not there."""
    async with http("auditor").get("/v1/audit/entries/2") as response:
        found = json.loads(await response.text())

    assert b64decode(found["leaf"]) == log.leaves[2]
    assert found["leaf_hash"] == leaf_hash(log.leaves[2]).hex()
    assert found["entry"] == json.loads(log.leaves[2])
    assert (found["index"], found["before"]["index"], found["after"]["index"]) == (2, 1, 3)
    assert (found["epoch"], found["log"].startswith("truc-relay.example/log/")) == (0, True)
    async with http("auditor").get("/v1/audit/entries/5") as response:
        assert (await response.json())["after"] is None
    for name in ("6", "x", "-1", "02", "9223372036854775808", "9" * 40, "%D9%A1"):
        async with http("auditor").get(f"/v1/audit/entries/{name}") as response:
            assert response.status == 404
    async with http("sender").get("/v1/audit/entries/2") as response:
        assert response.status == 403
