"""CSV for spreadsheets, which take a cell that begins like a formula for one.

Touches: nothing.
Trusts:  nothing it writes: a text that a spreadsheet would reckon with is put behind an apostrophe.
Raises:  nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")
_MARK: Final = "\ufeff"


def sheet(columns: Sequence[str], rows: Iterable[Sequence[object]], *, mark: bool = False) -> str:
    """Rows as RFC 4180, with "." in fractions; nothing is an empty cell. `mark`: a byte-order mark first,
    by which spreadsheets know UTF-8, and which programs would take for a part of the first heading."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return f"{_MARK if mark else ''}{out.getvalue()}"


def _cell(value: object) -> object:
    """Numbers are numbers, negative ones too."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return safe(str(value))


def safe(text: str) -> str:
    """On one line, and nothing that is reckoned with."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    led_in = text[:1] in ("\t", "\r", "\n") or text.lstrip().startswith(_FORMULA)
    return f"'{line}" if led_in or line.lstrip().startswith(_FORMULA) else line
