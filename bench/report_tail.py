"""Reading the log: results as a table and as JSON.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench.programme import Results

EXPLAINED = """\
From the commit of an entry to its line on the screen of `relay audit tail -f`, one at a time at a node that does
nothing else; and what is wanted out of a long log, page by page, while another reader looks every millisecond."""


def shown(results: Results) -> Iterator[str | Table]:
    one = results.tail
    if one is None:
        return
    yield EXPLAINED
    table = Table(title=f"Reading the log ({one.entries:,} entries)")
    for name in ("what", "ms"):
        table.add_column(name, justify="right")
    for name, part in (("p50", 0.5), ("p95", 0.95), ("most", 1.0)):
        table.add_row(
            f"commit to screen, {name} of {len(one.screens_ms)}", f"{one.screen_ms(part):.1f}"
        )
    for what, ms in one.pages_ms.items():
        table.add_row(what, f"{ms:.1f}")
    table.add_row("longest wait of the other reader", f"{one.longest_ms:.1f}")
    yield table


def as_json(results: Results) -> dict[str, Any]:
    one = results.tail
    if one is None:
        return {}
    screen = {name: round(one.screen_ms(part), 2) for name, part in (("p50_ms", 0.5), ("p95_ms", 0.95), ("most_ms", 1.0))}  # fmt: skip
    pages = {what: round(ms, 1) for what, ms in one.pages_ms.items()}
    return {
        "tail": {
            "commit_to_screen": screen,
            "entries": one.entries,
            "pages_ms": pages,
            "longest_wait_ms": round(one.longest_ms, 1),
        }
    }
