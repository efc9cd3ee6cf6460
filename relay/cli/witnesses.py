"""`relay audit witnesses`: who cosigns a node's log, whose logs it cosigns, and what is in alarm.

Touches: the node; a folder for evidence.
Raises:  CommandError, and what the node answers.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.connect import Connection, reaching
from relay.cli.outcome import USAGE, CommandError, remark, suggest
from relay.cli.show import ZONE, local, printable, show_json, show_table


@reaching
def witnesses(
    node: Connection,
    clear: Annotated[
        str | None, typer.Option(metavar="ORIGIN", help="Cosign a log again that is in alarm.")
    ] = None,
    why: Annotated[
        str, typer.Option(help="The reason, with --clear; the audit log keeps it, and who.")
    ] = "",
    evidence: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the notes that prove each alarm there."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show who cosigned this log and when, whose logs it cosigns, and what is in alarm."""
    if clear is not None:
        if evidence is not None:
            raise CommandError("--evidence and --clear are two steps", USAGE, "evidence first")
        _clear(node, clear, why)
        return
    if why:
        raise CommandError("--why goes with --clear", USAGE)
    found = asyncio.run(_get(node, "/v1/audit/witnesses"))
    if evidence is not None:
        _export(evidence, found["alarms"])
    if as_json:
        show_json(found)
        return
    show_table(
        ("WITNESS", "COSIGNED", "BEHIND", f"AT ({ZONE})", "AGE", "TROUBLE"),
        [_witness(one, found["at"]) for one in found["witnesses"]],
    )
    typer.echo()
    alarmed = {one["log"] for one in found["alarms"] if one["cleared_at"] is None}
    show_table(
        ("LOG COSIGNED HERE", "ENTRIES", f"AT ({ZONE})", "STANDING"),
        [_watched(one, alarmed) for one in found["watched"]],
    )
    for one in found["alarms"]:
        _tell(one)


def _clear(node: Connection, origin: str, why: str) -> None:
    if not why.strip():
        raise CommandError("give a reason", USAGE, f"--clear {printable(origin)} --why '…'")
    done = asyncio.run(_post(node, "/v1/audit/witnesses/clear", {"origin": origin, "why": why}))
    typer.echo(f"cleared {done['cleared']} alarm(s); {printable(origin)} is cosigned again")


def _witness(one: dict[str, Any], now: str) -> tuple[object, ...]:
    at = one["cosigned_at"]
    if at is None:
        return one["witness"], "-", "-", "never", "-", one["trouble"]
    age = datetime.fromisoformat(now) - datetime.fromisoformat(at)
    shown = f"{max(0, int(age.total_seconds()))} s"
    return one["witness"], one["size"], one["behind"], local(at), shown, one["trouble"]


def _watched(one: dict[str, Any], alarmed: set[str]) -> tuple[object, ...]:
    standing = "ALARM, not cosigned" if one["log"] in alarmed else "ok"
    return one["origin"], one["size"], local(one["cosigned_at"]), standing


def _tell(one: dict[str, Any]) -> None:
    ended = one["cleared_at"]
    state = "ALARM" if ended is None else f"cleared {local(ended)}"
    what = f"{state}: {printable(one['origin'])}: {one['kind']}: {printable(one['why'])}"
    remark(f"{what}; handed in by {printable(one['handed_in_by'])} at {local(one['at'])}")
    if ended is None:
        suggest(
            "--evidence DIR writes the proof; --clear ORIGIN --why … once you know what happened"
        )


def _export(folder: Path, alarms: list[dict[str, Any]]) -> None:
    """Of each alarm both notes, the hashes that came along, and how a new epoch says it begins."""
    from relay.cli.send import write_new  # noqa: PLC0415

    for one in alarms:
        stem = f"alarm-{int(one['number'])}"
        write_new(folder / f"{stem}-ours.note", one["ours"].encode())
        write_new(folder / f"{stem}-theirs.note", one["theirs"].encode())
        if one["proof"]:
            write_new(folder / f"{stem}.proof", "".join(f"{h}\n" for h in one["proof"]).encode())
        if one["first_entry"]:
            write_new(folder / f"{stem}-first-entry.json", b64decode(one["first_entry"]))
    remark(f"{len(alarms)} alarm(s) written to {folder}")


async def _get(node: Connection, path: str) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.get(path)


async def _post(node: Connection, path: str, document: dict[str, object]) -> dict[str, Any]:
    from relay.cli.client import reach  # noqa: PLC0415

    async with reach(node) as client:
        return await client.post(path, document)
