"""Tokens, the audit log, health, the control socket, and requests nobody could have meant."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from openapi_spec_validator import validate

from relay.transport.native import native_runner
from relay.transport.native.app import ROUTES
from relay.transport.native.openapi import document

Letter = Callable[..., bytes]
Http = Callable[..., aiohttp.ClientSession]
Build = Callable[..., web.Application]
XML = {"Content-Type": "application/xml"}


async def word(response: aiohttp.ClientResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    found = await response.json(content_type=None)
    return response.status, found.get("parameter", found["type"].rpartition(":")[2])


# ---------------------------------------------------------------- who may ask


def closed_routes() -> list[tuple[str, str]]:
    return [
        (
            method,
            path.replace("{id}", "x")
            .replace("{digest}", "x")
            .replace("{neighbour}", "x")
            .replace("{code}", "x")
            .replace("{epoch}/{path}", "0/checkpoint"),
        )
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if method in ("get", "post", "delete") and operation.get("security") != []
    ]


@pytest.mark.parametrize(("method", "path"), closed_routes())
@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, 'Bearer realm="truc-relay"'),
        ("Bearer wrong", 'Bearer realm="truc-relay", error="invalid_token"'),
        ("Bearer ", 'Bearer realm="truc-relay", error="invalid_request"'),
        ("Bearer a b", 'Bearer realm="truc-relay", error="invalid_request"'),
        ("Basic c2VuZGVyOg==", 'Bearer realm="truc-relay", error="invalid_request"'),
    ],
)
async def test_no_route_opens_without_a_known_token(
    http: Http, method: str, path: str, header: str | None, challenge: str
) -> None:
    """Every route that is not open to anyone answers 401 with the RFC 6750 challenge."""
    headers = {} if header is None else {"Authorization": header}
    async with http(None).request(method, path, headers=headers) as response:
        assert await word(response) == (401, "unauthenticated")
        assert response.headers["WWW-Authenticate"] == challenge


READERS, OPERATORS = {"operator", "auditor"}, {"operator"}
LOG_AND_TOKENS = [
    ("GET", "/v1/audit", READERS),
    ("GET", "/v1/audit/entries/{id}", READERS),
    ("GET", "/v1/audit/entries/{id}/proof", READERS),
    ("GET", "/v1/audit/export", READERS),
    ("GET", "/v1/audit/head", READERS),
    ("GET", "/v1/audit/timestamps", READERS),
    ("GET", "/v1/audit/checkpoint", READERS),
    ("GET", "/v1/audit/witnesses", READERS),
    ("POST", "/v1/audit/witnesses/clear", OPERATORS),
    ("POST", "/v1/audit/forget", OPERATORS),
    ("GET", "/log/", READERS),
    ("HEAD", "/log/", READERS),
    ("GET", "/log/{epoch}/{path:.+}", READERS),
    ("HEAD", "/log/{epoch}/{path:.+}", READERS),
    ("GET", "/v1/tokens", OPERATORS),
    ("POST", "/v1/tokens", OPERATORS),
    ("DELETE", "/v1/tokens/{id}", OPERATORS),
]


def test_every_route_of_the_log_says_whose_it_is() -> None:
    """A new one has to be put into the table, whose rows are tried below."""
    ours = {
        (route.method, route.path)
        for route in ROUTES
        if route.path.startswith(("/v1/audit", "/log/", "/v1/tokens"))
    }
    assert ours == {(method, path) for method, path, _ in LOG_AND_TOKENS}


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
@pytest.mark.parametrize(("method", "path", "allowed"), LOG_AND_TOKENS)
async def test_the_log_and_the_tokens_are_for_their_own(
    http: Http, method: str, path: str, allowed: set[str], accept: str
) -> None:
    """An agency's token reads neither; an auditor reads the log but makes no token."""
    opened = set()
    path = re.sub(r"[{]\w+(:.+?)?[}]", "7", path)
    for token in ("sender", "operator", "auditor"):
        headers = {"Accept": accept}
        async with http(token).request(method, path, headers=headers) as response:
            if response.status == 403:
                assert method == "HEAD" or (await word(response))[1] == "forbidden"
            else:
                opened.add(token)

    assert opened == allowed


# ---------------------------------------------------------------- tokens


