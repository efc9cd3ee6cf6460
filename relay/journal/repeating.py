"""What was submitted before, found without a write.

Touches: the journal's file, reading only.
Raises:  ConflictError, JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from relay.delivery.records import Admitted, Renew
from relay.journal.admitting import SQL
from relay.journal.store import SqliteJournal
from relay.journal.submissions import failed, first_answer, require_same
from relay.model import AgencyCode, Digest

MOST_LIKE_IT: Final = 100
"""Of a million payloads hardly two begin with the same six digits."""


@dataclass(frozen=True, slots=True)
class SubmissionTable:
    """delivery.pressure.repeats.SubmissionBook."""

    journal: SqliteJournal

    async def handed_in(
        self, agencies: Collection[AgencyCode], starts: Sequence[str]
    ) -> list[Digest]:
        values = (json.dumps(list(starts)), json.dumps(sorted(agencies)), MOST_LIKE_IT)
        return [Digest(row[0]) for row in await self.journal.rows(SQL["handed_in_as"], values)]

    async def is_bound(self, idempotency_key: str) -> bool:
        return bool(await self.journal.rows(SQL["idempotent"], (idempotency_key,)))

    async def before(
        self, submission_key: str, idempotency_key: str | None
    ) -> Admitted | Renew | None:
        if idempotency_key is not None:
            bound = await self.journal.rows(SQL["idempotent"], (idempotency_key,))
            require_same(bound[0] if bound else None, submission_key)
        rows = await self.journal.rows(SQL["submission"], (submission_key,))
        found = await self.journal.rows(SQL["first_answer"], rows[0]) if rows else []
        if not found:
            return None
        answer, first_row = first_answer(found[0])
        again = failed(await self.journal.rows(SQL["family"], (first_row,)))
        return Renew(answer, again) if again else answer
