"""The axis face: results as a table and as JSON; medians over the repetitions.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from bench.axis import LISTS, SIZE_BYTES, Axis
from bench.programme import Results

EXPLAINED = f"""\
The axis face of one node over TLS with P-256 keys: polls of a list in which nothing is open, then sends of
{SIZE_BYTES / 1000:g} KB documents to an agency of the same node. With documents: so many were sent by the measured
sender and taken over by the measured recipient, copied in the journal as for the backlog. Lists: a page
of 100 (its p50 of {LISTS}) of what was sent, and of what was taken over today, asked one after the other.
Checked: every answer is OK, every poll is empty."""


def shown(results: Results) -> Iterator[str | Table]:
    if results.axis is not None:
        yield EXPLAINED
        yield _table(results.axis)


def as_json(results: Results) -> dict[str, Any]:
    if results.axis is None:
        return {}
    return {"axis": [_json(runs) for runs in results.axis]}


def _table(found: Sequence[Sequence[Axis]]) -> Table:
    table = Table(title="axis face")
    for name in (
        "documents",
        "empty polls/s",
        "p50, p99 ms",
        "sends/s",
        "p50, p99 ms",
        "sent list ms",
        "done list ms",
        "RSS MiB",
    ):
        table.add_column(name, justify="right")
    for r in found:
        table.add_row(
            f"{r[0].documents:,}",
            _spread([x.polls_per_second for x in r]),
            f"{_middle(r, lambda x: x.poll_p50_ms):.1f}, {_middle(r, lambda x: x.poll_p99_ms):.1f}",
            _spread([x.sends_per_second for x in r]),
            f"{_middle(r, lambda x: x.send_p50_ms):.1f}, {_middle(r, lambda x: x.send_p99_ms):.1f}",
            f"{_middle(r, lambda x: x.sent_list_ms):.1f}",
            f"{_middle(r, lambda x: x.done_list_ms):.1f}",
            f"{_middle(r, lambda x: x.rss_mib):.0f}",
        )
    return table


def _json(r: Sequence[Axis]) -> dict[str, Any]:
    return {
        "documents": r[0].documents,
        "polls_per_second": round(_middle(r, lambda x: x.polls_per_second), 1),
        "poll_p50_ms": round(_middle(r, lambda x: x.poll_p50_ms), 2),
        "poll_p99_ms": round(_middle(r, lambda x: x.poll_p99_ms), 2),
        "sends_per_second": round(_middle(r, lambda x: x.sends_per_second), 1),
        "send_p50_ms": round(_middle(r, lambda x: x.send_p50_ms), 2),
        "send_p99_ms": round(_middle(r, lambda x: x.send_p99_ms), 2),
        "sent_list_ms": round(_middle(r, lambda x: x.sent_list_ms), 2),
        "done_list_ms": round(_middle(r, lambda x: x.done_list_ms), 2),
        "rss_mib": round(_middle(r, lambda x: x.rss_mib), 1),
    }


def _middle(runs: Sequence[Axis], value: Callable[[Axis], float]) -> float:
    return median(value(run) for run in runs)


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})"
