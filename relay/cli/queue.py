"""`relay queue shape` and `relay why`: what waits, for whom, how long, and why.

Touches: the node.
Raises:  what the node answers.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import remark
from relay.cli.show import ZONE, local, moment, printable, show_json, show_table

app = typer.Typer(help="What waits, for whom and how long.", no_args_is_help=True)


@app.command("shape")
@reaching
def shape(node: Connection, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Deliveries by neighbour and age in minutes, with each neighbour's state."""
    found = asyncio.run(_get(node, "/v1/queue/shape"))
    if as_json:
        show_json(found)
        return
    ages = [f"{minutes}m" for minutes in found["ages_minutes"]]
    lines = [line for row in found["rows"] for line in _lines(row)]
    show_table(("NEIGHBOUR", "WHAT", "TOTAL", *ages, f"{ages[-1]}+"), lines)
    typer.echo("")
    show_table(
        ("NEIGHBOUR", "STATE", "FAILURES", f"NEXT PROBE ({ZONE})", "RECEIPTS", "PARKED", "ERROR"),
        [_state(row) for row in found["rows"] if row["state"]],
    )
    if found["put_back"]:
        remark(f"{found['put_back']} deliveries were put back (fail) by their recipients' systems")


def _lines(row: dict[str, Any]) -> list[tuple[object, ...]]:
    """`waiting` always, the others where there are any."""
    name = row["neighbour"] or "(here, unsealed)"
    return [
        (name, kind, ages["total"], *ages["by_age"])
        for kind, ages in row["counts"].items()
        if ages["total"] or kind == "waiting"
    ]


def _state(row: dict[str, Any]) -> tuple[object, ...]:
    state = row["state"]
    return (
        row["neighbour"],
        state["condition"],
        state["failures"],
        local(state["next_probe_at"]),
        row["receipts"],
        row["receipts_parked"],
        state["last_error"],
    )


@reaching
def why(
    node: Connection,
    name: Annotated[str, typer.Argument(metavar="ID", help="A delivery's id, or a message's.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Why is it not delivered? Its state, next hop, last error, and the neighbour's state."""
    found = asyncio.run(_get(node, f"/v1/deliveries/{segment(name)}/why"))
    if as_json:
        show_json(found)
        return
    message = found["message"]
    typer.echo(f"message {message['message_id']} from {printable(message['sender'])}")
    for one in found["deliveries"]:
        _explain(one, message)
    if found["others"]:
        remark(f"{found['others']} more deliveries of this message: relay track shows them")


def _explain(one: dict[str, Any], message: dict[str, Any]) -> None:
    delivery = one["delivery"]
    typer.echo(f"\n{printable(delivery['recipient'])}: {delivery['state']}")
    for sentence in one["because"]:
        typer.echo(f"  {printable(sentence)}")
    facts = {
        "delivery": delivery["delivery_id"],
        "came from": one["came_from"] or "handed in here",
        "next hop": delivery["next_hop"] or "this node",
        "here since": moment(one["arrived_at"]),
        "expires": moment(message["expires_at"]),
        "attempts": delivery["attempts"],
        "certificate": _certificate(one["neighbour"]),
    }
    for label, value in facts.items():
        if value != "":
            typer.echo(f"    {label + ':':<14}{printable(value)}")
    for receipt in delivery["receipts"]:
        typer.echo(f"    {'receipt:':<14}{_receipt(receipt)}")


def _certificate(neighbour: dict[str, Any] | None) -> str:
    if neighbour is None:
        return ""
    shown = neighbour["certificate"]
    if shown is None and neighbour["bridge"]:
        return "none: a bridge"
    if shown is None:
        return f"not seen: no connection to {neighbour['node']} since the start"
    return f"{shown['subject']}, until {moment(shown['not_after'])}"


def _receipt(receipt: dict[str, Any]) -> str:
    reason = f" ({receipt['reason']})" if receipt["reason"] else ""
    if receipt["evidence"] == "remote":
        reason += " (the remote's word, no evidence)"
    said = f"{receipt['event']}{reason} by {receipt['issuer']} at {moment(receipt['at'])}"
    return f"{printable(said)}  {receipt['digest']}"


async def _get(node: Connection, path: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get(path)
