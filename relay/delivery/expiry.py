"""Deliveries whose time ran out: asked about when in doubt, then ended with a signed receipt.

A delivery that was sent without an answer may stand at the neighbour already. So before it is given
up the neighbour is asked for its answer; an answer settles it, a plain "never seen" lets it expire,
and while the neighbour cannot be asked the receipt says outcome-unknown. What ended so is asked about
again as soon as the neighbour shows life, and a moment later if it did not answer then: a node that
starts speaks before it listens. Any later receipt supersedes it (W22.5, W22.6).

Touches: the journal, the wire, the notary. Trusts: nothing of an answer until proven.
Raises:  JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from relay.delivery.asking import Questions, Word
from relay.delivery.clock import Clock
from relay.delivery.records import Journal, Notary, OpenTransfer, Waiting
from relay.lifecycle import IllegalStepError
from relay.lines import Line
from relay.model import DeliveryState, Event, Evidence, NodeId, Reason, Receipt, TransferId

SWEEP_SECONDS = 5.0
AT_ONCE = 200
ASK_AGAIN_SECONDS = 30.0
"""A neighbour that speaks to us but cannot be asked is not asked at each of its words."""
ASK_SOON_SECONDS = 5.0
"""Once more by itself after that: what it said may have been all for days."""
log = structlog.get_logger("relay.expiry")


@dataclass(slots=True)
class ExpiryDesk:
    node: NodeId
    journal: Journal
    notary: Notary
    questions: Callable[[], Questions]
    """New ones: who was silent once is not asked again by the same."""
    clock: Clock
    receipts_wait: Callable[[Iterable[NodeId]], None]
    grace: timedelta
    """Nothing expires so soon after a start: the clock may have gone far while the node stood."""
    doubted: Callable[[], bool] = lambda: False
    """Nor while the clock may be wrong (agreeing.py)."""
    _unknown: set[NodeId] = field(default_factory=set)
    """Neighbours that may have what ended here with an unknown outcome."""
    _silent_since: dict[NodeId, float] = field(default_factory=dict)
    _met: set[NodeId] = field(default_factory=set)
    _soon: dict[NodeId, float] = field(default_factory=dict)
    """Who spoke and could not be asked then, and when (monotonic) to ask once more."""
    _called: asyncio.Event = field(default_factory=asyncio.Event)

    def met(self, neighbour: NodeId) -> None:
        """The neighbour shows life."""
        if neighbour not in self._unknown:
            return
        since = self._silent_since.get(neighbour)
        if since is None or self.clock.monotonic() - since >= ASK_AGAIN_SECONDS:
            self._met.add(neighbour)
            self._called.set()
        else:
            self._soon.setdefault(neighbour, since + ASK_AGAIN_SECONDS)

    async def run(self) -> None:
        """Sweep until cancelled."""
        first = self.clock.monotonic() + self.grace.total_seconds()
        while True:
            self._called.clear()
            self._unknown.update(await self.journal.neighbours_of_unknown_outcomes())
            self._met |= self._due()
            while self._met:
                await self.ask_again(self._met.pop())
            wait = first - self.clock.monotonic()
            if wait <= 0:
                more = not self.doubted() and await self.sweep() == AT_ONCE
                wait = 0 if more else SWEEP_SECONDS
            try:
                async with asyncio.timeout(min(wait, SWEEP_SECONDS)):
                    await self._called.wait()
            except TimeoutError:
                pass

    def _due(self) -> set[NodeId]:
        """Whom to ask once more now."""
        now = self.clock.monotonic()
        due = {neighbour for neighbour, at in self._soon.items() if at <= now}
        for neighbour in due:
            del self._soon[neighbour]
        return due

    async def sweep(self) -> int:
        """End what is overdue now; how many deliveries it looked at.

        A neighbour that could not be asked once is not asked again in the same sweep: the time-outs
        of one dead neighbour must not hold up what waits for all others.
        """
        overdue = await self.journal.overdue(self.clock.now(), AT_ONCE)
        questions = self.questions()
        for waiting in overdue:
            transfer = waiting.transfer
            async with questions.alone_with(
                None if transfer is None else transfer.transfer_id
            ) as alone:
                if alone:
                    await self._end(waiting, questions)
        return len(overdue)

    async def ask_again(self, neighbour: NodeId) -> None:
        """What ended with an unknown outcome there, now that it can perhaps be asked."""
        self._unknown.discard(neighbour)
        questions = self.questions()
        asked: dict[TransferId, Word] = {}
        found = await self.journal.unknown_outcomes(neighbour, AT_ONCE)
        for waiting in found:
            if waiting.transfer is None:
                continue
            transfer_id = waiting.transfer.transfer_id
            if transfer_id not in asked:
                asked[transfer_id] = await questions.ask_alone(waiting.transfer)
            if asked[transfer_id] is Word.NEVER_SEEN:
                await self._give_up(waiting, self._certain(waiting.transfer))
            if neighbour in questions.silent:
                break
        if Word.SILENT in asked.values():
            self._silent(neighbour)
            return
        self._silent_since.pop(neighbour, None)
        if len(found) == AT_ONCE:
            self._unknown.add(neighbour)
            self._met.add(neighbour)

    def _silent(self, neighbour: NodeId) -> None:
        now = self.clock.monotonic()
        since = self._silent_since.get(neighbour)
        if since is None or now - since >= ASK_AGAIN_SECONDS:
            self._soon[neighbour] = now + ASK_SOON_SECONDS
        self._unknown.add(neighbour)
        self._silent_since[neighbour] = now

    async def _end(self, waiting: Waiting, questions: Questions) -> None:
        reason = Reason.EXPIRED
        if waiting.state is DeliveryState.IN_DOUBT and waiting.transfer is not None:
            word = await questions.ask(waiting.transfer)
            if word is Word.ANSWERED:
                return
            if word is Word.SILENT:
                reason = Reason.OUTCOME_UNKNOWN
                self._unknown.add(waiting.transfer.neighbour)
        await self._give_up(waiting, reason)

    def _certain(self, transfer: OpenTransfer) -> Reason:
        """Why it ended, now that the neighbour is known not to have it."""
        expired = transfer.expires_at <= self.clock.now()
        return Reason.EXPIRED if expired else Reason.CANCELLED

    async def _give_up(self, waiting: Waiting, reason: Reason) -> None:
        receipt = self._receipt(waiting, reason)
        signed = await self.notary.issue_receipt(receipt, receipt.at, patient=True)
        try:
            back = await self.journal.give_up(waiting, signed, receipt, receipt.at)
        except IllegalStepError:
            return  # settled or sent again meanwhile
        log.warning(
            Line.DELIVERY_EXPIRED,
            message=waiting.message_id,
            recipient=waiting.recipient,
            reason=reason.value,
        )
        self.receipts_wait(back)

    def _receipt(self, waiting: Waiting, reason: Reason) -> Receipt:
        evidence = Evidence(
            Event.RELAY_FAILURE, waiting.recipient, waiting.previous, reason, _DETAILS[reason]
        )
        return Receipt.about(
            waiting,
            issuer=self.node,
            at=self.clock.now(),
            transfer_id=None if waiting.transfer is None else waiting.transfer.transfer_id,
            evidence=(evidence,),
        )


_DETAILS = {
    Reason.EXPIRED: "not taken over by the next node in time",
    Reason.CANCELLED: "cancelled, and the next node never had it",
    Reason.OUTCOME_UNKNOWN: "sent to the next node, which did not answer in time",
}
