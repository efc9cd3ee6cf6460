"""The witness's doors on a real node: a log that the settings name, over HTTPS, and what operators see of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from relay.audit.add_checkpoint import LIMIT_BYTES, SIZE_TYPE, AddCheckpoint, write_request
from relay.audit.checkpoint import origin_of, verify_note, vkey
from relay.audit.cosignature import Cosigner, answered, cosigner_name
from relay.audit.epochs import Epoch
from relay.cli.main import app
from relay.model import NodeId
from relay.settings.reading import load
from relay.signing.keys import LogSigner, verify_log_signature
from relay.witness.desk import STOPPED_TYPE
from tests.acceptance.pair import Pair, founded
from tests.witness.conftest import Key, Log

pytestmark = [pytest.mark.slow]
ORIGIN = "log.example/so-khac"
PERSON = "Nguyễn Thị Mẫu"


@pytest.fixture
def other() -> Log:
    """A log that is no node's, as any other software keeps one."""
    return Log(node="", name=ORIGIN, epoch=Epoch()).grow(40)


@pytest.fixture
async def pair(tmp_path: Path, other: Log) -> AsyncIterator[Pair]:
    extra = f'[[log.witnessed]]\nvkey = "{vkey(ORIGIN, other.key.public)}"\n'
    async with founded(tmp_path, extra) as found:
        await found.start("tinh")
        yield found


@pytest.fixture
def lines() -> Any:
    with structlog.testing.capture_logs() as captured:
        yield captured


class Door:
    """The native face of the node, as anybody reaches it."""

    def __init__(self, pair: Pair) -> None:
        settings = load(pair.network.nodes["tinh"].config)
        self.base = f"https://{settings.listen.native[0]}"
        self.config = pair.network.nodes["tinh"].config
        log = settings.keys.log
        self.key = LogSigner.load(log.certificate, log.key).public_key
        self.session = pair.session

    @property
    def cosigner(self) -> Cosigner:
        believed = partial(verify_log_signature, self.key)
        return Cosigner(cosigner_name(NodeId("tinh")), self.key, believed)

    async def add(self, body: bytes, **headers: str) -> tuple[int, str, bytes]:
        url = f"{self.base}/v1/witness/add-checkpoint"
        async with self.session.post(url, data=body, headers=headers) as response:
            return response.status, response.content_type, await response.read()

    async def clear(self, token: str, **document: object) -> tuple[int, dict[str, Any]]:
        async with self.session.post(
            f"{self.base}/v1/audit/witnesses/clear",
            json=document,
            headers={"Authorization": f"Bearer {token}"},
        ) as response:
            return response.status, await response.json()

    async def relay(self, *words: object) -> Result:
        asked = [*map(str, words), "--config", str(self.config)]
        return await asyncio.to_thread(CliRunner().invoke, app, asked)

    async def token(self, holder: str, scope: str) -> str:
        issued = await self.relay("token", "issue", "--holder", holder, "--scope", scope)
        assert issued.exit_code == 0, issued.output
        return issued.stdout.strip()


