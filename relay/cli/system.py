"""`relay system`: the document-management systems that may speak the axis dialect here, for operators.

Touches: the node; certificate and secret files that are named.
Raises:  CommandError, OSError, and what the node answers.
"""

from __future__ import annotations

import asyncio
import base64
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.files import certificates_in
from relay.cli.outcome import NO_INPUT, CommandError, remark
from relay.cli.show import ZONE, local, show_json, show_table

app = typer.Typer(help="Add, list and revoke systems, rotate their secrets.", no_args_is_help=True)

_DAY_SECONDS = 86_400
_SECRET_FILE_BYTES = 4096
_MOST_HOURS = 24.0 * 3660
Systemid = Annotated[str, typer.Argument(metavar="SYSTEMID", help="What the system calls itself.")]
AsJson = Annotated[bool, typer.Option("--json")]
SecretFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take the secret from here; else the node makes one."),
]


class Freshness(StrEnum):
    """As delivery.operators.system_desk.FRESHNESS, which help need not wait for."""

    OFF = "off"
    WARN = "warn"
    ENFORCE = "enforce"


@app.command("add")
@reaching
def add(
    node: Connection,
    systemid: Systemid,
    agency: Annotated[
        list[str], typer.Option(metavar="CODE", help="It speaks for; may be repeated.")
    ],
    address: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="It may call from; may be repeated.")
    ] = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Client certificate (PEM) it must show; may be repeated."
        ),
    ] = None,
    freshness: Annotated[
        Freshness, typer.Option(help="What is made of old timestamps of its.")
    ] = Freshness.WARN,
    window_hours: Annotated[
        float, typer.Option(min=0.01, max=_MOST_HOURS, help="How old they may be.")
    ] = 24.0,
    rest: Annotated[
        bool, typer.Option("--rest", help="Switch the REST variant on for it.")
    ] = False,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Add a system. Prints its secret, this once: the node keeps it sealed."""
    wanted: dict[str, object] = {
        "systemid": systemid,
        "agencies": agency,
        "addresses": address or [],
        "certificates": [_der(path) for path in certificate or []],
        "freshness": freshness.value,
        "window_seconds": round(window_hours * 3600),
        "rest": rest,
        **_given(secret_file),
    }
    added = asyncio.run(_post(node, "/v1/systems", wanted))
    _show_secret(added, f"system {systemid} is added; its secret is shown only now", as_json)


@app.command("list")
@reaching
def list_systems(node: Connection, as_json: AsJson = False) -> None:
    """List all systems: those of the configuration and those added."""
    found = asyncio.run(_get(node, "/v1/systems"))["systems"]
    if as_json:
        show_json(found)
        return
    columns = ("SYSTEM", "FROM", "AGENCIES", "BOUND TO", "FRESHNESS", "REST", f"SECRETS ({ZONE})")
    show_table(columns, [_line(one) for one in found])


@app.command("rotate")
@reaching
def rotate(
    node: Connection,
    systemid: Systemid,
    overlap_days: Annotated[
        float, typer.Option(min=0.0, max=90.0, help="How long the secrets before it still work.")
    ] = 7.0,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a system a new secret; the old one works until the overlap is over."""
    wanted = {
        "systemid": systemid,
        "overlap_seconds": round(overlap_days * _DAY_SECONDS),
        **_given(secret_file),
    }
    rotated = asyncio.run(_post(node, "/v1/systems/rotate", wanted))
    ends = [one["ends_at"] for one in rotated["system"]["secrets"] if one["ends_at"]]
    until = f"the one before works until {local(max(ends))} {ZONE}" if ends else "no other works"
    _show_secret(rotated, f"system {systemid} has a new secret, shown only now; {until}", as_json)


@app.command("revoke")
@reaching
def revoke(
    node: Connection,
    systemid: Systemid,
    why: Annotated[str, typer.Option(help="The reason; the audit log keeps it, and who.")],
    as_json: AsJson = False,
) -> None:
    """End all secrets of a system at once; `rotate` gives it one again."""
    view = asyncio.run(_post(node, "/v1/systems/revoke", {"systemid": systemid, "why": why}))
    if as_json:
        show_json(view)
    else:
        remark(f"system {systemid} is revoked")


def _line(one: dict[str, Any]) -> tuple[object, ...]:
    bound = [*one["addresses"], *(f"cert {print_[:16]}" for print_ in one["certificates"])]
    ends = [one["ends_at"] for one in one["secrets"]]
    secrets = ", ".join("until " + local(end) if end else "works" for end in ends)
    return (
        one["systemid"],
        "configuration" if one["configured"] else local(one["created_at"]),
        " ".join(one["agencies"]),
        " ".join(bound) or "anywhere",
        one["freshness"],
        "on" if one["rest"] else "",
        secrets or "revoked",
    )


def _show_secret(found: dict[str, Any], told: str, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    remark(told)
    typer.echo(found["secret"])


def _given(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    with path.open("rb") as file:
        content = file.read(_SECRET_FILE_BYTES + 1)
    text = content.decode("ascii", "replace").strip()
    if not text or len(content) > _SECRET_FILE_BYTES:
        raise CommandError(f"{path} does not hold a secret", NO_INPUT)
    return {"secret": text}


def _der(path: Path) -> str:
    return base64.b64encode(certificates_in(path)[0]).decode()


async def _post(node: Connection, path: str, document: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post(path, document)


async def _get(node: Connection, path: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get(path)
