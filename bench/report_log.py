"""The cost of the audit log: results as a table and as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table

from bench.log import PER_HOP
from bench.programme import Results

EXPLAINED = f"""\
The log alone: entries appended as fast as the writer can, {PER_HOP} for an envelope (both nodes of a hop), with
processor time of an entry and of an envelope; tiles and checkpoint written without witnesses; a proof out of the
published tiles; the whole log verified. Checked: every entry is counted, published and verified."""


def shown(results: Results) -> Iterator[str | Table]:
    one = results.log
    if one is None:
        return
    yield EXPLAINED
    table = Table(title=f"The audit log ({one.entries:,} entries)")
    for name in ("what", "cost"):
        table.add_column(name, justify="right")
    for what, cost in (
        ("entries appended a second", f"{one.appended_per_second:,.0f}"),
        ("processor for an entry, µs", f"{one.entry_us:.0f}"),
        (f"processor for an envelope's {PER_HOP}, µs", f"{one.envelope_us:.0f}"),
        ("publishing 1,000 entries, ms", f"{one.publish_ms:.1f}"),
        ("of it processor, ms", f"{one.publish_cpu_ms:.1f}"),
        ("proof of an entry, ms", f"{one.proof_ms:.2f}"),
        ("verifying all, s", f"{one.verify_seconds:.1f}"),
    ):
        table.add_row(what, cost)
    yield table


def as_json(results: Results) -> dict[str, Any]:
    if results.log is None:
        return {}
    return {"log": {name: round(value, 3) for name, value in asdict(results.log).items()}}
