"""A run on the terminal.

Touches: the streams it is given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from relay.conformance.clauses import CHAPTERS
from relay.conformance.verdicts import HELD, Assertion, Judged, Verdict

_COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_CLAIMED: "dim",
}
WIDTH = 160
"""Where it is no terminal that says its own."""
SINGLY = 5
"""So many assertions of a node that cannot be told for the same reason are named one by one."""


def print_assertions(assertions: Sequence[Assertion], out: TextIO, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"clause": one.clause, "name": one.full_name, "title": one.title} for one in assertions
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=1), file=out)
        return
    for one in assertions:
        print(f"{one.full_name:28} {one.title}", file=out)


def print_judged(judged: Sequence[Judged], out: TextIO, *, kept: bool, whole: bool = False) -> None:
    """A row for each chapter, a column for each node; then what did not hold, and why; the counts last. `whole`: a
    row for each assertion before."""
    console = _console(out)
    nodes = list(dict.fromkeys(one.node for one in judged))
    if whole:
        console.print(_every(judged, nodes), end="\n\n")
    console.print(_by_chapter(judged, nodes))
    often = _often(judged)
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        for one in judged:
            if one.verdict is verdict and (one.node, one.detail) not in often:
                _tell(console, one, kept=kept)
    _tell_together(console, Verdict.INCONCLUSIVE, often)
    _tell_together(console, Verdict.NOT_CLAIMED, _reasons(judged, Verdict.NOT_CLAIMED))
    counts = Counter(one.verdict for one in judged)
    console.print(f"\n{', '.join(f'{counts[one]} {one}' for one in Verdict)}")


def _console(out: TextIO) -> Console:
    """What nodes say stands there as they said it: no text of theirs is a colour, nor a picture."""
    made = Console(file=out, highlight=False, emoji=False, soft_wrap=True)
    if made.is_terminal:
        return made
    return Console(file=out, highlight=False, emoji=False, soft_wrap=True, width=WIDTH)


def _table(*headings: str) -> Table:
    made = Table(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading)
    return made


def _every(judged: Sequence[Judged], nodes: Sequence[str]) -> Table:
    made = _table("assertion", "", *nodes)
    for name, several in groupby(judged, key=lambda one: one.assertion.full_name):
        found = list(several)
        verdicts = {one.node: _coloured(one.verdict) for one in found}
        cells = (verdicts.get(node, "") for node in nodes)
        made.add_row(name, escape(found[0].assertion.title), *cells)
    return made


def _by_chapter(judged: Sequence[Judged], nodes: Sequence[str]) -> Table:
    made = _table("chapter", "", *nodes)
    for chapter, several in groupby(judged, key=lambda one: one.assertion.chapter):
        found = list(several)
        cells = (_counted(one.verdict for one in found if one.node == node) for node in nodes)
        made.add_row(chapter, CHAPTERS[chapter], *cells)
    return made


def _counted(verdicts: Iterable[Verdict]) -> str:
    counts = Counter(verdicts)
    return ", ".join(f"{counts[one]} {_coloured(one)}" for one in Verdict if counts[one])


def _tell(console: Console, one: Judged, *, kept: bool) -> None:
    console.print(f"\n{_coloured(one.verdict)} {one.assertion.full_name}, {one.node}")
    console.print(f"  {escape(one.assertion.title)}")
    console.print(f"  {escape(one.detail)}")
    if kept and one.kept:
        console.print(f"  bytes in {escape(one.kept)}")


Reasons = Mapping[tuple[str, str], int]
"""How many of a node have the same detail."""


def _reasons(judged: Sequence[Judged], verdict: Verdict) -> Counter[tuple[str, str]]:
    return Counter((one.node, one.detail) for one in judged if one.verdict is verdict)


def _often(judged: Sequence[Judged]) -> Reasons:
    """A node that is down, a run that was ended: one reason for hundreds."""
    found = _reasons(judged, Verdict.INCONCLUSIVE)
    return {reason: count for reason, count in found.items() if count > SINGLY}


def _tell_together(console: Console, verdict: Verdict, reasons: Reasons) -> None:
    if reasons:
        console.print(f"\n{_coloured(verdict)}")
    for (node, detail), count in reasons.items():
        console.print(f"  {count} of {node}: {escape(detail)}")


def _coloured(verdict: Verdict) -> str:
    return f"[{_COLOURS[verdict]}]{verdict}[/]"


@contextmanager
def progress(count: int) -> Iterator[Callable[[Judged], None]]:
    """Whatever did not hold, as soon as it is known, on stderr; and a bar where that is a terminal."""
    console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("judging", total=count)

        def told(judged: Judged) -> None:
            bar.update(task, advance=1, description=judged.assertion.full_name)
            if judged.verdict not in HELD:
                what = f"{_coloured(judged.verdict)} {judged.assertion.full_name}, {judged.node}"
                console.print(f"{what}: {escape(judged.detail)}")

        yield told
