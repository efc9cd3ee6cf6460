"""How values stand in columns: instants as milliseconds, lists as JSON.

Touches: nothing. Trusts: the journal's own rows. Raises: JournalError for a BLOB that is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from relay.errors import JournalError
from relay.model import Digest, Finding, NodeId, TraceStep

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def ms(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND


def instant(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


def maybe_instant(value: int | None) -> datetime | None:
    return None if value is None else instant(value)


def blob(cell: object) -> bytes:
    """The bytes of a column. `bytes` would make of a number that an edit put there as many zeros, which may
    be more than there is memory."""
    if not isinstance(cell, bytes):
        raise JournalError("a row was edited: it holds no BLOB where one belongs")
    return cell


def trace_text(trace: Iterable[TraceStep]) -> str:
    return json.dumps([[step.node, ms(step.at), step.receipt] for step in trace])


def trace_of(text: str) -> tuple[TraceStep, ...]:
    return tuple(
        TraceStep(NodeId(node), instant(at), Digest(receipt))
        for node, at, receipt in json.loads(text)
    )


def findings_text(findings: Iterable[Finding]) -> str:
    return json.dumps([[f.code, f.detail, f.where] for f in findings], ensure_ascii=False)


def findings_of(text: str) -> tuple[Finding, ...]:
    return tuple(Finding(*row) for row in json.loads(text))


def chunks(values: Sequence[str], size: int = 500) -> Iterator[list[str]]:
    """So many codes an audit entry holds at the most: 500 of 35 characters stay under its limit."""
    for start in range(0, len(values), size):
        yield list(values[start : start + size])


def uncut(
    rows: list[Sequence[Any]], limit: int, group: Callable[[Sequence[Any]], object]
) -> list[Sequence[Any]]:
    """Without the last group, where a statement's LIMIT may have ended within it."""
    if len(rows) < limit:
        return rows
    cut = group(rows[-1])
    return [row for row in rows if group(row) != cut]
