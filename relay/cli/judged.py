"""Signatures made by others, as the terminal shows them: a line for each file and each signature.

Touches: stdout. Trusts: nothing of the texts, which come out of certificates and documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from relay.cli.show import moment, printable

_WAITING = "signatures made by others: not judged yet"


def show_signatures(found: dict[str, Any]) -> None:
    """`found` is the API's member `signatures`; empty from a node of an older version."""
    state = found.get("state")
    if state == "waiting":
        typer.echo(_WAITING)
    if state != "judged" or not (found["parts"] or found["flaws"]):
        return
    for line in lines_of(found):
        typer.echo(line)


def lines_of(found: dict[str, Any]) -> Iterator[str]:
    verdict = found["verdict"] or "none"
    yield f"signatures made by others: {verdict}{_listed(found['flaws'])}"
    for part in found["parts"]:
        name = printable(part["name"]) if part["position"] >= 0 else "the document itself"
        yield f"  {part['verdict'] or 'unsigned':<9}{name}{_listed(part['flaws'])}"
        for one in part["signatures"]:
            yield f"    {one['verdict']:<9}{_who(one)}{_when(one)}, {_how(one)}{_listed(one['flaws'])}"


def _listed(flaws: list[str]) -> str:
    return f" ({', '.join(flaws)})" if flaws else ""


def _who(one: dict[str, Any]) -> str:
    signer = one["signer"]
    if signer is None:
        return "nobody is named"
    if signer["person"] and signer["organisation"]:
        return f"{printable(signer['person'])}, {printable(signer['organisation'])}"
    return printable(signer["person"] or signer["organisation"] or signer["subject"])


def _when(one: dict[str, Any]) -> str:
    if one["signed_at"] is None:
        return ""
    said = "stamped" if one["stamped"] else "by its own word"
    return f", {moment(one['signed_at'])} {said}"


def _how(one: dict[str, Any]) -> str:
    covers = f", {one['covers']}" if one["covers"] else ""
    return f"{one['form']} {printable(one['algorithm'])}{covers}"
