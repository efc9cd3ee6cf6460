"""The benchmark itself, with real nodes: small, whole, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bench.backlog import Window
from bench.programme import Effort, Part, Results, measure
from relay.transport.nodes.taking import TRANSFERS_A_REQUEST

pytestmark = pytest.mark.slow
SMALL = Effort(
    repeat=1,
    window=Window(4, 0.2, 1.0),
    queued=600,
    queued_fewer=600,
    expresses=2,
    starts=1,
    handed_over=600,
    saturate=1.5,
    latency=1.0,
    idle=1.0,
    agencies=3000,
    pades=0.3,
)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a short name: a node's socket is in it."""
    return tmp_path_factory.mktemp("b")


async def _measured(parts: set[Part], folder: Path) -> Results:
    results = await measure(parts, SMALL, [], None, folder, lambda _: None)
    assert list(folder.iterdir()) == []
    return results


async def test_the_axis_face_is_measured_and_checked(folder: Path) -> None:
    """Polls, sends and lists, alone and beside 600 documents that were taken over."""
    results = await _measured({Part.AXIS}, folder)

    assert results.axis is not None
    assert [runs[0].documents for runs in results.axis] == [1, 600]
    for (run,) in results.axis:
        assert run.polls_per_second > 0
        assert run.sends_per_second > 0


async def test_pades_verdicts_are_measured_and_checked(folder: Path) -> None:
    """Two keys, two sizes, every verdict VALID."""
    results = await _measured({Part.PADES}, folder)

    assert results.pades is not None
    assert len(results.pades) == 4
    assert all(one.verdicts > 0 for one in results.pades)


async def test_a_backlog_is_measured_and_checked(folder: Path) -> None:
    """Intake, an express document and a start beside 600 documents that wait; nothing is left behind."""
    results = await _measured({Part.BACKLOG, Part.START}, folder)

    assert results.backlog is not None
    assert [runs[0].queued for runs in results.backlog] == [0, 600]
    assert all(runs[0].accepted > 0 for runs in results.backlog)
    assert results.express is not None
    # It is stamped before its commit: while that lasts, slots that come free go to who is there, by requests.
    filled_meanwhile = 2 * TRANSFERS_A_REQUEST
    assert results.express.ahead_of_later[-1] <= results.express.window + filled_meanwhile
    assert results.start is not None
    assert [runs[0].queued for runs in results.start] == [0, 600]
    assert results.latency is None


async def test_a_line_is_measured_and_checked(folder: Path) -> None:
    """Documents through four nodes, then nothing."""
    results = await _measured({Part.LATENCY, Part.IDLE}, folder)

    assert results.latency is not None
    assert results.latency.documents > 0
    assert list(results.latency.rss_mib) == ["commune", "district", "province", "central"]
    assert results.idle is not None
    assert all(spent > 0 for spent in results.idle.cpu_per_second.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_leaves_nothing_behind(folder: Path, number: signal.Signals) -> None:
    """While a million documents are being written."""
    course = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench", "--only", "backlog", "--folder", str(folder)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert course.stderr is not None
    async with asyncio.timeout(60):
        while b"writing a backlog" not in await course.stderr.readline():
            assert course.returncode is None
        assert list(folder.iterdir()) != []
        course.send_signal(number)
        await course.wait()

    assert course.returncode == 128 + number
    assert list(folder.iterdir()) == []
