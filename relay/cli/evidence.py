"""`relay evidence`: everything about one document in one file, and the judging of such a file.

Touches: the file named; `export` the node, `verify` no network.
Trusts:  `verify` the root certificates given, nothing else.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching, segment
from relay.cli.outcome import USAGE, CommandError, suggest, verdict
from relay.cli.receiving import write_whole
from relay.cli.send import refuse_existing
from relay.cli.show import ZONE, local, show_json, show_table
from relay.cli.steps import LinesOption, only_one, refuse_both_forms, tell_lines, tell_steps
from relay.cli.verify import trust_of

if TYPE_CHECKING:
    from relay.signing.bundle_words import Step
    from relay.signing.summary import Story
    from relay.signing.trust import TrustStore

app = typer.Typer(
    help="Everything about one document in one file that a stranger can judge.",
    no_args_is_help=True,
)


@app.command("export")
@reaching
def export(
    node: Connection,
    message: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: ID.asice in this folder.")
    ] = None,
    why: Annotated[str, typer.Option(metavar="WORDS", help="Why, for the audit log.")] = "",
) -> None:
    """Write all that proves a document to one ASiC-E file, signed by the node."""
    target = out or Path(f"{message}.asice")
    refuse_existing(target)
    asyncio.run(_export(node, message, target, why))
    suggest(f"to judge it, here or anywhere: relay evidence verify {target} --root ROOT.pem")
    typer.echo(target)


async def _export(node: Connection, message: str, target: Path, why: str) -> None:
    from relay.cli.client import reach  # noqa: PLC0415

    path = f"/v1/messages/{segment(message)}/evidence"
    query = {"why": why} if why else {}
    async with reach(node) as client, client.open(path, {}, **query) as response:
        await write_whole(response, target)


@app.command("timestamps")
@reaching
def timestamps(node: Connection, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """What waits for a timestamp and why, and the newest that came."""
    found = asyncio.run(_timestamps(node))
    if as_json:
        show_json(found)
        return
    show_table(
        ("KIND", "STAMPED", f"NEWEST ({ZONE})", "WAITING", f"SINCE ({ZONE})", "ERROR"),
        [
            (
                one["kind"],
                one["stamped"],
                local(one["newest"]),
                one["waiting"],
                local(one["oldest_waiting"]),
                one["last_error"],
            )
            for one in found["kinds"]
        ],
    )


async def _timestamps(node: Connection) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get("/v1/timestamps")


@app.command("verify")
@verdict
def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="An evidence file (.asice).")],
    root: Annotated[
        list[Path], typer.Option(metavar="CERT", help="Trusted root; may be repeated.")
    ],
    tsa_root: Annotated[
        list[Path] | None,
        typer.Option(metavar="CERT", help="Root of timestamp authorities. Default: --root."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.html",
            help="Write what is proven and how as a page to print, Vietnamese and English.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every step, as JSON.")] = False,
    lines: LinesOption = False,
) -> None:
    """Judge an evidence file offline, step by step. Exit code 0 only if all it claims holds."""
    from relay.signing.bundle_steps import BundleJudge  # noqa: PLC0415
    from relay.signing.bundle_words import Step  # noqa: PLC0415

    refuse_both_forms(lines=lines, as_json=as_json)
    trust = trust_of(root, [], tsa_root or [])
    if lines:
        if html is not None:
            raise CommandError("--html shows one file, without --lines", USAGE)
        tell_lines(_told(path, trust) for path in files)
        return
    file = only_one(files)
    if html is not None:
        refuse_existing(html)
    with file.open("rb") as opened:
        judge, done = BundleJudge(opened, trust), list[Step]()
        try:
            tell_steps(file.name, _kept(judge.steps(), done), as_json=as_json)
        finally:
            if html is not None:
                html.write_bytes(_page(judge.story, done, trust))


def _told(path: Path, trust: TrustStore) -> dict[str, Any]:
    from relay.signing.bundle_steps import BundleJudge  # noqa: PLC0415
    from relay.signing.bundle_told import told_evidence  # noqa: PLC0415

    with path.open("rb") as opened:
        judge = BundleJudge(opened, trust)
        steps = list(judge.steps())
        return told_evidence(str(path), steps, judge.hops)


def _kept(steps: Iterable[Step], done: list[Step]) -> Iterator[Step]:
    for step in steps:
        done.append(step)
        yield step


def _page(story: Story | None, steps: list[Step], trust: TrustStore) -> bytes:
    """For people, whatever the verdict: it tells what is proven, and which steps refuse."""
    from relay.signing.summary_made import Judging, write_judged  # noqa: PLC0415

    return write_judged(story, Judging(steps, sorted(trust.anchors.digests())))
