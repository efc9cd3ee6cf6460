"""Carry files through the native face and at the terminal, over the real desks of two nodes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.delivery.operators.logbook import Logbook
from relay.delivery.operators.tokens import TokenDesk
from relay.delivery.ports import Caller
from relay.delivery.pressure.gate import Pressure
from relay.delivery.pressure.quota import Quotas
from relay.delivery.tracking import OutboxDesk, TrackingDesk
from relay.envelope.limits import Limits
from relay.journal.space import Free, Reserve
from relay.transport.native.app import native_app
from relay.transport.native.runner import native_runner

Post = Any


@dataclass
class Face:
    """A node's native face on loopback, with a token of each kind."""

    url: str
    tokens: dict[str, str]
    post: Post

    def session(self, holder: str = "operator") -> aiohttp.ClientSession:
        bearer = {"Authorization": f"Bearer {self.tokens[holder]}"}
        return aiohttp.ClientSession(self.url, headers=bearer)

    async def relay(self, *words: object, holder: str = "operator") -> Result:
        """`relay …` in a thread, since the face runs in this loop."""
        options = ["--url", self.url, "--token", self.tokens[holder]]
        arguments = [*map(str, words), *options]
        return await asyncio.to_thread(
            CliRunner().invoke, app, arguments, catch_exceptions=False, env={}
        )


@contextlib.asynccontextmanager
async def _face(post: Post) -> AsyncIterator[Face]:
    journal = post.journal
    desk = TokenDesk(post.name, post.keys["directory"], journal, post.clock)
    by = Caller("local:test", frozenset(), operator=True)
    scopes = {
        "operator": "operator",
        "auditor": "auditor",
        "agency": f"agency:{next(iter(post.caller.agencies))}",
    }
    tokens = {name: (await desk.issue(by, name, (scope,)))[1] for name, scope in scopes.items()}
    nobody: Any = None  # nothing here asks them
    runner = native_runner(
        native_app(
            post.intake,
            post.inbox,
            TrackingDesk(journal),
            Logbook(journal),
            desk,
            journal,
            Limits(),
            post.clock.now,
            lambda: None,
            outbox=OutboxDesk(journal),
            control=nobody,
            queue=nobody,
            recovery=nobody,
            courier=post.courier,
        ),
        shutdown_timeout=1.0,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Face(f"http://127.0.0.1:{runner.addresses[0][1]}", tokens, post)
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The node's own log lines are not the command's output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def at_xa(xa: Post) -> AsyncIterator[Face]:
    async with _face(xa) as face:
        yield face


@pytest.fixture
async def at_tinh(tinh: Post) -> AsyncIterator[Face]:
    async with _face(tinh) as face:
        yield face


# ---------------------------------------------------------------- by HTTP


async def test_a_file_out_and_in_and_its_answer_back(at_xa: Face, at_tinh: Face) -> None:
    """What stands in Relay-Carry is what happened; nothing to say is 204."""
    message_id = await at_xa.post.send()
    async with at_xa.session() as xa, at_tinh.session() as tinh:
        async with xa.post("/v1/carry/tinh", params={"why": "mất mạng"}) as out:
            assert (out.status, out.content_type) == (200, "application/vnd.truc-relay.carry+zip")
            told = json.loads(out.headers["Relay-Carry"])
            file = await out.read()
        assert (told["transfers"], told["size_bytes"], told["more"]) == (1, len(file), False)
        async with tinh.post("/v1/carry", data=file) as in_:
            assert in_.status == 200
            assert json.loads(in_.headers["Relay-Carry"])["answered"] == 1
            answers = await in_.read()
        async with xa.post("/v1/carry", data=answers) as settled:
            assert settled.status == 204
            assert json.loads(settled.headers["Relay-Carry"])["settled"] == 1
    assert await at_xa.post.states(message_id) == {"available"}
    (entry,) = await at_xa.post.entries("carry-exported")
    assert entry["by"].endswith(":operator")
    assert entry["why"] == "mất mạng"


@pytest.mark.parametrize("holder", ["agency", "auditor"])
@pytest.mark.parametrize("path", ["/v1/carry", "/v1/carry/tinh"])
async def test_only_operators_carry(at_xa: Face, holder: str, path: str) -> None:
    """403 before a byte of the body is looked at."""
    async with at_xa.session(holder) as session, session.post(path) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"limit_bytes": "1000"}, "limit_bytes"),
        ({"limit_bytes": "4GB"}, "limit_bytes"),
        ({"why": "x" * 501}, "why"),
        ({"why": "a\nb"}, "why"),
        ({"limt": "1"}, "limt"),
    ],
)
async def test_a_question_that_is_none_changes_nothing(
    at_xa: Face, query: dict[str, str], parameter: str
) -> None:
    """400 names the parameter; what waits still waits."""
    message_id = await at_xa.post.send()
    async with (
        at_xa.session() as session,
        session.post("/v1/carry/tinh", params=query) as response,
    ):
        assert response.status == 400
        assert (await response.json(content_type=None))["parameter"] == parameter
    assert await at_xa.post.states(message_id) == {"queued"}


