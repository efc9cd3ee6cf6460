"""The timeline over HTTP: one document, and a live stream that ends when all is final."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import jsonschema  # type: ignore[import-untyped]
import pytest
from aiohttp import web

from relay.delivery.ports import Caller
from relay.model import AgencyCode, DeliveryState
from relay.transport.native import native_runner, timeline
from relay.transport.native.openapi import document

Http = Callable[..., aiohttp.ClientSession]
Letter = Callable[..., bytes]
SSE = {"Accept": "text/event-stream"}


async def sent(http: Http, content: bytes) -> dict[str, Any]:
    kind = {"Content-Type": "application/xml"}
    async with http().post("/v1/envelopes", data=io.BytesIO(content), headers=kind) as response:
        assert response.status == 202
        return dict(await response.json())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "LEAST_PAUSE_SECONDS", 0.01)


async def _events(response: aiohttp.ClientResponse) -> Any:
    event = ""
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield event, json.loads(value)


def _move(world: Any, message: str, state: DeliveryState) -> None:
    kept = next(one for one in world.kept.values() if one.view.message_id == message)
    deliveries = tuple(replace(one, state=state) for one in kept.view.deliveries)
    kept.view = replace(kept.view, deliveries=deliveries)


async def test_it_is_as_the_description_says(http: Http, letter: Letter) -> None:
    """Each member, and of its lines where they are from."""
    message = (await sent(http, letter()))["message_id"]
    async with http().get(f"/v1/messages/{message}/trace") as response:
        assert response.status == 200
        found = await response.json()
    described = document()
    schema = {"$ref": "#/components/schemas/Timeline", "components": described["components"]}
    jsonschema.validate(found, schema)
    (root,) = found["way"]
    assert root["lines"][0]["source"]["kind"] == "receipt"
    assert found["final"] is False


async def test_a_stream_tells_each_change_and_ends_when_all_is_final(
    http: Http, letter: Letter, world: Any
) -> None:
    """At first what is; then what comes; no change, no event; then the end, by the node's own doing."""
    message = (await sent(http, letter()))["message_id"]
    seen: list[tuple[str, Any]] = []
    async with http().get(f"/v1/messages/{message}/trace", headers=SSE) as response:
        assert response.status == 200
        async for event, data in _events(response):
            seen.append((event, data))
            if len(seen) == 1:
                await asyncio.sleep(0.05)
                _move(world, message, DeliveryState.FETCHED)
            elif len(seen) == 2:
                _move(world, message, DeliveryState.HANDED_OVER)
    assert [event for event, _ in seen] == ["timeline", "timeline", "timeline", "end"]
    states = [[one["state"] for one in data["deliveries"]] for _, data in seen[:3]]
    assert [set(one) for one in states] == [{"available"}, {"fetched"}, {"handed-over"}]


async def test_a_revoked_token_follows_no_further(http: Http, letter: Letter, world: Any) -> None:
    """Its stream ends, without what came since."""
    message = (await sent(http, letter()))["message_id"]
    asked = {"holder": "sender", "scopes": ["agency:000.00.20.H13"]}
    async with http("operator").post("/v1/tokens", json=asked) as response:
        issued = await response.json()
    seen = []
    path = f"/v1/messages/{message}/trace"
    async with http(issued["secret"]).get(path, headers=SSE) as response:
        assert response.status == 200
        async for event, _ in _events(response):
            seen.append(event)
            async with http("operator").delete(f"/v1/tokens/{issued['token']['token_id']}") as gone:
                assert gone.status == 200
            _move(world, message, DeliveryState.HANDED_OVER)
    assert seen == ["timeline"]


async def test_what_is_final_is_told_once(http: Http, letter: Letter, world: Any) -> None:
    """Then the stream ends at once."""
    message = (await sent(http, letter()))["message_id"]
    _move(world, message, DeliveryState.REFUSED)
    async with http().get(f"/v1/messages/{message}/trace", headers=SSE) as response:
        assert [event async for event, _ in _events(response)] == ["timeline", "end"]


async def test_who_may_not_see_the_message_sees_no_timeline(
    http: Http, letter: Letter, world: Any
) -> None:
    """As if it were not there, live or not."""
    message = (await sent(http, letter()))["message_id"]
    world.tokens.known("stranger", Caller("stranger", frozenset({AgencyCode("H99")})))
    for headers in ({}, SSE):
        path = f"/v1/messages/{message}/trace"
        async with http("stranger").get(path, headers=headers) as response:
            assert response.status == 404
        async with http(None).get(path, headers=headers) as response:
            assert response.status == 401
    async with http().get(f"/v1/messages/{message}/trace?x=1") as response:
        assert response.status == 400


async def test_streams_are_bounded_in_all_and_for_each(
    http: Http, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One caller cannot take the places of all; a place is free again when its reader goes."""
    monkeypatch.setattr(timeline, "MOST_OF_ONE", 1)
    path = f"/v1/messages/{(await sent(http, letter()))['message_id']}/trace"
    async with http().get(path, headers=SSE) as first:
        await first.content.readline()
        async with http().get(path, headers=SSE) as second:
            assert second.status == 503
        async with http("operator").get(path, headers=SSE) as other:
            assert other.status == 200
        first.close()
    async with asyncio.timeout(5):
        while True:
            async with http().get(path, headers=SSE) as again:
                if again.status == 200:
                    return
            await asyncio.sleep(0.01)


async def test_a_stream_ends_when_the_node_stops(
    build: Callable[..., web.Application], http: Http, letter: Letter
) -> None:
    """A reader who waits does not hold up the node's end."""
    runner = native_runner(build(), shutdown_timeout=5.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    message = (await sent(http, letter()))["message_id"]
    bearer = {"Authorization": "Bearer sender", **SSE}
    async with (
        aiohttp.ClientSession(base, headers=bearer) as session,
        session.get(f"/v1/messages/{message}/trace") as response,
    ):
        await response.content.readline()
        stopping = asyncio.create_task(runner.cleanup())
        assert b"event: end" not in await response.content.read()
        await stopping
