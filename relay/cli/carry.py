"""`relay carry`: documents and receipts by hand, where there is no link to a neighbour.

Touches: the file named and the one beside it, the node.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import (
    CANNOT_CREATE,
    DATA,
    TEMPORARY,
    USAGE,
    CommandError,
    complain,
    remark,
    suggest,
)
from relay.cli.receiving import write_whole
from relay.cli.send import refuse_existing
from relay.cli.show import chunks_of, printable, progress, show_json

if TYPE_CHECKING:
    import aiohttp

app = typer.Typer(
    help="Carry documents and receipts by hand, where there is no link to a neighbour.",
    no_args_is_help=True,
)

_SIZE = re.compile(r"([0-9]{1,15}) ?([kmgt]i?)?b?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_SIZES = (
    "a whole number of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, 1MiB or more: 700MB, 4GB, 16GiB"
)
_LEFT = (
    ("refused", "{} of them refuse a recipient, with a signed receipt", ""),
    (
        "put_off",
        "{} were put off: a clock is wrong, or nobody says whether a certificate is revoked",
        TEMPORARY,
    ),
    ("damaged", "{} parts of the file are damaged; what they held is to be carried again", DATA),
    ("unproven", "{} transfers prove nothing and were left", DATA),
    ("stray", "{} receipts, or containers, prove nothing here and were left", DATA),
)

Why = Annotated[str, typer.Option(metavar="WORDS", help="Why, for the audit log.")]


@app.command("export")
@reaching
def export(
    node: Connection,
    neighbour: Annotated[str, typer.Argument(metavar="NEIGHBOUR", help="The node's id.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The carry file to write.")],
    limit: Annotated[
        str, typer.Option(metavar="SIZE", help="The most it may be of: 700MB, 4GB, 16GiB.")
    ] = "4GB",
    without_statements: Annotated[
        bool,
        typer.Option(
            "--without-statements",
            help="Leave out what says that certificates are not revoked: a node of an earlier release"
            " refuses a file that holds any.",
        ),
    ] = False,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="What the file holds.")] = False,
) -> None:
    """Write what waits for a neighbour to one signed file, express and the oldest first.

    From then on it is in doubt until the neighbour's receipts come back, by hand or by wire. Exported
    again, a file also holds what is still unanswered. Where this node checks certificates for revocation,
    what it knows of those in the file goes along.
    """
    query: dict[str, str | int] = {"limit_bytes": _bytes(limit), "why": why}
    if without_statements:
        query["statements"] = "false"
    refuse_existing(file)
    told = asyncio.run(_export(node, neighbour, file, query))
    if as_json:
        show_json(told)
        return
    remark(f"{told['transfers']} transfers and {told['receipts']} receipts for {neighbour}")
    if told.get("statements"):
        remark(f"{told['statements']} statements of revocation go along")
    if told["more"]:
        remark("more waits than had room: export again, to another file")
    suggest(f"over there: relay carry import {file.name}; then bring its receipts file back")
    typer.echo(file)


@app.command("import")
@reaching
def take(
    node: Connection,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A neighbour's carry file.")],
    receipts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="To bring back. Default: FILE-receipts beside FILE."),
    ] = None,
    with_statements: Annotated[
        bool,
        typer.Option(
            "--with-statements",
            help="Put into the receipts file what is known here of revoked certificates, though FILE has"
            " nothing of it: its writer must not be of an earlier release.",
        ),
    ] = False,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="What became of it.")] = False,
) -> None:
    """Take in a neighbour's carry file, or the receipts it brought back; safe to repeat.

    Writes the receipts file to bring back, where there is anything to say.
    """
    target = receipts or file.with_name(f"{file.stem}-receipts{file.suffix}")
    if target.exists():
        said = f"{target} exists and is not overwritten"
        raise CommandError(said, CANNOT_CREATE, "name another receipts file: --receipts FILE")
    with progress(f"reading {file.name}") as advance, file.open("rb") as source:
        body = chunks_of(source, file.stat().st_size, advance)
        query = {"why": why, **({"statements": "true"} if with_statements else {})}
        told, written = asyncio.run(_take(node, body, target, query))
    told["receipts_file"] = str(target) if written else None
    if as_json:
        show_json(told)
    else:
        _say(told)
        if written:
            typer.echo(target)
    if code := _complain(told):
        raise typer.Exit(code)


def _say(told: dict[str, Any]) -> None:
    remark(
        f"from {told['neighbour']}: {told['answered']} of {told['transfers']} transfers are answered, "
        f"{told['settled']} of ours are settled, {told['receipts']} receipts are taken"
    )
    if told.get("statements"):
        remark(f"{told['statements']} statements of revocation were news here")
    if told["receipts_file"]:
        remark("bring the receipts file back, so that they know")


def _complain(told: dict[str, Any]) -> int:
    """What did not go well, on stderr; the exit code it calls for."""
    codes = [0]
    for name, words, code in _LEFT:
        if told[name] and code:
            complain(words.format(told[name]))
            codes.append(int(code))
        elif told[name]:
            remark(words.format(told[name]))
    if told["broken"]:
        complain(f"the file was not read to its end: {printable(told['broken'])}")
        passes = told.get("temporary", False)  # a node of an earlier release does not say
        mended = "the same file is safe" if passes else "the same file is safe, or a whole one"
        suggest(f"what was taken stays taken; once that is mended, {mended}")
        codes.append(TEMPORARY if passes else DATA)
    return DATA if DATA in codes else max(codes)


async def _export(
    node: Connection, neighbour: str, file: Path, query: dict[str, str | int]
) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with (
        reach(node) as client,
        client.exchange(f"/v1/carry/{segment(neighbour)}", None, {}, **query) as response,
    ):
        await write_whole(response, file)
        return _told(response)


async def _take(
    node: Connection, body: AsyncIterator[bytes], target: Path, query: dict[str, str]
) -> tuple[dict[str, Any], bool]:
    from relay.cli.client import reach  # noqa: PLC0415

    headers = {"Content-Type": "application/vnd.truc-relay.carry+zip"}
    async with (
        reach(node) as client,
        client.exchange("/v1/carry", body, headers, **query) as response,
    ):
        if written := response.status == 200:
            await write_whole(response, target)
        return _told(response), written


def _told(response: aiohttp.ClientResponse) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(response.headers["Relay-Carry"])
    return told


def _bytes(text: str) -> int:
    """4GB is 4 × 10^9 as on the stick's label, 4GiB is 4 × 2^30."""
    from relay.delivery.carry.ports import LEAST_BYTES, MOST_BYTES  # noqa: PLC0415

    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"--limit {text[:40]!a} is no size", USAGE, _SIZES)
    unit = (match[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    size_bytes = int(match[1]) * int(base ** _POWERS.get(unit[:1], 0))
    if not LEAST_BYTES <= size_bytes <= MOST_BYTES:
        raise CommandError(
            f"--limit {text} is {size_bytes} bytes, limit from {LEAST_BYTES} to {MOST_BYTES}",
            USAGE,
            _SIZES,
        )
    return size_bytes
