"""`relay audit fsck`: what holds of a log in the files of a stopped or copied node, and what can be done.

Touches: the folder, or the configuration and its data folder; never writing.
Trusts:  the log's key and the witnesses' of the configuration, or the verifier keys given.
Raises:  CommandError, SettingsError, JournalError; what does not hold is data, and exit code 65.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.outcome import DATA, NO_INPUT, USAGE, CommandError, complain, remark, suggest
from relay.cli.show import printable, progress, said_of, show_json
from relay.cli.steps import (
    KnownWitnessOption,
    LinesOption,
    only_one,
    refuse_both_forms,
    tell_lines,
    witnesses_of,
)
from relay.errors import JournalError

if TYPE_CHECKING:
    from relay.journal.fsck import StoreState
    from relay.model import Finding

_COLOURS = {"holds": "green", "damaged": "red", "missing": "red", "unknown": "yellow"}


def fsck(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER|CONFIG",
            help="A data folder, a published log, or the configuration of a stopped node.",
        ),
    ],
    vkey: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="The log's verifier key, the present one first where it was another before; of a CONFIG it"
            " is the node's.",
        ),
    ] = None,
    witness: KnownWitnessOption = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    lines: LinesOption = False,
) -> None:
    """Judge each store of a log by itself and against the others, and say what can be done."""
    from relay.offline import check_log_files  # noqa: PLC0415

    refuse_both_forms(lines=lines, as_json=as_json)
    for place in places:
        _require_judgeable(place, vkey)
    witnesses = witnesses_of(witness)

    def judged(place: Path) -> list[StoreState]:
        with progress("checking") as advance:
            return check_log_files(place.resolve(), vkey or [], advance, witnesses)

    if lines:
        tell_lines(_told(place, judged) for place in places)
        return
    states = judged(only_one(places))
    if as_json:
        show_json([asdict(one) for one in states])
    else:
        seen: set[Finding] = set()
        for one in states:
            _print(one, seen)
    _conclude(states)


def _require_judgeable(place: Path, vkey: list[str] | None) -> None:
    if not place.exists():
        raise CommandError(f"{place}: no such file or folder", NO_INPUT)
    if vkey and not place.is_dir():
        raise CommandError("--vkey goes with a folder: a configuration has its own key", USAGE)


def _told(place: Path, judged: Callable[[Path], list[StoreState]]) -> dict[str, Any]:
    """As docs/conformance.md has it: what no key proves does not hold."""
    try:
        states = judged(place)
    except (JournalError, FileNotFoundError) as error:
        why = str(getattr(error, "strerror", None) or error)
        return {"file": str(place), "holds": False, "reasons": ["missing"], "said": [why]}
    wrong = [one for one in states if not _is_proven(one)]
    reasons = sorted({one.condition.value for one in wrong})
    said = [f"{one.store}: {one.said}" for one in wrong]
    return {"file": str(place), "holds": not wrong, "reasons": reasons, "said": said}


def _is_proven(one: StoreState) -> bool:
    """Cosignatures by keys that are not known say nothing for a log, and nothing against it."""
    others = one.condition.value == "unknown" and one.store.startswith("cosignatures ")
    return others or one.condition.value == "holds"


def _print(one: StoreState, seen: set[Finding]) -> None:
    """What is odd in the journal is so in the published copy, and said once."""
    typer.secho(f"{one.condition:<8}", fg=_COLOURS[one.condition.value], nl=False)
    typer.echo(f" {printable(one.store)}: {printable(one.said)}")
    for finding in (found for found in one.findings if found not in seen):
        remark(said_of(finding))
    if one.findings_count > len(one.findings) and not seen.issuperset(one.findings):
        remark(f"{one.findings_count - len(one.findings)} more findings")
    seen.update(one.findings)


def _conclude(states: list[StoreState]) -> None:
    for remedy in dict.fromkeys(one.remedy for one in states if one.remedy):
        suggest(remedy)
    wrong = [one.store for one in states if one.condition.value in {"damaged", "missing"}]
    if wrong:
        complain(f"{len(wrong)} of {len(states)} do not hold: {', '.join(map(printable, wrong))}")
        raise typer.Exit(DATA)
    if any(one.condition.value == "unknown" for one in states):
        remark(
            "nothing contradicts itself; signatures by keys that are not known prove nothing here"
        )
        return
    remark(f"ok, all {len(states)} hold")
