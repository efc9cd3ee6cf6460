"""The log as readers page through it: forward from a cursor, the last ones, from an instant on, one whole.

A page looks at a bounded number of entries, a slice at a time, and each slice is a statement of its own
on the reading connection: whoever else reads comes in between, however long the log is. What is not
wanted is passed over within SQLite; only what bears the signs of being wanted is read as JSON.

Touches: entries, epochs, log_head; reading only.
Trusts:  that indexes only ever grow (audit/epochs.py), so that a cursor past the last entry is right for
         whatever comes.
Raises:  JournalError, NotFoundError; AuditError for a head that cannot be any.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from relay.audit.checkpoint import head_of
from relay.audit.entries import instant
from relay.audit.epochs import SPAN
from relay.delivery.aside import aside
from relay.delivery.ports import LogEntry, LogEntryWhole, LogPage
from relay.delivery.wanted import EVERYTHING, Wanted
from relay.errors import NotFoundError
from relay.journal.wording import log_entry

Rows = Callable[[str, Sequence[object]], Awaitable[list[Any]]]

CHUNK_ROWS: Final = 100
"""Leaves fetched at once; reading their JSON takes the loop well under a millisecond."""
SLICE_ROWS: Final = 8_000
"""Entries that one statement looks at for one sign: some milliseconds of the reading connection's time."""
LEAST_SLICE_ROWS: Final = 500
PAGE_ROWS: Final = 200_000
"""Entries that one page looks at for one sign, before it is given as it is."""
PAGE_BYTES: Final = 1 << 20
"""Leaves of a page, about: no new chunk is fetched beyond."""
LONG_READ_BYTES: Final = 1 << 18
"""Of leaves whose JSON is read: more than that would hold up the loop."""

_COLUMNS = (
    "SELECT e.entry_index, e.leaf, w.salt, w.words FROM entries e"
    " LEFT JOIN entry_words w ON w.entry_index = e.entry_index"
)
_NEWEST_UNDER = "SELECT max(entry_index) FROM entries WHERE entry_index < ?"
_END = "SELECT coalesce(max(entry_index) + 1, 0) FROM entries"


