"""`relay trust`: whom a running node trusts, looked at and read anew from its files, for operators.

Touches: the node.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.outcome import remark
from relay.cli.show import ZONE, local, printable, show_json, show_table

app = typer.Typer(help="Look at whom a node trusts, and read it anew.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json")]


@app.command("show")
@reaching
def show(node: Connection, as_json: AsJson = False) -> None:
    """List the certificates in force, by the list they stand in."""
    found = asyncio.run(_get(node, "/v1/trust"))
    if as_json:
        show_json(found)
        return
    columns = ("LISTED AS", "SHA-256", f"UNTIL ({ZONE})", "ISSUES FOR", "SUBJECT")
    show_table(columns, [_line(one) for one in found["certificates"]])
    if found["problem"]:
        remark(f"warning: the files as they lie there are not in force: {found['problem']}")


@app.command("reload")
@reaching
def reload(
    node: Connection,
    why: Annotated[str, typer.Option(help="The reason; the audit log keeps it, and who.")],
    as_json: AsJson = False,
) -> None:
    """Read the files of trusted certificates now. A file that does not serve changes nothing."""
    done = asyncio.run(_post(node, "/v1/trust/reload", {"why": why}))
    if as_json:
        show_json(done)
        return
    for word in ("added", "removed"):
        for one in done[word]:
            typer.echo(f"{word:<8}{one['listed_as']}  {one['sha256']}")
    for neighbour in done["closed"]:
        typer.echo(f"closed  a connection of {printable(neighbour)}")
    if not (done["added"] or done["removed"]):
        remark("the files are as before")


def _line(one: dict[str, Any]) -> tuple[object, ...]:
    branches = " ".join(one["branches"]) or "anyone"
    return one["listed_as"], one["sha256"][:16], local(one["not_after"]), branches, one["subject"]


async def _post(node: Connection, path: str, document: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post(path, document)


async def _get(node: Connection, path: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get(path)
