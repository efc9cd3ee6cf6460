"""`relay archive`: the files that documents leave for, what is in them, and what must not leave.

Touches: the files named; the node, but for `verify` and `export`, and `package` of a file, which need none.
Trusts:  `verify` the root certificates given, nothing else.
Raises:  CommandError, WireError, DamagedError, SignatureError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.archived import take_out
from relay.cli.connect import Connection, reaching, reaching_if_asked, segment
from relay.cli.outcome import (
    DATA,
    NO_INPUT,
    USAGE,
    CommandError,
    complain,
    remark,
    suggest,
    verdict,
)
from relay.cli.receiving import write_whole
from relay.cli.send import refuse_existing
from relay.cli.show import ZONE, local, printable, show_json, show_table
from relay.cli.verify import trust_of
from relay.errors import PeerError

if TYPE_CHECKING:
    from relay.signing.archives import ProvenArchive

app = typer.Typer(
    help="The archive: its files, what must not leave, packages for e-filing.",
    no_args_is_help=True,
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PAGE = 1000

Name = Annotated[
    str, typer.Argument(metavar="ID|CODE", help="A message's id, or an agency's code for all its.")
]
Reason = Annotated[str, typer.Option("--why", help="The reason; the audit log keeps it, and who.")]
AsJson = Annotated[bool, typer.Option("--json")]
Archive = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder of the archive, or a copy of it.")
]
Place = Annotated[
    Path, typer.Argument(metavar="FOLDER|FILE", help="The archive's folder, or one of its files.")
]


@app.command("list")
@reaching
def listing(
    node: Connection,
    holds: Annotated[bool, typer.Option("--holds", help="What must not leave, instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """The archive's files with their digests, oldest first."""
    if holds:
        _show_holds(asyncio.run(_holds(node)), as_json)
    else:
        _show_files(asyncio.run(_files(node)), as_json)


@app.command("verify")
@verdict
def verify(
    folder: Archive,
    root: Annotated[
        list[Path], typer.Option(metavar="CERT", help="Trusted root; may be repeated.")
    ],
    last: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Digest that the newest file must have, from the log."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge every file and that each follows on the one before. Names the first that does not fit."""
    from relay.signing.archives import archive_files, verify_next  # noqa: PLC0415

    trust = trust_of(root, [])
    before: ProvenArchive | None = None
    done: list[dict[str, Any]] = []
    for path in archive_files(folder):
        try:
            before = verify_next(path, before, trust)
        except PeerError as error:
            complain(f"{path.name} does not fit: {printable(str(error))}")
            raise typer.Exit(DATA) from None
        done.append(_proven(before))
        if not as_json:
            typer.echo(f"{path.name}  holds  {before.digest}")
    if as_json:
        show_json(done)
    if before is None:
        raise CommandError(f"no archive file in {folder}", NO_INPUT)
    if last is not None and before.digest != last:
        complain(f"{before.name} is not the newest: another digest than {printable(last)}")
        raise typer.Exit(DATA)
    messages = sum(one["messages"] for one in done)
    remark(
        f"{len(done)} files of {before.index.node} hold, each follows on the one before; {messages} messages"
    )
    if last is None:
        suggest("whether files are missing at the end only the log tells: --last SHA256")


@app.command("export")
@verdict
def export(
    place: Place,
    message: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: ID.asice in this folder.")
    ] = None,
) -> None:
    """Take a message's newest evidence file out of the archive, without a node.

    Exit code 65: a file was damaged and is named; what was found in the others is written.
    """
    if not _UUID.fullmatch(message):
        raise CommandError(f"{printable(message)} is no message's id", USAGE)
    target = out or Path(f"{message}.asice")
    refuse_existing(target)
    whole = take_out(place, message, target)
    suggest(f"to judge it, here or anywhere: relay evidence verify {target} --root ROOT.pem")
    typer.echo(target)
    _say_if_passed_over(whole)


@app.command("hold")
@reaching
def hold(node: Connection, name: Name, why: Reason) -> None:
    """Nothing of it leaves the journal or the node, whatever its age, until it is released."""
    found = asyncio.run(_act(node, "/v1/archive/holds", name, why))
    remark(f"held: {found['kind']} {printable(found['name'])}")


