"""Send proofs after their receipts: this node's own once their head is cosigned, and those that came from further on.

Nothing of a document waits for it. The log is gone through once, in slices, as far as it is published; what
is to go where is a row, and the proof itself is made from the published tiles when it goes. Each neighbour
has a pace of its own. A neighbour without the capability is sent nothing, and nothing is kept for it.

    it dies before the rows are written   the same slice is gone through again
    it dies before an answer came         the same proofs go again; whoever has them says so

Touches: the journal, the published log, the wire to neighbours.
Trusts:  nothing of an answer but that the neighbour gave it.
Raises:  nothing from `run`: a neighbour or a log in trouble is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from relay.delivery.attaching.ports import AttachBook, AttachRow, AttachWire, Bounds, Due, OwnLog
from relay.delivery.clock import Clock
from relay.delivery.neighbours.channel import CONTACT_SECONDS
from relay.delivery.neighbours.retry import RetryPolicy
from relay.errors import AuditError, JournalError, PeerError, TransportError
from relay.lines import Line
from relay.model import NodeId
from relay.wire.attached import MOST_PROOFS, PROOF_BYTES, Answer, Answered

RETRY: Final = RetryPolicy(first=timedelta(seconds=5), cap=timedelta(minutes=10))
"""Of a neighbour that cannot be reached."""
PUT_OFF: Final = RetryPolicy(first=timedelta(seconds=15), cap=timedelta(hours=6))
"""Of one proof whose receipt the neighbour does not have yet."""
BATCH_BYTES: Final = 512 << 10
LOOK_AGAIN_SECONDS: Final = 15.0
"""How soon what was put off, waits for its receipt to go first, or for a head that nobody cosigned, is looked
at again."""
ASK_AGAIN_SECONDS: Final = 600.0
"""After which a neighbour that took no proofs is asked again."""
DROP_EVERY_SECONDS: Final = 300.0
_SHOWN: Final = 300
log = structlog.get_logger("relay.proofs")


@dataclass(slots=True)
class _Pace:
    signal: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    away: bool = False
    """Whether the network was in the way, and no answer of its own."""
    takes: bool | None = None
    """Whether it has the capability; None when it has to be asked."""
    asked_at: float = 0.0
    passages: bool = False
    """Whether it takes those, too."""
    passages_asked_at: float | None = None


@dataclass(slots=True)
class ProofCourier:
    neighbours: frozenset[NodeId]
    book: AttachBook
    own: OwnLog
    wire: AttachWire
    clock: Clock
    random: Callable[[], float]
    """In [0, 1)."""
    bounds: Bounds
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _paces: dict[NodeId, _Pace] = field(default_factory=dict)

    def published(self) -> None:
        """More of the log is published, or more of it cosigned."""
        self._grown.set()

    def waiting(self, neighbours: Iterable[NodeId]) -> None:
        """Proofs were queued for these."""
        for neighbour in neighbours:
            self._pace(neighbour).signal.set()

    def met(self, neighbour: NodeId) -> None:
        """It shows life: if it could not be reached, it is tried now."""
        if (pace := self._paces.get(neighbour)) is not None and pace.away:
            pace.woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._gather())
            group.create_task(self._drop())
            for neighbour in sorted(self.neighbours):
                group.create_task(self._serve(neighbour))

    def _pace(self, neighbour: NodeId) -> _Pace:
        return self._paces.setdefault(neighbour, _Pace())

    # ------------------------------------------------------------ what is to go

    async def _gather(self) -> None:
        while True:
            self._grown.clear()
            try:
                self.waiting(await self.book.whose(self.clock.now()))
                await self.gather()
            except (AuditError, JournalError) as error:
                # The publisher tells of it, and looks again.
                log.debug(Line.PROOFS_NOT_SENT, error=str(error)[:_SHOWN])
            await _signalled(self._grown, LOOK_AGAIN_SECONDS)

    async def gather(self) -> None:
        """Queue the proofs of whatever receipts the log holds by now, slice by slice (W20.1)."""
        now = self.clock.now()
        before = now - self.bounds.uncosigned_after
        to = [one for one in self.neighbours if not self._left_alone(one)]
        for stretch in await self.own.stretches():
            came, at = -1, 0
            while came < at < stretch.end or came < 0:
                came = at
                at, queued = await self.book.gather(stretch, to, now, before)
                self.waiting(queued)
            if at < stretch.end:
                return  # the rest waits for a witness, or for its patience to end

    async def _drop(self) -> None:
        while True:
            with suppress(JournalError):  # a full disk: later
                await self.drop()
            await asyncio.sleep(DROP_EVERY_SECONDS)

    async def drop(self) -> None:
        """What waits for too long, or is too much."""
        now, bounds = self.clock.now(), self.bounds
        for one in await self.book.drop(now - bounds.keep_for, bounds.most_waiting, now):
            log.warning(
                Line.PROOFS_DROPPED, neighbour=one.neighbour, count=one.count, reason=one.reason
            )

    # ------------------------------------------------------------ one neighbour

    async def _serve(self, neighbour: NodeId) -> None:
        pace = self._pace(neighbour)
        while True:
            pace.signal.clear()
            pace.woken.clear()
            try:
                while await self.send(neighbour):
                    pass
                pace.failures, pace.away = 0, False
            except (TransportError, PeerError, JournalError) as error:
                pace.takes = None  # whoever answers next may be another version
                pace.passages, pace.passages_asked_at = False, None
                pace.failures += 1
                if pace.failures == 1:
                    said = str(error)[:_SHOWN]
                    log.info(Line.PROOFS_NOT_SENT, neighbour=neighbour, error=said)
                pace.away = isinstance(error, TransportError)
                wait = RETRY.wait(pace.failures, self.random())
                await asyncio.sleep(CONTACT_SECONDS)
                await _signalled(pace.woken, wait.total_seconds())
            else:
                await pace.signal.wait()

    async def send(self, neighbour: NodeId) -> bool:
        """One batch; False when nothing is due. Raises TransportError, PeerError, JournalError."""
        now = self.clock.now()
        found = await self.book.due(neighbour, now, MOST_PROOFS)
        if not found:
            return False
        if not await self._takes(neighbour):
            await self.book.forget(neighbour)
            return False
        if any(one.is_passage for one in found) and not await self._takes_passages(neighbour):
            await self.book.forget_passages(neighbour)
            found = [one for one in found if not one.is_passage]
        batch, unready = await self._made(neighbour, found)
        if unready:
            await self._put_off(unready)
        if batch:
            answers = await self.wire.attach(neighbour, [proof for _, proof in batch])
            await self._answered(neighbour, [one for one, _ in batch], answers)
        return True

    async def _takes(self, neighbour: NodeId) -> bool:
        pace = self._pace(neighbour)
        if not pace.takes and not self._left_alone(neighbour):
            pace.takes = await self.wire.takes_proofs(neighbour)
            pace.asked_at = self.clock.monotonic()
        return bool(pace.takes)

    async def _takes_passages(self, neighbour: NodeId) -> bool:
        pace, now = self._pace(neighbour), self.clock.monotonic()
        asked = pace.passages_asked_at
        if not pace.passages and (asked is None or now - asked >= ASK_AGAIN_SECONDS):
            pace.passages = await self.wire.takes_passages(neighbour)
            pace.passages_asked_at = now
        return pace.passages

    def _left_alone(self, neighbour: NodeId) -> bool:
        """It takes no proofs, and said so not long ago."""
        pace = self._pace(neighbour)
        since = self.clock.monotonic() - pace.asked_at
        return pace.takes is False and since < ASK_AGAIN_SECONDS

    async def _made(
        self, neighbour: NodeId, found: Sequence[Due]
    ) -> tuple[list[tuple[Due, bytes]], list[Due]]:
        """As many as fit a request, and those that cannot be made now."""
        entries, own = await self._own(neighbour, [one for one in found if one.proof is None])
        batch: list[tuple[Due, bytes]] = []
        unready: list[Due] = []
        size = 0
        for one in found:
            entry = entries.get(one.row)
            proof = one.proof if entry is None else own.get(entry)
            if proof is None or len(proof) > PROOF_BYTES:
                unready.append(one)
                continue
            size += len(proof)
            if batch and size > BATCH_BYTES:
                break
            batch.append((one, proof))
        return batch, unready

    async def _own(
        self, neighbour: NodeId, found: Sequence[Due]
    ) -> tuple[dict[AttachRow, int | None], Mapping[int, bytes]]:
        """Which entries these are of, and their proofs; none while the log is in doubt, so that others' go."""
        try:
            entries = {one.row: await self._entry(one) for one in found}
            wanted = [entry for entry in entries.values() if entry is not None]
            return entries, await self.own.prove(wanted, neighbour) if wanted else {}
        except AuditError as error:
            log.debug(Line.PROOFS_NOT_SENT, neighbour=neighbour, error=str(error)[:_SHOWN])
            return {}, {}

    async def _entry(self, one: Due) -> int | None:
        return await self.own.entry_of(one.receipt) if one.entry is None else one.entry

    async def _answered(
        self, neighbour: NodeId, batch: Sequence[Due], answers: Sequence[Answered]
    ) -> None:
        by: dict[Answer, list[Due]] = {answer: [] for answer in Answer}
        for one, answered in zip(batch, answers, strict=True):
            by[answered.answer].append(one)
            if answered.answer is Answer.REFUSED:
                log.warning(
                    Line.PROOF_REFUSED_THERE,
                    neighbour=neighbour,
                    receipt=one.receipt,
                    error=answered.why,
                )
                await self.book.refused(neighbour, one, self.clock.now())
        await self.book.done([one.row for one in by[Answer.KEPT]])
        await self._put_off([*by[Answer.UNKNOWN], *by[Answer.LATER]])

    async def _put_off(self, rows: Sequence[Due]) -> None:
        now = self.clock.now()
        await self.book.put_off(
            [(one.row, now + PUT_OFF.wait(one.attempts + 1, self.random())) for one in rows]
        )


async def _signalled(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
