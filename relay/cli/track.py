"""`relay track`: where a message is, how it got there, and the evidence for it.

Touches: the node; with --save a folder of its own making.
Trusts:  nothing of the node's answer: names of folders are numbers and node ids, looked at.
Raises:  CommandError, OSError, WireError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.judged import show_signatures
from relay.cli.obligations import sentence
from relay.cli.outcome import DATA, CommandError, remark
from relay.cli.show import moment, printable, show_json
from relay.cli.timeline import Following, followed, show_timeline
from relay.errors import NotFoundError

if TYPE_CHECKING:
    from relay.cli.client import NativeClient

_RECEIPT_BYTES = 16 << 20
_NODE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@reaching
def track(
    node: Connection,
    message: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for what comes, until all is final.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep the receipts, the seal and what was said of revocation there."
        ),
    ] = None,
) -> None:
    """Show each delivery of a message, and one timeline of its way over all tiers: who says what."""
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
    view = asyncio.run(_track(node, message, save))
    if follow:
        _show_message(view, as_json=as_json)
        asyncio.run(_follow(node, message, as_json=as_json))
    elif as_json:
        show_json(view)
    else:
        _show_message(view, as_json=False)
        if view["timeline"] is not None:
            show_timeline(view["timeline"])


def _show_message(view: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        return
    typer.echo(f"{view['message_id']}  {printable(view['notation'])}  {printable(view['subject'])}")
    typer.echo(
        f"from {printable(view['sender'])}, {_came(view)} {moment(view['accepted_at'])}, "
        f"seal: {view['seal_kind'] or 'not yet'}"
    )
    show_signatures(view.get("signatures", {}))
    for delivery in view["deliveries"]:
        _show_delivery(delivery)


def _show_delivery(delivery: dict[str, Any]) -> None:
    typer.echo(f"\n{printable(delivery['recipient'])}: {delivery['state']}{_why(delivery)}")
    if delivery["business"] != "none":
        typer.echo(f"  business: {delivery['business']}")
    for one in delivery["obligations"]:
        typer.echo(f"  {sentence(one)}")
    for status in delivery["statuses"]:
        typer.echo(
            f"  status {printable(status['status_code'])}: {printable(status['description'])}"
        )


def _came(view: dict[str, Any]) -> str:
    """Only the origin accepts, and its receipts stay with it and those it sends them to."""
    issuers = {
        receipt["issuer"] for delivery in view["deliveries"] for receipt in delivery["receipts"]
    }
    return "arrived here" if issuers and view["origin"] not in issuers else "accepted"


def _why(delivery: dict[str, Any]) -> str:
    """The rest of the sentence: what it waits for, or what ended it."""
    if delivery["reason"]:
        return f", {delivery['reason']}: {printable(delivery['detail'])}"
    if delivery["next_attempt_at"]:
        again = f", to {delivery['next_hop']} again at {moment(delivery['next_attempt_at'])}"
        return f"{again} (attempt {delivery['attempts']}: {printable(delivery['last_error'])})"
    return f", to {delivery['next_hop']}" if delivery["next_hop"] else ""


async def _track(node: Connection, message: str, save: Path | None) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        view = await client.get(f"/v1/messages/{segment(message)}")
        view["timeline"] = await _timeline(client, view["message_id"])
        if save is not None:
            await _save(client, view, save)
            remark(f"kept in {save}; to judge it: relay verify {save} ENVELOPE --root ROOT.pem")
        return view


async def _timeline(client: NativeClient, message: str) -> dict[str, Any] | None:
    """None of a node of an older version."""
    try:
        return await client.get(f"/v1/messages/{segment(message)}/trace")
    except NotFoundError:
        remark("this node tells no timelines: it is of an older version")
        return None


async def _follow(node: Connection, message: str, *, as_json: bool) -> None:
    from relay.cli.client import reach  # noqa: PLC0415

    following = Following()
    async with reach(node) as client:
        async for found in followed(client, message):
            if as_json:
                typer.echo(json.dumps(found, ensure_ascii=False))
            else:
                following.tell(found)


async def _save(client: NativeClient, view: dict[str, Any], folder: Path) -> None:
    from relay.cli.send import write_new  # noqa: PLC0415
    from relay.wire.container import read_receipts  # noqa: PLC0415

    for number, (digest, issuer) in enumerate(_receipts(view), start=1):
        container = await client.get_bytes(f"/v1/receipts/{digest}")
        (signed,) = read_receipts(container, _RECEIPT_BYTES)
        place = folder / f"{number:02d}-{issuer}"
        write_new(place / "receipt.xml", signed.document)
        _save_signature(place, signed.signature)
    if view["seal_kind"] is not None:
        seal = await client.get_bytes(f"/v1/messages/{view['message_id']}/seal")
        write_new(folder / "seal.xml", seal)
    await _save_beside(client, view, folder)


async def _save_beside(client: NativeClient, view: dict[str, Any], folder: Path) -> None:
    """What was said of the signers' revocation, and their certificates: none where nothing is kept."""
    from relay.cli.send import write_new  # noqa: PLC0415

    try:
        found = await client.get(f"/v1/messages/{view['message_id']}/statements")
    except NotFoundError:
        return  # a node of an older version
    for number, text in enumerate(found["certificates"], start=1):
        write_new(folder / "certificates" / f"{number:02d}.der", b64decode(text))
    for number, one in enumerate(found["statements"], start=1):
        kind = "ocsp" if one["kind"] == "ocsp" else "crl"
        write_new(folder / "statements" / f"{number:02d}-{kind}.der", b64decode(one["content"]))


def _save_signature(place: Path, signature: bytes) -> None:
    """The receipt's own; or its proof, with the batch beside it as anybody's XML-DSig software wants it."""
    from relay.cli.send import write_new  # noqa: PLC0415
    from relay.signing.proof_shape import is_batch_proof, split_proof  # noqa: PLC0415

    if not is_batch_proof(signature):
        write_new(place / "signature.xml", signature)
        return
    batch = split_proof(signature)
    write_new(place / "proof.xml", signature)
    write_new(place / "batch.xml", batch.document)
    write_new(place / "batch-signature.xml", batch.signature)


def _receipts(view: dict[str, Any]) -> list[tuple[str, str]]:
    """Digest and issuer of each receipt once, oldest first: one may speak of several deliveries."""
    found: dict[str, tuple[str, str]] = {}
    for delivery in view["deliveries"]:
        for receipt in delivery["receipts"]:
            found.setdefault(receipt["digest"], (receipt["at"], _folder_name(receipt["issuer"])))
    return [
        (digest, issuer) for digest, (_, issuer) in sorted(found.items(), key=lambda one: one[1])
    ]


def _folder_name(issuer: object) -> str:
    """A node's id as certificates have it; anything else that an answer holds names no folder."""
    name = str(issuer)
    if not _NODE_ID.fullmatch(name):
        raise CommandError("the answer names a node by what is no node's id", DATA)
    return name
