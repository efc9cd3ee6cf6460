"""`relay audit export` and `check-export`: a period of a log in one file, and the judging of such a file.

Touches: the file named; `export` the node, `check-export` no network.
Trusts:  `check-export` the root certificates given, nothing else.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.evidence import print_step, step_as_json
from relay.cli.instants import instant_of
from relay.cli.outcome import DATA, complain, remark, suggest
from relay.cli.receiving import write_whole
from relay.cli.send import refuse_existing
from relay.cli.show import show_json
from relay.cli.verify import trust_of

if TYPE_CHECKING:
    from relay.signing.bundle_words import Step

Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="From then on: 2h, 3d, a date or time (Vietnam), RFC 3339. Default: all.",
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")]


@reaching
def export(
    node: Connection,
    since: Since = None,
    until: Until = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: log.asice in this folder.")
    ] = None,
    with_words: Annotated[
        bool, typer.Option("--with-words", help="With who and why: personal; noted in the log.")
    ] = False,
    why: Annotated[str, typer.Option(metavar="WORDS", help="Why, for the audit log.")] = "",
) -> None:
    """Write a period of the log, with what proves it, to one file signed by the node."""
    target = out or Path("log.asice")
    refuse_existing(target)
    query = {"since": when("--since", since), "until": when("--until", until), "why": why}
    query |= {"words": "true"} if with_words else {}
    asyncio.run(fetch(node, target, {name: text for name, text in query.items() if text}))
    suggest(f"to judge it, here or anywhere: relay audit check-export {target} --root ROOT.pem")
    typer.echo(target)


async def fetch(node: Connection, target: Path, query: dict[str, str]) -> None:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client, client.open("/v1/audit/export", {}, **query) as response:
        await write_whole(response, target)


def when(option: str, text: str | None) -> str:
    """The instant as the node is asked for it; empty where none is named."""
    if text is None:
        return ""
    return instant_of(option, text, datetime.now(UTC)).astimezone(UTC).isoformat()


def check_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported log (.asice).")],
    root: Annotated[
        list[Path], typer.Option(metavar="CERT", help="Trusted root; may be repeated.")
    ],
    tsa_root: Annotated[
        list[Path] | None,
        typer.Option(metavar="CERT", help="Root of timestamp authorities. Default: --root."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every step, as JSON.")] = False,
) -> None:
    """Judge an exported log offline, step by step. Exit code 0 only if all of it holds."""
    from relay.signing.bundle_words import Outcome  # noqa: PLC0415
    from relay.signing.export_steps import ExportJudge  # noqa: PLC0415

    done: list[Step] = []
    with file.open("rb") as opened:
        for step in ExportJudge(opened, trust_of(root, [], tsa_root or [])).steps():
            done.append(step)
            if not as_json:
                print_step(step)
    if as_json:
        show_json([step_as_json(one) for one in done])
    if done[-1].outcome is Outcome.REFUSED:
        complain(f"{file.name} does not hold: {done[-1].reason}")
        raise typer.Exit(DATA)
    remark(f"all {len(done)} steps hold")
