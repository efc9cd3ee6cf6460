"""What the offline judges of files have in common: the steps on the terminal, whom and what they are given.

Touches: the files named.
Raises:  CommandError, OSError; typer.Exit with 65 where a step refuses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.files import CERTIFICATES_BYTES, small_file
from relay.cli.outcome import DATA, USAGE, CommandError, complain, remark
from relay.cli.show import printable, show_json
from relay.errors import AuditError, PeerError, SettingsError

if TYPE_CHECKING:
    from relay.signing.bundle_words import Step
    from relay.signing.log_witnesses import Witness

_COLOURS = {"holds": "green", "refused": "red", "unknown": "yellow"}

WitnessOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY|CERT",
        help="A witness that must have cosigned: its verifier key, or a node's log certificate. May be repeated.",
    ),
]
KnownWitnessOption = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="KEY|CERT",
        help="A witness whose word is to be judged, beside those known here. May be repeated.",
    ),
]
StatementOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--statement",
        "--crl",
        metavar="FILE",
        help="CRL or OCSP response (DER), by which revocation is judged. May be repeated.",
    ),
]

LinesOption = Annotated[
    bool,
    typer.Option("--lines", help="Several files: of each one line of JSON, for another program."),
]


def only_one(files: Sequence[Path]) -> Path:
    """The file that is shown step by step."""
    if len(files) != 1:
        raise CommandError("several files are judged with --lines", USAGE)
    return files[0]


def refuse_both_forms(*, lines: bool, as_json: bool) -> None:
    if lines and as_json:
        raise CommandError("--lines and --json cannot both be given", USAGE)


def tell_lines(told: Iterable[Mapping[str, Any]]) -> None:
    """A line of JSON for each file, as soon as it is judged."""
    refused = 0
    for one in told:
        typer.echo(json.dumps(one))
        refused += not one["holds"]
    if refused:
        raise typer.Exit(DATA)


def tell_steps(name: str, steps: Iterable[Step], *, as_json: bool) -> None:
    """Each as it is finished, or all of them as JSON; then what it comes to."""
    done: list[Step] = []
    for step in steps:
        done.append(step)
        if not as_json:
            _print(step)
    if as_json:
        show_json([_as_json(one) for one in done])
    refused = {one.reason for one in done if one.outcome.value == "refused"}
    if refused:
        complain(f"{printable(name)} does not hold: {', '.join(sorted(refused))}")
        raise typer.Exit(DATA)
    unknown = sum(one.outcome.value == "unknown" for one in done)
    remark(f"all that is claimed holds; of {len(done)} steps {unknown} are unknown")


def _print(step: Step) -> None:
    said = f"{step.reason}: {step.said}" if step.reason else step.said
    typer.secho(
        f"{step.number:>3}  {step.outcome.value:<8}", fg=_COLOURS[step.outcome.value], nl=False
    )
    typer.echo(f"{step.what}: {printable(said)}")
    for note in step.notes:
        typer.echo(f"              note: {printable(note)}")


def _as_json(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "what": step.what,
        "outcome": step.outcome.value,
        "said": step.said,
        "reason": step.reason or None,
        **dict(step.facts),
        "notes": list(step.notes),
    }


def witnesses_of(named: Sequence[str] | None) -> list[Witness]:
    """Each by what was given of it: a file of certificates, else a verifier key."""
    return [_witness(text) for text in named or ()]


def _witness(text: str) -> Witness:
    from relay.signing.log_witnesses import witness_of_certificates, witness_of_key  # noqa: PLC0415
    from relay.signing.trust import certificates_of  # noqa: PLC0415

    try:
        if "+" in text and not Path(text).is_file():
            return witness_of_key(text)
        content = small_file(Path(text), CERTIFICATES_BYTES)
        return witness_of_certificates(certificates_of(content))
    except (AuditError, PeerError, SettingsError) as error:
        raise CommandError(f"--witness {text[:200]}: {error}", USAGE) from None
