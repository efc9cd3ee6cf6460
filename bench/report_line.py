"""Latency and idling of four nodes: results as tables and as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench.idle import Idle
from bench.line import SIZE_BYTES, Latency
from bench.programme import Results

LATENCY = f"""\
Four nodes in a line on this machine (commune, district, province, central: three transfers), {SIZE_BYTES / 1000:g} KB,
P-256. A document counts from when its POST was due to when it is seen committed and available in the
central node's journal, looked at every 5 ms; both by the benchmark's clock. Without --rate half as many
are sent as the line carried when it got all it would take. Checked: all arrive once, the commune's node
knows it of each by receipts, all logs."""
IDLE = """\
The same nodes with nothing to do, a document before and one after it. Turns: how often a thread of the
node was given a processor."""


def shown(results: Results) -> Iterator[str | Table]:
    if results.latency is not None:
        yield LATENCY
        yield _latency_table(results.latency)
    if results.idle is not None:
        yield IDLE
        yield _idle_table(results.idle)


def as_json(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if results.latency is not None:
        found["latency"] = _latency_json(results.latency)
    if results.idle is not None:
        found["idle"] = _idle_json(results.idle)
    return found


def _latency_table(one: Latency) -> Table:
    table = Table(title="four nodes in a line")
    for name in (
        "line carries/s",
        "sent/s",
        "documents",
        "POST p50, p99 ms",
        "to available p50, p99, most ms",
        f"RSS {', '.join(one.rss_mib)} MiB",
    ):
        table.add_column(name, justify="right")
    table.add_row(
        "-" if one.line_per_second is None else f"{one.line_per_second:.0f}",
        f"{one.rate:.0f}",
        str(one.documents),
        f"{one.post_p50_ms:.1f}, {one.post_p99_ms:.1f}",
        f"{one.p50_ms:.0f}, {one.p99_ms:.0f}, {one.most_ms:.0f}",
        ", ".join(f"{mib:.0f}" for mib in one.rss_mib.values()),
    )
    return table


def _latency_json(one: Latency) -> dict[str, Any]:
    line = one.line_per_second
    return {
        "nodes": len(one.rss_mib),
        "size_bytes": SIZE_BYTES,
        "key": "p256",
        "line_per_second": None if line is None else round(line, 1),
        "rate": round(one.rate, 1),
        "documents": one.documents,
        "post_p50_ms": round(one.post_p50_ms, 2),
        "post_p99_ms": round(one.post_p99_ms, 2),
        "p50_ms": round(one.p50_ms, 1),
        "p99_ms": round(one.p99_ms, 1),
        "most_ms": round(one.most_ms, 1),
        "rss_mib": _rounded(one.rss_mib, 1),
    }


def _idle_table(one: Idle) -> Table:
    table = Table(title=f"idle for {one.seconds:g} s")
    table.add_column("node")
    for name in ("CPU ms a second", "turns a second", "RSS MiB"):
        table.add_column(name, justify="right")
    for name, spent in one.cpu_per_second.items():
        table.add_row(
            name,
            f"{spent * 1000:.2f}",
            f"{one.turns_per_second[name]:.1f}",
            f"{one.rss_mib[name]:.0f}",
        )
    table.add_row(
        "all four", f"{one.four * 1000:.2f}", f"{sum(one.turns_per_second.values()):.1f}", ""
    )
    return table


def _idle_json(one: Idle) -> dict[str, Any]:
    return {
        "seconds": one.seconds,
        "cpu_seconds_per_second_one": round(one.one, 6),
        "cpu_seconds_per_second_four": round(one.four, 6),
        "cpu_seconds_per_second": _rounded(one.cpu_per_second, 6),
        "turns_per_second": _rounded(one.turns_per_second, 1),
        "rss_mib": _rounded(one.rss_mib, 1),
    }


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}
