"""`python -m bench`: what a hop, a backlog, a start, a line of four nodes and an idle node cost here.

Touches: a folder on disk for the time of a run, loopback ports, child processes.
Raises:  nothing; an invalid run is told on stderr and ends with exit code 1. An interrupt, SIGINT or
         SIGTERM, stops the nodes and removes what was written.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from bench.backlog import Window
from bench.hop import Load
from bench.programme import FULL, QUICK, Effort, Part, Results, measure
from bench.report import as_json, shown
from relay.errors import RelayError
from relay.signing.pki import KeyType

SIZES = (5_000, 100_000)
KEYS = (KeyType.P256, KeyType.RSA2048)
_ON_DISK = Path("/var/tmp")
"""Unlike /tmp never kept in memory, where a fsync would cost nothing."""
_TERMINATED = 143

out = Console(width=160 if not sys.stdout.isatty() else None)
err = Console(stderr=True, highlight=False)


def main(
    *,
    quick: Annotated[
        bool, typer.Option(help="One short run of each kind, about a minute: a coarse answer.")
    ] = False,
    only: Annotated[
        list[Part] | None, typer.Option(help="Measure only this; may be given several times.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the results to this file as JSON.")
    ] = None,
    repeat: Annotated[
        int | None, typer.Option(min=1, help="Runs of each kind (3); medians are shown.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Length of the window measured (12; intake 10).")
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(min=3_000, max=100_000_000, help="Bytes of a hop's envelope."),
    ] = None,
    key: Annotated[
        list[KeyType] | None, typer.Option(help="The nodes' and the agency's key, for a hop.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=1024, help="Kept open by the load.")] = 48,
    queued: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000_000, help="Deliveries in the backlog, documents for the axis face."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, help="A second, through four nodes (half of what they carry)."),
    ] = None,
    single: Annotated[
        bool,
        typer.Option(
            help="Each hop also with every receipt signed by itself, not only 5 KB with RSA-2048."
        ),
    ] = False,
    folder: Annotated[Path | None, typer.Option(help="A folder on the disk to measure.")] = None,
) -> None:
    """Measure what the relay costs on this machine. Each result is checked before it counts."""
    base = QUICK if quick else FULL
    effort = replace(
        base,
        repeat=repeat or base.repeat,
        queued=queued or base.queued,
        handed_over=queued or base.handed_over,
        window=Window(connections, base.window.warm, seconds or base.window.seconds),
    )
    warm, span = (1.0, 2.5) if quick else (3.0, 12.0)
    loads = [
        Load(one, kind, connections, warm=warm, seconds=seconds or span, batches=batches)
        for one in size or SIZES
        for kind in key or KEYS
        for batches in _batches(one, kind, single=single)
    ]
    results = _run(set(only or Part), effort, loads, rate, folder or _default_folder())
    for part in shown(results):
        out.print(part, highlight=False)
    if report is not None:
        report.write_text(json.dumps(as_json(results), indent=2) + "\n", encoding="utf-8")
        err.print(f"written to {report}")


def _batches(size_bytes: int, key: KeyType, *, single: bool) -> tuple[bool, ...]:
    """With batches; beside it without, where the difference is what one wants to know."""
    beside = single or (size_bytes == SIZES[0] and key is KeyType.RSA2048)
    return (True, False) if beside else (True,)


def _run(
    parts: set[Part], effort: Effort, loads: list[Load], rate: float | None, folder: Path
) -> Results:
    async def interruptible() -> Results:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await measure(parts, effort, loads, rate, folder, err.print)

    try:
        return uvloop.run(interruptible())
    except asyncio.CancelledError:
        raise typer.Exit(_TERMINATED) from None
    except (RuntimeError, RelayError, ExceptionGroup) as error:
        err.print(f"invalid: {_words(error)}", style="red")
        raise typer.Exit(1) from None


def _default_folder() -> Path:
    return _ON_DISK if _ON_DISK.is_dir() else Path(gettempdir())


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_words(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    typer.run(main)
