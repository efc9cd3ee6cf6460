"""`relay compare`: whether two files are the same document, whatever software re-serialised it.

Touches: the two files; no network.
Trusts:  nothing of them.
Raises:  OSError, CommandError for a file that is no envelope.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.outcome import DATA, CommandError
from relay.cli.show import printable, show_json, show_table
from relay.errors import EnvelopeError

if TYPE_CHECKING:
    from relay.envelope.business import Business

DIFFERENT = 1
_CHUNK_BYTES = 1 << 18
_File = Annotated[Path, typer.Argument(metavar="FILE", help="An edXML envelope.")]


def compare(
    one: _File, other: _File, as_json: Annotated[bool, typer.Option("--json")] = False
) -> None:
    """Equal or different as business: From, number, date, subject, operation, attachments. Exit code 1
    when different; bytes may differ all the same, and are compared too."""
    first, first_bytes = _read(one)
    second, second_bytes = _read(other)
    differences = list(first.differences(second))
    if as_json:
        show_json(
            {
                "verdict": "DIFFERENT" if differences else "EQUAL",
                "same_bytes": first_bytes == second_bytes,
                "business": [first.digest, second.digest],
                "differences": [
                    {"part": each.part, "one": each.one, "other": each.other}
                    for each in differences
                ],
            }
        )
    elif differences:
        typer.echo("different:")
        show_table(
            ("PART", printable(one), printable(other)),
            [(each.part, each.one, each.other) for each in differences],
        )
    else:
        how = "to the byte" if first_bytes == second_bytes else "as business; the bytes differ"
        typer.echo(f"equal {how}: business hash {first.digest}")
    raise typer.Exit(DIFFERENT if differences else 0)


def _read(path: Path) -> tuple[Business, str]:
    """In constant memory."""
    from relay.envelope.business import BusinessReader  # noqa: PLC0415

    reader, digest = BusinessReader(), hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                reader.feed(chunk)
        return reader.close()[1], digest.hexdigest()
    except EnvelopeError as error:
        raise CommandError(f"{path}: {error}", DATA) from None
