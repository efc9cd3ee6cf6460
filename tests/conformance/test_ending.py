"""A run that is told to end: in order, whenever it comes, and with nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relay.cli.outcome import INTERRUPTED


@pytest.fixture
def folder() -> Iterator[Path]:
    """For all that the run makes; a short name, for control sockets."""
    with tempfile.TemporaryDirectory(prefix="kit-") as made:
        yield Path(made)


@pytest.fixture
async def starting(folder: Path) -> AsyncIterator[Process]:
    """A run that starts two nodes of its own, and has begun to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "conformance", "--self", "--only", "W1.4"),
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    try:
        while not list(folder.glob("relay-judged-*/*/relay.toml")):
            assert process.returncode is None
            await asyncio.sleep(0.02)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT], ids=str)
async def test_a_run_that_is_ended_as_it_starts_leaves_nothing_and_complains_of_nothing(
    folder: Path, starting: Process, told: signal.Signals, times: int
) -> None:
    for _ in range(times):
        starting.send_signal(told)
        await asyncio.sleep(0.02)
    _, said = await starting.communicate()
    assert starting.returncode == INTERRUPTED, said.decode()
    assert "Traceback" not in said.decode()
    assert list(folder.iterdir()) == []
    assert not await of_the_run(folder)


async def of_the_run(folder: Path) -> list[str]:
    """Processes that name a file of it."""
    await asyncio.sleep(0.5)
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command:
            found.append(command.decode(errors="replace"))
    return found
