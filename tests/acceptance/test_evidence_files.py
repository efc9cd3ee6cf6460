"""Evidence from real nodes: exported at the terminal, judged with nothing but the root."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.demo.timestamping import serve
from relay.signing import pki
from relay.signing.pki_tsa import TimestampResponder
from relay.signing.pki_words import KeyType
from tests.acceptance.pair import Pair, founded
from tests.conftest import needs

pytestmark = pytest.mark.slow


@dataclass
class Authority:
    """A timestamp authority under a root of its own, which comes late and may be away."""

    root: Path
    responder: TimestampResponder
    port: int = 0
    runner: web.AppRunner | None = None

    async def open(self) -> None:
        self.runner, self.port = await serve(self.responder, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    @property
    def section(self) -> str:
        """Listed twice: the first address is nobody's."""
        rows = [("dau", 1), ("sau", self.port)]
        return "\n[timestamps]\nlook_every = 0.05\nretry_first = 0.02\n" + "".join(
            f'\n[[timestamps.authorities]]\nname = "{name}"\nurl = "http://127.0.0.1:{port}/tsa"\n'
            for name, port in rows
        )


@pytest.fixture
async def authority(tmp_path: Path) -> AsyncIterator[Authority]:
    folder, now = tmp_path / "tsa", datetime.now(UTC)
    root = pki.init(folder, name="Cơ quan cấp dấu thời gian Mẫu", key=KeyType.P256, now=now, days=9)
    pki.issue_branch(folder, "tsa", key=KeyType.P256, now=now, days=9)
    certificate = pki.issue_tsa(folder, "mau", "tsa", key=KeyType.RSA2048, now=now, days=9)
    found = Authority(root, TimestampResponder.load(certificate, lambda: datetime.now(UTC)))
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def pair(tmp_path: Path, authority: Authority) -> AsyncIterator[Pair]:
    async with founded(tmp_path / "nodes", authority.section) as found:
        for node in found.network.nodes.values():
            text = node.config.read_text(encoding="utf-8")
            pinned = text.replace("[trust]\n", f'[trust]\ntimestamp = ["{authority.root}"]\n')
            assert pinned != text
            node.config.write_text(pinned, encoding="utf-8")
        await found.start("tinh")
        await found.start("xa")
        yield found


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The nodes' log lines are not the command's output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


async def relay(*words: object) -> Result:
    """The command, beside the nodes' event loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in words])


def outcomes(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in json.loads(result.stdout):
        found.setdefault(step["what"], set()).add(step["outcome"])
    return found


async def test_a_stranger_judges_a_document_that_two_nodes_carried(
    pair: Pair, authority: Authority, tmp_path: Path
) -> None:
    """Both nodes export; both files hold, with receipts of both; one changed byte and the exit code is 65."""
    message = await _delivered(pair)
    await pair.until(lambda: stamps(pair, "seal") == [("sau", 1)])
    root = pair.network.root
    tsa = ["--tsa-root", authority.root]
    for name in ("xa", "tinh"):
        file = tmp_path / f"{name}.asice"
        config = pair.network.nodes[name].config
        exported = await relay("evidence", "export", message, "--out", file, "--config", config)
        assert exported.exit_code == 0, exported.output
        judged = await relay("evidence", "verify", file, "--root", root, *tsa, "--json")

        assert judged.exit_code == 0, judged.output
        found = outcomes(judged)
        assert found["receipt"] == found["seal"] == found["export"] == {"holds"}
        issuers = {one["by"] for one in json.loads(judged.stdout) if one["what"] == "receipt"}
        assert "tinh" in issuers
        assert found["timestamp"] == {"holds" if name == "xa" else "unknown"}

    file.write_bytes(file.read_bytes().replace(b"CV-M", b"CV-X", 1))
    judged = await relay("evidence", "verify", file, "--root", root, *tsa)
    assert judged.exit_code == 65
    assert "refused contents: damaged" in judged.stdout
    again = await relay("evidence", "export", message, "--out", file, "--config", config)
    assert again.exit_code == 73


async def test_an_authority_that_is_away_stops_nothing_and_is_asked_again(
    pair: Pair, authority: Authority, tmp_path: Path
) -> None:
    """Documents go on, attempts are counted in the journal, a restart forgets none, and then it comes, for
    heads of the log as well, which openssl verifies."""
    await authority.close()
    await _delivered(pair)
    await pair.until(lambda: stamps(pair, "seal", done=False)[:1] > [("", 2)])
    told = await relay("evidence", "timestamps", "--config", pair.network.nodes["xa"].config)
    assert "ClientConnectorError" in told.stdout
    assert re.search(r"^seal +0 +1 ", told.stdout, re.MULTILINE)
    await pair.stop("xa")
    before = stamps(pair, "seal", done=False)
    await authority.open()
    await pair.start("xa")

    await pair.until(lambda: [name for name, _ in stamps(pair, "seal")] == ["sau"])
    assert stamps(pair, "seal")[0][1] >= before[0][1]
    await pair.until(lambda: [name for name, _ in stamps(pair, "head")] != [])
    folder, config = tmp_path / "heads", pair.network.nodes["xa"].config
    saved = await relay("audit", "timestamps", "--save", folder, "--config", config)
    assert saved.exit_code == 0, saved.output
    (note,) = folder.glob("*.note")
    command = [needs("openssl"), "ts", "-verify", "-data", note, "-in", note.with_suffix(".tst")]
    process = await asyncio.create_subprocess_exec(
        *map(str, command), "-token_in", "-CAfile", str(authority.root)
    )
    assert await process.wait() == 0


def stamps(pair: Pair, kind: str, *, done: bool = True) -> list[tuple[str, int]]:
    """By whom, after how many attempts that failed."""
    return pair.rows(
        "xa",
        "SELECT coalesce(authority, ''), attempts FROM stamps WHERE kind = ? AND (token IS NULL) = ?",
        kind,
        not done,
    )


async def _delivered(pair: Pair) -> str:
    await pair.until(lambda: pair.running["xa"]._ready() is None)
    message: Any = await pair.submit()
    await pair.until(lambda: pair.ends(message) == [("available", None)])
    return str(message)
