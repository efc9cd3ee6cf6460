"""What is measured, how thoroughly, and in what order.

Touches: folders below the one given, loopback ports, child processes.
Raises:  RuntimeError, AuditError and what else makes a measurement invalid.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import hop
from bench.axis import Axis, axis
from bench.backlog import Intake, Window, backlog
from bench.directory import Listed, directory
from bench.express import Express, express
from bench.idle import Idle, idle
from bench.line import Latency, latency, line
from bench.log import Log, audit_log
from bench.pades import Pades, pades
from bench.signing import Cost, signing
from bench.start import Start, starts
from bench.tail import Tail, tail
from bench.waiting import waiting

Say = Callable[[str], None]


class Part(StrEnum):
    """What can be chosen."""

    HOP = "hop"
    BACKLOG = "backlog"
    START = "start"
    LATENCY = "latency"
    IDLE = "idle"
    AXIS = "axis"
    SIGNING = "signing"
    DIRECTORY = "directory"
    PADES = "pades"
    TAIL = "tail"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of it; spans in seconds."""

    repeat: int
    """Runs of each kind of hop, and of intake with and without a backlog."""
    window: Window
    """Of the intake; the hops' loads have their own."""
    queued: int
    """Deliveries that wait while the intake is measured."""
    queued_fewer: int
    """For an express document among them, and at a start."""
    expresses: int
    starts: int
    handed_over: int
    """Documents in the journal while the axis face is measured the second time."""
    saturate: float
    latency: float
    idle: float
    agencies: int
    """In the directory that is imported."""
    pades: float
    """For each key and size."""
    signing: float = 2.0
    """For each kind of work."""
    lines: int = 200
    """On a tail's screen."""
    logged: int = 1_000_000
    """Entries of the log that is paged through, and of that which is verified."""


QUICK = Effort(
    1,
    Window(48, 0.5, 2.0),
    20_000,
    20_000,
    5,
    1,
    20_000,
    2.0,
    3.0,
    4.0,
    10_000,
    1.0,
    0.2,
    30,
    100_000,
)
FULL = Effort(
    3,
    Window(48, 3.0, 10.0),
    1_000_000,
    100_000,
    20,
    5,
    1_000_000,
    8.0,
    30.0,
    30.0,
    125_000,
    10.0,
    2.0,
)


@dataclass(slots=True)
class Results:
    """What was measured; the rest is empty or None."""

    load_average: tuple[float, float, float]
    """Of the machine before it all."""
    runs: list[tuple[hop.Load, list[hop.Result]]] = field(default_factory=list)
    window: Window | None = None
    disk_mib: float = 0.0
    """What the largest backlog took."""
    backlog: tuple[list[Intake], list[Intake]] | None = None
    """With an empty queue, with the backlog; so for `start`."""
    express: Express | None = None
    start: tuple[list[Start], list[Start]] | None = None
    latency: Latency | None = None
    idle: Idle | None = None
    axis: tuple[list[Axis], list[Axis]] | None = None
    """Alone, with many documents in the journal."""
    signing: list[Cost] = field(default_factory=list)
    directory: Listed | None = None
    pades: list[Pades] | None = None
    tail: Tail | None = None
    log: Log | None = None


async def measure(
    parts: Collection[Part],
    effort: Effort,
    loads: Sequence[hop.Load],
    rate: float | None,
    folder: Path,
    say: Say,
) -> Results:
    """The parts chosen. `rate`: documents a second through four nodes, None for half of what they carry."""
    results = Results(os.getloadavg())
    if Part.SIGNING in parts:
        with TemporaryDirectory(dir=folder) as place:
            results.signing = signing(Path(place), effort.signing, say)
    if Part.HOP in parts:
        results.runs = await _hops(loads, effort.repeat, folder, say)
    await _queues(results, parts, effort, folder, say)
    if Part.AXIS in parts:
        results.axis = await axis(folder, effort.handed_over, effort.repeat, effort.window, say)
    if Part.DIRECTORY in parts:
        results.directory = await directory(folder, effort.agencies, say)
    if Part.PADES in parts:
        results.pades = await pades(folder, effort.pades, say)
    if Part.TAIL in parts:
        results.tail = await tail(folder, effort.lines, effort.logged, say)
    if Part.LOG in parts:
        results.log = await audit_log(folder, effort.logged, effort.signing * 2, say)
    if not {Part.LATENCY, Part.IDLE}.isdisjoint(parts):
        async with line(folder) as four:
            if Part.LATENCY in parts:
                results.latency = await latency(
                    four, rate=rate, saturate=effort.saturate, seconds=effort.latency, say=say
                )
            if Part.IDLE in parts:
                results.idle = await idle(four, effort.idle, say)
    return results


async def _hops(
    loads: Sequence[hop.Load], repeat: int, folder: Path, say: Say
) -> list[tuple[hop.Load, list[hop.Result]]]:
    """Repetitions outside, kinds inside: what disturbs the machine for a while disturbs all alike."""
    results: list[list[hop.Result]] = [[] for _ in loads]
    for turn in range(repeat):
        for load, found in zip(loads, results, strict=True):
            name = f"{load.size_bytes / 1000:g} KB {load.key.value}{'' if load.batches else ' single'}, {turn + 1} of {repeat}"
            found.append(await hop.run(folder, load, partial(_named, say, name)))
            say(f"{name}: {found[-1].settled_per_second:.0f} envelopes a second")
    return list(zip(loads, results, strict=True))


def _named(say: Say, name: str, what: str) -> None:
    say(f"{name}: {what}")


async def _queues(
    results: Results, parts: Collection[Part], effort: Effort, folder: Path, say: Say
) -> None:
    """One backlog where the same number serves for all; starts first, which leave it as it was."""
    counts = {
        Part.BACKLOG: {effort.queued, effort.queued_fewer},
        Part.START: {effort.queued_fewer},
    }
    for count in sorted({one for part in parts for one in counts.get(part, ())}):
        async with waiting(folder, count, say) as stage:
            results.disk_mib = max(results.disk_mib, stage.disk_mib)
            if Part.START in parts and count == effort.queued_fewer:
                results.start = await starts(stage, effort.starts, say)
            if Part.BACKLOG in parts and count == effort.queued:
                results.window = effort.window
                results.backlog = await backlog(stage, effort.repeat, effort.window, say)
            if Part.BACKLOG in parts and count == effort.queued_fewer:
                results.express = await express(stage, effort.expresses, say)
