"""A node's audit log against what it holds: every receipt is in it, and none for what is not there.

Touches: the node's operators' face; `relay audit verify` as a process.
Raises:  TransportError when the node does not answer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Set as AbstractSet
from typing import Any

from relay.audit.entries import AuditEvent
from relay.model import Event
from tests.acceptance.experiments.city import City
from tests.acceptance.experiments.desks import Desk
from tests.acceptance.experiments.kept import Kept


async def log_problems(city: City, desk: Desk, kept: Kept, shown: AbstractSet[str]) -> list[str]:
    """`shown` are digests of receipts that the node showed."""
    whole = {message_id for message_id, digest in kept.messages if digest in kept.payloads}
    logged: set[str] = set()
    problems: list[str] = []
    async for entry in desk.entries():
        if "receipt" not in entry:
            continue
        logged.add(entry["receipt"])
        if entry["event"] == AuditEvent.RECEIPT_ISSUED:
            problems += _unfounded(desk.node, entry, kept, whole)
    for digest in sorted((kept.receipts | shown) - logged):
        problems.append(f"the log of {desk.node} has no receipt {digest[:12]}")
    if problem := await _audit_problem(city, desk.node):
        problems.append(f"the log of {desk.node}: {problem}")
    return problems


def _unfounded(node: str, entry: dict[str, Any], kept: Kept, whole: AbstractSet[str]) -> list[str]:
    """A receipt that the node signed and does not hold, or one of a message that it does not hold."""
    digest, problems = entry["receipt"], []
    if digest not in kept.receipts:
        problems.append(f"{node} signed {digest[:12]}, says its log, and does not hold it")
    took = any(not Event(word).negative for word in entry["type"].split("+"))
    if took and entry["message"] not in whole:
        problems.append(f"{node} signed {digest[:12]} and does not hold {entry['message']}")
    return problems


async def _audit_problem(city: City, name: str) -> str:
    """What `relay audit verify` has to say against a node's log; empty when it holds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "relay",
        "audit",
        "verify",
        str(city.node(name).config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return "" if process.returncode == 0 else said.decode("utf-8", "replace").strip()
