"""Lines and audit entries in the form an output wants: JSON, or for people.

    {"timestamp":"2026-11-29T06:36:10.000125Z","level":"info","event":"message-accepted",
     "logger":"relay.acceptance","node":"tinh-h01","request":"8f…","message":"0190…"}

An entry is the event `audit-entry` of logger `relay.audit`, with its `index` and, in `entry`, the very bytes
of its leaf, so that its hash can be recomputed from the line.

Touches: nothing. Trusts: leaves to be JSON on one line (audit/entries.py). Raises: nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from relay.audit.tail import line
from relay.delivery.ports import LogEntry
from relay.errors import AuditError
from relay.lines import Line
from relay.logs.record import JOINING, Record, members, written

AUDIT_LOGGER: Final = "relay.audit"


@dataclass(frozen=True, slots=True)
class Form:
    """How one output writes."""

    record: Callable[[Record], bytes]
    entry: Callable[[LogEntry], bytes]


def json_form(node: str) -> Form:
    def record(one: Record) -> bytes:
        return written(members(one, node)) + b"\n"

    def entry(one: LogEntry) -> bytes:
        return entry_object(node, one, fields_of(one)) + b"\n"

    return Form(record, entry)


def console_form(node: str, *, colour: bool) -> Form:
    shown = structlog.dev.ConsoleRenderer(
        colors=colour, exception_formatter=structlog.dev.plain_traceback
    )

    def record(one: Record) -> bytes:
        found = members(one, node)
        del found["node"]
        return (str(shown(None, "", found)) + "\n").encode("utf-8", "backslashreplace")

    def entry(one: LogEntry) -> bytes:
        try:
            said = line(fields_of(one), colour)
        except AuditError as error:
            said = f"unreadable entry: {error}"
        return f"{one.index:>8}  {said}\n".encode("utf-8", "backslashreplace")

    return Form(record, entry)


def fields_of(entry: LogEntry) -> dict[str, Any]:
    """What the leaf says; nothing where it is not readable, for `verify` tells that."""
    try:
        found = json.loads(entry.leaf)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def entry_object(node: str, entry: LogEntry, fields: dict[str, Any]) -> bytes:
    found = {
        "timestamp": fields.get("at"),
        "level": "info",
        "event": Line.AUDIT_ENTRY.value,
        "logger": AUDIT_LOGGER,
        "node": node,
        **{name: fields[name] for name in JOINING if isinstance(fields.get(name), str)},
        "index": entry.index,
    }
    return written(found)[:-1] + b',"entry":' + entry.leaf + b"}"
