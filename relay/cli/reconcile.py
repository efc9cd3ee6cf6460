"""`relay reconcile`: do this node and a neighbour believe the same of what went between them?

Touches: the node, which asks the neighbour.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.instants import period_of
from relay.cli.outcome import USAGE, CommandError, remark
from relay.cli.show import ZONE, local, moment, show_json, show_table

DIFFER, NOT_ALL = 1, 2
"""Exit codes beside 0: something is missing, doubled or different; nothing is, but not all was compared."""
_TABLE = ("agency", "kind", "side", "what", "where", "recipient", "document", "at", "message_id")


@reaching
def reconcile(
    node: Connection,
    neighbour: Annotated[str, typer.Argument(metavar="NODE", help="A neighbour, by its id.")],
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="From then on: 2h, 3d, a date or time (Vietnam), RFC 3339."
        ),
    ],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Before then; else until now.")
    ] = None,
    agency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only what it sent or received.")
    ] = None,
    grace: Annotated[
        int,
        typer.Option(min=0, max=86_400, metavar="SECONDS", help="Word may be on its way so long."),
    ] = 900,
    why: Annotated[str, typer.Option(help="For the audit log.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Compare with a neighbour what both believe was sent and received. Exit code 0: all is the same;
    1: something is missing, doubled or different; 2: nothing is, but not all could be compared."""
    if as_csv and as_json:
        raise CommandError("--csv and --json cannot both be given", USAGE)
    period = period_of(since, until, datetime.now(UTC))
    asked: dict[str, object] = {**period, "grace_seconds": grace, "why": why}
    if agency is not None:
        asked["agency"] = agency
    path = f"/v1/reconcile/{segment(neighbour)}"
    found = asyncio.run(_report(node, path, asked))
    if as_json:
        show_json(found)
    elif as_csv:
        _show_csv(found)
    else:
        _show(found)
    _tell(found)
    raise typer.Exit(_code(found))


def _code(found: dict[str, Any]) -> int:
    if not found["agrees"]:
        return DIFFER
    return NOT_ALL if found["counts"]["not-compared"] else 0


def _show(found: dict[str, Any]) -> None:
    from relay.delivery.reconciling.wording import COLUMNS, COUNTS  # noqa: PLC0415

    show_table(list(COUNTS.values()), [[one[name] for name in COUNTS] for one in found["agencies"]])
    if found["differences"]:
        typer.echo()
        titles = [COLUMNS[name] + (f" ({ZONE})" if name == "at" else "") for name in _TABLE]
        rows = [_cells(one) for one in found["differences"]]
        show_table(titles, [[row[name] for name in _TABLE] for row in rows], ids=(0, 8))


def _show_csv(found: dict[str, Any]) -> None:
    from relay.cli.sheet import show_sheet  # noqa: PLC0415
    from relay.delivery.reconciling.wording import COLUMNS  # noqa: PLC0415

    rows = [_cells(one) for one in found["differences"]]
    show_sheet(list(COLUMNS.values()), [[row[name] for name in COLUMNS] for row in rows], mark=True)


def _cells(one: dict[str, Any]) -> dict[str, str]:
    """By the names of wording.COLUMNS, in the words clerks read."""
    from relay.delivery.reconciling.wording import KINDS, SIDES, WHATS  # noqa: PLC0415

    what = WHATS[one["what"]]
    return {
        **one,
        "kind": KINDS[one["kind"]],
        "side": SIDES[one["direction"]],
        "what": f"{what}: {one['ours']}, {one['theirs']}" if one["theirs"] else what,
        "at": local(one["at"]),
    }


def _tell(found: dict[str, Any]) -> None:
    counts, compared = found["counts"], found["compared"]
    verdict = "all is the same" if found["agrees"] else "not the same"
    several = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    remark(
        f"{found['party']}: {verdict}; {compared['sent']} sent, {compared['received']} received, "
        f"{found['same']} the same{', ' if several else ''}{several}"
    )
    if counts["under-way"]:
        remark("under way: so recent, or so near an edge, that word may still come; no fault")
    if counts["not-compared"]:
        remark(
            f"not compared: rows before {moment(found['kept_since'])} may have left or be archived"
        )
    if found["unnamed"]:
        remark(f"{found['unnamed']} more are only counted; a shorter period names them")
    if abs(found["offset_seconds"]) > 1:
        remark(f"the neighbour's clock is {found['offset_seconds']} s ahead of this node's")


async def _report(node: Connection, path: str, asked: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post(path, asked)
