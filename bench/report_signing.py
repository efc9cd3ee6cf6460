"""What signing and proving cost, as a table and as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench.programme import Results


def shown(results: Results) -> Iterator[str | Table]:
    if not results.signing:
        return
    table = Table(title="Signing and proving, one thread, medians", title_justify="left")
    table.add_column("what")
    for name in ("µs each", "a second", "turns"):
        table.add_column(name, justify="right")
    for one in results.signing:
        table.add_row(
            one.what, f"{one.microseconds:,.1f}", f"{one.per_second:,.0f}", f"{one.turns:,}"
        )
    yield table


def as_json(results: Results) -> dict[str, Any]:
    if not results.signing:
        return {}
    return {
        "signing": [
            {"what": one.what, "microseconds": round(one.microseconds, 2), "turns": one.turns}
            for one in results.signing
        ]
    }