async def test_a_token_lives_from_issue_to_revocation(http: Http) -> None:
    """Its secret is shown once, opens what its scopes say, and stops at once when revoked."""
    asked = {"holder": "Nguyễn Văn Mẫu", "scopes": ["auditor", "agency:H01.151", "auditor"]}
    async with http("operator").post("/v1/tokens", json=asked) as response:
        issued = await response.json()
    assert response.status == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert issued["token"]["scopes"] == ["auditor", "agency:H01.151"]

    async with http(issued["secret"]).get("/v1/audit") as response:
        assert response.status == 200
    async with http("operator").get("/v1/tokens") as response:
        assert issued["secret"] not in await response.text()
    async with http("operator").delete(f"/v1/tokens/{issued['token']['token_id']}") as response:
        assert (await response.json())["revoked_at"] is not None
    async with http(issued["secret"]).get("/v1/audit") as response:
        assert response.status == 401
    async with http("operator").delete("/v1/tokens/tk-99") as response:
        assert (await word(response))[0] == 404


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"holder": " ", "scopes": ["operator"]}, "holder"),
        ({"holder": "a\nb", "scopes": ["operator"]}, "holder"),
        ({"holder": 1, "scopes": ["operator"]}, "holder"),
        ({"holder": "a", "scopes": []}, "scopes"),
        ({"holder": "a", "scopes": "operator"}, "scopes"),
        ({"holder": "a", "scopes": ["root"]}, "scopes"),
        ({"holder": "a", "scopes": [["operator"]]}, "scopes"),
        ({"holder": "a", "scopes": ["agency:"]}, "scopes"),
        ({"holder": "a", "scopes": ["agency:H01\n"]}, "scopes"),
        ({"holder": "a"}, "scopes"),
    ],
)
async def test_a_token_request_out_of_shape_is_refused(
    http: Http, body: dict[str, object], parameter: str
) -> None:
    """No nameless holder, no unknown power."""
    async with http("operator").post("/v1/tokens", json=body) as response:
        assert await word(response) == (400, parameter)


# ---------------------------------------------------------------- the log


async def test_the_log_is_read_in_pages_of_exact_leaves(world: Any, http: Http) -> None:
    """Each entry is the leaf's own bytes; `next` leads to what follows, gap-free."""
    for number in range(5):
        await world.log.append("node-started", world.clock(), number=str(number))
    seen, after = [], 0
    while True:
        async with http("auditor").get(f"/v1/audit?after={after}&limit=2") as response:
            text = await response.text()
        page = json.loads(text)
        assert all(world.log.leaves[entry["index"]].decode() in text for entry in page["entries"])
        seen += [entry["index"] for entry in page["entries"]]
        if not page["entries"]:
            break
        after = page["next"]

    assert seen == [0, 1, 2, 3, 4]
    assert after == 5


async def test_the_head_is_the_signed_note(world: Any, http: Http) -> None:
    """As text, byte for byte."""
    async with http("auditor").get("/v1/audit/head") as response:
        assert await response.read() == await world.log.head()
        assert response.content_type == "text/plain"


async def test_the_log_can_be_followed_and_resumed(world: Any, http: Http) -> None:
    """Old entries, then new ones as they come; a broken stream goes on after the last id seen."""
    await world.log.append("node-started", world.clock())
    events = {"Accept": "text/event-stream"}
    async with http("auditor").get("/v1/audit", headers=events) as stream:
        assert stream.content_type == "text/event-stream"
        first = await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 5)
        await world.log.append("node-stopped", world.clock())
        second = await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 5)
    await world.log.append("node-started", world.clock())
    async with http("auditor").get("/v1/audit", headers={**events, "Last-Event-ID": "1"}) as stream:
        third = await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 5)

    assert first == b"id: 0\ndata: " + world.log.leaves[0] + b"\n\n"
    assert second == b"id: 1\ndata: " + world.log.leaves[1] + b"\n\n"
    assert third.startswith(b"id: 2\n")


async def test_live_streams_are_bounded_and_end_with_the_node(http: Http) -> None:
    """The 65th is told to come again; a place is free once a stream is left; all end at shutdown."""
    events = {"Accept": "text/event-stream"}
    session = http("auditor")
    session.connector._limit = 0  # type: ignore[union-attr]
    streams = [await session.get("/v1/audit", headers=events) for _ in range(64)]
    async with session.get("/v1/audit", headers=events) as response:
        assert await word(response) == (503, "overloaded")
    for stream in streams:
        stream.close()


