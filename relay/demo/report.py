"""What the demo shows: a line for each step, the table of hops, the checks, or all of it as JSON.

Touches: the two streams it is given.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relay.demo import plan
from relay.demo.checks import Carried, Check, Verdict
from relay.demo.evidence import Exported
from relay.demo.network import RunningNode
from relay.demo.offices import Arrived
from relay.demo.revoking import Outcome
from relay.model import digest_of

Json = dict[str, Any]
ZONE = "+07:00"
_VIETNAM = timezone(timedelta(hours=7))


@dataclass(slots=True)
class Progress:
    """One line a step, with a tick and how long it took."""

    stream: TextIO
    monotonic: Callable[[], float] = time.monotonic
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.monotonic()

    def step(self, text: str) -> None:
        now = self.monotonic()
        self.say(f"✓ {text} ({now - self._since:.1f} s)")
        self._since = now

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach a node that was left running."""

    node: str
    tier: str
    axis_url: str
    native_url: str
    systemid: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    operator_token: str = field(repr=False)
    ca: str
    agencies: tuple[str, ...]
    pid: int
    config: str

    def as_json(self) -> Json:
        return {
            "node": self.node,
            "tier": self.tier,
            "axis_url": self.axis_url,
            "native_url": self.native_url,
            "systemid": self.systemid,
            "secret": self.secret,
            "token": self.token,
            "operator_token": self.operator_token,
            "ca": self.ca,
            "agencies": list(self.agencies),
            "pid": self.pid,
            "config": self.config,
        }


# ---------------------------------------------------------------- for programs


def whole(verdict: Verdict, endpoints: Sequence[Endpoint] | None, exported: Exported) -> Json:
    """Everything; `endpoints` only when nodes were left running."""
    shown: Json = {
        "documents": [_document(one) for one in verdict.carried],
        "nodes": [_node(log.node, log.entries, verified=not log.problem) for log in verdict.logs],
        "checks": [_check(check) for check in verdict.checks],
    }
    if endpoints is not None:
        shown["endpoints"] = [endpoint.as_json() for endpoint in endpoints]
    shown["evidence"] = exported.as_json()
    return {**shown, "duplicates": verdict.duplicates, "ok": verdict.holds}


def show_revocation(outcome: Outcome, stream: TextIO, *, as_json: bool) -> None:
    """What `relay demo --revoke` showed."""
    if as_json:
        shown = {
            "documents": outcome.documents,
            "why": outcome.why,
            "checks": [_check(check) for check in outcome.checks],
            "ok": outcome.holds,
        }
        print_json(shown, stream)
        return
    console = _console(stream)
    console.print(Text("What relay why says of a held document:"))
    for sentence in outcome.why:
        console.print(Text(f"    {sentence}"))
    _print_checks(console, outcome.checks)


def broken(nodes: Sequence[RunningNode], error: str, folder: str | None) -> Json:
    """The same object when the story came to no end."""
    return {
        "documents": [],
        "nodes": [_node(node, 0, verified=False) for node in nodes],
        "checks": [],
        "duplicates": 0,
        "ok": False,
        "error": error,
        "folder": folder,
    }


def _check(check: Check) -> Json:
    return {"what": check.what, "holds": check.holds, "problems": list(check.problems)}


def print_json(document: Mapping[str, object], stream: TextIO) -> None:
    print(json.dumps(document, ensure_ascii=False), file=stream, flush=True)


def _document(one: Carried) -> Json:
    journey, arrived = one.journey, one.journey.arrived
    return {
        "message_id": journey.message_id,
        "doc_id": "" if arrived is None else arrived.doc_id,
        "from": plan.SENDER.written,
        "to": journey.receiver.written,
        "sha256_sent": digest_of(journey.document.content),
        "sha256_received": "" if arrived is None else digest_of(arrived.content),
        "hops": one.delivery["trace"],
        "receipts": [
            {
                "event": proof.event,
                "issuer": proof.issuer,
                "verified": not proof.problem,
                "at": proof.at,
                "digest": proof.digest,
                "remote": proof.remote,
            }
            for proof in one.proofs
        ],
        "statuses": [
            {
                "status_code": status.envelope.status.status_code,
                "sender": status.envelope.sender.organ_id,
                "at": _stamp(status.at),
            }
            for status in journey.statuses
            if status.envelope.status is not None
        ],
    }