@app.command("release")
@reaching
def release(node: Connection, name: Name, why: Reason) -> None:
    """End a hold: retention applies again."""
    found = asyncio.run(_act(node, "/v1/archive/holds/release", name, why))
    remark(f"released: {found['kind']} {printable(found['name'])}")


@app.command("package")
@verdict
@reaching_if_asked
def package(
    connect: Callable[[], Connection],
    what: Annotated[
        str, typer.Argument(metavar="FILE|ID", help="An evidence file, or a message's id.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Must not exist.")],
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|FILE", help="Take the message ID from the archive, without a node."
        ),
    ] = None,
    why: Annotated[str, typer.Option(metavar="WORDS", help="Why, for the audit log.")] = "",
) -> None:
    """Write a folder for the agency's e-filing: document, attachments, metadata (XML), evidence.

    Of an evidence file or out of the archive it needs no node; of a message's id alone it asks the node.
    """
    from relay.cli.package import make_package, workplace  # noqa: PLC0415

    named = _UUID.fullmatch(what) is not None
    if archive is not None and not named:
        raise CommandError(f"{printable(what)} is no message's id", USAGE)
    whole = True
    with workplace(out) as place:
        evidence = place / "coming.asice" if named else Path(what)
        if archive is not None:
            whole = take_out(archive, what, evidence)
        elif named:
            asyncio.run(_fetch(connect(), what, evidence, why))
        files = make_package(evidence, place, out)
    for path in files:
        typer.echo(printable(str(path)))
    _say_if_passed_over(whole)


def _say_if_passed_over(whole: bool) -> None:
    if not whole:
        suggest("a file that was passed over may hold newer evidence of it: relay archive verify")
        raise typer.Exit(DATA)


async def _fetch(node: Connection, message: str, target: Path, why: str) -> None:
    from relay.cli.client import reach  # noqa: PLC0415

    query = {"why": why} if why else {}
    path = f"/v1/messages/{segment(message)}/evidence"
    async with reach(node) as client, client.open(path, {}, **query) as response:
        await write_whole(response, target)


async def _act(node: Connection, path: str, name: str, why: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    kind = "message" if _UUID.fullmatch(name) else "agency"
    async with reach(node) as client:
        return await client.post(path, {"kind": kind, "name": name, "why": why})


async def _files(node: Connection) -> list[dict[str, Any]]:
    from relay.cli.client import reach  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    async with reach(node) as client:
        while True:
            after = found[-1]["number"] if found else 0
            page = await client.get("/v1/archive", after=after, limit=_PAGE)
            found += page["files"]
            if len(page["files"]) < _PAGE:
                return found


async def _holds(node: Connection) -> list[dict[str, Any]]:
    from relay.cli.client import reach  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    async with reach(node) as client:
        while True:
            after = {"after": f"{found[-1]['kind']}:{found[-1]['name']}"} if found else {}
            page = await client.get("/v1/archive/holds", limit=_PAGE, **after)
            found += page["holds"]
            if len(page["holds"]) < _PAGE:
                return found


def _show_files(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_table(
        ("NAME", f"WRITTEN ({ZONE})", "MESSAGES", "BYTES", "SHA-256"),
        [
            (
                one["name"],
                local(one["written_at"]),
                one["messages"],
                one["size_bytes"],
                one["digest"],
            )
            for one in found
        ],
    )


def _show_holds(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_table(
        ("HELD", "", f"SINCE ({ZONE})", "BY", "WHY"),
        [(one["name"], one["kind"], local(one["held_at"]), one["by"], one["why"]) for one in found],
    )


def _proven(one: ProvenArchive) -> dict[str, Any]:
    return {
        "name": one.name,
        "digest": one.digest,
        "number": one.index.number,
        "node": one.index.node,
        "messages": len(one.index.messages),
        "renewed": sum(held.renews is not None for held in one.index.messages),
        "signed_at": one.signed.signed_at.isoformat(),
        "subject": one.signed.subject,
    }
