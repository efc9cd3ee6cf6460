"""`relay cert`: the node's own certificates: how long they last, a request for the next, its installation.

Touches: the certificate and key files of a configuration; the running node, to take up what is new.
Raises:  SettingsError, CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection
from relay.cli.local import Config
from relay.cli.outcome import DATA, NO_INPUT, CommandError, remark, verdict
from relay.cli.show import show_json, show_table
from relay.errors import RelayError

app = typer.Typer(help="Look at and renew the node's own certificates.", no_args_is_help=True)
_LIMIT_BYTES = 256 * 1024

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="tls, sign, log, gateway, an agency's code, or what status says."
    ),
]


@app.command("status")
@verdict
def status(path: Config, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Say which certificates the node has, for whom, how long each lasts, what is known of its revocation;
    below them the authorities on which they and the node's trust in others rest.

    Exit code 65 where one of its own has ended or is revoked.
    """
    from relay.cli import certificates  # noqa: PLC0415
    from relay.settings.reading import load  # noqa: PLC0415

    lines = certificates.lines_of(load(path), datetime.now(UTC))
    if as_json:
        show_json([one.view() for one in lines])
    else:
        show_table(certificates.COLUMNS, [one.row() for one in lines])
    if any(one.counts_for_nothing for one in lines):
        raise typer.Exit(DATA)


@app.command("request")
def request(path: Config, name: Name) -> None:
    """Write a request (PKCS#10) for the next certificate, for a new key beside the old one.

    The log's certificate is asked for with the key it has: its verifiers know that key.
    """
    from relay import pairs  # noqa: PLC0415
    from relay.settings.reading import load  # noqa: PLC0415
    from relay.signing import renewal  # noqa: PLC0415

    pair = pairs.pair_named(load(path).keys, name)
    typer.echo(renewal.request(pair.place, same_key=pair.name == "log"))
    remark(f"when the certificate has come: relay cert install {path} {pair.name} FILE")


@app.command("install")
def install(
    path: Config,
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The certificate, its issuers after it (PEM).")
    ],
) -> None:
    """Put a renewed certificate in place of the old one; a running node takes it up at once."""
    from relay import pairs  # noqa: PLC0415
    from relay.identity import require_trusted  # noqa: PLC0415
    from relay.settings.reading import load  # noqa: PLC0415
    from relay.signing import renewal  # noqa: PLC0415

    settings, now = load(path), datetime.now(UTC)
    pair, content = pairs.pair_named(settings.keys, name), _content(file)
    require_trusted(settings, content, now)
    made = renewal.install(pair.place, content, now)
    if made.before is None:
        remark(f"{pair.name}: this certificate is in place already")
    else:
        remark(f"{pair.name}: in place; the old certificate is {made.before}")
    socket = settings.node.data_dir / "control.sock"
    if not socket.exists():
        remark("the node does not run: its next start takes it up")
        return
    try:
        asyncio.run(_take_up(Connection("http://localhost", socket)))
    except RelayError:
        remark(
            f"{pair.name}: in place, but not in use, for the reason below: a node that runs goes on with the"
            f" old one. The next start takes it up, or relay cert reload {path}, unless the reason still stands"
        )
        raise
    remark("the running node signs and serves with it now")


@app.command("reload")
def reload(path: Config) -> None:
    """Have a running node take up its certificates and keys as their files are now."""
    from relay.settings.reading import load  # noqa: PLC0415

    socket = load(path).node.data_dir / "control.sock"
    if not socket.exists():
        raise CommandError(f"no control socket at {socket}", NO_INPUT, "is the node running?")
    done = asyncio.run(_take_up(Connection("http://localhost", socket)))
    for one in done["renewed"]:
        typer.echo(f"{one['name']}  {one['sha256']}")
    if not done["renewed"]:
        remark("the certificates are as before")


async def _take_up(node: Connection) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post("/v1/certificates/reload", {})


def _content(file: Path) -> bytes:
    with file.open("rb") if str(file) != "-" else sys.stdin.buffer as stream:
        content = stream.read(_LIMIT_BYTES + 1)
    if len(content) > _LIMIT_BYTES:
        raise CommandError(f"{file} is over {_LIMIT_BYTES} bytes", DATA)
    return content