async def test_a_log_that_the_settings_name_is_cosigned_for_anyone(pair: Pair, other: Log) -> None:
    """By the standard's statuses, whoever hands it in; only those logs, and only so much of a body."""
    door = Door(pair)
    for old, size in ((0, 20), (20, 40)):
        status, _, line = await door.add(other.request(old, size))
        assert status == 200
        note = other.note(size)
        assert answered(note, line, door.cosigner)

    assert await door.add(other.request(20, 40)) == (409, SIZE_TYPE, b"40\n")
    assert await door.add(other.request(0, 20)) == (409, SIZE_TYPE, b"40\n")
    assert (await door.add(other.request(40, 40)))[0] == 200
    zero = write_request(AddCheckpoint(40, (bytes(32),), replace(other).grow(1).note()))
    assert (await door.add(zero))[0] == 422
    stranger = Log(name="log.example/unknown").grow(3)
    assert (await door.add(stranger.request(0)))[0] == 404
    neighbours = Log(node="xa").grow(3)
    assert (await door.add(neighbours.request(0)))[0] == 404, "neighbours have a door of their own"
    assert (await door.add(replace(other, key=Key()).request(40)))[0] == 403
    for body in (b"", b"old 0\n\n", b"old 00\n\nx\n\ny\n", other.request(0)[:-20]):
        assert (await door.add(body))[0] == 400, body
    assert (await door.add(bytes(LIMIT_BYTES + 1)))[0] == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(LIMIT_BYTES // 10)

    assert (await door.add(endless()))[0] == 413  # type: ignore[arg-type]


async def test_three_doors_show_three_heads(pair: Pair) -> None:
    """The newest, the newest published, the newest that anybody cosigned: of the last there is none here."""
    door = Door(pair)
    token = await door.token("auditor", "auditor")
    origin = origin_of(NodeId("tinh"))
    found: dict[str, int] = {}

    async def published() -> bool:
        for path in ("log/0/checkpoint", "v1/audit/head", "v1/audit/checkpoint"):
            headers = {"Authorization": f"Bearer {token}"}
            async with door.session.get(f"{door.base}/{path}", headers=headers) as response:
                note, found[path] = await response.read(), response.status
            if response.status == 200:
                found[path] = verify_note(note, origin, door.key, door.cosigner.verify).size
        return found["log/0/checkpoint"] != 404

    await pair.until(published)
    assert 0 < found["log/0/checkpoint"] <= found["v1/audit/head"]
    assert found["v1/audit/checkpoint"] == 404


async def test_an_alarm_is_seen_kept_and_cleared_by_an_operator_alone(
    pair: Pair, other: Log, lines: list[Any], tmp_path: Path
) -> None:
    """At the terminal and over the API. Who cleared it and why stand beside the leaf, never in a line."""
    door = Door(pair)
    quiet = await door.relay("audit", "witnesses")
    assert (quiet.exit_code, "LOG COSIGNED HERE" in quiet.stdout) == (0, True)
    assert (await door.add(other.request(0, 20)))[0] == 200
    assert (await door.add(other.fork(10, 10).request(0)))[0] == 409
    status, kind, _ = await door.add(other.request(20, 40))
    assert (status, kind) == (403, STOPPED_TYPE)

    seen = await door.relay("audit", "witnesses", "--evidence", tmp_path / "proof")
    (row,) = [line for line in seen.stdout.splitlines() if line.startswith(ORIGIN)]
    assert row.split()[1] == "20"
    assert row.endswith("ALARM, not cosigned")
    assert f"ALARM: {ORIGIN}: forked: two heads of the size 20" in seen.stderr
    assert "--clear ORIGIN" in seen.stderr
    notes = [
        (tmp_path / "proof" / f"alarm-1-{whose}.note").read_bytes() for whose in ("ours", "theirs")
    ]
    believed = [
        verify_note(note, ORIGIN, other.key.public, other.key.believed.verify) for note in notes
    ]
    assert (believed[0].size, believed[0].root != believed[1].root) == (believed[1].size, True)
    again = await door.relay("audit", "witnesses", "--evidence", tmp_path / "proof")
    assert again.exit_code != 0, "evidence is never overwritten"
    told = json.loads((await door.relay("audit", "witnesses", "--json")).stdout)
    assert [one["kind"] for one in told["alarms"]] == ["forked"]

    for misuse in (
        ("--clear", ORIGIN),
        ("--clear", ORIGIN, "--why", "x", "--evidence", tmp_path / "more"),
        ("--why", "x"),
    ):
        assert (await door.relay("audit", "witnesses", *misuse)).exit_code == 64, misuse

    operator = await door.token(PERSON, "operator")
    auditor = await door.token("auditor", "auditor")
    why = "đã hỏi bên kia"
    assert (await door.clear(auditor, origin=ORIGIN, why=why))[0] == 403
    assert (await door.clear("rt_nobody", origin=ORIGIN, why=why))[0] == 401
    assert (await door.clear(operator, origin=ORIGIN, why=" "))[0] == 400
    assert (await door.clear(operator, origin=ORIGIN))[0] == 400
    assert (await door.clear(operator, origin=ORIGIN, why=why, more=1))[0] == 400
    assert (await door.clear(operator, origin=f"{ORIGIN}x", why=why))[0] == 404
    assert (await door.clear(operator, origin=ORIGIN, why=why)) == (200, {"cleared": 1})
    assert (await door.clear(operator, origin=ORIGIN, why=why))[0] == 404, "nothing is in alarm now"
    assert (await door.add(other.request(20, 40)))[0] == 200

    after = await door.relay("audit", "witnesses")
    assert [line.split()[1:] for line in after.stdout.splitlines() if line.startswith(ORIGIN)]
    assert "ALARM, not" not in after.stdout
    assert "cleared 20" in after.stderr
    _check_told(pair, lines, why)


def _check_told(pair: Pair, lines: list[Any], why: str) -> None:
    leaves = [
        (index, json.loads(leaf))
        for index, leaf in pair.rows("tinh", "SELECT entry_index, leaf FROM entries")
    ]
    (forked,) = [leaf for _, leaf in leaves if leaf["event"] == "log-forked"]
    assert (forked["log"], forked["peer"], forked["size"]) == (ORIGIN, "native", 20)
    ((index, cleared),) = [one for one in leaves if one[1]["event"] == "log-alarm-cleared"]
    assert (cleared["log"], cleared["count"]) == (ORIGIN, 1)
    assert {len(cleared["by"]), len(cleared["why"])} == {64}, "digests"
    ((words,),) = pair.rows("tinh", "SELECT words FROM entry_words WHERE entry_index = ?", index)
    assert PERSON in json.loads(words)["by"]
    assert json.loads(words)["why"] == why
    (critical,) = [line for line in lines if line["event"] == "log-forked"]
    assert (critical["by"], critical["log_level"]) == ("native", "critical")
    for hidden in (PERSON, why):
        assert hidden not in json.dumps(lines, ensure_ascii=False, default=str)
        assert hidden not in json.dumps(leaves, ensure_ascii=False)
