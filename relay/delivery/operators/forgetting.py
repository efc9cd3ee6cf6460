"""Remove the words beside the log: who and why, of one person or of long ago. The log stays whole.

Touches: the journal. Trusts: that only an operator gets here.
Raises:  JournalError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from relay.delivery.ports import Caller

PAGE: Final = 500
"""Rows removed in one transaction, with one entry that counts them."""
LOWEST: Final = -(1 << 62)

_Page = Callable[[int], Awaitable[list[int]]]
"""Those after an index."""


class Forgetting(Protocol):
    """Indexes of entries that have words, a page at a time, and their removal with its own entry."""

    async def newest(self) -> int: ...
    async def of_holder(self, name: str, after: int, last: int, limit: int) -> list[int]: ...
    async def older(self, before: datetime, after: int, last: int, limit: int) -> list[int]: ...
    async def forget(
        self, indexes: Sequence[int], by: str, why: str, kind: str, at: datetime
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class ForgettingDesk:
    """Each removal is an entry, with the words of whoever asked for it: those stay until they are removed."""

    journal: Forgetting
    now: Callable[[], datetime]

    async def of_holder(self, by: Caller, why: str, name: str) -> int:
        """Every row in which `name` did something or was given a token; how many."""
        last = await self.journal.newest()
        return await self._all(
            lambda after: self.journal.of_holder(name, after, last, PAGE), by, why, "holder"
        )

    async def older(self, by: Caller, why: str, age: timedelta) -> int:
        """Every row of entries of more than this age; how many."""
        before, last = self.now() - age, await self.journal.newest()
        return await self._all(
            lambda after: self.journal.older(before, after, last, PAGE), by, why, "age"
        )

    async def _all(self, page: _Page, by: Caller, why: str, kind: str) -> int:
        count, after = 0, LOWEST
        while indexes := await page(after):
            await self.journal.forget(indexes, by.holder, why, kind, self.now())
            count, after = count + len(indexes), indexes[-1]
        return count
