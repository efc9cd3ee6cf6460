"""Whom the node trusted when that last changed, by digest, so that a change between two runs is found.

Touches: trusted, the log. Raises: JournalError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.audit.entries import AuditEvent, entry
from relay.delivery.operators.trusting import Entry
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import Digest, NodeId

SQL = load("trust")


@dataclass(frozen=True, slots=True)
class TrustTable:
    """delivery.operators.trusting.TrustJournal."""

    journal: SqliteJournal
    node: NodeId

    async def known(self) -> frozenset[Entry]:
        rows = await self.journal.rows(SQL["trusted"])
        return frozenset((name, Digest(sha256)) for name, sha256 in rows)

    async def write(
        self, at: datetime, by: str, why: str, added: Sequence[Entry], removed: Sequence[Entry]
    ) -> None:
        leaf = entry(
            AuditEvent.TRUST_CHANGED,
            at,
            self.node,
            by=by,
            why=why,
            added=_by_list(added),
            removed=_by_list(removed),
        )

        def operation(tx: Transaction) -> None:
            for name, sha256 in removed:
                tx.run(SQL["forget"], name, sha256)
            for name, sha256 in added:
                tx.run(SQL["trust"], name, sha256, ms(at))
            tx.record(leaf)

        await self.journal.perform(operation)

    async def refused(self, at: datetime, by: str, problems: int) -> None:
        leaf = entry(AuditEvent.TRUST_REFUSED, at, self.node, by=by, count=problems)
        await self.journal.perform(lambda tx: tx.record(leaf))


def _by_list(entries: Sequence[Entry]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, sha256 in entries:
        found.setdefault(name, []).append(sha256)
    return found
