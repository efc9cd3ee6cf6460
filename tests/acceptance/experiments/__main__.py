"""`python -m tests.acceptance.experiments`: all of them or those named, a line each.

    python -m tests.acceptance.experiments              all nine, in full
    python -m tests.acceptance.experiments e2 e5        these two
    python -m tests.acceptance.experiments --quick      seconds each, as `make test` runs them
    python -m tests.acceptance.experiments --soak 10    E9 alone, for so many minutes

One line for each on stdout; what was counted and timed, and whatever does not hold, on stderr. The exit
code is 0 only if nothing was lost or doubled and everything else that is judged holds. The folder of an
experiment that does not hold is kept for a look.

Touches: a folder on disk for each experiment, loopback ports, child processes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tests.acceptance.experiments import e9_soak
from tests.acceptance.experiments.plan import EXPERIMENTS, Experiment
from tests.acceptance.experiments.tally import Tally

ON_DISK = Path("/var/tmp")
"""Unlike /tmp never kept in memory, where a sync would cost nothing and prove nothing."""
SOAK_MEASURE_SECONDS = 20.0


def main(
    names: Annotated[list[str] | None, typer.Argument(help="e1 to e9; all by default.")] = None,
    *,
    quick: Annotated[bool, typer.Option(help="Seconds each.")] = False,
    soak: Annotated[float, typer.Option(min=0, help="E9 alone, this many minutes.")] = 0,
) -> None:
    """Prove by experiment that nothing is lost, doubled or stalled."""
    _quiet()
    if soak:
        raise typer.Exit(0 if _soak(soak) else 1)
    known = {one.name: one for one in EXPERIMENTS}
    if unknown := set(names or ()) - set(known):
        raise typer.BadParameter(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(EXPERIMENTS)
    began = time.monotonic()
    held = [_perform(one, quick) for one in chosen]
    _say(f"{time.monotonic() - began:.0f} s in all")
    raise typer.Exit(0 if all(held) else 1)


def _perform(one: Experiment, quick: bool) -> bool:
    if not one.available():
        print(f"{one.title}: skipped: needs {one.needs}", flush=True)
        return not os.environ.get("TESTS_NO_SKIP")
    return _run(one.title, lambda folder: one.run(folder, quick))


def _soak(minutes: float) -> bool:
    seconds = minutes * 60
    return _run(
        e9_soak.TITLE, lambda f: e9_soak.soak(f, min(SOAK_MEASURE_SECONDS, seconds), seconds)
    )


def _run(title: str, run: Callable[[Path], Awaitable[Tally]]) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="relay-x", dir=ON_DISK if ON_DISK.is_dir() else None))
    began = time.monotonic()

    async def go() -> Tally:
        return await run(folder)

    try:
        tally = asyncio.run(go())
    except Exception:  # noqa: BLE001 - shown whole; the other experiments go on
        traceback.print_exc()
        print(f"{title}: broke off", flush=True)
        _say(f"  kept for a look: {folder}")
        return False
    print(tally.line(title), flush=True)
    for note in tally.notes:
        _say(f"  {note}")
    for problem in tally.problems[:50]:
        _say(f"  does not hold: {problem}")
    _say(f"  {time.monotonic() - began:.0f} s")
    if tally.holds:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _say(f"  kept for a look: {folder}")
    return tally.holds


def _quiet() -> None:
    """What parts of the relay tell that run in this process is not to stand between the lines."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
