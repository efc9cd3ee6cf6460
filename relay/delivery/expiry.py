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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from relay.delivery.asking import Questions, Word
from relay.delivery.clock import Clock
from relay.delivery.records import Journal, Notary, OpenTransfer, Waiting
from relay.delivery.turns import Turn
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
    """Who is to be asked once more, or about more, and when (monotonic)."""
    _turns: dict[NodeId, Turn] = field(default_factory=dict)
    """Of those asked about some, or who fell silent over it."""
    _called: asyncio.Event = field(default_factory=asyncio.Event)
    _going_on: Questions | None = None
    """Those of a sweep that left something overdue."""

    def met(self, neighbour: NodeId) -> None:
        """The neighbour shows life."""
        if self._going_on is not None:
            self._going_on.silent.discard(neighbour)
        if neighbour not in self._unknown or neighbour in self._soon:
            return
        since = self._silent_since.get(neighbour)
        if since is None or self.clock.monotonic() - since >= ASK_AGAIN_SECONDS:
            self._met.add(neighbour)
            self._called.set()
        else:
            self._soon[neighbour] = since + ASK_AGAIN_SECONDS

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

        A neighbour that could not be asked once is not asked again in the same sweep, nor in one that goes
        on with what that left, unless it shows life: the time-outs of one dead neighbour must not hold up
        what waits for all others (W22.9).
        """
        overdue = await self.journal.overdue(self.clock.now(), AT_ONCE)
        questions = self._going_on or self.questions()
        self._going_on = questions if len(overdue) == AT_ONCE else None
        for waiting in overdue:
            transfer = waiting.transfer
            async with questions.alone_with(
                None if transfer is None else transfer.transfer_id
            ) as alone:
                if alone:
                    await self._end(waiting, questions)
        return len(overdue)

    async def ask_again(self, neighbour: NodeId) -> None:
        """A page of what ended with an unknown outcome there, now that it can perhaps be asked; `run` goes on
        until each was asked about once."""
        self._unknown.discard(neighbour)
        turn = self._turns.setdefault(neighbour, Turn())
        found = await self.journal.unknown_outcomes(neighbour, AT_ONCE, turn.left)
        questions = self.questions()
        unproven = await self._ask_all(found, questions)
        if unproven:
            turn.passed(unproven[-1])
        if neighbour in questions.silent:
            self._turns[neighbour] = turn.anew()
            self._silent(neighbour)
            return
        if found:
            self._silent_since.pop(neighbour, None)
        if not turn.over(whole_page=len(found) == AT_ONCE):
            self._goes_on(neighbour, pause=bool(unproven))
            return
        del self._turns[neighbour]
        if turn.unproven:  # no new turn at each of its words
            self._unknown.add(neighbour)
            self._silent_since[neighbour] = self.clock.monotonic()

    async def _ask_all(self, found: Sequence[Waiting], questions: Questions) -> list[TransferId]:
        """In their order, until the neighbour is silent; about which transfers nothing is known even now."""
        asked: dict[TransferId, Word] = {}
        for waiting in found:
            if (transfer := waiting.transfer) is None:
                continue
            if transfer.transfer_id not in asked:
                asked[transfer.transfer_id] = await questions.ask_alone(transfer)
            if asked[transfer.transfer_id] is Word.NEVER_SEEN:
                await self._give_up(waiting, self._certain(transfer))
            if transfer.neighbour in questions.silent:
                break
        return [transfer_id for transfer_id, word in asked.items() if word is Word.SILENT]

    def _silent(self, neighbour: NodeId) -> None:
        now = self.clock.monotonic()
        since = self._silent_since.get(neighbour)
        if since is None or now - since >= ASK_AGAIN_SECONDS:
            self._soon[neighbour] = now + ASK_SOON_SECONDS
        self._unknown.add(neighbour)
        self._silent_since[neighbour] = now

    def _goes_on(self, neighbour: NodeId, *, pause: bool) -> None:
        """At once where all of a page became known; what did not may be any number, and no word hurries it."""
        if pause:
            self._soon[neighbour] = self.clock.monotonic() + ASK_SOON_SECONDS
        else:
            self._met.add(neighbour)

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
