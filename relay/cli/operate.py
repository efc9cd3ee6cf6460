"""`relay hold`, `release`, `requeue`, `cancel`, `redirect`, `flush`: what operators do to what waits.

Touches: the node.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import USAGE, CommandError, remark
from relay.cli.show import printable, show_json

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DONE = {
    "hold": "held",
    "release": "released",
    "requeue": "requeued",
    "cancel": "cancelled",
    "redirect": "redirected",
    "flush": "flushed",
}

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]", help="A delivery's id, or a message's for all that waits of it."
    ),
]
OneName = Annotated[
    str,
    typer.Argument(metavar="ID", help="A delivery's id, or a message's for all that waits of it."),
]
Neighbour = Annotated[
    str | None, typer.Option(metavar="NODE", help="All that waits for this neighbour.")
]
Reason = Annotated[str, typer.Option("--why", help="The reason; the audit log keeps it, and who.")]
AsJson = Annotated[bool, typer.Option("--json")]


def _on_either(action: str, told: str) -> Callable[..., None]:
    """A command that acts on an id or on all that waits for a neighbour; `told` is its help."""

    def act(
        node: Connection,
        why: Reason,
        name: Name = None,
        neighbour: Neighbour = None,
        as_json: AsJson = False,
    ) -> None:
        _act_on_either(node, action, name, neighbour, why, as_json)

    act.__name__, act.__doc__ = action, told
    return reaching(act)


hold = _on_either("hold", "Hold what waits: it is not sent and does not expire until released.")
release = _on_either("release", "Let what is held go on.")
requeue = _on_either(
    "requeue",
    "Queue anew: the way by the present directory, no back-off; receipts that were parked, too.",
)


@reaching
def cancel(
    node: Connection,
    name: OneName,
    why: Reason,
    unanswered: Annotated[
        bool,
        typer.Option(
            "--unanswered",
            help="Give up, as outcome-unknown, what the next node may have and does not tell.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """End what waits; its sender gets a signed receipt that says so."""
    more = {"unanswered": True} if unanswered else {}
    _act(node, f"/v1/deliveries/{segment(name)}/cancel", {"why": why, **more}, as_json)


@reaching
def redirect(
    node: Connection,
    name: OneName,
    to: Annotated[str, typer.Option(metavar="NODE", help="Another neighbour.")],
    why: Reason,
    as_json: AsJson = False,
) -> None:
    """Send what waits to another neighbour than the directory says."""
    _act(node, f"/v1/deliveries/{segment(name)}/redirect", {"why": why, "to": to}, as_json)


@reaching
def flush(
    node: Connection,
    why: Reason,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[NEIGHBOUR]",
            help="A neighbour, or a delivery's or message's id; all neighbours where none is given.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """End the back-off: one attempt now."""
    if target is not None and _UUID.fullmatch(target):
        _act(node, f"/v1/deliveries/{target}/flush", {"why": why}, as_json)
        return
    named = {} if target is None else {"neighbour": target}
    _act(node, "/v1/queue/flush", {"why": why, **named}, as_json)


def _act_on_either(
    node: Connection,
    action: str,
    name: str | None,
    neighbour: str | None,
    why: str,
    as_json: bool,
) -> None:
    if (name is None) == (neighbour is None):
        raise CommandError(
            f"{action} needs either the id of a delivery or message, or --neighbour NODE", USAGE
        )
    if neighbour is not None:
        _act(node, f"/v1/queue/{action}", {"why": why, "neighbour": neighbour}, as_json)
    else:
        _act(node, f"/v1/deliveries/{segment(name or '')}/{action}", {"why": why}, as_json)


def _act(node: Connection, path: str, document: dict[str, object], as_json: bool) -> None:
    done = asyncio.run(_post(node, path, document))
    if as_json:
        show_json(done)
        return
    typer.echo(f"{done['acted']} {_DONE[done['action']]}")
    if done["receipts"]:
        remark(f"{done['receipts']} parked receipts wait again")
    if done["settled"]:
        remark(f"{done['settled']} left alone: the neighbour, asked, has them already")
    if done["left"]:
        remark(f"{done['left']} left as they are:")
    for reason in done["reasons"]:
        remark(f"  {printable(reason)}")


async def _post(node: Connection, path: str, document: dict[str, object]) -> dict[str, Any]:
    """The order, and again while there is more: the node does a bounded part of it at a time."""
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        done = await client.post(path, document)
        total = dict(done)
        while done["more"] and done["acted"]:
            remark(f"{total['acted']} {_DONE[done['action']]} so far")
            done = await client.post(path, document)
            total["acted"] += done["acted"]
            total["settled"] += done["settled"]
            total["receipts"] += done["receipts"]
            total.update(left=done["left"], reasons=done["reasons"], more=done["more"])
        return total
