"""Backlog, express and start: results as tables and as JSON; medians over the repetitions.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, TypeVar

from rich.table import Table

from bench.backlog import Intake
from bench.express import Express
from bench.programme import Results
from bench.start import Start
from bench.waiting import MOST_REAL_SEALS, SIZE_BYTES

BACKLOG = f"""\
Intake of {SIZE_BYTES / 1000:g} KB documents with P-256 keys at a node whose neighbour is down, with an empty queue and
with a backlog. The backlog is one document that the node accepted, its rows copied in the journal
with ids, digests and instants of their own, so that every index is as large as after so many
submissions; all share one payload, receipts are stand-ins of 16 bytes, so are seals of backlogs over
{MOST_REAL_SEALS:,}. The log has no entries for the copies; its signed head stays true. Checked after each
run: what waits is the backlog and everything accepted since; the log against its head."""
EXPRESS = """\
Express documents at that node: one that waits when the neighbour comes up, others handed in while the
backlog is carried. Ahead are normal ones, by the order in the neighbour's journal; those of the later
ones arrived after the express one was accepted. Checked: all express ones arrive, nothing is refused,
both logs."""
START = """\
From the start of the process to 200 from /readyz; processor time, memory and bytes read (from the page
cache too: program, configuration, journal) two seconds later. Checked: what waits is what waited."""
_Run = TypeVar("_Run", Intake, Start)


def shown(results: Results) -> Iterator[str | Table]:
    if results.backlog is not None:
        yield BACKLOG
        yield _intake_table(results.backlog, results.disk_mib)
    if results.express is not None:
        yield EXPRESS
        yield _express_table(results.express)
    if results.start is not None:
        yield START
        yield _start_table(results.start)


def as_json(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if results.backlog is not None:
        window = results.window
        found["backlog"] = [
            _intake_json(runs)
            | {"disk_mib": round(results.disk_mib)}
            | ({} if window is None else {"connections": window.connections})
            | ({} if window is None else {"window_seconds": window.seconds})
            for runs in results.backlog
        ]
    if results.express is not None:
        found["express"] = _express_json(results.express)
    if results.start is not None:
        found["start"] = [_start_json(runs) for runs in results.start]
    return found


def _intake_table(runs: tuple[list[Intake], list[Intake]], disk_mib: float) -> Table:
    table = _table(
        f"intake with a backlog ({disk_mib:,.0f} MiB of disk while it is measured)",
        "queued",
        "accepted/s",
        "POST p50, p99 ms",
        "CPU µs",
        "written KiB",
        "RSS at the start, end, peak MiB",
    )
    for r in runs:
        table.add_row(
            f"{r[0].queued:,}",
            _spread([x.accepted_per_second for x in r]),
            f"{_middle(r, lambda x: x.p50_ms):.1f}, {_middle(r, lambda x: x.p99_ms):.1f}",
            f"{_middle(r, lambda x: x.cpu_us):.0f}",
            f"{_middle(r, lambda x: x.written_kib):.0f}",
            f"{_middle(r, lambda x: x.rss_start_mib):.0f}, {_middle(r, lambda x: x.rss_mib):.0f}, "
            f"{max(x.rss_peak_mib for x in r):.0f}",
        )
    return table


def _intake_json(r: Sequence[Intake]) -> dict[str, Any]:
    return {
        "queued": r[0].queued,
        "size_bytes": SIZE_BYTES,
        "key": "p256",
        "accepted_per_second": round(_middle(r, lambda x: x.accepted_per_second), 1),
        "each_accepted_per_second": [round(x.accepted_per_second, 1) for x in r],
        "p50_ms": round(_middle(r, lambda x: x.p50_ms), 2),
        "p99_ms": round(_middle(r, lambda x: x.p99_ms), 2),
        "cpu_us_per_envelope": round(_middle(r, lambda x: x.cpu_us)),
        "written_kib_per_envelope": round(_middle(r, lambda x: x.written_kib), 1),
        "rss_start_mib": round(_middle(r, lambda x: x.rss_start_mib), 1),
        "rss_mib": round(_middle(r, lambda x: x.rss_mib), 1),
        "rss_peak_mib": round(max(x.rss_peak_mib for x in r), 1),
    }


def _express_table(one: Express) -> Table:
    table = _table(
        "express among normal documents",
        "queued",
        "window",
        "normal ones ahead of the one that waited",
        "ahead of the later ones: median, most",
        "their way p50, most ms",
    )
    table.add_row(
        f"{one.queued:,}",
        str(one.window),
        str(one.ahead_of_waiting),
        f"{median(one.ahead_of_later):.0f}, {one.ahead_of_later[-1]} (of {len(one.ahead_of_later)})",
        f"{median(one.wait_ms):.0f}, {one.wait_ms[-1]:.0f}",
    )
    return table


def _express_json(one: Express) -> dict[str, Any]:
    return {
        "queued": one.queued,
        "window": one.window,
        "ahead_of_waiting": one.ahead_of_waiting,
        "ahead_of_later": list(one.ahead_of_later),
        "p50_ms": round(median(one.wait_ms), 1),
        "most_ms": round(one.wait_ms[-1], 1),
    }


def _start_table(runs: tuple[list[Start], list[Start]]) -> Table:
    table = _table("start", "queued", "to /readyz ms", "CPU s", "read MiB", "RSS MiB")
    for r in runs:
        table.add_row(
            f"{r[0].queued:,}",
            _spread([x.ready_ms for x in r]),
            f"{_middle(r, lambda x: x.cpu_seconds):.2f}",
            f"{_middle(r, lambda x: x.read_mib):.1f}",
            f"{_middle(r, lambda x: x.rss_mib):.0f}",
        )
    return table


def _start_json(r: Sequence[Start]) -> dict[str, Any]:
    return {
        "queued": r[0].queued,
        "ready_ms": round(_middle(r, lambda x: x.ready_ms)),
        "each_ready_ms": [round(x.ready_ms) for x in r],
        "cpu_seconds": round(_middle(r, lambda x: x.cpu_seconds), 2),
        "read_mib": round(_middle(r, lambda x: x.read_mib), 2),
        "rss_mib": round(_middle(r, lambda x: x.rss_mib), 1),
    }


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _middle(runs: Sequence[_Run], value: Callable[[_Run], float]) -> float:
    return median(value(run) for run in runs)


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})"
