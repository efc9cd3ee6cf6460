"""`relay sent`: what your agencies sent, and how each delivery of it stands.

Touches: the node.
Raises:  what the node answers.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.outcome import remark
from relay.cli.show import ZONE, local, show_json, show_table

_COLUMNS = (
    "MESSAGE",
    "TYPE",
    f"SENT ({ZONE})",
    "FROM",
    "TO",
    "NUMBER",
    "STATE",
    "BUSINESS",
    "OBLIGATION",
    "SUBJECT",
)


@reaching
def sent(
    node: Connection,
    skip: Annotated[int, typer.Option(min=0, help="Rows to leave out, the newest first.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows, at the most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List what your agencies sent, the newest first."""
    page = asyncio.run(_page(node, skip, limit))
    if as_json:
        show_json(page)
        return
    show_table(_COLUMNS, [_row(item) for item in page["sent"]])
    if len(page["sent"]) == limit:
        remark(f"there may be more: --skip {skip + limit}")


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        item["message_id"],
        item["message_type"],
        local(item["accepted_at"]),
        item["sender"],
        item["recipient"],
        item["notation"],
        item["state"],
        "" if item["business"] == "none" else item["business"],
        item["obligation"] or "",
        item["subject"],
    )


async def _page(node: Connection, skip: int, limit: int) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/sent", skip=skip, limit=limit)
