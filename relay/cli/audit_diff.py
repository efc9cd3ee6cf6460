"""`relay audit diff`: do two neighbours' logs agree on every transfer and receipt between them?

Touches: configurations with their journals and export files, reading; nodes by address; no more.
Trusts:  of an export and a node's answer the root certificates given; of a journal its own log key.
Raises:  CommandError, AuditError for a log that does not hold, and what a node answers.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.audit_export import Since, Until, fetch
from relay.cli.connect import Connection, token_in
from relay.cli.instants import period_of
from relay.cli.outcome import DATA, USAGE, CommandError, complain, remark
from relay.cli.show import printable, show_json, show_table
from relay.cli.verify import trust_of
from relay.errors import PeerError

if TYPE_CHECKING:
    from typing import Any

    from relay.journal.comparing import Difference, Side

MISSING, UNVERIFIED = 1, 2
"""Exit codes beside 0 (they agree) and 65 (they contradict one another)."""
MOST_SHOWN = 10_000
"""Differences that are told one by one; all are counted."""
_NODE = typer.Argument(help="A configuration (.toml), an exported log, or a node's address.")


@dataclass(frozen=True, slots=True)
class _Asked:
    period: Mapping[str, str]
    """`since` and `until`, where they were given."""
    trusted: tuple[Path, ...]
    unverified: bool
    ca: Path | None

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        found = {name: datetime.fromisoformat(text) for name, text in self.period.items()}
        return found.get("since"), found.get("until")


def diff(
    node_a: Annotated[str, _NODE],
    node_b: Annotated[str, _NODE],
    since: Since = None,
    until: Until = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(metavar="CERT", help="Trusted root, for exports and running nodes."),
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Read logs without judging them first.")
    ] = False,
    grace: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="Word may be on its way for so long.")
    ] = 900,
    token_file_a: Annotated[Path | None, typer.Option(help="Token for NODE-A's address.")] = None,
    token_file_b: Annotated[Path | None, typer.Option(help="Token for NODE-B's address.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Root certificate of the nodes' TLS.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Compare two neighbours' logs. Exit code 0: they agree; 65: they contradict one another;
    1: something is missing in one; 2: no difference, but in logs that were not verified."""
    from relay.journal.comparing import Comparison, comparing  # noqa: PLC0415

    period = period_of(since, until, datetime.now(UTC))
    asked = _Asked(period, tuple(root or ()), unverified, ca)
    with ExitStack() as open_files:
        sides = [
            _side(one, asked, token, open_files)
            for one, token in ((node_a, token_file_a), (node_b, token_file_b))
        ]
        if sides[0].node == sides[1].node:
            raise CommandError(f"both are logs of {sides[0].node}", USAGE)
        comparison: Comparison = open_files.enter_context(comparing(timedelta(seconds=grace)))
        for side, other in (sides, reversed(sides)):
            comparison.load(side, other.node)
        kinds: Counter[str] = Counter()
        found: list[Difference] = []
        for one in comparison.differences():
            kinds[one.kind.value] += 1
            found += [one] if len(found) < MOST_SHOWN else []
        _tell(found, kinds, comparison.counts(), sides, as_json=as_json, verified=not unverified)


def _side(named: str, asked: _Asked, token: Path | None, open_files: ExitStack) -> Side:
    if named.startswith(("https://", "http://")):
        folder = Path(open_files.enter_context(tempfile.TemporaryDirectory()))
        secret = None if token is None else token_in(token)
        target = folder / "log.asice"
        connection = Connection(named.rstrip("/"), None, secret, asked.ca)
        asyncio.run(fetch(connection, target, {**asked.period, "why": "audit diff"}))
        return _exported(target, asked, open_files)
    if named.endswith(".toml"):
        return _own(Path(named), asked, open_files)
    return _exported(Path(named), asked, open_files)


def _exported(path: Path, asked: _Asked, open_files: ExitStack) -> Side:
    from relay.journal.comparing import Side  # noqa: PLC0415
    from relay.signing.bundle_words import Outcome  # noqa: PLC0415
    from relay.signing.export_leaves import unproven_leaves  # noqa: PLC0415
    from relay.signing.export_steps import ExportJudge  # noqa: PLC0415

    file = open_files.enter_context(path.open("rb"))
    since, until = asked.bounds()
    if asked.unverified:
        try:
            about, leaves = unproven_leaves(file)
        except PeerError as error:
            raise CommandError(f"{path.name}: {error}", DATA) from None
    else:
        if not asked.trusted:
            hint = "give --root CERT, or --unverified to read it as it is"
            raise CommandError(f"{path.name} cannot be verified without a root", USAGE, hint)
        judge = ExportJudge(file, trust_of(list(asked.trusted), []))
        for step in judge.steps():
            if step.outcome is Outcome.REFUSED:
                raise CommandError(f"{path.name} does not hold: {step.reason}: {step.said}", DATA)
        about, leaves = judge.proven.about, judge.leaves()
    starts = [one for one in (since, about.since) if one]
    ends = [one for one in (until, about.until) if one]
    return Side(about.node, leaves, max(starts, default=None), min(ends, default=None))


def _own(config: Path, asked: _Asked, open_files: ExitStack) -> Side:
    """The node's journal, running or not, verified whole with its log's key first."""
    from relay.audit.checkpoint import head_of  # noqa: PLC0415
    from relay.audit.entries import parse  # noqa: PLC0415
    from relay.audit.epochs import first_index  # noqa: PLC0415
    from relay.journal.comparing import Side  # noqa: PLC0415
    from relay.journal.exporting import journal_log  # noqa: PLC0415
    from relay.offline import verify_whole_log  # noqa: PLC0415
    from relay.settings.reading import load  # noqa: PLC0415

    heads = (
        {}
        if asked.unverified
        else {
            one.checkpoint.origin: one.checkpoint.size for one in verify_whole_log(config).verdicts
        }
    )
    log = open_files.enter_context(journal_log(load(config).node.data_dir))

    def entries() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, note in log.heads().items():
            low, head = first_index(number), head_of(note)
            size = heads.get(head.origin, head.size if asked.unverified else 0)
            for index, leaf in log.leaves(low, low + size):
                yield index, parse(leaf)

    return Side(log.node, entries(), *asked.bounds())


def _tell(
    found: list[Difference],
    kinds: Counter[str],
    counts: tuple[int, int],
    sides: list[Side],
    *,
    as_json: bool,
    verified: bool,
) -> None:
    verdict, code = _verdict(kinds, verified=verified)
    names = [side.node for side in sides]
    if as_json:
        show_json(
            {
                "verdict": verdict,
                "verified": verified,
                "nodes": names,
                "transfers": counts[0],
                "receipts": counts[1],
                "kinds": dict(kinds),
                "differences": [asdict(one) for one in found],
            }
        )
    elif found:
        show_table(
            ("KIND", "WHAT", "ID", "IN THE LOG OF", "SAID"),
            [(one.kind, one.what, one.id, one.side, printable(one.said)) for one in found],
        )
    if not verified:
        complain("these logs were read without verifying them")
    pair = " and ".join(names)
    counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()) if count)
    told = f"{pair}: {verdict}; {counts[0]} transfers, {counts[1]} receipts"
    remark(f"{told}; {counted}" if counted else told)
    raise typer.Exit(code)


def _verdict(kinds: Counter[str], *, verified: bool) -> tuple[str, int]:
    if kinds["contradiction"]:
        return "CONTRADICTION", DATA
    if kinds["missing"]:
        return "MISSING", MISSING
    return ("AGREE", 0) if verified else ("NO-DIFFERENCE-UNVERIFIED", UNVERIFIED)
