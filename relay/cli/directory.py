"""`relay directory`: who is in it, how a code is understood, and what operators change in it.

Touches: the node; the file that is imported.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.files import CERTIFICATES_BYTES, certificates_in, small_file
from relay.cli.outcome import USAGE, CommandError, remark
from relay.cli.show import ZONE, local, moment, printable, progress, show_json, show_table

app = typer.Typer(help="Agencies: their codes, who serves them, changes.", no_args_is_help=True)
COLUMNS = (
    "code", "old_code", "name", "tier", "node", "parent", "mail", "centre",
    "valid_from", "valid_to", "successors", "deleted", "certificates",
)  # fmt: skip
_PAGE = 500
_TYPES = {".csv": "text/csv", ".json": "application/json"}

AsJson = Annotated[bool, typer.Option("--json")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="An agency's code in any form.")]
Number = Annotated[
    int, typer.Argument(metavar="NUMBER", help="As `relay directory pending` shows.")
]
Reason = Annotated[str, typer.Option("--why", help="The reason; the audit log keeps it, and who.")]


@app.command("import")
@reaching
def import_(
    node: Connection,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .json table.")],
    why: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take agencies over from a table: each row stands for its code from then on, all rows or none."""
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        raise CommandError(f"{path} is neither .csv nor .json", USAGE)
    query = {"why": why, **({"dry_run": "true"} if dry_run else {})}
    done = asyncio.run(_import(node, path, kind, query))
    if as_json:
        show_json(done)
        return
    would = "would look" if dry_run else "look"
    remark(f"{done['changed']} agencies {would} otherwise now, as of version {done['version']}")
    for one in done["remarks"]:
        remark(f"  {printable(one)}")


@app.command("export")
@reaching
def export(
    node: Connection,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of CSV.")] = False,
    living: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
) -> None:
    """Write every agency to stdout, as `import` takes it."""
    asyncio.run(_export(node, as_json=as_json, living=living))


