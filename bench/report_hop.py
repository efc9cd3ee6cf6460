"""One hop: results as a table for people and as JSON for programs; medians over the repetitions.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from bench.hop import Load, Result

EXPLAINED = """\
One hop, every document another one, each signed and verified in full:
  first node   signs   the acceptance receipt (likewise), the seal with the agency's key, the transfer header
  second node  proves  the transfer header and the seal (certificates, path, digest of the bytes)
               signs   one receipt for acceptance and consignment; those that wait together in a batch
  first node   proves  that receipt, then settles
  both nodes   sign    the head of their audit log with Ed25519, once for each group commit
Every answer waits for its commit with synchronous=FULL. TLS 1.2 or newer for the sender, mutual
TLS 1.3 between the nodes. Each run is checked: accepted = settled = available at the second node,
the same receipts on both sides, both audit logs recomputed against their signed heads.
"settled" counts answers verified and durable at the first node; "sent to settled" is from the
acceptance to the proven answer. CPU is of the whole process, the load generator's beside the nodes';
RSS at a third, two thirds and the end of the window, and the peak of the process. "receipts": how many of a
node's receipts share one signature, first node, second node (W13); "single": batches switched off."""


def table(runs: Sequence[tuple[Load, Sequence[Result]]]) -> Table:
    shown = Table(title="one hop")
    shown.add_column("envelope", justify="right")
    shown.add_column("key")
    shown.add_column("receipts", justify="right")
    for name in (
        "settled/s",
        "accepted/s",
        "POST p50, p99 ms",
        "sent to settled p50, p99 ms",
        "CPU µs first, second",
        "load µs",
        "RSS first MiB",
        "RSS second MiB",
    ):
        shown.add_column(name, justify="right")
    for load, results in runs:
        shown.add_row(
            _size(load.size_bytes),
            load.key.value,
            _receipts(load, results),
            _spread([r.settled_per_second for r in results]),
            f"{_middle(results, lambda r: r.accepted_per_second):.0f}",
            _pair(results, lambda r: r.p50_ms, lambda r: r.p99_ms, 1),
            _pair(results, lambda r: r.settle_p50_ms, lambda r: r.settle_p99_ms, 0),
            _pair(results, lambda r: r.first_cpu_us, lambda r: r.second_cpu_us, 0),
            f"{_middle(results, lambda r: r.load_cpu_us):.0f}",
            _memory(results[-1].first_rss_mib),
            _memory(results[-1].second_rss_mib),
        )
    return shown


def as_json(runs: Sequence[tuple[Load, Sequence[Result]]]) -> list[dict[str, Any]]:
    """`rss_peak_mib` is the larger of the two nodes', `cpu_us_per_envelope` the first node's."""
    return [
        {
            "size_bytes": load.size_bytes,
            "key": load.key.value,
            "batches": load.batches,
            "receipts_a_signature": [
                round(_middle(r, lambda x: x.shared[0]), 1),
                round(_middle(r, lambda x: x.shared[1]), 1),
            ],
            "envelopes_per_second": round(_middle(r, lambda x: x.settled_per_second), 1),
            "cpu_us_per_envelope": round(_middle(r, lambda x: x.first_cpu_us)),
            "p50_ms": round(_middle(r, lambda x: x.p50_ms), 2),
            "p99_ms": round(_middle(r, lambda x: x.p99_ms), 2),
            "rss_peak_mib": round(max(max(x.first_rss_mib[-1], x.second_rss_mib[-1]) for x in r)),
            "accepted_per_second": round(_middle(r, lambda x: x.accepted_per_second), 1),
            "each_envelopes_per_second": [round(x.settled_per_second, 1) for x in r],
            "second_node_cpu_us_per_envelope": round(_middle(r, lambda x: x.second_cpu_us)),
            "load_cpu_us_per_envelope": round(_middle(r, lambda x: x.load_cpu_us)),
            "settle_p50_ms": round(_middle(r, lambda x: x.settle_p50_ms), 1),
            "settle_p99_ms": round(_middle(r, lambda x: x.settle_p99_ms), 1),
            "connections": load.connections,
            "window_seconds": load.seconds,
        }
        for load, r in runs
    ]


def _receipts(load: Load, results: Sequence[Result]) -> str:
    """How many share a signature."""
    if not load.batches:
        return "single"
    return _pair(results, lambda r: r.shared[0], lambda r: r.shared[1], 1)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1000:g} KB"


def _middle(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return median(value(result) for result in results)


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})"


def _pair(
    results: Sequence[Result],
    one: Callable[[Result], float],
    other: Callable[[Result], float],
    digits: int,
) -> str:
    return f"{_middle(results, one):.{digits}f}, {_middle(results, other):.{digits}f}"


def _memory(series: tuple[float, ...]) -> str:
    return f"{', '.join(f'{mib:.0f}' for mib in series[:-1])}; {series[-1]:.0f}"
