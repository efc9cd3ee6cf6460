"""`relay inbox`, `relay fetch`, `relay ack`: the recipient's side at the terminal.

Touches: the node, the file a document is fetched into.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import remark
from relay.cli.send import refuse_existing, write_new
from relay.cli.show import ZONE, local, show_json, show_table

if TYPE_CHECKING:
    from relay.cli.client import NativeClient


_COLUMNS = (
    "CURSOR",
    "DELIVERY",
    "TYPE",
    f"ARRIVED ({ZONE})",
    "FROM",
    "TO",
    "NUMBER",
    "PRIORITY",
    "STATE",
    "STATUS",
    "SUBJECT",
)


class Status(StrEnum):
    DONE = "done"
    PROCESSING = "processing"
    FAIL = "fail"


class Listed(StrEnum):
    OPEN = "open"
    ALL = "all"


WhyOption = Annotated[
    str,
    typer.Option(
        help="With --config: why an operator acknowledges for the agency; it is recorded."
    ),
]
DeliveryArgument = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")]


@reaching
def inbox(
    node: Connection,
    after: Annotated[int, typer.Option(min=0, help="Cursor: what came later than this.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows, at the most.")] = 100,
    listed: Annotated[
        Listed, typer.Option("--list", help="`all` shows what is acknowledged done, too.")
    ] = Listed.OPEN,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List what came for your agencies."""
    page = asyncio.run(_page(node, after=after, limit=limit, acknowledgement=listed.value))
    if as_json:
        show_json(page)
        return
    show_table(
        _COLUMNS,
        [
            (
                item["cursor"],
                item["delivery_id"],
                item["message_type"],
                local(item["available_at"]),
                item["sender"],
                item["recipient"],
                item["notation"],
                item["priority"],
                item["state"],
                _status(item),
                item["subject"],
            )
            for item in page["deliveries"]
        ],
        ids=(1,),
    )
    if len(page["deliveries"]) == limit:
        remark(f"there may be more: --after {page['next']}")


def _status(item: dict[str, Any]) -> str:
    """Of a status message: its code, and the document that it speaks of. Of a document: what was said
    of it, and what is asked."""
    answering = item["answering"]
    if answering is None:
        said = "" if item["business"] == "none" else item["business"]
        return " ".join(filter(None, (said, item["obligation"])))
    about = answering["notation"] or answering["document_id"]
    return f"{answering['status_code']} on {about}"


@reaching
def fetch(
    node: Connection,
    delivery: DeliveryArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Default: ID.edxml; an interrupted fetch is resumed."),
    ] = None,
    seal: Annotated[Path | None, typer.Option(help="Write the seal here, too.")] = None,
    acknowledge: Annotated[
        bool, typer.Option("--ack", help="Acknowledge `done` once it is on disk.")
    ] = False,
    why: WhyOption = "",
) -> None:
    """Fetch a document, byte for byte as it was sent, and check its digest."""
    target = output or Path(f"{delivery}.edxml")
    refuse_existing(target)
    asyncio.run(_fetch(node, delivery, target, seal, acknowledge, why))
    typer.echo(target)


@reaching
def ack(
    node: Connection,
    delivery: DeliveryArgument,
    status: Annotated[Status, typer.Argument(help="What became of it.")],
    reason: Annotated[str, typer.Option(help="In words, for `fail`.")] = "",
    why: WhyOption = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Acknowledge a delivery; `done` sends its sender a signed receipt."""
    item = asyncio.run(_acknowledge(node, delivery, status, reason, why))
    if as_json:
        show_json(item)
    else:
        typer.echo(f"{item['delivery_id']}  {item['state']}")


async def _page(node: Connection, **query: str | int) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/deliveries", **query)


async def _fetch(
    node: Connection,
    delivery: str,
    target: Path,
    seal: Path | None,
    acknowledge: bool,
    why: str,
) -> None:
    from relay.cli.client import reach  # noqa: PLC0415
    from relay.cli.download import download  # noqa: PLC0415

    async with reach(node) as client:
        await download(client, f"/v1/deliveries/{segment(delivery)}/envelope", target)
        if seal is not None:
            write_new(seal, await client.get_bytes(f"/v1/deliveries/{segment(delivery)}/seal"))
        if acknowledge:
            await _say(client, delivery, Status.DONE, "", why)


async def _acknowledge(
    node: Connection, delivery: str, status: Status, reason: str, why: str
) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await _say(client, delivery, status, reason, why)


async def _say(
    client: NativeClient, delivery: str, status: Status, reason: str, why: str
) -> dict[str, Any]:
    told = {"reason": reason, "why": why}
    document = {"status": status.value, **{name: text for name, text in told.items() if text}}
    return await client.post(f"/v1/deliveries/{segment(delivery)}/ack", document)