def _node(node: RunningNode, entries: int, *, verified: bool) -> Json:
    return {
        "name": node.plan.name,
        "tier": node.plan.tier,
        "audit_entries": entries,
        "audit_verified": verified,
        "killed": node.killed,
    }


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


# ---------------------------------------------------------------- for people


def print_tables(verdict: Verdict, stream: TextIO) -> None:
    console = _console(stream)
    console.print(_hops(verdict.carried))
    console.print(_logs(verdict))
    _print_checks(console, verdict.checks)


def print_evidence(exported: Exported, stream: TextIO) -> None:
    """The path, and the command that judges it."""
    print(f"evidence of the letter: {exported.path}", file=stream)
    print(
        f"    relay evidence verify {exported.path} --root {exported.root}", file=stream, flush=True
    )


def _print_checks(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        console.print(Text(f"{'✓' if check.holds else '✗'} {check.what}"))
        for problem in check.problems:
            console.print(Text(f"    {problem}"))


def print_endpoints(endpoints: Sequence[Endpoint], stream: TextIO) -> None:
    """One block a node: secrets are long, and meant to be copied."""
    for endpoint in endpoints:
        shown = endpoint.as_json()
        print(f"\n{shown.pop('node')} ({shown.pop('tier')})", file=stream)
        for name, value in shown.items():
            text = ", ".join(value) if isinstance(value, list) else value
            print(f"  {name.replace('_', ' '):<15} {text}", file=stream)
    stream.flush()


def _console(stream: TextIO) -> Console:
    wide = None if stream.isatty() else 120
    return Console(file=stream, width=wide, highlight=False)


def _hops(carried: Sequence[Carried]) -> Table:
    table = Table(title="Every hop, by the receipt that proves it", title_justify="left")
    for name in ("document", "to", "node", "event", f"at ({ZONE})"):
        table.add_column(name, no_wrap=name != "event")
    table.add_column("after", justify="right", no_wrap=True)
    for one in carried:
        _add_hops(table, one)
        table.add_section()
    return table


def _add_hops(table: Table, one: Carried) -> None:
    first = datetime.fromisoformat(one.proofs[0].at) if one.proofs else None
    names = (one.journey.document.name, one.journey.receiver.written)
    for proof in one.proofs:
        event = proof.event if not proof.problem else f"{proof.event} (does not verify)"
        event += f" ({proof.remote}: no evidence)" if proof.remote else ""
        table.add_row(*names, proof.issuer, event, *_times(datetime.fromisoformat(proof.at), first))
        names = ("", "")
    for status in one.journey.statuses:
        _add_status(table, status, first)


def _add_status(table: Table, status: Arrived, first: datetime | None) -> None:
    report = status.envelope.status
    code = "" if report is None else report.status_code
    table.add_row("", "", plan.SENDER.node, f"status {code} arrived", *_times(status.at, first))


def _times(at: datetime, first: datetime | None) -> tuple[str, str]:
    """The hour, and how long after the first."""
    after = "" if first is None else f"{(at - first).total_seconds():.3f} s"
    here = at.astimezone(_VIETNAM)
    return f"{here:%H:%M:%S}.{here.microsecond // 1000:03d}", after


def _logs(verdict: Verdict) -> Table:
    table = Table(title="Audit logs", title_justify="left")
    for name in ("node", "tier"):
        table.add_column(name)
    for name in ("entries", "killed"):
        table.add_column(name, justify="right")
    table.add_column("log")
    for log in verdict.logs:
        node = log.node
        said = log.problem or "verifies"
        table.add_row(node.plan.name, node.plan.tier, str(log.entries), str(node.killed), said)
    return table
