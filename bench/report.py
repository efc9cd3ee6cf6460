"""All results together, as tables for people and as JSON for programs.

Touches: nothing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench import (
    report_axis,
    report_directory,
    report_hop,
    report_line,
    report_log,
    report_pades,
    report_queue,
    report_signing,
    report_tail,
)
from bench.programme import Results


def shown(results: Results) -> Iterator[str | Table]:
    """What was measured, each with what it means."""
    yield f"{machine()}; load average before: {_load(results)}"
    if results.runs:
        yield report_hop.EXPLAINED
        yield report_hop.table(results.runs)
    yield from report_queue.shown(results)
    yield from report_axis.shown(results)
    yield from report_directory.shown(results)
    yield from report_line.shown(results)
    yield from report_signing.shown(results)
    yield from report_pades.shown(results)
    yield from report_tail.shown(results)
    yield from report_log.shown(results)


def as_json(results: Results) -> dict[str, Any]:
    """`runs` are the hops; what was not measured has no key of its own."""
    return {
        "machine": machine(),
        "load_average": [round(one, 2) for one in results.load_average],
        "runs": report_hop.as_json(results.runs),
        **report_queue.as_json(results),
        **report_axis.as_json(results),
        **report_directory.as_json(results),
        **report_line.as_json(results),
        **report_signing.as_json(results),
        **report_pades.as_json(results),
        **report_tail.as_json(results),
        **report_log.as_json(results),
    }


def machine() -> str:
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _load(results: Results) -> str:
    return ", ".join(f"{one:.1f}" for one in results.load_average)
