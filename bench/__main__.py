"""`python -m bench`: one hop between two node processes on this machine.

Touches: a folder on disk for the time of a run, loopback ports, child processes.
Raises:  nothing; an invalid run is told on stderr and ends with exit code 1.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from bench.hop import Load, Result, run
from bench.report import EXPLAINED, as_json, table
from relay.errors import RelayError
from relay.signing.pki import KeyType

SIZES = (5_000, 100_000)
KEYS = (KeyType.P256, KeyType.RSA2048)
_ON_DISK = Path("/var/tmp")
"""Unlike /tmp never kept in memory, where a fsync would cost nothing."""

out = Console(width=160 if not sys.stdout.isatty() else None)
err = Console(stderr=True, highlight=False)


def main(
    *,
    quick: Annotated[
        bool, typer.Option(help="One short run of each kind, under a minute.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the results to this file as JSON.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each kind; medians are shown.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the window measured.")] = 12.0,
    size: Annotated[
        list[int] | None, typer.Option(min=3_000, max=100_000_000, help="Bytes of an envelope.")
    ] = None,
    key: Annotated[
        list[KeyType] | None, typer.Option(help="The nodes' and the agency's key.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=1024, help="Kept open by the load.")] = 48,
    folder: Annotated[Path | None, typer.Option(help="A folder on the disk to measure.")] = None,
) -> None:
    """Measure a hop: accepted, sealed, carried, verified, durable on both sides, settled."""
    if quick:
        repeat, seconds = 1, min(seconds, 4.0)
    loads = [
        Load(one, kind, connections, warm=1.5 if quick else 3.0, seconds=seconds)
        for one in size or SIZES
        for kind in key or KEYS
    ]
    try:
        runs = uvloop.run(_all(loads, repeat, folder or _default_folder()))
    except (RuntimeError, RelayError, ExceptionGroup) as error:
        err.print(f"invalid: {_words(error)}", style="red")
        raise typer.Exit(1) from None
    out.print(EXPLAINED, highlight=False)
    out.print(table(runs))
    if report is not None:
        report.write_text(json.dumps(as_json(runs), indent=2) + "\n", encoding="utf-8")
        err.print(f"written to {report}")


async def _all(loads: list[Load], repeat: int, folder: Path) -> list[tuple[Load, list[Result]]]:
    """Repetitions outside, kinds inside: what disturbs the machine for a while disturbs all alike."""
    results: list[list[Result]] = [[] for _ in loads]
    for turn in range(repeat):
        for load, found in zip(loads, results, strict=True):
            name = f"{load.size_bytes / 1000:g} KB {load.key.value}, {turn + 1} of {repeat}"
            found.append(await run(folder, load, partial(_say, name)))
            err.print(f"{name}: {found[-1].settled_per_second:.0f} envelopes a second")
    return list(zip(loads, results, strict=True))


def _say(name: str, what: str) -> None:
    err.print(f"{name}: {what}")


def _default_folder() -> Path:
    return _ON_DISK if _ON_DISK.is_dir() else Path(gettempdir())


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_words(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    typer.run(main)
