"""CSV on stdout.

Touches: stdout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from relay.sheets import sheet


def show_sheet(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, mark: bool = False
) -> None:
    """See relay.sheets."""
    typer.echo(sheet(columns, rows, mark=mark), nl=False)
