"""Operators' actions as they are used: by HTTP with a token, and at the terminal."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp
import jsonschema  # type: ignore[import-untyped]
import pytest
import structlog
from aiohttp import web
from typer.testing import CliRunner, Result

from relay.audit.words import replaced
from relay.cli.main import app
from relay.delivery.operators.control import ControlDesk
from relay.delivery.operators.inspecting import PeerCertificate
from relay.delivery.operators.logbook import Logbook
from relay.delivery.operators.queue import QueueDesk
from relay.delivery.operators.tokens import TokenDesk
from relay.delivery.ports import Caller
from relay.delivery.tracking import OutboxDesk, TrackingDesk
from relay.envelope.limits import Limits
from relay.errors import TransportError, UnansweredError
from relay.journal.operating import OperatingTable
from relay.journal.shaping import ShapeTable
from relay.model import NodeId
from relay.routing.next_hop import Place
from relay.transport.native import native_app, native_runner
from relay.transport.native.openapi import document

HERE, UP, THON, BAN = NodeId("xa"), NodeId("tinh"), NodeId("thon"), NodeId("ban")


@dataclass
class Face:
    """Node `xa`'s native face, and the tokens it knows by their holders."""

    url: str
    world: Any
    tokens: dict[str, str]

    async def call(
        self, method: str, path: str, body: object = None, holder: str = "vanhanh"
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.tokens[holder]}"}
        async with (
            aiohttp.ClientSession(self.url, headers=headers) as session,
            session.request(method, path, json=body) as response,
        ):
            return response.status, await response.json(content_type=None)

    async def relay(self, *args: str, holder: str = "vanhanh") -> Result:
        given = [*args, "--url", self.url, "--token", self.tokens[holder]]
        return await asyncio.to_thread(CliRunner().invoke, app, given, catch_exceptions=False)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The node's own log lines are not the command's output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def face(world: Any) -> AsyncIterator[Face]:
    journal, clock, place = world.journal, world.clock, Place(HERE, UP, frozenset({UP, THON, BAN}))
    certificate = PeerCertificate("commonName=tinh", clock.now() + timedelta(days=90), clock.now())
    tokens = TokenDesk(HERE, world.keys["directory"], journal, clock)
    control = ControlDesk(
        place,
        world.keys["directory"],
        journal,
        OperatingTable(journal, HERE),
        world.keys["xa"],
        world.wire,
        clock,
        world.dispatcher,
        world.sealing.wake,
    )
    queue = QueueDesk(
        journal,
        ShapeTable(journal, HERE),
        world.dispatcher,
        clock,
        lambda node: certificate if node == UP else None,
    )
    nobody: Any = None  # no one asks it here
    native = native_app(
        world.intake,
        world.intake,  # nobody fetches anything here
        TrackingDesk(journal),
        Logbook(journal),
        tokens,
        journal,
        Limits(),
        clock.now,
        lambda: None,
        outbox=OutboxDesk(journal),
        recovery=nobody,
        control=control,
        queue=queue,
    )
    by = Caller("local:root", frozenset(), operator=True)
    scopes = {"vanhanh": "operator", "kiemtra": "auditor", "vanthu": "agency:H01.15"}
    issued = {who: (await tokens.issue(by, who, (scope,)))[1] for who, scope in scopes.items()}
    runner = native_runner(native, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Face(f"http://127.0.0.1:{runner.addresses[0][1]}", world, issued)
    await runner.cleanup()


def valid(name: str, found: object) -> None:
    described = document()
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    jsonschema.validate(found, schema)


def _operator_routes() -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, operations in document()["paths"].items()
        for method in operations
        if method in {"get", "post"}
        and (path.startswith("/v1/queue") or path.rpartition("/")[2] in _ACTIONS)
    ]


_ACTIONS = {"why", "hold", "release", "requeue", "cancel", "redirect", "flush"}


