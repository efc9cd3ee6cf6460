"""`relay judge`: signatures made by others in PDFs and documents, judged offline as a node does.

Touches: the files named; a worker process without network.
Trusts:  the root certificates given, nothing else.
Raises:  CommandError, OSError; what does not hold is data, and exit code 65.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.files import certificates_in, crl_in
from relay.cli.outcome import DATA, complain
from relay.cli.show import printable, show_json
from relay.cli.streams import log_to_stderr

if TYPE_CHECKING:
    from relay.judgement import Judgement

_PDF_WITHIN = 1024


def judge(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="PDFs, and edXML envelopes with their attachments."),
    ],
    root: Annotated[
        list[Path],
        typer.Option(metavar="CERT", help="Root of those who sign documents; may be repeated."),
    ],
    intermediate: Annotated[
        list[Path] | None,
        typer.Option(metavar="CERT", help="Issuing CA that a signature leaves out."),
    ] = None,
    timestamp_root: Annotated[
        list[Path] | None, typer.Option(metavar="CERT", help="Root of timestamp authorities.")
    ] = None,
    crl: Annotated[
        list[Path] | None,
        typer.Option(metavar="CRL", help="Revocation list; without any nothing is VALID."),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(help="When the files existed for certain, in UTC; now when left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Judge PAdES in PDFs and XML-DSig in documents: who, over what, when. Exit code 0 only if all are VALID."""
    log_to_stderr()
    known = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    terms = _terms(root, intermediate or [], timestamp_root or [], crl or [])
    judgements = [(path, asyncio.run(_judged(path, terms, known))) for path in files]
    if as_json:
        show_json([{"file": str(path), **_json(found)} for path, found in judgements])
    else:
        _show(judgements)
    failed = sum(found.verdict != "VALID" for _, found in judgements)
    if failed:
        complain(f"{failed} of {len(judgements)} are not VALID")
        raise typer.Exit(DATA)


def _terms(roots: list[Path], above: list[Path], stampers: list[Path], crls: list[Path]) -> Any:
    from relay.signing.others.protocol import Terms  # noqa: PLC0415 - brings in cryptography

    def read(paths: list[Path]) -> tuple[bytes, ...]:
        return tuple(der for path in paths for der in certificates_in(path))

    return Terms(read(roots), read(stampers), read(above), tuple(map(crl_in, crls)))


async def _judged(path: Path, terms: Any, known: datetime) -> Judgement:
    from relay.signing.others.process import judge_once  # noqa: PLC0415
    from relay.signing.others.protocol import Heading  # noqa: PLC0415

    with path.open("rb") as file:
        is_pdf = b"%PDF-" in file.read(_PDF_WITHIN)
    return await judge_once(
        terms, path, Heading(known, is_pdf or path.suffix.lower() == ".pdf", path.name)
    )


def _json(found: Judgement) -> dict[str, Any]:
    from relay.judgement import judgement_json  # noqa: PLC0415

    return judgement_json(found)


def _show(judgements: list[tuple[Path, Judgement]]) -> None:
    from relay.cli.judged import lines_of  # noqa: PLC0415

    for path, found in judgements:
        typer.echo(printable(str(path)))
        for line in lines_of(_json(found)):
            typer.echo(f"  {line}")
