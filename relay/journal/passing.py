"""The journal's side of telling of passages: what waits here that came from a neighbour, and what is remembered of it.

Touches: watched, entries; deliveries, arrivals, messages, transfers, neighbours, reading.
Raises:  JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from relay.audit.entries import AuditEvent, entry
from relay.delivery.passing.ports import After, DeliveryRow, Kept, Standing, Watch
from relay.journal.rows import chunks, findings_of, instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import AgencyCode, DeliveryState, Digest, NodeId
from relay.wire.passage import Passage, Wait, WaitReason, passage_fields

SLICE: Final = 100
"""Rows of the queue that one statement goes through: some two milliseconds of the loop."""
MOST_HELD: Final = 500
_MOST_FINDINGS: Final = 50
_COLUMNS: Final = (
    "d.delivery_row, d.state, d.updated_at, a.neighbour, a.receipt, a.at, m.message_id, m.origin, d.recipient,"
    " coalesce(m.seal_kind, ''), m.findings, coalesce(t.attempts, 0), coalesce(t.not_before > d.updated_at, 0),"
    " coalesce(n.failures, 0) > 0, w.waits, w.told, w.next_at, w.untold"
)
_JOINED: Final = (
    "CROSS JOIN arrivals a ON a.arrival_row = d.arrival_row"
    " CROSS JOIN messages m ON m.message_row = d.message_row"
    " LEFT JOIN transfers t ON t.transfer_id = d.transfer_id"
    " LEFT JOIN neighbours n ON n.node_id = d.next_hop"
    " LEFT JOIN watched w ON w.delivery_row = d.delivery_row"
)
SQL: Final = {
    name: text.replace("{columns}", _COLUMNS).replace("{joined}", _JOINED)
    for name, text in load("pass").items()
}


@dataclass(frozen=True, slots=True)
class PassTable:
    """delivery.passing.ports.PassBook."""

    journal: SqliteJournal
    node: NodeId

    async def waiting(
        self, after: After | None, before: datetime
    ) -> tuple[list[Standing], After | None]:
        start = after or (0, 0)
        end = await self.journal.rows(SQL["slice_end"], (*start, SLICE - 1))
        rows = await self.journal.rows(SQL["waiting"], (*start, SLICE, ms(before)))
        return [_standing(row) for row in rows], (end[0][0], end[0][1]) if end else None

    async def held(self) -> list[Standing]:
        return [_standing(row) for row in await self.journal.rows(SQL["held"], (MOST_HELD,))]

    async def ended(self) -> list[Standing]:
        return [_standing(row) for row in await self.journal.rows(SQL["ended"], (SLICE,))]

    async def keep(self, changed: Sequence[Kept], told: Sequence[Passage], at: datetime) -> None:
        await self.journal.perform(
            lambda tx: self._keep(tx, changed, told, at), len(changed) + len(told)
        )

    def _keep(
        self, tx: Transaction, changed: Sequence[Kept], told: Sequence[Passage], at: datetime
    ) -> None:
        gone = [(one.standing.row,) for one in changed if one.watch is None]
        kept = [
            (one.standing.row, *_watch_row(one.watch)) for one in changed if one.watch is not None
        ]
        tx.connection.executemany(SQL["unwatch"], gone)
        tx.connection.executemany(SQL["watch"], kept)
        for one in told:
            for codes in chunks(one.recipients):
                part = replace(one, recipients=tuple(AgencyCode(code) for code in codes))
                tx.record(entry(AuditEvent.PASSAGE, at, self.node, **passage_fields(part)))


def _standing(row: Any) -> Standing:
    return Standing(
        DeliveryRow(row[0]),
        DeliveryState(row[1]),
        instant(row[2]),
        NodeId(row[3]),
        Digest(row[4]),
        instant(row[5]),
        row[6],
        NodeId(row[7]),
        AgencyCode(row[8]),
        row[9],
        tuple(dict.fromkeys(one.code for one in findings_of(row[10])))[:_MOST_FINDINGS],
        row[11],
        bool(row[12]),
        bool(row[13]),
        None if row[14] is None else _watch(*row[14:]),
    )


def _watch(waits: str, told: int, next_at: int, untold: int) -> Watch:
    return Watch(tuple(map(_wait, json.loads(waits))), told, instant(next_at), bool(untold))


def _wait(row: Sequence[Any]) -> Wait:
    word, since, until = row
    return Wait(WaitReason(word), instant(since), None if until is None else instant(until))


def _watch_row(watch: Watch) -> tuple[str, int, int, int]:
    waits = [
        [one.reason, ms(one.since), None if one.until is None else ms(one.until)]
        for one in watch.waits
    ]
    return json.dumps(waits), watch.told, ms(watch.next_at), int(watch.untold)