@app.command("bind")
@reaching
def bind(
    node: Connection,
    code: Code,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Certificates (PEM); the first of each.")
    ],
    why: Reason,
    remove: Annotated[bool, typer.Option("--remove", help="They may not any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say in the directory that these certificates may seal for an agency that they do not name."""
    prints = [_print_of(path, known=remove) for path in files]
    done = asyncio.run(_bind(node, code, prints, why, remove=remove))
    if as_json:
        show_json(done)
        return
    remark(f"{code} is {'no longer ' if remove else ''}bound to {' '.join(prints)}")


def _print_of(path: Path, *, known: bool) -> str:
    """`known`: bound already, be it whatever file a release before this took for a certificate."""
    der = small_file(path, CERTIFICATES_BYTES) if known else b""
    if not der or b"-----BEGIN" in der:
        der = certificates_in(path)[0]
    return hashlib.sha256(der).hexdigest()


async def _bind(
    node: Connection, code: str, prints: list[str], why: str, *, remove: bool
) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        found = await client.get(f"/v1/directory/{segment(code)}")
        kept = [one for one in found["certificates"] if one not in prints]
        row = {name: found[name] for name in COLUMNS}
        row["certificates"] = kept if remove else [*kept, *prints]
        content = io.BytesIO(json.dumps({"agencies": [row]}).encode())
        headers = {"Content-Type": "application/json"}
        async with client.exchange("/v1/directory/import", content, headers, why=why) as response:
            done: dict[str, Any] = await response.json()
            return done


@app.command("show")
@reaching
def show(node: Connection, code: Code, as_json: AsJson = False) -> None:
    """One agency, by either form of its code."""
    found = asyncio.run(_get(node, f"/v1/directory/{segment(code)}"))
    if as_json:
        show_json(found)
        return
    for name in (*COLUMNS, "standing", "version"):
        value = found[name]
        shown = " ".join(value) if isinstance(value, list) else value
        if shown not in (None, "", False):
            typer.echo(f"{name + ':':<12} {printable(shown)}")
    if found["modified_at"] is not None:
        typer.echo(f"{'changed:':<12} {moment(found['modified_at'])}")


@app.command("explain")
@reaching
def explain(node: Connection, code: Code, as_json: AsJson = False) -> None:
    """How a code is understood here, in sentences, and where a document for it would go."""
    found = asyncio.run(_get(node, f"/v1/directory/{segment(code)}/explain"))
    if as_json:
        show_json(found)
        return
    for sentence in found["sentences"]:
        typer.echo(printable(sentence))


@app.command("pending")
@reaching
def pending(node: Connection, as_json: AsJson = False) -> None:
    """What systems asked for (registerAgency, deleteAgency) and nobody has decided."""
    found = asyncio.run(_pending(node))
    if as_json:
        show_json({"requests": found})
        return
    show_table(
        ("NUMBER", "SYSTEM", "WHAT", "CODE", "NAME", f"ASKED ({ZONE})"),
        [
            (
                one["request_id"],
                one["systemid"],
                one["kind"],
                one["agency"]["code"],
                one["agency"]["name"],
                local(one["asked_at"]),
            )
            for one in found
        ],
    )


@app.command("approve")
@reaching
def approve(node: Connection, number: Number, why: Reason, as_json: AsJson = False) -> None:
    """Do what a system asked for."""
    _decide(node, number, "approve", why, as_json=as_json)


@app.command("reject")
@reaching
def reject(node: Connection, number: Number, why: Reason, as_json: AsJson = False) -> None:
    """Do not do what a system asked for."""
    _decide(node, number, "reject", why, as_json=as_json)


@app.command("branches")
@reaching
def branches(node: Connection, as_json: AsJson = False) -> None:
    """What owners of branches signed and this node holds, with its versions."""
    found = asyncio.run(_get(node, "/v1/directory/branches"))
    if as_json:
        show_json(found)
        return
    show_table(
        ("ISSUER", "VERSION", f"EXPIRES ({ZONE})", "", "DIGEST"),
        [
            (
                one["issuer"],
                one["version"],
                local(one["expires_at"]),
                "expired" if one["expired"] else "",
                one["digest"],
            )
            for one in found["branches"]
        ],
    )


def _decide(node: Connection, number: int, verb: str, why: str, *, as_json: bool) -> None:
    done = asyncio.run(_post(node, f"/v1/directory/requests/{number}/{verb}", {"why": why}))
    if as_json:
        show_json(done)
        return
    agency = done["agency"]
    remark(f"{done['state']}: {done['kind']} {agency['code']} for {printable(done['systemid'])}")


async def _import(node: Connection, path: Path, kind: str, query: dict[str, str]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    headers = {"Content-Type": kind}
    with path.open("rb") as file:
        async with (
            reach(node) as client,
            client.exchange("/v1/directory/import", file, headers, **query) as response,
        ):
            done: dict[str, Any] = await response.json()
            return done


async def _export(node: Connection, *, as_json: bool, living: bool) -> None:
    out, first = csv.writer(sys.stdout, lineterminator="\n"), True
    typer.echo('{"agencies": [' if as_json else ",".join(COLUMNS))
    async for one in _agencies(node):
        if living and one["standing"] != "open":
            continue
        row = {name: one[name] for name in COLUMNS}
        if as_json:
            typer.echo(("" if first else ",") + json.dumps(row, ensure_ascii=False))
            first = False
        else:
            out.writerow([_cell(row[name]) for name in COLUMNS])
    if as_json:
        typer.echo("]}")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else ""
    return " ".join(value) if isinstance(value, list) else value


async def _agencies(node: Connection) -> AsyncIterator[dict[str, Any]]:
    from relay.cli.client import reach  # noqa: PLC0415

    after, done = "", 0
    async with reach(node) as client:
        with progress("agencies") as advance:
            while after is not None:
                page = await client.get("/v1/directory", after=after, limit=_PAGE)
                for one in page["agencies"]:
                    yield one
                done += len(page["agencies"])
                advance(done, page["total"])
                after = page["next"]


async def _pending(node: Connection) -> list[dict[str, Any]]:
    from relay.cli.client import reach  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    after: int | None = 0
    async with reach(node) as client:
        while after is not None:
            page = await client.get("/v1/directory/requests", after=after, limit=_PAGE)
            found += page["requests"]
            after = page["next"]
    return found


async def _get(node: Connection, path: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get(path)


async def _post(node: Connection, path: str, document: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post(path, document)
