"""`relay token`: who may use the native API, for operators.

Touches: the node.
Raises:  what the node answers.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import remark
from relay.cli.show import ZONE, local, show_json, show_table

app = typer.Typer(help="Issue, list and revoke bearer tokens.", no_args_is_help=True)


@app.command("issue")
@reaching
def issue(
    node: Connection,
    holder: Annotated[str, typer.Option(help="Whom it is for; the audit log names them.")],
    scope: Annotated[
        list[str], typer.Option(help="agency:CODE, operator or auditor; may be repeated.")
    ],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Issue a token. Prints its secret, this once: the node keeps only a hash."""
    issued = asyncio.run(_post(node, {"holder": holder, "scopes": scope}))
    if as_json:
        show_json(issued)
        return
    remark(f"token {issued['token']['token_id']} for {holder}; its secret is shown only now")
    typer.echo(issued["secret"])


@app.command("list")
@reaching
def list_tokens(node: Connection, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List all tokens, the revoked ones too."""
    tokens = asyncio.run(_get(node))["tokens"]
    if as_json:
        show_json(tokens)
        return
    show_table(
        ("TOKEN", "HOLDER", "SCOPES", f"CREATED ({ZONE})", f"REVOKED ({ZONE})"),
        [
            (
                one["token_id"],
                one["holder"],
                " ".join(one["scopes"]),
                local(one["created_at"]),
                local(one["revoked_at"]),
            )
            for one in tokens
        ],
    )


@app.command("revoke")
@reaching
def revoke(
    node: Connection,
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, from `token list`.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Revoke a token, at once."""
    view = asyncio.run(_delete(node, token_id))
    if as_json:
        show_json(view)
    else:
        remark(f"token {view['token_id']} of {view['holder']} is revoked")


async def _post(node: Connection, document: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post("/v1/tokens", document)


async def _get(node: Connection) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/tokens")


async def _delete(node: Connection, token_id: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.delete(f"/v1/tokens/{segment(token_id)}")
