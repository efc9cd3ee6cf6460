"""`relay verify`: let anyone with the root certificate judge seals and receipts, offline.

Touches: the files named; no network.
Trusts:  the root certificates given, nothing else.
Raises:  CommandError, OSError; what does not verify is data, and exit code 65.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.files import CERTIFICATES_BYTES, STATEMENT_BYTES, small_file, statement_in
from relay.cli.outcome import DATA, NO_INPUT, USAGE, CommandError, complain, remark
from relay.cli.show import printable, show_json
from relay.errors import SignatureError

if TYPE_CHECKING:
    from relay.cli.judging import Judgement
    from relay.signing.trust import TrustStore

_MOST_FILES = 10_000
_MOST_STATEMENTS = 1_000


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Envelopes with seals, receipts with signatures, containers of receipts, or folders of them.",
        ),
    ],
    root: Annotated[
        list[Path], typer.Option(metavar="CERT", help="Trusted root; may be repeated.")
    ],
    intermediate: Annotated[
        list[Path] | None,
        typer.Option(metavar="CERT", help="Issuing CA that a signature leaves out."),
    ] = None,
    statement: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="CRL or OCSP response (DER); those in a folder's `statements` are taken by themselves.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Verify seals and receipts offline: which kind, by whom, when. Exit code 0 only if all hold."""
    from relay.cli.judging import judge  # noqa: PLC0415 - brings in cryptography
    from relay.judgement import Verdict  # noqa: PLC0415
    from relay.signing.revocation.verdicts import RevocationState  # noqa: PLC0415

    trust = trust_of(root, intermediate or [])
    judgements = judge(_expanded(files), trust, statements_of(files, statement or []))
    if as_json:
        show_json([one.as_json() for one in judgements])
    else:
        for one in judgements:
            _print(one)
    failed = sum(one.verdict is not Verdict.VALID for one in judgements)
    if failed or not judgements:
        complain(f"{failed} of {len(judgements)} do not verify" if failed else "nothing to verify")
        raise typer.Exit(DATA)
    unknown = sum(one.revocation is RevocationState.UNKNOWN for one in judgements)
    if unknown:
        remark(
            f"whether {unknown} of {len(judgements)} signers were revoked by then is unknown here"
        )


def _print(one: Judgement) -> None:
    typer.echo(f"{one.verdict:<8}{one.what}: {printable(one.said)}")
    for name in one.files:
        typer.echo(f"        {printable(name)}")
    for note in one.notes:
        typer.echo(f"        note: {printable(note)}")
    if one.revocation == "VALID":
        typer.echo("        not revoked as of that time, by the statements beside it")


def trust_of(
    roots: list[Path], intermediates: list[Path], authorities: list[Path] | None = None
) -> TrustStore:
    """From the certificates that were named, each of which must be able to issue. `authorities` are
    the roots of timestamp authorities, where they are others."""
    from relay.signing.trust import Role, TrustStore  # noqa: PLC0415

    pinned = {Role.TIMESTAMP: _issuers(authorities or [])}
    return TrustStore(_issuers(roots), _issuers(intermediates), pinned)


def _issuers(paths: list[Path]) -> list[bytes]:
    return [_issuer(path) for path in paths]


def _issuer(path: Path) -> bytes:
    """Nothing can be judged by a root that may issue nothing, so that is a mistake of the command's."""
    from relay.signing.trust import require_issuers  # noqa: PLC0415

    content = small_file(path, CERTIFICATES_BYTES)
    try:
        require_issuers(content)
    except SignatureError as error:
        hint = "a root or issuing CA is needed: a certificate with CA:TRUE and keyCertSign"
        raise CommandError(f"{path}: {error}", USAGE, hint) from None
    return content


def statements_of(paths: list[Path], named: list[Path]) -> list[bytes]:
    """Those that were named, each of which must be one, and what `relay track --save` keeps beside the rest."""
    beside = [
        one for path in paths if path.is_dir() for one in sorted(path.glob("statements/*.der"))
    ]
    if (count := len(named) + len(beside)) > _MOST_STATEMENTS:
        raise CommandError(f"{count} statements, limit {_MOST_STATEMENTS}", NO_INPUT)
    return [*map(statement_in, named), *(small_file(one, STATEMENT_BYTES) for one in beside)]


def _expanded(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.rglob("*.*ml") if one.is_file())
        else:
            found.append(path)
    if not found:
        named = ", ".join(map(str, paths))
        raise CommandError(f"no .xml or .edxml file in {named}", NO_INPUT)
    if len(found) > _MOST_FILES:
        raise CommandError(f"{len(found)} files, limit {_MOST_FILES}", NO_INPUT)
    return list(dict.fromkeys(found))