@pytest.mark.parametrize(("method", "path"), _operator_routes(), ids=str)
@pytest.mark.parametrize("holder", ["vanthu", "kiemtra"])
async def test_only_operators_act_and_look(face: Face, method: str, path: str, holder: str) -> None:
    """An agency gets 403 even for its own delivery, and so does an auditor."""
    accepted = await face.world.submit("H01")
    path = path.replace("{id}", accepted.message_id)
    body = {"why": "x", "to": "ban", "neighbour": "tinh"} if method == "post" else None

    status, _ = await face.call(method, path, body, holder)

    assert status == 403
    assert await face.world.states(accepted.message_id) == {"queued"}


def test_there_are_as_many_operator_routes_as_there_should_be() -> None:
    """Else the test above would prove less than it says."""
    assert len(_operator_routes()) == 13


async def test_an_action_by_http_names_its_token_in_the_log(face: Face) -> None:
    """And answers what was described."""
    accepted = await face.world.submit("H01", "H01.9")

    status, done = await face.call(
        "POST", f"/v1/deliveries/{accepted.message_id}/hold", {"why": "chờ bản thay thế"}
    )

    assert (status, done["acted"]) == (200, 2)
    valid("Done", done)
    newest = (await face.world.journal.entries(0, 1000))[-1]
    last = replaced(json.loads(newest.leaf), newest.words)
    assert last["event"] == "delivery-held"
    assert last["by"].endswith(":vanhanh")
    assert last["why"] == "chờ bản thay thế"


@pytest.mark.parametrize(
    ("path", "body", "parameter"),
    [
        ("/hold", {}, "why"),
        ("/hold", {"why": "   "}, "why"),
        ("/hold", {"why": "x" * 501}, "why"),
        ("/hold", {"why": "two\nlines"}, "why"),
        ("/hold", {"why": 7}, "why"),
        ("/hold", {"why": "x", "unanswered": True}, "unanswered"),
        ("/cancel", {"why": "x", "unanswered": "yes"}, "unanswered"),
        ("/redirect", {"why": "x"}, "to"),
        ("/redirect", {"why": "x", "to": ""}, "to"),
        ("/release", {"why": "x", "by": "someone"}, "by"),
    ],
)
async def test_an_order_without_a_reason_or_with_nonsense_changes_nothing(
    face: Face, path: str, body: dict[str, Any], parameter: str
) -> None:
    accepted = await face.world.submit("H01")

    status, problem = await face.call("POST", f"/v1/deliveries/{accepted.message_id}{path}", body)

    assert (status, problem["parameter"]) == (400, parameter)
    assert await face.world.states(accepted.message_id) == {"queued"}


async def test_what_is_not_possible_now_is_a_409_that_says_why(face: Face) -> None:
    """The second cancelling, as a problem of a type of its own."""
    accepted = await face.world.submit("H01")
    path = f"/v1/deliveries/{accepted.message_id}/cancel"
    assert (await face.call("POST", path, {"why": "x"}))[0] == 200

    status, problem = await face.call("POST", path, {"why": "x"})

    assert (status, problem["type"]) == (409, "urn:truc-relay:problem:not-possible")
    assert "it is cancelled" in problem["detail"]


async def test_shape_and_why_answer_what_is_described(face: Face) -> None:
    """With every kind of row in them."""
    world = face.world
    world.slow_key = True
    world.policy = replace(world.policy, first=timedelta(hours=1), cap=timedelta(hours=1))
    held = await world.submit("H01")
    await face.call("POST", f"/v1/deliveries/{held.message_id}/hold", {"why": "x"})
    available = await world.submit("H01.18")

    status, shape = await face.call("GET", "/v1/queue/shape")
    assert status == 200
    valid("Shape", shape)
    for accepted in (held, available):
        status, why = await face.call("GET", f"/v1/deliveries/{accepted.message_id}/why")
        assert status == 200
        valid("Why", why)


async def test_ids_nobody_knows_are_404(face: Face) -> None:
    nobody = "0190b6d8-0000-7000-8000-000000000000"
    assert (await face.call("GET", f"/v1/deliveries/{nobody}/why"))[0] == 404
    assert (await face.call("POST", f"/v1/deliveries/{nobody}/hold", {"why": "x"}))[0] == 404
    body = {"why": "x", "neighbour": "nowhere"}
    assert (await face.call("POST", "/v1/queue/hold", body))[0] == 404


# ---------------------------------------------------------------- the terminal


