"""CSV for spreadsheets, which take a cell that begins like a formula for one.

Touches: stdout.
Trusts:  nothing it writes: a text that a spreadsheet would reckon with is put behind an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import typer

from relay.cli.show import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def show_sheet(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, mark: bool = False
) -> None:
    """Rows as RFC 4180, with "." in fractions; nothing is an empty cell. `mark`: a byte-order mark first,
    by which spreadsheets know UTF-8, and which programs would take for a part of the first heading."""
    out = io.StringIO("\ufeff" if mark else "")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    typer.echo(out.getvalue(), nl=False)


def _cell(value: object) -> object:
    """Numbers are numbers, negative ones too."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    text = str(value)
    safe = printable(text)
    return f"'{safe}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else safe
