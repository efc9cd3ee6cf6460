"""Data on stdout: tables for people, JSON for programs; and progress on stderr, to a terminal only.

Touches: stdout, stderr.
Trusts:  nothing it shows: documents name themselves, so nothing unprintable reaches the terminal.
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import typer

if TYPE_CHECKING:
    from relay.model import Finding

ZONE = "+07:00"
_GAP = "  "
_CHUNK_BYTES = 1 << 18
_VIETNAM = timezone(timedelta(hours=7))


class Advance(Protocol):
    def __call__(self, done: int, total: int, /) -> None: ...


def show_json(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], ids: Sequence[int] = (0,)
) -> None:
    """Columns side by side, wide as they need; where a terminal is too narrow for that, a few lines for
    each row, the columns `ids` first: what is typed into another command is never broken or cut."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(columns, *cells, strict=True)]
    terminal = sys.stdout.isatty()
    room = shutil.get_terminal_size().columns
    if terminal and cells and sum(widths) + len(_GAP) * (len(widths) - 1) > room:
        for row in cells:
            _show_stacked(columns, row, ids, room)
        return
    for number, row in enumerate([list(columns), *cells]):
        line = _GAP.join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        typer.secho(line.rstrip(), bold=terminal and number == 0)


def _show_stacked(
    columns: Sequence[str], row: Sequence[str], ids: Sequence[int], room: int
) -> None:
    typer.secho(_GAP.join(row[index].strip() for index in ids), bold=True)
    line = ""
    for index, (column, cell) in enumerate(zip(columns, row, strict=True)):
        pair = f"{column.strip().lower()} {cell.strip()}"
        if index in ids or not cell.strip():
            continue
        if line and _width(line + _GAP + pair) > room:
            typer.echo(line)
            line = ""
        line += _GAP + pair
    if line:
        typer.echo(line)


def _width(text: str) -> int:
    """Columns of a terminal: marks add none, some characters take two."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def printable(value: object) -> str:
    """One line of what may be shown: control characters and direction marks are written out."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def said_of(finding: Finding) -> str:
    where = f" ({finding.where})" if finding.where else ""
    return f"finding {finding.code}: {printable(finding.detail)}{where}"


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


async def chunks_of(source: BinaryIO, total: int, advance: Advance) -> AsyncIterator[bytes]:
    """The file piece by piece from where it stands, for a request's body, and how far it has come."""
    done = source.tell()
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk
        done += len(chunk)
        advance(done, total)
