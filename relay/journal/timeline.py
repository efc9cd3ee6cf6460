"""What this node wrote down of one message: its entries of the log, how it came, since when it stands.

Touches: entries by migration 0029's index, deliveries, arrivals, receipts, passages, messages; reading only.
Raises:  JournalError; AuditError for an entry that is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from relay.audit.entries import parse
from relay.delivery.aside import aside
from relay.delivery.ports import MessageView
from relay.delivery.timeline.ports import OwnArrival, OwnEntry, Records
from relay.journal.rows import instant, trace_of
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.model import DeliveryId, Digest, NodeId, TransferId
from relay.wire.passage import Passage, read_passage

SQL = load("trace")
MOST_ENTRIES = 2_000
"""Looked through for one message; a delivery without trouble leaves about ten at a node."""
MOST_SIGNATURES = 100
"""Receipts whose signer can be named: each is a signature to be read."""
MOST_PASSAGES = 1_000
"""The newest of those that other nodes proved."""
_MANY = 200


@dataclass(frozen=True, slots=True)
class TimelineTable:
    """delivery.timeline.ports.TimelineJournal."""

    journal: SqliteJournal

    async def records(self, view: MessageView) -> Records:
        named = (view.message_id, view.origin)
        leaves = await self.journal.rows(SQL["entries"], (view.message_id, MOST_ENTRIES + 1))
        deliveries = await self.journal.rows(SQL["deliveries"], named)
        arrivals = await self.journal.rows(SQL["arrivals"], named)
        many = len(leaves) > _MANY or len(deliveries) > _MANY
        records = await aside(many, _records, view, leaves, deliveries, arrivals)
        signatures = await self.journal.rows(SQL["signatures"], (*named, MOST_SIGNATURES))
        seal = (await self.journal.rows(SQL["seal"], named))[0][0]
        leaves = await self.journal.rows(SQL["passages"], (*named, MOST_PASSAGES))
        passages = await aside(len(leaves) > _MANY, _passages, leaves)
        kept = {Digest(digest): signature for digest, signature in signatures}
        return replace(records, seal=seal, signatures=kept, passages=passages)


def _records(
    view: MessageView, leaves: list[Any], deliveries: list[Any], arrivals: list[Any]
) -> Records:
    came = {row[0]: _arrival(row) for row in arrivals}
    since: dict[DeliveryId, datetime] = {}
    arrived: dict[DeliveryId, OwnArrival] = {}
    for delivery_id, updated_at, arrival_row in deliveries:
        since[DeliveryId(delivery_id)] = instant(updated_at)
        if arrival_row in came:
            arrived[DeliveryId(delivery_id)] = came[arrival_row]
    entries = [OwnEntry(index, parse(leaf)) for index, leaf in leaves[:MOST_ENTRIES]]
    # Another origin's message may have taken the same id: what says so is not of this one.
    ours = [one for one in entries if one.fields.get("origin", view.origin) == view.origin]
    return Records(tuple(ours), arrived, since, len(leaves) > MOST_ENTRIES)


def _passages(rows: list[Any]) -> tuple[Passage, ...]:
    return tuple(read_passage(parse(leaf)) for (leaf,) in rows)


def _arrival(row: Any) -> OwnArrival:
    return OwnArrival(
        None if row[1] is None else NodeId(row[1]),
        None if row[2] is None else TransferId(row[2]),
        trace_of(row[3]),
        instant(row[4]),
    )