@dataclass(slots=True)
class _Page:
    """One under way: what was found, and how much more may be looked at."""

    wanted: Wanted
    limit: int
    entries: list[LogEntry] = field(default_factory=list)
    size_bytes: int = 0
    work: int = field(default_factory=lambda: PAGE_ROWS)

    @property
    def full(self) -> bool:
        return len(self.entries) >= self.limit or self.size_bytes >= PAGE_BYTES or self.work <= 0

    @property
    def signs(self) -> list[bytes]:
        return [sign for group in self.wanted.signs() for sign in group]

    @property
    def slice_rows(self) -> int:
        return max(LEAST_SLICE_ROWS, SLICE_ROWS // max(1, len(self.signs)))

    @property
    def chunk_rows(self) -> int:
        return min(CHUNK_ROWS, self.limit - len(self.entries))

    async def take(self, rows: Sequence[Any], looked_at: int) -> None:
        size_bytes = sum(len(row[1]) for row in rows)
        self.size_bytes += size_bytes
        self.work -= looked_at * max(1, len(self.signs))
        self.entries += await aside(size_bytes > LONG_READ_BYTES, _taken, self.wanted, rows)


def _taken(wanted: Wanted, rows: Sequence[Any]) -> list[LogEntry]:
    return [log_entry(*row) for row in rows if wanted.takes(row[1])]


async def page(rows: Rows, wanted: Wanted, after: int, limit: int) -> LogPage:
    """Wanted entries with index >= `after`, ascending; `next` has passed over those that are not."""
    end = (await rows(_END, ()))[0][0]
    made, at = _Page(wanted, limit), after
    while at < end and not made.full:
        if wanted != EVERYTHING:
            at = await _first_from(rows, at)
        stop = end if wanted == EVERYTHING else min(end, at + made.slice_rows)
        chunk = await _slice(rows, made, at, stop, "ASC")
        passed = stop if len(chunk) < made.chunk_rows else chunk[-1][0] + 1
        await made.take(chunk, len(chunk) if wanted == EVERYTHING else passed - at)
        at = passed
    return LogPage(tuple(made.entries), at, more=at < end)


async def last(rows: Rows, wanted: Wanted, limit: int) -> LogPage:
    """The last wanted entries, ascending; fewer where more would be too far to look back."""
    end = (await rows(_END, ()))[0][0]
    made, at = _Page(wanted, limit), end
    while not made.full:
        before = (await rows(_NEWEST_UNDER, (at,)))[0][0]
        if before is None:
            break
        start = max(0, before + 1 - made.slice_rows)
        chunk = await _slice(rows, made, start, before + 1, "DESC")
        passed = start if len(chunk) < made.chunk_rows else chunk[-1][0]
        await made.take(chunk, before + 1 - passed)
        at = passed
    return LogPage(tuple(reversed(made.entries)), end, more=False)


async def since(rows: Rows, at: datetime, after: int) -> int:
    """The index from `after` on where entries of this instant or later begin, by binary search: found
    in some fifty look-ups however long the log is. Where a clock was put back between two starts, the
    log's order and that of its times differ; the place found then is one of those where they cross it."""
    wanted = instant(at)
    low, high = after, max(after, (await rows(_END, ()))[0][0])
    middle = low  # a reader who goes on from a cursor is mostly past it already
    while low < high:
        statement = f"{_COLUMNS} WHERE e.entry_index >= ? ORDER BY e.entry_index LIMIT 1"
        index, leaf, *_ = (await rows(statement, (middle,)))[0]
        if _time(leaf) >= wanted:
            high = middle
        else:
            low = index + 1
        middle = (low + high) // 2
    return low


async def whole(rows: Rows, index: int) -> LogEntryWhole:
    """One entry with all that is known of it here; NotFoundError where there is none."""
    found = await rows(f"{_COLUMNS} WHERE e.entry_index = ?", (index,))
    hashed = await rows("SELECT leaf_hash FROM entries WHERE entry_index = ?", (index,))
    if not found:
        raise NotFoundError(f"no entry of the log has the index {index}")
    before = await rows(
        f"{_COLUMNS} WHERE e.entry_index < ? ORDER BY e.entry_index DESC LIMIT 1", (index,)
    )
    after = await rows(
        f"{_COLUMNS} WHERE e.entry_index > ? ORDER BY e.entry_index LIMIT 1", (index,)
    )
    return LogEntryWhole(
        log_entry(*found[0]),
        hashed[0][0].hex(),
        await _log_of(rows, index // SPAN),
        log_entry(*before[0]) if before else None,
        log_entry(*after[0]) if after else None,
    )


async def _first_from(rows: Rows, at: int) -> int:
    """The first index there is from `at` on: between two epochs there are none."""
    found = await rows("SELECT min(entry_index) FROM entries WHERE entry_index >= ?", (at,))
    return int(found[0][0])


async def _slice(rows: Rows, made: _Page, start: int, stop: int, order: str) -> list[Any]:
    groups = made.wanted.signs()
    signs = "".join(f" AND ({' OR '.join('instr(e.leaf, ?)' for _ in group)})" for group in groups)
    statement = (
        f"{_COLUMNS} WHERE e.entry_index >= ? AND e.entry_index < ?{signs}"
        f" ORDER BY e.entry_index {order} LIMIT ?"
    )
    return await rows(statement, (start, stop, *made.signs, made.chunk_rows))


async def _log_of(rows: Rows, epoch: int) -> str:
    """The name of the log in an epoch: what its heads are signed as."""
    ended = await rows("SELECT note FROM epochs WHERE epoch = ?", (epoch,))
    notes = ended or await rows("SELECT note FROM log_head WHERE one = 1", ())
    return head_of(notes[0][0]).origin


def _time(leaf: bytes) -> str:
    """Times of leaves are all written alike, so that their texts are in their order."""
    try:
        return str(json.loads(leaf)["at"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
