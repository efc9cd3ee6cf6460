"""The logs of two real nodes: exported at the terminal, judged, and found to agree."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
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


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


async def relay(*words: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(one) for one in words])


async def test_two_nodes_that_exchanged_documents_agree_by_file_and_by_journal(
    pair: Pair, tmp_path: Path
) -> None:
    """Both export over their control sockets while they run; the exports hold, the logs agree, whether
    read from the files, from the journals of running nodes or of a stopped one, and an export is an entry
    of its own log."""
    for _ in range(3):
        await pair.submit()
    settled = "SELECT count(*) FROM entries WHERE CAST(leaf AS TEXT) LIKE '%\"transfer-answered\"%'"
    await pair.until(lambda: pair.rows("xa", settled) == [(3,)])
    configs = {name: pair.network.nodes[name].config for name in ("xa", "tinh")}
    root, files = pair.network.root, []
    for name, config in configs.items():
        file = tmp_path / f"{name}.asice"
        words = ("--out", file, "--config", config, "--with-words", "--why", "kiểm tra")
        exported = await relay("audit", "export", *words)
        assert exported.exit_code == 0, exported.output
        judged = await relay("audit", "check-export", file, "--root", root)
        assert judged.exit_code == 0, judged.output
        files.append(file)

    noted = "SELECT leaf FROM entries WHERE CAST(leaf AS TEXT) LIKE '%\"log-exported\"%'"
    (leaf,) = [json.loads(one) for (one,) in pair.rows("xa", noted)]
    assert (leaf["type"], leaf["size"]) == ("words", files[0].stat().st_size)

    by_file = await relay("audit", "diff", *files, "--root", root, "--json")
    assert by_file.exit_code == 0, by_file.output
    found = json.loads(by_file.stdout)
    assert (found["verdict"], found["nodes"]) == ("AGREE", ["xa", "tinh"])
    assert (found["transfers"] >= 3, found["kinds"]) == (True, {})

    running = await relay("audit", "diff", *configs.values())
    assert running.exit_code == 0, running.output
    await pair.stop("xa")
    mixed = await relay("audit", "diff", configs["xa"], files[1], "--root", root)
    assert mixed.exit_code == 0, mixed.output


async def test_an_export_of_a_stopped_node_is_an_entry_of_its_log_too(
    pair: Pair, tmp_path: Path
) -> None:
    """Under its lock: while it runs nobody gets past it, be its socket there or not. What is left behind
    verifies (the fixture looks)."""
    config, root = pair.network.nodes["xa"].config, pair.network.root
    words = ("audit", "export", "--config", config, "--why", "thanh tra", "--out")
    (pair.network.nodes["xa"].folder / "data" / "control.sock").unlink()
    refused = await relay(*words, tmp_path / "none.asice")
    assert (refused.exit_code, (tmp_path / "none.asice").exists()) == (75, False), refused.output
    assert "in use" in refused.output

    await pair.stop("xa")
    file = tmp_path / "xa.asice"
    exported = await relay(*words, file)
    assert exported.exit_code == 0, exported.output
    judged = await relay("audit", "check-export", file, "--root", root)
    assert judged.exit_code == 0, judged.output

    leaves = [json.loads(one) for (one,) in pair.rows("xa", "SELECT leaf FROM entries")]
    last = leaves[-1]
    assert [one["event"] for one in leaves[-2:]] == ["node-stopped", "log-exported"]
    assert (last["size"], last["last"], last["type"]) == (
        file.stat().st_size,
        len(leaves) - 2,
        "leaves",
    )
    assert last["why"] != "thanh tra"
    (beside,) = pair.rows("xa", "SELECT words FROM entry_words ORDER BY entry_index DESC LIMIT 1")
    assert json.loads(beside[0])["why"] == "thanh tra"