async def test_nothing_and_nobody_are_404(at_xa: Face) -> None:
    """A neighbour for whom nothing waits, and one that is none."""
    async with at_xa.session() as session:
        for name in ("tinh", "tw", "..%2Ftinh", "%00", "x" * 300):
            async with session.post(f"/v1/carry/{name}") as response:
                assert response.status == 404, name


async def test_a_large_body_that_is_no_carry_file_is_refused_at_once(at_xa: Face) -> None:
    """The client that writes before it listens gets its answer all the same."""
    junk = io.BytesIO(b"PK" + os.urandom(20 << 20))
    async with at_xa.session() as session, session.post("/v1/carry", data=junk) as response:
        assert response.status == 422
        problem = await response.json(content_type=None)
    assert problem["type"].endswith(":bad-document")
    assert "carry.xml" in problem["detail"]


async def test_a_body_that_breaks_off_keeps_what_came(at_xa: Face, at_tinh: Face) -> None:
    """The line to the operator's terminal is cut: no answer, nothing lost, and the place is free."""
    for _ in range(3):
        await at_xa.post.send()
    file = await at_xa.post.export()
    host, port = at_tinh.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/carry HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {at_tinh.tokens['operator']}\r\n"
        f"Content-Length: {len(file)}\r\n\r\n"
    )
    writer.write(head.encode() + file[: len(file) * 2 // 3])
    await writer.drain()

    async def some() -> list[Any]:
        return list(await at_tinh.post.came())

    await at_tinh.post.until(some)
    writer.transport.abort()

    async def noted() -> list[Any]:
        return list(await at_tinh.post.entries("carry-imported"))

    (entry,) = await at_tinh.post.until(noted)
    assert entry["reason"] == "broken-off"

    async def free() -> bool:
        return not at_tinh.post.courier.importer._one.locked()

    await at_tinh.post.until(free)
    told, _ = await at_tinh.post.take(file)
    assert (told.answered, told.broken) == (3, "")
    assert len(await at_tinh.post.came()) == 3


# ---------------------------------------------------------------- at the terminal


async def test_the_three_commands(at_xa: Face, at_tinh: Face, tmp_path: Path) -> None:
    """Names of files on stdout, the rest on stderr; the receipts file is named after the other."""
    message_id = await at_xa.post.send()
    file = tmp_path / "tinh.carry"

    out = await at_xa.relay("carry", "export", "tinh", file, "--limit", "700 MB", "--why", "bão")
    assert (out.exit_code, out.stdout) == (0, f"{file}\n"), out.stderr
    assert "1 transfers and 0 receipts for tinh" in out.stderr
    in_ = await at_tinh.relay("carry", "import", file)
    back = tmp_path / "tinh-receipts.carry"
    assert (in_.exit_code, in_.stdout) == (0, f"{back}\n"), in_.stderr
    settled = await at_xa.relay("carry", "import", back, "--json")
    told = json.loads(settled.stdout)

    assert (told["settled"], told["receipts_file"]) == (1, None)
    assert await at_xa.post.states(message_id) == {"available"}
    assert sorted(p.name for p in tmp_path.glob("*.carry*")) == [back.name, file.name]


async def test_files_are_not_written_over(at_xa: Face, at_tinh: Face, tmp_path: Path) -> None:
    """Refused before anything is frozen or taken."""
    message_id = await at_xa.post.send()
    file = tmp_path / "tinh.carry"
    file.write_bytes(b"")
    out = await at_xa.relay("carry", "export", "tinh", file)
    assert out.exit_code == 73
    assert await at_xa.post.states(message_id) == {"queued"}

    file.write_bytes(await at_xa.post.export())
    (tmp_path / "tinh-receipts.carry").write_bytes(b"")
    in_ = await at_tinh.relay("carry", "import", file)
    assert in_.exit_code == 73
    assert await at_tinh.post.came() == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("export", "tinh", "{}/out", "--limit", "much"), 64, "is no size"),
        (
            ("export", "tinh", "{}/out", "--limit", "1MB"),
            64,
            "--limit 1MB is 1000000 bytes, limit from",
        ),
        (("export", "tinh", "{}/out", "--limit", "1.2GB"), 64, "700MB, 4GB, 16GiB"),
        (("export", "tinh", "{}/out", "--limit", "10000TB"), 64, "limit from 1048576 to"),
        (("export", "tinh", "{}/out"), 66, "nothing waits for tinh"),
        (("export", "tw", "{}/out"), 66, "is not a neighbour of xa"),
        (("import", "{}/none"), 66, "no such file"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_line(
    at_xa: Face, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """And no file is left behind."""
    done = await at_xa.relay("carry", *(word.format(tmp_path) for word in words))

    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert list(tmp_path.glob("out*")) == []


async def test_damage_is_told_and_what_came_is_answered(
    at_xa: Face, at_tinh: Face, tmp_path: Path
) -> None:
    """Exit 65, and yet a receipts file for what was taken; a stranger's file gives none."""
    sent = [await at_xa.post.send() for _ in range(3)]
    whole = await at_xa.post.export()
    file = tmp_path / "cut.carry"
    file.write_bytes(whole[: len(whole) * 2 // 3])

    cut = await at_tinh.relay("carry", "import", file)
    assert cut.exit_code == 65
    assert "the file was not read to its end: the file ends inside" in cut.stderr
    assert cut.stdout == f"{tmp_path / 'cut-receipts.carry'}\n"
    back = await at_xa.relay("carry", "import", tmp_path / "cut-receipts.carry")
    assert back.exit_code == 0
    states = [await at_xa.post.states(message_id) for message_id in sent]
    assert {"available"} in states
    assert {"in-doubt"} in states

    again = await at_tinh.relay("carry", "import", file)
    assert again.exit_code == 73
    assert "--receipts" in again.stderr
    wrong = await at_xa.relay("carry", "import", file, "--receipts", tmp_path / "other")
    assert wrong.exit_code == 65
    assert "this carry file is for tinh, not xa" in wrong.stderr


async def test_a_full_disk_is_told_as_what_passes(at_xa: Face, tinh: Post, tmp_path: Path) -> None:
    """Exit 75, not 65: nothing is wrong with the file, and once there is room it is taken."""
    await at_xa.post.send()
    file = tmp_path / "tinh.carry"
    file.write_bytes(await at_xa.post.export())
    free = 10
    reserve = Reserve(100, 0, lambda: Free(free, None))
    tinh.carries(gate=Pressure(reserve, Quotas(9, 9, 1 << 30, 1 << 30), 9, 9))
    async with _face(tinh) as at_tinh:
        full = await at_tinh.relay("carry", "import", file)
        assert full.exit_code == 75, full.stderr
        assert "not read to its end: free space 10 bytes, reserve 100" in full.stderr
        assert full.stderr.endswith("once that is mended, the same file is safe\n")
        told = json.loads((await at_tinh.relay("carry", "import", file, "--json")).stdout)
        assert told["temporary"] is True

        free = 1 << 30
        reserve.look()
        assert (await at_tinh.relay("carry", "import", file)).exit_code == 0


async def test_what_finds_no_room_is_told(at_xa: Face, tmp_path: Path) -> None:
    """So that nobody leaves without the second stick."""
    for _ in range(3):
        await at_xa.post.send(padding=os.urandom(400_000))

    out = await at_xa.relay("carry", "export", "tinh", tmp_path / "a.carry", "--limit", "1.2MB")
    assert out.exit_code == 64
    out = await at_xa.relay("carry", "export", "tinh", tmp_path / "a.carry", "--limit", "1200kB")

    assert out.exit_code == 0, out.stderr
    assert "more waits than had room" in out.stderr
    assert (tmp_path / "a.carry").stat().st_size <= 1_200_000
