"""Evidence from real nodes: exported at the terminal, judged with nothing but the root."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from tests.acceptance.pair import Pair, founded

pytestmark = pytest.mark.slow


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with founded(tmp_path / "nodes", "") as found:
        await found.start("tinh")
        await found.start("xa")
        yield found


async def relay(*words: object) -> Result:
    """The command, beside the nodes' event loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in words])


def outcomes(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in json.loads(result.stdout):
        found.setdefault(step["what"], set()).add(step["outcome"])
    return found


async def test_a_stranger_judges_a_document_that_two_nodes_carried(
    pair: Pair, tmp_path: Path
) -> None:
    """Both nodes export; both files hold, with receipts of both; one changed byte and the exit code is 65."""
    message = await _delivered(pair)
    root = pair.network.root
    for name in ("xa", "tinh"):
        file = tmp_path / f"{name}.asice"
        config = pair.network.nodes[name].config
        exported = await relay("evidence", "export", message, "--out", file, "--config", config)
        assert exported.exit_code == 0, exported.output
        judged = await relay("evidence", "verify", file, "--root", root, "--json")

        assert judged.exit_code == 0, judged.output
        found = outcomes(judged)
        assert found["receipt"] == found["seal"] == found["export"] == {"holds"}
        issuers = {one["by"] for one in json.loads(judged.stdout) if one["what"] == "receipt"}
        assert "tinh" in issuers

    file.write_bytes(file.read_bytes().replace(b"CV-M", b"CV-X", 1))
    judged = await relay("evidence", "verify", file, "--root", root)
    assert judged.exit_code == 65
    assert "refused contents: damaged" in judged.stdout
    again = await relay("evidence", "export", message, "--out", file, "--config", config)
    assert again.exit_code == 73


async def _delivered(pair: Pair) -> str:
    await pair.until(lambda: pair.running["xa"]._ready() is None)
    message: Any = await pair.submit()
    await pair.until(lambda: pair.ends(message) == [("available", None)])
    return str(message)
