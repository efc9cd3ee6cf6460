"""`relay audit show`: one entry of the log whole, with what each field means and what stands around it.

Touches: stdout, the node.
Trusts:  the leaf only as far as its hash: what is shown is read from the very bytes that were hashed.
Raises:  AuditError where they are not each other's, and what the node answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.outcome import USAGE, CommandError
from relay.cli.show import printable, show_json, show_table
from relay.errors import AuditError

Found = dict[str, Any]


@reaching
def entry(
    node: Connection,
    index: Annotated[int, typer.Argument(min=0, metavar="N", help="Its index in the log.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the leaf's exact bytes, and nothing else.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show one entry whole: its fields, its hash, its log, the entries around it."""
    if raw and as_json:
        raise CommandError("--raw and --json cannot both be given", USAGE)
    found = asyncio.run(_get(node, index))
    leaf = _leaf(found, index)
    if raw:
        sys.stdout.buffer.write(leaf)
        sys.stdout.buffer.flush()
    elif as_json:
        show_json(found)
    else:
        _show(found, leaf)


async def _get(node: Connection, index: int) -> Found:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get(f"/v1/audit/entries/{index}")


def _leaf(found: Found, index: int) -> bytes:
    """The bytes, once they have the hash that is said of them."""
    from relay.audit.tree import leaf_hash  # noqa: PLC0415

    try:
        leaf = b64decode(str(found["leaf"]), validate=True)
        said = str(found["leaf_hash"])
    except (LookupError, ValueError):
        raise AuditError("the answer holds no leaf", index) from None
    if leaf_hash(leaf).hex() != said:
        raise AuditError("the leaf does not have the hash that is stored with it", index)
    return leaf


def _show(found: Found, leaf: bytes) -> None:
    from relay.audit.entries import parse  # noqa: PLC0415
    from relay.audit.meanings import MEANINGS  # noqa: PLC0415

    fields = parse(leaf)
    rows = [(name, _value(fields[name]), MEANINGS.get(name, "")) for name in fields]
    rows += [
        (place, text, f"beside the leaf: what {place} holds the salted digest of")
        for place, text in found.get("words", {}).items()
    ]
    show_table(("FIELD", "VALUE", "MEANING"), rows)
    typer.echo()
    typer.echo(f"leaf hash  {found['leaf_hash']}")
    typer.echo(f"log        {printable(found['log'])}, epoch {found['epoch']}")
    typer.echo()
    for line in _around(found):
        typer.echo(line)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _around(found: Found) -> Iterator[str]:
    from relay.audit.tail import line  # noqa: PLC0415
    from relay.audit.words import replaced  # noqa: PLC0415

    for mark, one in (("  ", found["before"]), ("> ", found), ("  ", found["after"])):
        if one is not None:
            yield f"{mark}{one['index']:>8}  {line(replaced(one['entry'], one.get('words', {})), colour=False)}"
