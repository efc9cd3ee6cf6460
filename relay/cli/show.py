"""Data on stdout: tables for people, JSON for programs; and progress on stderr, to a terminal only.

Touches: stdout, stderr.
Trusts:  nothing it shows: documents name themselves, so nothing unprintable reaches the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import typer

ZONE = "+07:00"
_VIETNAM = timezone(timedelta(hours=7))


class Advance(Protocol):
    def __call__(self, done: int, total: int, /) -> None: ...


def show_json(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns side by side; wide as the terminal, or as wide as they like into a pipe."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and not always needed
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 400, highlight=False).print(table)


def printable(value: object) -> str:
    """One line of what may be shown: control characters and direction marks are written out."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def local(stamp: str | None) -> str:
    """An API instant in Vietnam's time, under a header of ZONE; empty where there is none."""
    if stamp is None:
        return ""
    return f"{datetime.fromisoformat(stamp).astimezone(_VIETNAM):%Y-%m-%d %H:%M:%S}"


def moment(stamp: str) -> str:
    """The same within a sentence, with its zone."""
    return f"{local(stamp)} {ZONE}"


@contextmanager
def progress(what: str) -> Iterator[Advance]:
    """A bar while something long runs, where stderr is a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task: Any = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
