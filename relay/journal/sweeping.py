"""The sweep: retention, garbage and compaction, a little at a time, when nobody waits.

Every hour or so it goes over what may leave (retaining.py), over the files that nothing refers to
(garbage.py), and gives free pages back to the disk. Each step is one short transaction in the writer's
thread; after it the sweep rests nine times as long as the step took, and longer while intake waits.

Touches: the journal, DATA/payloads, DATA/ahead.
Trusts:  the clock it is given. A node that was started with a wrong one would let everything go at
         once, so nothing leaves in the first minutes (`grace`), in which a neighbour may put it right.
Raises:  nothing expected: a disk that refuses is logged, and the next sweep tries again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from relay.delivery.clock import Clock
from relay.errors import JournalError
from relay.journal import garbage, retaining
from relay.journal.ahead import AheadFiles
from relay.journal.retaining import SQL, Stepped
from relay.journal.retention import Part, Progress, RetentionPolicy, progress_of
from relay.journal.rows import ms
from relay.journal.store import SqliteJournal
from relay.lines import Line
from relay.model import Digest, NodeId

PAGE = 100
REST = timedelta(milliseconds=20)
"""At the least, between two steps."""
QUIET = 8
"""Operations that may wait for the writer while the sweep takes its turn."""
PAGES_AT_ONCE = 32
SPARE_PAGES = 1024
"""Free pages that stay for what comes next: 4 MiB."""
DOUBT_SECONDS = 60.0
_IN_THREAD = 1 << 30
log = structlog.get_logger("relay.sweep")


@dataclass(slots=True)
class Sweeper:
    """One journal's sweep. `orphans`, `uploads`: how old files that nothing refers to may get."""

    node: NodeId
    journal: SqliteJournal
    ahead: AheadFiles
    policy: RetentionPolicy
    clock: Clock
    orphans: timedelta
    uploads: timedelta
    every: timedelta
    grace: timedelta
    reopened: timedelta = timedelta(days=14)
    """How long a restored neighbour is sent again what it once answered."""
    doubted: Callable[[], bool] = lambda: False
    """Whether the clock may be wrong: then nothing is old enough."""
    _step_seconds: float = field(default=0.0)

    async def run(self) -> None:
        """Until cancelled. What a crash left behind goes at once, all else after the grace."""
        await self._try(self.tidy)
        await asyncio.sleep(self.grace.total_seconds())
        while True:
            while self.doubted():  # noqa: ASYNC110  a look now and then, for as long as it takes
                await asyncio.sleep(DOUBT_SECONDS)
            await self._try(self.sweep)
            await asyncio.sleep(self.every.total_seconds())

    async def _try(self, work: Callable[[], Any]) -> None:
        try:
            await work()
        except (JournalError, OSError) as error:
            log.warning(Line.SWEEP_BROKEN_OFF, error=str(error))

    async def tidy(self) -> None:
        """At the start: files of a process that died between their fsync and their admission."""
        await self._say_if_it_keeps_its_size()
        await self._collect(timedelta())
        await self._expire_uploads()
        await self._report()

    async def sweep(self) -> dict[str, int]:
        """Once over everything; what was done, as in its audit entry."""
        await self._close_reopened()
        for part in Part:
            await self._walk(part)
            await self._revisit(part)
        await self._forget_arrivals()
        await self._forget_keys()
        await self._collect(self.orphans)
        await self._expire_uploads()
        await self._compact()
        return await self._report()

    # ------------------------------------------------------------ what messages keep

    async def _walk(self, part: Part) -> None:
        """On from the mark, as far as messages are old enough to be asked."""
        while rows := await self._next_old_enough(part):
            await self._step(part, rows, walking=True)

    async def _next_old_enough(self, part: Part) -> list[int]:
        progress = await self._progress()
        oldest = ms(self.clock.now() - self.policy.shortest(part))
        found = await self.journal.rows(SQL["passing"], (progress.mark(part), PAGE))
        if part is Part.ROWS:
            found = [row for row in found if row[0] <= progress.payload]
        last = max((row for row, accepted_at in found if accepted_at <= oldest), default=0)
        return [row for row, _ in found if row <= last]

    async def _revisit(self, part: Part) -> None:
        """Those behind the mark that kept something the last time."""
        after = 0
        ages = self.policy.ages(part, self.clock.now())
        while page := await self.journal.rows(SQL["lingering"], (part, after, PAGE)):
            rows = [row[0] for row in page]
            after = rows[-1]
            keeping = {row for (row,) in await self._keeping(rows, ages)}
            done = [row for row in rows if row not in keeping]
            while done:
                stepped = await self._step(part, done, walking=False)
                done = [row for row in done if row > stepped.last]
            await self._rest()

    async def _keeping(self, rows: Sequence[int], ages: dict[str, int]) -> list[Any]:
        return await self.journal.rows(SQL["keeping"], retaining.whose(rows, ages))

    async def _step(self, part: Part, rows: Sequence[int], *, walking: bool) -> Stepped:
        ages = self.policy.ages(part, self.clock.now())
        stepped: Stepped = await self._perform(retaining.step, part, rows, ages, walking)
        for digest in stepped.files:
            await self.journal.files.drop(digest, self._is_referred)
        return stepped

    async def _close_reopened(self) -> None:
        """Before anything else: what they keep may be old enough."""
        oldest = ms(self.clock.now() - self.reopened)
        while found := await self.journal.rows(SQL["reopened"], (oldest, PAGE)):
            await self._perform(retaining.close_reopened, [one for (one,) in found])

    # ------------------------------------------------------------ what no message keeps

    async def _forget_arrivals(self) -> None:
        oldest = ms(self.clock.now() - self.policy.rows)
        while True:
            mark = (await self._progress()).arrivals
            found = await self.journal.rows(SQL["refused_arrivals"], (mark, PAGE))
            last = max((row for row, _, at in found if at <= oldest), default=0)
            if not last:
                return
            refused = [r for r, is_refused, at in found if is_refused and at <= oldest]
            await self._perform(retaining.forget_arrivals, refused, last)

    async def _forget_keys(self) -> None:
        if not (await self._progress()).keys_due:
            return
        for kind, drop in (
            ("stale_submissions", "drop_submission"),
            ("stale_idempotency", "drop_idempotency"),
        ):
            after = ""
            while page := await self.journal.rows(SQL[kind], (after, PAGE)):
                after = page[-1][0]
                if stale := [key for key, is_stale in page if is_stale]:
                    await self._perform(retaining.forget_keys, drop, stale)
                await self._rest()
        await self._perform(retaining.keys_forgotten)

    # ------------------------------------------------------------ files and pages

    async def _collect(self, age: timedelta) -> None:
        before = self.clock.now().timestamp() - age.total_seconds()
        found = await garbage.collect(
            self.journal.files, self._unreferred, self._is_referred, before, self._rest
        )
        await self._count(orphans=found)

    async def _expire_uploads(self) -> None:
        await self._count(uploads=await self.ahead.expire(self.uploads))

    async def _unreferred(self, names: Sequence[str]) -> list[str]:
        found = await self.journal.rows(SQL["unreferred"], (json.dumps(list(names)),))
        return [name for (name,) in found]

    async def _is_referred(self, digest: Digest) -> bool:
        return not await self._unreferred([digest])

    async def _compact(self) -> None:
        """Freed pages back to the disk, until only the spare ones are left."""
        if not await self._pragma("auto_vacuum"):
            return
        while (free := await self._pragma("freelist_count") - SPARE_PAGES) > 0:
            await self._perform(retaining.return_pages, min(free, PAGES_AT_ONCE))

    async def _say_if_it_keeps_its_size(self) -> None:
        if not await self._pragma("auto_vacuum"):
            log.warning(
                Line.JOURNAL_KEEPS_ITS_SIZE,
                hint="made by an older release: freed pages are used again, none goes back to the"
                " disk until the stopped node's journal is rewritten (docs/operations.md)",
            )

    async def _pragma(self, name: str) -> int:
        return int((await self.journal.rows(f"PRAGMA {name}"))[0][0])

    # ------------------------------------------------------------ turns and counts

    async def _progress(self) -> Progress:
        rows = await self.journal.rows(SQL["state"])
        return progress_of(rows[0][0] if rows else None)

    async def _count(self, **more: int) -> None:
        if any(more.values()):
            await self._perform(retaining.count, more)

    async def _report(self) -> dict[str, int]:
        if not (await self._progress()).counts:
            return {}
        at = self.clock.now()
        counts: dict[str, int] = await self._perform(retaining.report, self.node, at)
        log.info(Line.RETENTION_SWEPT, **counts)
        return counts

    async def _perform(self, operation: Callable[..., Any], *values: object) -> Any:
        """One step, in the writer's thread; its statements must not stop the loop either."""
        await self._rest()
        before = self.clock.monotonic()
        result = await self.journal.perform(lambda tx: operation(tx, *values), _IN_THREAD)
        self._step_seconds = self.clock.monotonic() - before
        return result

    async def _rest(self) -> None:
        """Nine tenths of the time are everybody else's, and all of it while many wait."""
        await asyncio.sleep(max(REST.total_seconds(), 9 * self._step_seconds))
        self._step_seconds = 0.0
        while self.journal.waiting > QUIET:  # noqa: ASYNC110  a look now and then costs the writer nothing
            await asyncio.sleep(REST.total_seconds())
