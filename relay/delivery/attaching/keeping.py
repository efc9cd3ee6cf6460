"""Take proofs from a neighbour: each judged by itself, kept beside its receipt, and queued to go where that went.

A proof that is refused stops no other. What is kept and what is queued are one transaction, so nothing is
lost between the two.

Touches: the journal.
Trusts:  the neighbour's authentication; nothing of a proof before it was judged.
Raises:  OverloadError, JournalError; a refusal is an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, ParamSpec, TypeVar

import structlog

from relay.delivery.attaching.ports import Arrived, AttachBook, AttachJudge, Heads, Opened
from relay.delivery.clock import Clock
from relay.errors import AuditError, OverloadError, PeerError, UncertainError
from relay.lines import Line
from relay.model import Digest, NodeId, Signed
from relay.wire.attached import Answer, Answered

AT_ONCE = 2
"""Requests whose proofs are judged at the same time; each judges in a thread."""
SLICE: Final = 16
"""Proofs that a thread judges before others have their turn: a millisecond."""
P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger("relay.proofs")


@dataclass(slots=True)
class ProofKeeper:
    node: NodeId
    book: AttachBook
    judge: AttachJudge
    heads: Heads
    clock: Clock
    waiting: Callable[[Iterable[NodeId]], None]
    """Told for which neighbours proofs were queued."""
    _taking: int = field(default=0)

    async def take(self, neighbour: NodeId, proofs: Sequence[bytes]) -> list[Answered]:
        """One answer for each; what is answered as kept is durable (W20.4)."""
        if self._taking >= AT_ONCE:
            raise OverloadError(f"{self._taking} requests with proofs are being judged")
        self._taking += 1
        try:
            return await self._take(neighbour, proofs)
        finally:
            self._taking -= 1

    async def _take(self, neighbour: NodeId, proofs: Sequence[bytes]) -> list[Answered]:
        answers: list[Answered] = []
        arrived: list[Arrived] = []
        forked: dict[bytes, bool] = {}
        for found in await self._judged(proofs):
            judged = found
            if isinstance(judged, Arrived) and judged.note not in forked:
                forked[judged.note] = await self.heads.contradicts(judged.note, neighbour)
            if isinstance(judged, Arrived) and forked[judged.note]:
                judged = Answered(Answer.REFUSED, "another head of that size was cosigned here")
            if isinstance(judged, Arrived):
                arrived.append(judged)
                answers.append(Answered(Answer.KEPT))
                continue
            answers.append(judged)
            if judged.answer is Answer.REFUSED:
                log.warning(Line.PROOF_REFUSED, neighbour=neighbour, error=judged.why)
        if arrived:
            self.waiting(await self.book.keep(arrived, self.clock.now()))
        return answers

    async def _judged(self, proofs: Sequence[bytes]) -> list[Arrived | Answered]:
        """A slice at a time: their receipts are looked up together, and a thread is not asked for each."""
        found: list[Arrived | Answered] = []
        for start in range(0, len(proofs), SLICE):
            opened = await asyncio.to_thread(self._opened, proofs[start : start + SLICE])
            receipts = {one.about for one in opened if not isinstance(one, Answered)}
            known = await self.book.known(receipts)
            found += await asyncio.to_thread(self._judged_slice, opened, known, self.clock.now())
        return found

    # ------------------------------------------------------------ in a thread

    def _opened(self, proofs: Sequence[bytes]) -> list[Opened | Answered]:
        return [_answered(self.judge.open, proof) for proof in proofs]

    def _judged_slice(
        self,
        opened: Sequence[Opened | Answered],
        known: Mapping[Digest, tuple[Signed, NodeId]],
        now: datetime,
    ) -> list[Arrived | Answered]:
        return [
            one
            if isinstance(one, Answered)
            else _answered(self._judge, one, known.get(one.about), now)
            for one in opened
        ]

    def _judge(
        self, opened: Opened, known: tuple[Signed, NodeId] | None, now: datetime
    ) -> Arrived | Answered:
        if known is None:
            return Answered(Answer.UNKNOWN)
        receipt, issuer = known
        if issuer == self.node:
            return Answered(Answer.REFUSED, "it is of a receipt that was signed here")
        return opened.judge(receipt, issuer, now)


def _answered(judge: Callable[P, T], *given: P.args, **named: P.kwargs) -> T | Answered:
    """What it finds, or the answer that its refusal is."""
    try:
        return judge(*given, **named)
    except UncertainError as error:
        return Answered(Answer.LATER, str(error))
    except (AuditError, PeerError, ValueError) as error:
        return Answered(Answer.REFUSED, str(error))
