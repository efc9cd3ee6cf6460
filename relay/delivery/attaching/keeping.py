"""Take proofs from a neighbour: each judged by itself, kept beside its receipt, and queued to go where that went.

A proof that is refused stops no other. What is kept and what is queued are one transaction, so nothing is
lost between the two.

Touches: the journal.
Trusts:  the neighbour's authentication; nothing of a proof before it was judged.
Raises:  OverloadError, JournalError; a refusal is an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from relay.delivery.attaching.ports import Arrived, AttachBook, AttachJudge, Heads
from relay.delivery.clock import Clock
from relay.errors import AuditError, OverloadError, PeerError, UncertainError
from relay.lines import Line
from relay.model import NodeId
from relay.wire.attached import Answer, Answered

AT_ONCE = 2
"""Requests whose proofs are judged at the same time; each judges in a thread."""
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
        for proof in proofs:
            judged = await self._judged(proof)
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

    async def _judged(self, proof: bytes) -> Arrived | Answered:
        try:
            known = await self.book.known(await asyncio.to_thread(self.judge.about, proof))
            if known is None:
                return Answered(Answer.UNKNOWN)
            receipt, issuer = known
            if issuer == self.node:
                return Answered(Answer.REFUSED, "it is of a receipt that was signed here")
            return await asyncio.to_thread(
                self.judge.judge, proof, receipt, issuer, self.clock.now()
            )
        except UncertainError as error:
            return Answered(Answer.LATER, str(error))
        except (AuditError, PeerError, ValueError) as error:
            return Answered(Answer.REFUSED, str(error))
