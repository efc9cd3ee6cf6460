"""What was met in a comparison, on the disk: the same bytes to the same recipient under two message ids.

Touches: a temporary file that is gone afterwards.
Trusts:  nothing of what is met but its form.
Raises:  JournalError where the disk is full.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.delivery.reconciling.ports import DEAD, MOST_NAMED, Exchanged, Side, Twice
from relay.errors import JournalError
from relay.journal.rows import instant, ms
from relay.journal.scratch import open_scratch
from relay.journal.sql import load
from relay.model import AgencyCode, DeliveryId, MessageId

SQL = load("reconcile")


@dataclass(slots=True)
class DoublesTable:
    """delivery.reconciling.ports.Doubles, in a file that is gone afterwards."""

    _connection: sqlite3.Connection = field(default_factory=open_scratch)

    def __post_init__(self) -> None:
        self._connection.execute(SQL["scratch"])

    def add(self, side: Side, transfers: Sequence[Exchanged]) -> None:
        rows = [
            (
                side,
                by.digest,
                one.recipient,
                by.delivery_id(one),
                by.message_id,
                by.sender,
                ms(by.at),
            )
            for by in transfers
            for one in by.recipients
            if one.standing not in DEAD
        ]
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(SQL["met"], rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalError(f"no room for what is compared: {error}") from error

    def found(self) -> list[Twice]:
        return [
            Twice(
                Side(side),
                AgencyCode(recipient),
                AgencyCode(sender),
                MessageId(message),
                DeliveryId(delivery),
                instant(at),
                MessageId(first),
            )
            for side, recipient, sender, message, delivery, at, first in self._connection.execute(
                SQL["twice"], (MOST_NAMED,)
            )
        ]

    def close(self) -> None:
        self._connection.close()
