"""Agencies that messages here are from or for, whatever the directory has.

Touches: messages, deliveries, reading. Raises: JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.model import AgencyCode

SQL = load("views")


@dataclass(frozen=True, slots=True)
class MetAgencies:
    """delivery.known.KnownAgencies.met."""

    journal: SqliteJournal

    async def __call__(self, codes: Collection[AgencyCode]) -> bool:
        rows = await self.journal.rows(SQL["knows_agency"], (json.dumps(sorted(codes)),))
        return bool(rows[0][0])
