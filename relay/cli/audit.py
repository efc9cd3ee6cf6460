"""`relay audit`: read the log as it grows, and recompute it against its signed head.

Touches: the node; for `verify` the node's own journal, read-only.
Raises:  AuditError naming the entry, JournalError, SettingsError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.audit_diff import diff
from relay.cli.audit_export import check_export, export
from relay.cli.connect import Connection, reaching
from relay.cli.entry import entry
from relay.cli.fsck import fsck
from relay.cli.outcome import DATA, USAGE, CommandError, remark, suggest, verdict
from relay.cli.proofs import check_proof, prove
from relay.cli.show import ZONE, local, progress, said_of, show_json, show_table
from relay.cli.steps import KnownWitnessOption, witnesses_of
from relay.cli.tail import tail
from relay.cli.witnesses import witnesses

if TYPE_CHECKING:
    from relay.audit.verify import LogVerdict
    from relay.journal.verifying import LogReport

app = typer.Typer(help="Read and verify the audit log.", no_args_is_help=True)
app.command("tail")(tail)
app.command("show")(entry)
app.command("prove")(prove)
app.command("check-proof")(verdict(check_proof))
app.command("fsck")(verdict(fsck))
app.command("witnesses")(witnesses)
app.command("export")(export)
app.command("check-export")(verdict(check_export))
app.command("diff")(verdict(diff))

_MOST_HEADS = 1000


@app.command("forget")
@reaching
def forget(
    node: Connection,
    why: Annotated[str, typer.Option(help="The reason; an entry of its own keeps it, and who.")],
    holder: Annotated[
        str | None, typer.Option(help="Of this token holder or local user.", show_default=False)
    ] = None,
    older_than_days: Annotated[
        int | None, typer.Option("--older-than-days", min=0, help="Of entries older than that.")
    ] = None,
) -> None:
    """Remove who and why from beside the log; every entry stays, and the log still verifies."""
    if (holder is None) == (older_than_days is None):
        raise CommandError("give one of --holder and --older-than-days", USAGE)
    chosen = {"holder": holder, "older_than_days": older_than_days}
    asked = {name: value for name, value in chosen.items() if value is not None}
    done = asyncio.run(_forget(node, {"why": why, **asked}))
    typer.echo(f"{done['forgotten']} entries have no words beside them any more")


async def _forget(node: Connection, document: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post("/v1/audit/forget", document)


@app.command("timestamps")
@reaching
def timestamps(
    node: Connection,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep each head and its timestamp there.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=_MOST_HEADS, help="So many, the newest first.")
    ] = 10,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Heads of the log with a timestamp: what is in it was there by then."""
    found = asyncio.run(_timestamps(node, limit))
    if save is not None:
        for one in found["heads"]:
            _save(save, one)
        if found["heads"]:
            suggest(
                f"to judge one: openssl ts -verify -data {save}/SIZE.note -in {save}/SIZE.tst"
                " -token_in -CAfile ROOT.pem"
            )
    if as_json:
        show_json(found)
        return
    show_table(
        (f"AT ({ZONE})", "ENTRIES", "AUTHORITY", "LOG"),
        [
            (local(one["at"]), _lines(one)[1], one["authority"], _lines(one)[0])
            for one in found["heads"]
        ],
    )


async def _timestamps(node: Connection, limit: int) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/audit/timestamps", limit=limit)


def _lines(one: dict[str, Any]) -> tuple[str, str]:
    """The log's name and its size, as the note says."""
    name, size, *_ = [*str(one["note"]).split("\n"), "", ""]
    return name, size


def _save(folder: Path, one: dict[str, Any]) -> None:
    from relay.cli.send import write_new  # noqa: PLC0415

    size = _lines(one)[1]
    if not (size.isascii() and size.isdecimal()):
        raise CommandError("the answer holds no head of a log", DATA)
    write_new(folder / f"{size}.note", str(one["note"]).encode())
    write_new(folder / f"{size}.tst", b64decode(one["token"]))


@app.command("verify")
@verdict
def verify(
    path: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="The node's configuration.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The same, as other commands take it.")
    ] = None,
    from_checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A checkpoint or proof file somebody kept: the log must continue it. May be repeated.",
        ),
    ] = None,
    witness: KnownWitnessOption = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Recompute the whole log of a node, running or not: journal, published files, what is kept beside."""
    from relay.offline import verify_whole_log  # noqa: PLC0415

    chosen = path or config
    if chosen is None or (path and config):
        raise CommandError("name one configuration", USAGE, "relay audit verify CONFIG")
    with progress("verifying") as advance:
        report = verify_whole_log(chosen, advance, from_checkpoint or [], witnesses_of(witness))
    if as_json:
        *earlier, present = [_verdict(verdict) for verdict in report.verdicts]
        show_json({"verdict": "VALID", **present, "earlier": earlier, **_beside(report)})
        return
    for one in from_checkpoint or []:
        remark(f"continues the checkpoint in {one.name}")
    for folder, size in report.published.items():
        remark(f"published as log/{folder}: {size} entries" if size else _unpublished(folder))
    if report.unjudged:
        remark(
            f"{report.unjudged} cosignatures by keys that are not known here: name them with --witness"
        )
    for each in report.verdicts:
        for finding in each.findings:
            remark(said_of(finding))
        if each.findings_count > len(each.findings):
            remark(f"{each.findings_count - len(each.findings)} more findings")
        checkpoint = each.checkpoint
        typer.echo(f"ok, {checkpoint.size} entries, root {checkpoint.root.hex()}")


def _unpublished(folder: str) -> str:
    return f"log/{folder} has no checkpoint: a node publishes one soon after its start"


def _beside(report: LogReport) -> dict[str, Any]:
    return {
        "published": dict(report.published),
        "words": report.words,
        "cosignatures": report.cosignatures,
        "cosignatures_unjudged": report.unjudged,
        "heads_of_others": report.watched,
    }


def _verdict(verdict: LogVerdict) -> dict[str, Any]:
    checkpoint = verdict.checkpoint
    return {
        "origin": checkpoint.origin,
        "entries": checkpoint.size,
        "root": checkpoint.root.hex(),
        "findings_count": verdict.findings_count,
        "findings": [asdict(finding) for finding in verdict.findings],
    }
