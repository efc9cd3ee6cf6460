"""`relay conformance`: judge two nodes by their wire.

Touches: the files of the judged nodes, a folder of its own, connections.
Raises:  SettingsError for what cannot be read; exit code 1 where anything failed or could not be told.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from relay.conformance import credentials
from relay.conformance.clauses import every_assertion
from relay.conformance.own import own_nodes
from relay.conformance.reports import document, junit, table
from relay.conformance.running import Run
from relay.conformance.subject import read_subject
from relay.conformance.verdicts import Assertion, Judged, Verdict
from relay.errors import SettingsError

HELD = frozenset({Verdict.PASS, Verdict.NOT_CLAIMED})


def conformance(
    nodes: Annotated[
        list[Path] | None, typer.Argument(help="Two files, one for each judged node.")
    ] = None,
    *,
    own: Annotated[bool, typer.Option("--self", help="Start two nodes and judge them.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only list the assertions.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Clauses, chapters or assertions: W4, W4.5, W4.5/same-bytes."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder for the kit's certificates and the bytes of what did not hold."),
    ] = None,
    setup: Annotated[
        bool, typer.Option("--setup", help="Only make the certificates and say what to configure.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    to_junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML there, too.")
    ] = None,
) -> None:
    """Judge two nodes, of any make, by what they say on the wire."""
    chosen = _chosen(only or [])
    if listing:
        table.print_assertions(chosen, sys.stdout, as_json=as_json)
        return
    with tempfile.TemporaryDirectory(prefix="relay-conformance-") as scratch:
        folder = keep or Path(scratch)
        found = asyncio.run(_run(nodes or [], folder, chosen, own=own, setup=setup))
        if found is None:
            return
        if to_junit is not None:
            to_junit.write_bytes(junit.written(found))
        if as_json:
            print(json.dumps(document.of(found), ensure_ascii=False, indent=1))
        else:
            table.print_judged(found, sys.stdout, kept=keep is not None)
    if not all(one.verdict in HELD for one in found):
        raise typer.Exit(1)


def _chosen(only: Sequence[str]) -> list[Assertion]:
    every = every_assertion()
    chosen = [one for one in every if not only or any(_names(name, one) for name in only)]
    for name in only:
        if not any(_names(name, one) for one in every):
            raise SettingsError([f"no assertion is of {name}; relay conformance --list"])
    return chosen


def _names(name: str, one: Assertion) -> bool:
    return name in {one.full_name, one.clause, one.clause.split(".")[0]}


async def _run(
    files: Sequence[Path], folder: Path, chosen: Sequence[Assertion], *, own: bool, setup: bool
) -> list[Judged] | None:
    kept, now = folder / "kept", datetime.now(UTC)
    if own:
        with tempfile.TemporaryDirectory(prefix="relay-judged-") as home:
            async with own_nodes(Path(home), now) as made:
                return await _judged(
                    Run(made.subjects, made.authority, chosen, kept), len(chosen) * 2
                )
    if len(files) != 2:
        raise SettingsError(["two nodes are judged: give a file for each, or --self"])
    first, second = (read_subject(path) for path in files)
    authority = credentials.prepare(folder, (first, second), now)
    if setup:
        for one, other in ((first, second), (second, first)):
            print(credentials.to_configure(one, other, authority.root.resolve()), end="\n\n")
        return None
    return await _judged(Run((first, second), authority, chosen, kept), len(chosen) * 2)


async def _judged(run: Run, count: int) -> list[Judged]:
    console = Console(stderr=True)
    with table.progress(console, count) as told:
        return await _with(run, told).judge()


def _with(run: Run, told: Callable[[Judged], None]) -> Run:
    return Run(run.subjects, run.authority, run.assertions, run.keep, run.keep_all, told)
