"""Ask witnesses to cosign a head of this node's log: all at once, within a bounded wait, each at its own pace.

Whoever publishes a head waits at most `wait`; a witness that takes longer goes on by itself, and what it
answers then is kept all the same. One question at a time goes to each, so a slow one is asked about every
so many heads, and a dead one after growing pauses. Nothing of a document waits for any of this.

What the answers mean: 409 with another size, prove from there and ask again. 409 with a size beyond our own
log, with the size that was asked from, or 422: it does not find ours to be the log it cosigned. That
is our log's alarm, told once, with an entry.

Touches: the witnesses, the book of cosignatures. Trusts: nothing of an answer but a cosignature that holds.
Raises:  JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from relay.audit.add_checkpoint import SIZE_TYPE, AddCheckpoint, read_size, write_request
from relay.audit.checkpoint import Checkpoint, head_of
from relay.audit.cosignature import Cosignature, Cosigner, answered
from relay.audit.epochs import epoch_of
from relay.delivery.clock import Clock
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.operators.published import Consistency
from relay.errors import AuditError, PeerError, TransportError
from relay.lines import Line
from relay.witness.desk import STOPPED_TYPE
from relay.witness.judging import Opening
from relay.witness.ports import AskWitness, CosignedBook, Got, WitnessAnswer

ATTEMPTS: Final = 4
"""Sizes a witness may name in a row for one head; it moves on only if somebody else presents ours."""
RETRY: Final = RetryPolicy(first=timedelta(seconds=5), cap=timedelta(minutes=10))
_SHOWN: Final = 300
log = structlog.get_logger("relay.witness")


class OwnBook(CosignedBook, Protocol):
    async def own_head(self) -> Checkpoint | None:
        """The newest of this node's log, durable."""
        ...

    async def newest_cosigned(self, origin: str) -> list[Got]:
        """All of the largest size that anybody cosigned."""
        ...

    async def refused_by(self, witness: str, reason: str, size: int, at: datetime) -> None: ...


