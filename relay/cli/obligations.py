"""`relay obligations`: what recipients are asked to take back, update, replace or destroy.

Touches: the node.
Raises:  what the node answers.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.outcome import remark
from relay.cli.show import ZONE, local, moment, printable, show_json, show_table

_COLUMNS = (
    "CURSOR",
    "WHAT",
    "STATE",
    "ANSWER",
    "FROM",
    "TO",
    "DOCUMENT",
    f"ASKED ({ZONE})",
    f"DUE ({ZONE})",
    "ASKED BY MESSAGE",
)


class State(StrEnum):
    """As model.ObligationState, which help need not wait for."""

    REQUESTED = "requested"
    DESTRUCTION_ASKED = "destruction-asked"
    DECLINED = "declined"
    AGREED = "agreed"
    TAKEN_BACK = "taken-back"
    NOT_DELIVERED = "not-delivered"


@reaching
def obligations(
    node: Connection,
    agency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Asked by this agency, or of it.")
    ] = None,
    state: Annotated[State | None, typer.Option(help="One state only.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Without an answer in time.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Cursor: what was asked later than this.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows, at the most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List what recipients are asked to do with documents they were sent, and their answers."""
    query: dict[str, str | int] = {"after": after, "limit": limit}
    if agency is not None:
        query["agency"] = agency
    if state is not None:
        query["state"] = state.value
    if overdue:
        query["overdue"] = "true"
    page = asyncio.run(_page(node, query))
    if as_json:
        show_json(page)
        return
    show_table(_COLUMNS, [_row(one) for one in page["obligations"]], ids=(0, 9))
    if len(page["obligations"]) == limit:
        remark(f"there may be more: --after {page['next']}")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    return (
        one["cursor"],
        one["kind"],
        one["state"],
        one["answer"] or one["reason"] or ("overdue" if one["overdue"] else ""),
        one["sender"],
        one["recipient"],
        one["document_id"] or one["notation"],
        local(one["asked_at"]),
        local(one["due_at"]),
        one["cause"],
    )


def sentence(one: dict[str, Any]) -> str:
    """For `relay track`."""
    answer = f", answered {one['answer']}" if one["answer"] else ""
    if one["state"] == State.NOT_DELIVERED:
        answer = f", its document ended before it arrived: {one['reason'] or 'no reason given'}"
    elif not one["answer"] and one["state"] != State.TAKEN_BACK:
        answer = f", {'overdue since' if one['overdue'] else 'answer due'} {moment(one['due_at'])}"
    return f"{one['kind']}: {one['state']}{answer} (asked by {printable(one['cause'])})"


async def _page(node: Connection, query: dict[str, str | int]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/obligations", **query)
