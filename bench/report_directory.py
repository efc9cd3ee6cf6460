"""A directory of a whole country: results as tables and as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench.directory import Listed, Step
from bench.programme import Results

EXPLAINED = """\
A directory imported at a province's node (names with diacritics, both forms of the codes), asked, listed,
handed to the node above, and started with. Beside each step somebody asks the node for /healthz every
2 ms: what the longest answer took beyond an idle node's is how long the event loop was held, or this
machine was busy. RSS is the node's; what prepares a large change is a process of its own, of some 500 MiB."""


def shown(results: Results) -> Iterator[str | Table]:
    if results.directory is None:
        return
    yield EXPLAINED
    yield _steps(results.directory)
    yield _lookups(results.directory)


def as_json(results: Results) -> dict[str, Any]:
    one = results.directory
    if one is None:
        return {}
    return {
        "directory": {
            "agencies": one.agencies,
            "table_mib": round(one.table_mib, 1),
            "rss_before_mib": round(one.rss_before_mib, 1),
            "rss_peak_mib": round(one.rss_peak_mib, 1),
            "steps": [_step_json(step) for step in one.steps],
            "lookups_us": {what: round(us, 2) for what, us in one.lookups_us.items()},
        }
    }


def _step_json(step: Step) -> dict[str, Any]:
    waits = step.waits
    return {
        "what": step.what,
        "seconds": round(step.seconds, 3),
        "cpu_seconds": round(step.cpu_seconds, 2),
        "wait_p50_ms": None if waits is None else round(waits.p50, 2),
        "wait_p99_ms": None if waits is None else round(waits.p99, 2),
        "wait_most_ms": None if waits is None else round(waits.most, 2),
        "rss_mib": round(step.rss_mib, 1),
        "rss_peak_mib": round(step.rss_peak_mib, 1),
    }


def _steps(one: Listed) -> Table:
    table = Table(
        title=f"{one.agencies:,} agencies ({one.table_mib:.1f} MiB of CSV; "
        f"RSS before {one.rss_before_mib:.0f} MiB)"
    )
    for name in ("step", "s", "CPU s", "asked meanwhile p50, p99, most ms", "RSS, its peak MiB"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for step in one.steps:
        waits = step.waits
        asked = "" if waits is None else f"{waits.p50:.1f}, {waits.p99:.1f}, {waits.most:.1f}"
        rss = f"{step.rss_mib:.0f}, {step.rss_peak_mib:.0f}"
        table.add_row(step.what, f"{step.seconds:.2f}", f"{step.cpu_seconds:.2f}", asked, rss)
    return table


def _lookups(one: Listed) -> Table:
    table = Table(title="one look-up, in this process")
    table.add_column("what")
    table.add_column("µs", justify="right")
    for what, us in one.lookups_us.items():
        table.add_row(what, f"{us:.1f}")
    return table
