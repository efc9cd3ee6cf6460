"""A run on the terminal.

Touches: the streams it is given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from relay.conformance.verdicts import Assertion, Judged, Verdict

_COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_CLAIMED: "dim",
}


def print_assertions(assertions: Sequence[Assertion], out: TextIO, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"clause": one.clause, "name": one.full_name, "title": one.title} for one in assertions
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=1), file=out)
        return
    for one in assertions:
        print(f"{one.full_name:28} {one.title}", file=out)


def print_judged(judged: Sequence[Judged], out: TextIO, *, kept: bool) -> None:
    """A row for each assertion, a column for each node; below it what did not hold, and why."""
    console = Console(file=out, highlight=False)
    nodes = list(dict.fromkeys(one.node for one in judged))
    shown = Table(box=None, pad_edge=False)
    for heading in ("clause", "assertion", *nodes):
        shown.add_column(heading)
    for _, several in groupby(judged, key=lambda one: one.assertion.full_name):
        _add(shown, list(several), nodes, kept=kept)
    console.print(shown)
    counts = Counter(one.verdict for one in judged)
    console.print(", ".join(f"{counts[one]} {one}" for one in Verdict))


def _add(shown: Table, judged: Sequence[Judged], nodes: Sequence[str], *, kept: bool) -> None:
    verdicts = {one.node: one.verdict for one in judged}
    assertion = judged[0].assertion
    cells = (_coloured(verdicts[node]) if node in verdicts else "" for node in nodes)
    shown.add_row(assertion.clause, escape(assertion.title), *cells)
    for one in judged:
        if one.detail and one.verdict is not Verdict.PASS:
            shown.add_row("", f"  {one.node}: {escape(one.detail)}")
        if kept and one.kept and one.verdict is not Verdict.PASS:
            shown.add_row("", f"  bytes in {escape(one.kept)}")


def _coloured(verdict: Verdict) -> str:
    return f"[{_COLOURS[verdict]}]{verdict}[/]"


@contextmanager
def progress(count: int) -> Iterator[Callable[[Judged], None]]:
    """A bar where stderr is a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("judging", total=count)

        def told(judged: Judged) -> None:
            bar.update(task, advance=1, description=judged.assertion.full_name)

        yield told