async def test_a_bad_event_id_is_refused(http: Http) -> None:
    """Only an index can be resumed from."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "x"}
    async with http("auditor").get("/v1/audit", headers=headers) as response:
        assert await word(response) == (400, "Last-Event-ID")


async def test_a_stream_ends_when_the_node_stops(world: Any, build: Build) -> None:
    """Shutdown does not wait for someone who only watches."""
    runner = native_runner(build(), shutdown_timeout=30.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    headers = {"Accept": "text/event-stream", "Authorization": "Bearer auditor"}
    async with aiohttp.ClientSession() as session:
        stream = await session.get(f"http://{host}:{port}/v1/audit", headers=headers)
        await asyncio.wait_for(runner.cleanup(), 5)
        assert await stream.read() == b""


# ---------------------------------------------------------------- health, description


async def test_health_and_readiness_need_no_token(world: Any, http: Http) -> None:
    """Alive is about the process, ready about taking documents, with the reason when not."""
    for path in ("/healthz", "/readyz"):
        async with http(None).get(path) as response:
            assert response.status == 200
    world.not_ready = "the disk is full"
    async with http(None).get("/healthz") as response:
        assert response.status == 200
    async with http(None).get("/readyz") as response:
        assert response.status == 503
        assert "the disk is full" in await response.text()


async def test_the_description_is_valid_and_served(http: Http) -> None:
    """OpenAPI 3.1 by an independent validator, and what is served is what was validated."""
    validate(document())
    async with http(None).get("/v1/openapi.json") as response:
        assert await response.json() == document()


async def test_every_route_is_described_and_every_description_routed(build: Build) -> None:
    """The description cannot drift from the routes, in either direction."""
    routed = {
        (route.method.lower(), route.resource.canonical)
        for route in build().router.routes()
        if route.resource is not None
    }
    described = {
        (method, path)
        for path, operations in document()["paths"].items()
        for method in operations
        if method != "parameters"
    }

    assert routed == described


# ---------------------------------------------------------------- request ids, odd requests


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2_3", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("é", False)],
)
async def test_a_sane_request_id_is_kept(http: Http, given: str, kept: bool) -> None:
    """A caller can find its request in our log; nobody can write into it."""
    async with http("operator").get("/v1/tokens", headers={"X-Request-ID": given}) as response:
        assert (response.headers["X-Request-ID"] == given) is kept
        assert response.headers["X-Request-ID"]


async def test_a_stranger_names_no_request(http: Http) -> None:
    """Whoever does not say who it is gets an id of ours, in the header and in the problem document."""
    async with http(None).get("/v1/tokens", headers={"X-Request-ID": "mine"}) as response:
        assert response.status == 401
        named = response.headers["X-Request-ID"]
        assert (await response.json())["instance"] == f"urn:truc-relay:request:{named}"
    assert named != "mine"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
    ],
)
async def test_a_traces_id_names_the_request(http: Http, given: str, kept: bool) -> None:
    """W3C trace context, as other software sends it: the trace's id joins its log with ours."""
    async with http("operator").get("/v1/tokens", headers={"traceparent": given}) as response:
        assert (response.headers["X-Request-ID"] == given[3:35]) is kept


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/envelopes"), ("HEAD", "/v1/audit"), ("PUT", "/healthz")]
)
async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    http: Http, method: str, path: str
) -> None:
    """405 with Allow."""
    async with http("operator").request(method, path) as response:
        assert response.status == 405
        assert response.content_type == "application/problem+json"
        assert response.headers["Allow"]


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_cannot_be_parsed_is_still_a_problem_document(base: str, raw: bytes) -> None:
    """400 in the API's own form, and the connection is closed."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 5)
    head, _, body = answer.partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()

    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:truc-relay:problem:bad-request"


async def test_an_unknown_expectation_is_417(http: Http, letter: Letter) -> None:
    """Only 100-continue can be met."""
    headers = {**XML, "Expect": "miracles"}
    async with http().post("/v1/envelopes", data=letter(), headers=headers) as response:
        assert (await word(response))[0] == 417


# ---------------------------------------------------------------- the control socket


@pytest.fixture
async def control(build: Build, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    runner = native_runner(build(local_operator=True), shutdown_timeout=1.0)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "control.sock").start()
    connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
    async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
        yield session
    await runner.cleanup()


async def test_an_operator_at_the_control_socket_acknowledges_only_with_a_reason(
    http: Http, control: aiohttp.ClientSession, letter: Letter
) -> None:
    """403 without `why`, and with a token always."""
    async with http().post("/v1/envelopes", data=letter(), headers=XML) as response:
        assert response.status == 202
    async with http("recipient").get("/v1/deliveries") as response:
        (item,) = (await response.json())["deliveries"]
    path, done = f"/v1/deliveries/{item['delivery_id']}/ack", {"status": "done"}
    why = {**done, "why": "the system of the agency is down"}

    for session, told, status in (
        (http("operator"), done, 403),
        (http("operator"), why, 403),
        (control, done, 403),
        (control, why, 200),
    ):
        async with session.post(path, json=told) as response:
            assert response.status == status


async def test_who_may_open_the_control_socket_is_an_operator_by_name(
    world: Any, control: aiohttp.ClientSession
) -> None:
    """No token is needed, and what is done is recorded under the user's name."""
    seen: list[str] = []
    issue = world.tokens.issue

    async def recorded(by: Any, holder: str, scopes: tuple[str, ...]) -> Any:
        seen.append(by.holder)
        return await issue(by, holder, scopes)

    world.tokens.issue = recorded
    async with control.post("/v1/tokens", json={"holder": "a", "scopes": ["operator"]}) as response:
        assert response.status == 201
    assert seen == [f"local:{pwd.getpwuid(os.getuid()).pw_name}"]


async def test_a_token_on_the_control_socket_counts(control: aiohttp.ClientSession) -> None:
    """Who presents a token there acts as its holder, not as the operator."""
    async with control.get("/v1/tokens", headers={"Authorization": "Bearer sender"}) as response:
        assert response.status == 403
