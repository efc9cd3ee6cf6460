"""`relay recovery`: how far a restored node is with its neighbours, and going on without one.

Touches: the node.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.outcome import USAGE, CommandError, remark
from relay.cli.show import ZONE, local, moment, printable, show_json, show_table


@reaching
def recovery(
    node: Connection,
    skip: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="Go on without what this neighbour may have."),
    ] = None,
    why: Annotated[
        str | None, typer.Option(help="The reason, with --skip; the audit log keeps it, and who.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show what a restored node still asks its neighbours for; until they answer, intake is closed."""
    if (skip is None) != (why is None):
        raise CommandError("--skip NODE and --why TEXT belong together", USAGE)
    view = asyncio.run(_call(node, skip, why))
    if as_json:
        show_json(view)
        return
    remark(_sentence(view))
    if view["neighbours"]:
        show_table(
            (
                "NEIGHBOUR",
                "STEP",
                "DOCUMENTS",
                "TRANSFERS",
                "RECEIPTS",
                "MISSING",
                f"DONE ({ZONE})",
                "",
            ),
            [_row(one) for one in view["neighbours"]],
        )


def _sentence(view: dict[str, Any]) -> str:
    if view["state"] == "recovering":
        return f"recovering what was exchanged since {moment(view['since'])}; intake is closed"
    if view["state"] == "finished":
        return f"recovered at {moment(view['finished_at'])}"
    return "never restored, as far as this node knows"


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    note = one["last_error"]
    if one["skipped_by"]:
        note = f"{one['skipped_by']}: {one['why']}"
    counts = (one["documents"], one["transfers"], one["receipts"], one["missing"])
    return (one["neighbour"], one["step"], *counts, local(one["done_at"]), printable(note))


async def _call(node: Connection, skip: str | None, why: str | None) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        if skip is None:
            return await client.get("/v1/recovery")
        return await client.post("/v1/recovery/skip", {"neighbour": skip, "why": why})
