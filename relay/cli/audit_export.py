"""`relay audit export` and `check-export`: a period of a log in one file, and the judging of such a file.

Touches: the file named; `export` the node, or the files of a stopped one; `check-export` no network.
Trusts:  `check-export` the root certificates given, nothing else.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.instants import period_of
from relay.cli.outcome import remark, suggest
from relay.cli.receiving import write_chunks, write_whole
from relay.cli.send import refuse_existing
from relay.cli.steps import (
    LinesOption,
    StatementOption,
    WitnessOption,
    only_one,
    refuse_both_forms,
    tell_lines,
    tell_steps,
    witnesses_of,
)
from relay.cli.streams import log_to_stderr
from relay.cli.verify import statements_of, trust_of

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
    query = period_of(since, until, datetime.now(UTC))
    query |= {"words": "true"} if with_words else {}
    query |= {"why": why} if why else {}
    if node.config is not None and not _is_running(node):
        asyncio.run(_from_files(node.config, target, query))
    else:
        asyncio.run(fetch(node, target, query))
    suggest(f"to judge it, here or anywhere: relay audit check-export {target} --root ROOT.pem")
    typer.echo(target)


async def fetch(node: Connection, target: Path, query: dict[str, str]) -> None:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client, client.open("/v1/audit/export", {}, **query) as response:
        await write_whole(response, target)


def _is_running(node: Connection) -> bool:
    """Whether anybody listens; a node that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as end:
        try:
            end.connect(str(node.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


async def _from_files(config: Path, target: Path, query: dict[str, str]) -> None:
    """Of a stopped node: an entry of its log all the same."""
    from relay.audit.exporting import Period  # noqa: PLC0415
    from relay.delivery.ports import Caller  # noqa: PLC0415
    from relay.node.stopped_export import stopped_log  # noqa: PLC0415
    from relay.offline import check  # noqa: PLC0415

    log_to_stderr()
    since, until = (
        datetime.fromisoformat(query[one]) if one in query else None for one in ("since", "until")
    )
    caller = Caller(f"local:{_user()}", frozenset(), operator=True, local=True)
    async with stopped_log(check(config)) as desk:
        period = Period(since, until, "words" in query)
        with closing(await desk.export(caller, period, query.get("why", ""))) as export:
            await write_chunks(desk.write(export), export.size_bytes, target)
    remark("the node is stopped: its journal was opened for this, and the export is in its log")


def _user() -> str:
    """Whoever this is to the system, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def check_export(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="An exported log (.asice).")],
    root: Annotated[
        list[Path], typer.Option(metavar="CERT", help="Trusted root; may be repeated.")
    ],
    tsa_root: Annotated[
        list[Path] | None,
        typer.Option(metavar="CERT", help="Root of timestamp authorities. Default: --root."),
    ] = None,
    witness: WitnessOption = None,
    statement: StatementOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every step, as JSON.")] = False,
    lines: LinesOption = False,
) -> None:
    """Judge an exported log offline, step by step. Exit code 0 only if all of it holds."""
    refuse_both_forms(lines=lines, as_json=as_json)
    trust = trust_of(root, [], tsa_root or [])
    witnesses, statements = witnesses_of(witness), statements_of([], statement or [])

    def judged(path: Path) -> Iterator[Step]:
        from relay.signing.export_steps import ExportJudge  # noqa: PLC0415

        with path.open("rb") as opened:
            judge = ExportJudge(opened, trust, witnesses=witnesses, statements=statements)
            yield from judge.steps()

    if lines:
        tell_lines(_told(path, judged(path)) for path in files)
        return
    file = only_one(files)
    tell_steps(file.name, judged(file), as_json=as_json)


def _told(path: Path, steps: Iterator[Step]) -> dict[str, Any]:
    from relay.signing.bundle_told import told_export  # noqa: PLC0415

    return told_export(str(path), list(steps))
