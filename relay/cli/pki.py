"""`relay pki`: make and look at a development PKI.

Touches: the PKI's folder, through relay.signing.pki, which is loaded by the verb that needs it;
         stdout for data, stderr for people.
Trusts:  the operator at the terminal; certificate files to be shown may be anyone's.
Raises:  nothing; every refusal becomes an exit code, through outcome.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from relay.cli import outcome
from relay.signing.pki_words import KeyType, PkiError, Reason, Trouble

if TYPE_CHECKING:
    from relay.signing.pki_show import CertificateView

EXIT_CODES: Final = {
    Trouble.USAGE: outcome.USAGE,
    Trouble.DATA: outcome.DATA,
    Trouble.MISSING: outcome.NO_INPUT,
    Trouble.EXISTS: outcome.CANNOT_CREATE,
    Trouble.FAILED: outcome.CANNOT_CREATE,
    Trouble.FORBIDDEN: outcome.NO_PERMISSION,
}

app = typer.Typer(help="Make, publish and look at a development PKI.", no_args_is_help=True)
issue = typer.Typer(help="Issue certificates of a development PKI.", no_args_is_help=True)
app.add_typer(issue, name="issue")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the PKI.")]
Node = Annotated[str, typer.Argument(metavar="NODE", help="The node's id.")]
Branch = Annotated[str, typer.Option(help="Branch whose CA issues.")]
Key = Annotated[KeyType, typer.Option(help="Kind of key.")]
Days = Annotated[int, typer.Option(help="Validity in days, cut to the issuer's.")]


@app.command("init")
def init_root(
    directory: Directory,
    name: Annotated[str, typer.Option(help="Organisation that every certificate carries.")],
    key: Key = KeyType.P256,
    days: Days = 3650,
    publish: Annotated[
        str,
        typer.Option(metavar="URL", help="http://127.0.0.1:PORT, where relay pki serve will be."),
    ] = "",
) -> None:
    """Make the root of a new PKI."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        _print([pki.init(directory, name=name, key=key, now=_now(), days=days, publish=publish)])


@issue.command("branch")
def issue_branch(
    directory: Directory,
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="Any label: central, tinh-h01.")],
    node: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Node at the top of what it may certify; repeatable. The branch's own name if none.",
        ),
    ] = None,
    unlimited: Annotated[
        bool, typer.Option("--unlimited", help="It may certify any node and agency.")
    ] = False,
    generation: Annotated[
        int,
        typer.Option(help="2 and more: a new CA beside those there are; it issues from now on."),
    ] = 1,
    key: Key = KeyType.P256,
    days: Days = 1825,
) -> None:
    """Make an issuing CA of a branch: it certifies the nodes below --node and their agencies."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        if node and unlimited:
            raise PkiError(Trouble.USAGE, "--node and --unlimited cannot both be given")
        made = pki.issue_branch(
            directory,
            branch,
            key=key,
            now=_now(),
            days=days,
            nodes=() if unlimited else node or (branch,),
            generation=generation,
        )
        _print([made])


@issue.command("node")
def issue_node(
    directory: Directory,
    node: Node,
    branch: Branch,
    key: Annotated[KeyType, typer.Option(help="Kind of the sign key.")] = KeyType.P256,
    dns: Annotated[list[str] | None, typer.Option(help="Further host name; repeatable.")] = None,
    ip: Annotated[list[str] | None, typer.Option(help="Further address; repeatable.")] = None,
    days: Days = 730,
) -> None:
    """Make a node's tls, sign and log certificates."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        made = pki.issue_node(
            directory,
            node,
            branch,
            key=key,
            dns=dns or (),
            ips=ip or (),
            now=_now(),
            days=days,
        )
        _print(made)


@issue.command("agency")
def issue_agency(
    directory: Directory,
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="Agency codes.")],
    branch: Branch,
    name: Annotated[str, typer.Option(help="The agency's name.")] = "",
    key: Key = KeyType.RSA3072,
    days: Days = 730,
) -> None:
    """Make an agency's certificate, which speaks for every CODE given."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        made = pki.issue_agency(directory, codes, branch, key=key, name=name, now=_now(), days=days)
        _print([made])


@issue.command("gateway")
def issue_gateway(
    directory: Directory,
    node: Node,
    branch: Branch,
    key: Key = KeyType.P256,
    days: Days = 730,
) -> None:
    """Make the certificate with which a node seals what enters from an axis route."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        made = pki.issue_gateway(directory, node, branch, key=key, now=_now(), days=days)
        _print([made])


