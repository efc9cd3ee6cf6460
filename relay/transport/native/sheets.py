"""CSV for spreadsheets, which take a cell that begins like a formula for one, and bytes without a mark for Latin.

Touches: nothing.
Trusts:  nothing it writes: a text that a spreadsheet would reckon with is put behind an apostrophe.
Raises:  nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

CONTENT_TYPE: Final = "text/csv"
_FORMULA: Final = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")


def sheet(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180 in UTF-8 with its mark, by which spreadsheets know Vietnamese."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig", "backslashreplace")


def safe(text: str) -> str:
    """On one line, and nothing that is reckoned with."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    formula = text[:1] in ("\t", "\r", "\n") or line.lstrip().startswith(_FORMULA)
    return f"'{line}" if formula else line