class _DisputedError(PeerError):
    """A witness does not find this log to be the one it cosigned; `reason` in one word."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(slots=True)
class _Pace:
    """How it goes with one witness."""

    failures: int = 0
    not_before: float = 0.0
    trouble: str = ""
    disputed: str = ""
    """The reason of the dispute that was told."""
    away: bool = False
    """Whether the network was in the way, and no answer of its own."""
    under_way: asyncio.Task[bytes | None] | None = None


@dataclass(slots=True)
class Cosigners:
    """The port of whoever publishes heads: `cosign`, again for the same head while lines are missing: who
    has cosigned it is not asked again, and who is not due is left alone."""

    witnesses: Sequence[AskWitness]
    book: OwnBook
    first_entry: Callable[[str], Awaitable[bytes]]
    """The first leaf of this origin's epoch."""
    clock: Clock
    random: Callable[[], float]
    """In [0, 1)."""
    wait: timedelta
    wake: Callable[[], None] = lambda: None
    """Told when a witness that was away shows life: the newest head may be asked for again."""
    _paces: dict[str, _Pace] = field(default_factory=dict)

    async def cosign(self, note: bytes, consistency: Consistency) -> tuple[bytes, ...]:
        """The signature lines that came within the wait, each proven and kept. `note` is durable (W15.8)."""
        head = head_of(note)
        sizes = await self.book.cosigned_sizes(head.origin)
        newest = await self.book.newest_cosigned(head.origin)
        kept = {one.witness: one.line for one in newest if head_of(one.note) == head}
        asked = [
            self._ask(witness, note, head, sizes.get(witness.name, 0), consistency)
            for witness in self.witnesses
            if witness.name not in kept and self._is_due(witness)
        ]
        if not asked:
            return tuple(kept.values())
        done, _ = await asyncio.wait(asked, timeout=self.wait.total_seconds())
        lines = [one.result() for one in asked if one in done]
        return (*kept.values(), *(line for line in lines if line is not None))

    def met(self, witness: str) -> None:
        """It shows life: where only the network was in the way it is asked with the next head. What it
        refused, it would refuse again, and either refusal is an entry that makes both logs grow."""
        pace = self._paces.get(witness)
        if pace is not None and pace.away:
            pace.away, pace.not_before = False, 0.0
            self.wake()

    async def close(self) -> None:
        """What is under way ends; a witness that had taken the head tells its size the next time."""
        tasks = [pace.under_way for pace in self._paces.values() if pace.under_way is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def trouble(self, witness: str) -> str:
        """Why nothing comes of it now; empty where all is well."""
        return self._pace(witness).trouble

    # ------------------------------------------------------------ one witness

    def _pace(self, witness: str) -> _Pace:
        return self._paces.setdefault(witness, _Pace())

    def _is_due(self, witness: AskWitness) -> bool:
        pace = self._pace(witness.name)
        busy = pace.under_way is not None and not pace.under_way.done()
        return not busy and self.clock.monotonic() >= pace.not_before

    def _ask(
        self,
        witness: AskWitness,
        note: bytes,
        head: Checkpoint,
        size: int,
        consistency: Consistency,
    ) -> asyncio.Task[bytes | None]:
        task = asyncio.create_task(self._asked(witness, note, head, size, consistency))
        self._pace(witness.name).under_way = task
        task.add_done_callback(_look_at)
        return task

    async def _asked(
        self,
        witness: AskWitness,
        note: bytes,
        head: Checkpoint,
        size: int,
        consistency: Consistency,
    ) -> bytes | None:
        pace = self._pace(witness.name)
        try:
            cosigner = await witness.cosigner()
            if cosigner is None:
                self._put_off(pace, "it does not witness")
                return None
            got = await self._cosigned(witness, cosigner, note, head, size, consistency)
        except _DisputedError as error:
            await self._dispute(witness.name, head, error)
        except (TransportError, PeerError, AuditError, OSError) as error:
            if pace.failures == 0:
                log.info(Line.WITNESS_FAILED, witness=witness.name, error=str(error)[:_SHOWN])
            self._put_off(pace, str(error), away=isinstance(error, TransportError))
        else:
            await self.book.keep(got)
            self._paces[witness.name] = _Pace(under_way=pace.under_way)
            return got.line
        return None

    async def _cosigned(
        self,
        witness: AskWitness,
        cosigner: Cosigner,
        note: bytes,
        head: Checkpoint,
        size: int,
        consistency: Consistency,
    ) -> Got:
        size = min(size, head.size)
        for _ in range(ATTEMPTS):
            proof = await consistency(size) if size else []
            body = write_request(AddCheckpoint(size, tuple(proof), note))
            opening = await self._opening(head, consistency) if size == 0 else None
            answer = await witness.add_checkpoint(body, opening)
            if answer.status == 200:
                found = await self._answered(witness, cosigner, note, answer.body)
                return Got(witness.name, head.origin, head.size, note, found.line, found.at)
            size = await self._size_told(answer, size, head)
        raise TransportError(f"the witness named {ATTEMPTS} sizes in a row")

    async def _answered(
        self, witness: AskWitness, cosigner: Cosigner, note: bytes, line: bytes
    ) -> Cosignature:
        """The cosignature, by the key that is known or by the one that the witness has by now."""
        try:
            return await asyncio.to_thread(answered, note, line, cosigner)
        except AuditError:
            renewed = await witness.cosigner(anew=True)
            if renewed is None or renewed.public_key == cosigner.public_key:
                raise
            return await asyncio.to_thread(answered, note, line, renewed)

    async def _size_told(self, answer: WitnessAnswer, asked_from: int, head: Checkpoint) -> int:
        """The size that the witness holds, where that is what it answered and `head` can be proven from it."""
        if answer.status != 409 or answer.content_type != SIZE_TYPE:
            raise _refused(answer)
        size = read_size(answer.body)
        if size > head.size:
            await self._require_grown(size, head)
            raise TransportError(f"it holds a later head already, of {size} entries")
        if size == asked_from:
            raise _DisputedError("forked", f"it cosigned another head of {size} entries")
        return size

    async def _require_grown(self, size: int, head: Checkpoint) -> None:
        """Somebody may have shown it a later head of ours, but none that this log has not reached."""
        own = await self.book.own_head()
        if own is None or own.origin != head.origin or own.size < size:
            there = head.size if own is None else own.size
            raise _DisputedError("shrunk", f"it cosigned {size} entries, this log has {there}")

    async def _opening(self, head: Checkpoint, consistency: Consistency) -> Opening | None:
        """How a later epoch begins; the proof from one entry on is the path of the first."""
        if epoch_of(head.origin).number == 0 or head.size == 0:
            return None
        path = await consistency(1)
        return Opening(await self.first_entry(head.origin), tuple(path))

    async def _dispute(self, witness: str, head: Checkpoint, error: _DisputedError) -> None:
        pace = self._pace(witness)
        if pace.disputed != error.reason:
            pace.disputed = error.reason
            log.critical(
                Line.WITNESS_REFUSED,
                witness=witness,
                log=head.origin,
                size=head.size,
                reason=error.reason,
                said=str(error)[:_SHOWN],
            )
            await self.book.refused_by(witness, error.reason, head.size, self.clock.now())
        self._put_off(pace, str(error))

    def _put_off(self, pace: _Pace, trouble: str, *, away: bool = False) -> None:
        pace.failures += 1
        pace.away = away
        pace.trouble = trouble[:_SHOWN]
        wait = RETRY.wait(pace.failures, self.random())
        pace.not_before = self.clock.monotonic() + wait.total_seconds()


def _look_at(task: asyncio.Task[bytes | None]) -> None:
    """Nobody may be waiting for it any more. A journal that failed has ended the node by itself."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error(Line.WITNESS_NOT_ASKED, error=f"{type(error).__name__}: {error}"[:_SHOWN])


def _refused(answer: WitnessAnswer) -> Exception:
    said = answer.body[:_SHOWN].decode("utf-8", "replace")
    shown = "".join(one if one.isprintable() else " " for one in said).strip()
    if answer.status == 422:
        return _DisputedError("unproven", f"it says: {shown}")
    if answer.status == 403 and answer.content_type == STOPPED_TYPE:
        return _DisputedError("stopped", f"it says: {shown}")
    return PeerError(f"HTTP {answer.status}: {shown}")
