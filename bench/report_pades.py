"""PAdES verdicts: results as a table and as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench.pades import Pades
from bench.programme import Results

EXPLAINED = """\
Signed PDFs judged by the node's worker process, one after another: integrity, what is covered, chain, revocation
by a list at hand. One signature each. Checked: every verdict is VALID."""


def shown(results: Results) -> Iterator[str | Table]:
    if results.pades is None:
        return
    yield EXPLAINED
    table = Table(title="PAdES verdicts")
    for name in ("key", "PDF KB", "verdicts/s", "p50 ms", "verdicts"):
        table.add_column(name, justify="right")
    for one in results.pades:
        table.add_row(
            one.key.value,
            f"{one.size_bytes / 1000:.0f}",
            f"{one.per_second:.0f}",
            f"{one.p50_ms:.1f}",
            str(one.verdicts),
        )
    yield table


def as_json(results: Results) -> dict[str, Any]:
    return {} if results.pades is None else {"pades": [_json(one) for one in results.pades]}


def _json(one: Pades) -> dict[str, Any]:
    return {
        "key": one.key.value,
        "size_bytes": one.size_bytes,
        "verdicts": one.verdicts,
        "per_second": round(one.per_second, 1),
        "p50_ms": round(one.p50_ms, 2),
    }
