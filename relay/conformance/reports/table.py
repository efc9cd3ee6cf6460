"""A run on the terminal.

Touches: the streams it is given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    console = Console(file=out, highlight=False)
    shown = Table(box=None, pad_edge=False)
    for heading in ("clause", "assertion", "node", "verdict"):
        shown.add_column(heading)
    for one in judged:
        colour = _COLOURS[one.verdict]
        shown.add_row(
            one.assertion.clause,
            escape(one.assertion.title),
            one.node,
            f"[{colour}]{one.verdict}[/]",
        )
        if one.detail and one.verdict is not Verdict.PASS:
            shown.add_row("", f"  {escape(one.detail)}", "", "")
        if kept and one.kept:
            shown.add_row("", f"  bytes in {escape(one.kept)}", "", "")
    console.print(shown)
    counts = Counter(one.verdict for one in judged)
    console.print(", ".join(f"{counts[one]} {one}" for one in Verdict))


@contextmanager
def progress(console: Console, count: int) -> Iterator[Callable[[Judged], None]]:
    """A bar where stderr is a terminal; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("judging", total=count)

        def told(judged: Judged) -> None:
            bar.update(task, advance=1, description=judged.assertion.full_name)

        yield told