async def test_hold_release_and_cancel_at_the_terminal(face: Face) -> None:
    """One line of data on stdout; the rest is remarks."""
    accepted = await face.world.submit("H01", "H01.9")

    held = await face.relay("hold", accepted.message_id, "--why", "chờ")
    released = await face.relay("release", "--neighbour", "tinh", "--why", "xong")
    cancelled = await face.relay("cancel", accepted.message_id, "--why", "gửi nhầm", "--json")

    assert (held.exit_code, held.stdout) == (0, "2 held\n")
    assert (released.exit_code, released.stdout) == (0, "2 released\n")
    assert json.loads(cancelled.stdout)["acted"] == 2


async def test_every_action_has_a_verb(face: Face) -> None:
    accepted = await face.world.submit("H01.17")
    name = accepted.message_id
    for args in (
        ("redirect", name, "--to", "tinh"),
        ("requeue", name),
        ("requeue", "--neighbour", "tinh"),
        ("flush", name),
        ("flush", "tinh"),
        ("flush",),
    ):
        result = await face.relay(*args, "--why", "thử")
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("args", "exit_code", "words"),
    [
        (("hold", "{id}"), 64, "--why"),
        (("hold", "--why", "x"), 64, "either the id"),
        (("hold", "{id}", "--neighbour", "tinh", "--why", "x"), 64, "either the id"),
        (("hold", "nonsense", "--why", "x"), 66, "no delivery has that id"),
        (("hold", "../tokens", "--why", "x"), 66, "nothing is called '../tokens' here"),
        (("release", "{id}", "--why", "x"), 65, "only what is held can be released"),
        (("redirect", "{id}", "--to", "nowhere", "--why", "x"), 66, "no neighbour nowhere"),
        (("why", "0190b6d8-0000-7000-8000-000000000000"), 66, "is known here"),
    ],
)
async def test_what_goes_wrong_at_the_terminal_says_so(
    face: Face, args: tuple[str, ...], exit_code: int, words: str
) -> None:
    """On stderr, with the exit code the other verbs have."""
    accepted = await face.world.submit("H01")

    result = await face.relay(*(arg.replace("{id}", accepted.message_id) for arg in args))

    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert words in result.stderr


async def test_what_was_left_is_said(face: Face) -> None:
    """One of the two is in doubt, and its neighbour does not answer."""
    world = face.world
    world.wire.failing = lambda neighbour, _: UnansweredError("cut") if neighbour == BAN else None
    accepted = await world.submit("H01.17")
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
    world.wire.asking = TransportError("down")

    result = await face.relay("requeue", "--neighbour", "ban", "--why", "x")

    assert (result.exit_code, result.stdout) == (0, "0 requeued\n")
    assert "relay: 1 left as they are:" in result.stderr
    assert "ban may have it, and does not say so now" in result.stderr


async def test_the_queues_shape_is_two_tables(face: Face) -> None:
    """Neighbours and ages, and the neighbours' state."""
    for _ in range(3):
        await face.world.submit("H01")

    result = await face.relay("queue", "shape")

    assert result.exit_code == 0
    counts, states = (part.splitlines() for part in result.stdout.split("\n\n"))
    assert counts[0].split()[:5] == ["NEIGHBOUR", "WHAT", "TOTAL", "5m", "10m"]
    assert counts[0].split()[-2:] == ["1280m", "1280m+"]
    assert ["tinh", "waiting", "3", "3", "0", "0", "0", "0", "0", "0", "0", "0", "0"] in [
        line.split() for line in counts
    ]
    assert ["tinh", "up", "0", "0", "0"] in [line.split() for line in states]


async def test_why_at_the_terminal_answers_in_sentences(face: Face) -> None:
    """And shows the facts they rest on."""
    accepted = await face.world.submit("H01")

    result = await face.relay("why", accepted.message_id)

    assert result.exit_code == 0
    assert "H01: queued\n  It waits for tinh and was not sent yet" in result.stdout
    assert "certificate:  commonName=tinh, until " in result.stdout
    assert "SubmissionAcceptance by xa" in result.stdout
    assert accepted.receipt in result.stdout
