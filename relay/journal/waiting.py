"""How much waits of what each party handed in: a row each, kept by triggers (migration 0004).

A delivery that begins or ends to wait moves its party's row in the same transaction, whoever moves it;
nothing ever counts the backlog.

Touches: the table `waiting`. Raises: JournalError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from relay.delivery.pressure.quota import Party, Waiting
from relay.journal.sql import load
from relay.journal.writer import Transaction

SQL = load("waiting")


def of(tx: Transaction, party: Party) -> Waiting:
    """As it stands inside this transaction; makes the row that the triggers keep."""
    row = tx.run(SQL["of"], party).fetchone()
    if row is None:
        tx.run(SQL["add"], party)
        return Waiting()
    return Waiting(row[0], row[1])


@dataclass(frozen=True, slots=True)
class WaitingCounts:
    """delivery.pressure.quota.Counts; `rows` is the journal's."""

    rows: Callable[[str], Awaitable[list[Any]]]

    async def waiting(self) -> dict[Party, Waiting]:
        return {Party(p): Waiting(count, size) for p, count, size in await self.rows(SQL["all"])}
