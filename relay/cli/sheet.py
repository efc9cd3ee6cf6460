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


def show_sheet(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows as RFC 4180, with "." in fractions; nothing is an empty cell."""
    out = io.StringIO()
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