@issue.command("tsa")
def issue_tsa(
    directory: Directory,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Any label: tsa-1.")],
    branch: Branch,
    key: Key = KeyType.P256,
    days: Days = 730,
) -> None:
    """Make the certificate of a timestamp authority."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        _print([pki.issue_tsa(directory, name, branch, key=key, now=_now(), days=days)])


@app.command("tsa")
def tsa(
    certificate: Annotated[
        Path, typer.Argument(metavar="CERT", help="From `relay pki issue tsa`, its key beside it.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1.")] = 3161,
) -> None:
    """Stamp on loopback (RFC 3161), until interrupted. For tests and the demo only."""
    import asyncio  # noqa: PLC0415

    from relay.demo.timestamping import serve_until_told  # noqa: PLC0415
    from relay.signing.pki_tsa import TimestampResponder  # noqa: PLC0415

    with _refusals():
        responder = TimestampResponder.load(certificate, _now)
        asyncio.run(serve_until_told(responder, "127.0.0.1", port))


@app.command("revoke")
def revoke(
    directory: Directory,
    certificate: Annotated[Path, typer.Argument(metavar="CERT", help="Its first certificate.")],
    reason: Annotated[Reason, typer.Option(help="Why.")] = Reason.UNSPECIFIED,
    invalid_from: Annotated[
        datetime | None, typer.Option(help="When the key was lost, if before now (UTC).")
    ] = None,
) -> None:
    """Revoke a certificate, and write its issuer's CRL anew; prints the CRL's path."""
    from relay.signing import pki_revoking  # noqa: PLC0415

    since = None if invalid_from is None else invalid_from.replace(tzinfo=UTC)
    with _refusals():
        done = pki_revoking.revoke(
            directory, certificate, reason=reason, now=_now(), invalid_from=since
        )
        _print([done.crl_path])


@app.command("crl")
def write_crls(
    directory: Directory,
    hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="Until the next update.")] = 24,
) -> None:
    """Write the present CRL of every authority, as DER beside its certificate."""
    from relay.signing import pki_revoking  # noqa: PLC0415

    with _refusals():
        found = pki_revoking.authorities(directory)
        valid = timedelta(hours=hours)
        _print([pki_revoking.write_crl(one, now=_now(), valid=valid) for one in found])


@app.command("serve")
def serve(
    directory: Directory,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The one of --publish by default.")
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="Until the next update.")] = 60,
) -> None:
    """Publish CRLs and answer OCSP on loopback, until interrupted. For tests and the demo only."""
    from relay.demo.authority import Publisher, serve_forever  # noqa: PLC0415
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        host, published = pki.place_of(directory)
        publisher = Publisher(directory, _now, timedelta(minutes=minutes))
        serve_forever(publisher, host, published if port is None else port)


@issue.command("official")
def issue_official(
    directory: Directory,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What the files are called.")],
    branch: Branch,
    name: Annotated[str, typer.Option(help="The official's name and position.")] = "",
    key: Key = KeyType.RSA2048,
    days: Days = 730,
) -> None:
    """Make an official's certificate, for signatures inside documents."""
    from relay.signing import pki  # noqa: PLC0415

    with _refusals():
        made = pki.issue_official(
            directory, label, branch, key=key, name=name, now=_now(), days=days
        )
        _print([made])


@app.command("sign")
def sign(
    directory: Directory,
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="PKCS#10 request (PEM).")],
    branch: Branch,
    days: Days = 730,
) -> None:
    """Issue what a request asks for (`relay cert request` writes one); the certificate goes to stdout."""
    from relay.signing import pki, pki_files  # noqa: PLC0415

    with _refusals():
        content = pki_files.read(request)
        made = pki.sign_request(directory, content, branch, now=_now(), days=days)
    typer.echo(made.decode("ascii"), nl=False)


@app.command("show")
def show(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Say what certificate files hold; the log's verifier key too. Nothing is verified."""
    from relay.signing.pki_show import certificate_files, describe  # noqa: PLC0415

    with _refusals():
        files = [file for path in paths for file in certificate_files(path)]
        views = [(file, describe(file)) for file in files]
    if as_json:
        listed = [_as_json(view) for _, held in views for view in held]
        typer.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    for row in _table([held[0] for _, held in views], _now()):
        typer.echo(row)


def _now() -> datetime:
    return datetime.now(UTC)


def _print(paths: Sequence[Path]) -> None:
    for path in paths:
        typer.echo(path)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn a refusal into two lines on stderr and the exit code of its kind of trouble."""
    try:
        yield
    except PkiError as error:
        outcome.fail(outcome.CommandError(str(error), EXIT_CODES[error.trouble], error.hint))


def _as_json(view: CertificateView) -> dict[str, object]:
    values = {field.name: getattr(view, field.name) for field in fields(view)}
    return {
        name: str(value) if isinstance(value, Path) else _json_value(value)
        for name, value in values.items()
    }


def _json_value(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _table(views: Sequence[CertificateView], now: datetime) -> list[str]:
    """Aligned columns; a log's verifier key on a line of its own below it."""
    rows = [("PROFILE", "FOR", "KEY", "UNTIL", "FILE"), *(_row(view, now) for view in views)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row, view in zip(rows, [None, *views], strict=True):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(padded).rstrip())
        if view is not None and view.vkey:
            lines.append(f"  vkey {view.vkey}")
    return lines


def _row(view: CertificateView, now: datetime) -> tuple[str, str, str, str, str]:
    until = f"{view.not_after:%Y-%m-%d}"
    if now >= view.not_after:
        until += " (expired)"
    elif now < view.not_before:
        until += " (not yet valid)"
    speaks_for = ",".join(view.speaks_for) or view.subject
    cells = (view.profile, speaks_for, view.key, until, str(view.file))
    profile, shown, key, until, file = (_printable(cell) for cell in cells)
    return profile, shown, key, until, file


def _printable(text: str) -> str:
    """A name from anyone's certificate must not steer the terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
