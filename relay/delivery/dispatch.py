"""Carry what waits to the neighbours, one task a channel so that none waits for another (W22.9), and settle what they
answer.

A transfer is frozen (header signed, recipients fixed, stored) before its first attempt and repeated
to the letter until it is answered. Where the process may die:

    before the freeze commits    nothing was sent; the deliveries still wait
    after it, before an answer   in doubt: repeated to the same neighbour, which answers as before
    after the answer, before     as above
      settle commits

Touches: the journal, the wire, the notary.
Trusts:  nothing of an answer until the notary proved it.
Raises:  nothing expected; failures become waits. Any other error ends `run`, loudly, and with it
         the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.delivery.clock import Clock
from relay.delivery.neighbours.answers import require_answer, require_own_evidence
from relay.delivery.neighbours.channel import Channel, Work
from relay.delivery.neighbours.freezing import header_of
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.records import (
    Answered,
    Freeze,
    Journal,
    NeighbourState,
    Notary,
    OpenTransfer,
    Outgoing,
    Ready,
    Wire,
)
from relay.delivery.returns import ReturnDesk
from relay.errors import PeerError, TransportError, UnansweredError, UnprovenError
from relay.lifecycle import IllegalStepError
from relay.lines import Line
from relay.model import (
    NodeId,
    Payload,
    Receipt,
    Signed,
    TransferHeader,
    TransferId,
)
from relay.wire.transfer import read_transfer

REFILL = 256
"""Deliveries read from the journal at once."""
LOOK_AGAIN = timedelta(seconds=30)
"""A channel with nothing to do looks at the journal this often, should a signal ever be missed."""
log = structlog.get_logger("relay.dispatch")


@dataclass(slots=True)
class Dispatcher:
    """All channels of a node."""

    node: NodeId
    journal: Journal
    notary: Notary
    wire: Wire
    returns: ReturnDesk
    policy: RetryPolicy
    clock: Clock
    random: Callable[[], float]
    channels: dict[NodeId, Channel]
    met: Callable[[NodeId], None]
    """Told whenever a neighbour shows life."""
    tolerance: timedelta = timedelta(minutes=5)
    """How far into the future a header may be dated for a neighbour to take it."""
    bridges: frozenset[NodeId] = frozenset()
    """Channels to remotes that give no evidence: what they answer is evidence of our own."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _carrying: set[TransferId] = field(default_factory=set)
    _closing: bool = False
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)

    def offer(self, neighbour: NodeId, ready: Ready) -> None:
        """A message was accepted for this neighbour."""
        self.channels[neighbour].offer(ready)

    def look(self, neighbours: Iterable[NodeId] | None = None) -> None:
        """The journal may hold new work for these neighbours (all of them by default)."""
        for neighbour in self.channels if neighbours is None else neighbours:
            self.channels[neighbour].lanes.look_again()
            self.channels[neighbour].signal.set()

    def exported(self, neighbour: NodeId) -> None:
        """Transfers of this neighbour's are in doubt, for they went out by hand: any link may repeat
        them."""
        self.channels[neighbour].failing = True
        self.look([neighbour])

    def receipts_wait(self, neighbours: Iterable[NodeId]) -> None:
        """Receipts were queued for these neighbours."""
        for neighbour in neighbours:
            if (channel := self.channels.get(neighbour)) is not None:
                channel.returns_waiting = True
                channel.signal.set()

    def resume(self, neighbours: Iterable[NodeId], *, at_once: bool) -> None:
        """An operator, or a neighbour that was restored, set something going: all of it is looked at, frozen or not. `at_once` ends a wait."""
        for neighbour in neighbours:
            if (channel := self.channels.get(neighbour)) is not None:
                channel.failing = channel.returns_waiting = True
                channel.lanes.look_again()
                channel.wake() if at_once else channel.signal.set()

    def reserve(self, transfer_id: TransferId) -> bool:
        """Nobody makes an attempt of this transfer until `restore`; False while one is under way."""
        if transfer_id in self._carrying:
            return False
        self._carrying.add(transfer_id)
        return True

    def restore(self, transfer_id: TransferId) -> None:
        self._carrying.discard(transfer_id)

    def contact(self, neighbour: NodeId) -> None:
        """The neighbour just spoke to us: whatever it was thought to be, it is reachable."""
        self.met(neighbour)
        channel = self.channels.get(neighbour)
        if channel is not None and channel.contacted(self.clock.monotonic()):
            log.info(Line.NEIGHBOUR_IS_BACK, neighbour=neighbour)

    def blocked_for(self, neighbour: NodeId) -> float:
        """Seconds for which it is left alone from now on."""
        return max(0.0, self.channels[neighbour].blocked_until - self.clock.monotonic())

    async def suffered(self, neighbour: NodeId, error: TransportError) -> timedelta:
        """Somebody else than the channel found it unreachable; how long it is left alone now."""
        return await self._block(self.channels[neighbour], error, self.clock.now())

    async def recovered(self, neighbour: NodeId) -> None:
        """After `suffered`: it answers again."""
        await self._succeeded(self.channels[neighbour], 0)
        self.channels[neighbour].signal.set()

    def require_answer(self, receipt: Receipt, header: TransferHeader) -> None:
        """Raises SignatureError for what does not answer this transfer."""
        if header.sent_to in self.bridges:
            require_own_evidence(receipt, header)
        else:
            require_answer(self.returns.directory, receipt, header)

    async def run(self) -> None:
        """Until cancelled. `drain` comes before that and lets what is under way finish."""
        await self._restore()
        async with self._group as group:
            for channel in self.channels.values():
                group.create_task(self._serve(channel))

    async def drain(self, seconds: float) -> None:
        """Take nothing new; wait a bounded time for what is under way."""
        self._closing = True
        for channel in self.channels.values():
            channel.signal.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _restore(self) -> None:
        now = self.clock.now()
        for channel in self.channels.values():
            state = await self.journal.neighbour_state(channel.neighbour)
            if state is not None and state.failures:
                wait = max(timedelta(), min(state.retry_at - now, self.policy.cap))
                until = self.clock.monotonic() + wait.total_seconds()
                channel.failed_before(state.failures, until)

    async def _serve(self, channel: Channel) -> None:
        while not self._closing:
            channel.signal.clear()
            pause = await self._start_what_may(channel)
            try:
                # not wait_for, which before Python 3.12 may swallow a cancellation
                async with asyncio.timeout(pause):
                    await channel.signal.wait()
            except TimeoutError:
                channel.lanes.look_again()
                channel.returns_waiting = True

    async def _start_what_may(self, channel: Channel) -> float:
        """Start transfers while there is room; how long to wait for the next look."""
        wait = channel.blocked_until - self.clock.monotonic()
        if wait > 0:
            return wait
        for work in channel.order:
            match work:
                case Work.RECEIPTS:
                    self._start_returns(channel)
                case Work.REPEATS:
                    await self._start_repeats(channel)
                case Work.NEW:
                    await self._start_new(channel)
        return await self._until_next(channel)

    def _start_returns(self, channel: Channel) -> None:
        if channel.returns_waiting and not channel.returning and channel.room:
            channel.returns_waiting = False
            channel.returning = True
            self._start(channel, self._return(channel))

    async def _start_repeats(self, channel: Channel) -> None:
        if channel.room:
            for transfer in await self._due(channel):
                self._start(channel, self._repeat(channel, transfer))

    async def _start_new(self, channel: Channel) -> None:
        while channel.room:
            for lane in channel.lanes.starving():
                channel.lanes.reading(lane)
                found = await self.journal.ready(channel.neighbour, lane, REFILL)
                channel.lanes.refill(lane, found, REFILL)
            most = min(channel.together, self.wire.together(channel.neighbour))
            batch = channel.lanes.take(most)
            if not batch:
                return
            self._start(channel, self._carry(channel, batch), len(batch))

    async def _until_next(self, channel: Channel) -> float:
        due = await self.journal.next_open_transfer(channel.neighbour) if channel.failing else None
        if due is None or not channel.room:
            return LOOK_AGAIN.total_seconds()
        wait = (due - self.clock.now()).total_seconds()
        return min(max(wait, 0.05), LOOK_AGAIN.total_seconds())

    async def _due(self, channel: Channel) -> list[OpenTransfer]:
        """Frozen transfers whose time has come, without those already under way."""
        if not channel.failing:
            return []
        # What is being carried now may still be read as open after its answer was settled.
        busy, now = set(self._carrying), self.clock.now()
        found = await self.journal.open_transfers(
            channel.neighbour, now, now + self.policy.cap, channel.room + len(busy)
        )
        busy |= self._carrying
        waiting = [t for t in found if t.transfer_id not in busy][: channel.room]
        if not found:
            channel.failing = False  # before asking: `resume` may say otherwise meanwhile
            if await self.journal.next_open_transfer(channel.neighbour) is not None:
                channel.failing = True
        return waiting

    def _start(self, channel: Channel, work: Coroutine[Any, Any, None], transfers: int = 1) -> None:
        channel.under_way += transfers
        task = self._group.create_task(work)
        self._tasks.add(task)

        def finished(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            channel.under_way -= transfers
            channel.signal.set()

        task.add_done_callback(finished)

    # ------------------------------------------------------------ transfers

    async def _carry(self, channel: Channel, batch: Sequence[Ready]) -> None:
        """Freeze new transfers and make their first attempt, all in one request."""
        now = self.clock.now()
        freezes = await self._sign(channel, batch, now)
        named = {freeze.transfer_id for freeze, _ in freezes}
        self._carrying |= named  # from the freeze on the journal shows them as open
        try:
            frozen = await self.journal.freeze([freeze for freeze, _ in freezes])
            if not all(frozen):
                channel.lanes.look_again()  # ended or taken another way meanwhile
            going = [out for (_, out), done in zip(freezes, frozen, strict=True) if done]
            if len(going) == 1:
                await self._attempt(channel, going[0])
            elif going:
                await self._attempt_all(channel, going)
        finally:
            for ready in batch:
                channel.lanes.frozen(ready)
            self._carrying -= named

    async def _sign(
        self, channel: Channel, batch: Sequence[Ready], now: datetime
    ) -> list[tuple[Freeze, Outgoing]]:
        neighbour = channel.neighbour
        headers = [
            header_of(self.node, neighbour, ready, TransferId(self.clock.mint()), now)
            for ready in batch
        ]
        shared = self.wire.takes_batches(neighbour) and not self._singly(channel)
        signed = await self.notary.issue_transfers(headers, now, batched=shared)
        return [
            (
                Freeze(header.transfer_id, neighbour, ready, one, now),
                Outgoing(header, one, ready.seal, ready.payload, batched=ready.batched),
            )
            for header, one, ready in zip(headers, signed, batch, strict=True)
        ]

    def _singly(self, channel: Channel) -> bool:
        return self.clock.monotonic() < channel.singly_until

    async def _repeat(self, channel: Channel, transfer: OpenTransfer) -> None:
        """Another attempt, to the letter and by itself (W4.3)."""
        if not self.reserve(transfer.transfer_id):
            return  # an operator's action has it
        try:
            header = read_transfer(transfer.header.document)
            if await self._was_frozen_wrongly(channel, transfer, header):
                return
            if await self._may_go(transfer):
                out = Outgoing(
                    header,
                    transfer.header,
                    transfer.seal,
                    None,
                    transfer.attempts,
                    transfer.batched,
                )
                await self._attempt(channel, out)
        finally:
            self.restore(transfer.transfer_id)

    async def _was_frozen_wrongly(
        self, channel: Channel, transfer: OpenTransfer, header: TransferHeader
    ) -> bool:
        """By a clock that was ahead: it names a time to come, before which no neighbour takes it (docs/adr/0010).
        Or with a signature that it shares, and this one takes none such (docs/adr/0044). Where none has it, for
        certain, it goes anew."""
        now = self.clock.now()
        unshared = transfer.transfer_id in channel.unshared
        if header.created_at <= now + self.tolerance and not unshared:
            return False
        try:
            if transfer.in_doubt:
                answer = await self.wire.ask(channel.neighbour, transfer.transfer_id)
                if answer is not None:
                    await self._answered(channel, header, answer)
                    channel.unshared.discard(transfer.transfer_id)
                    return True
            await self.journal.thaw(
                transfer.transfer_id,
                now,
                never_seen=transfer.in_doubt,
                reason="shared-signature" if unshared else "clock",
            )
        except (TransportError, PeerError, IllegalStepError):
            return False  # as any other repeat: it is still due
        channel.unshared.discard(transfer.transfer_id)
        log.warning(
            Line.TRANSFER_THAWED,
            neighbour=channel.neighbour,
            transfer=header.transfer_id,
            message=header.message_id,
        )
        channel.lanes.look_again()
        return True

    async def _may_go(self, transfer: OpenTransfer) -> bool:
        try:
            await self.journal.resend(transfer.transfer_id, self.clock.now())
        except IllegalStepError:
            return False  # answered, freed or held since it was read
        return True

    async def _attempt(self, channel: Channel, out: Outgoing) -> None:
        try:
            whole = await self._whole(out)
            answer = await self.wire.carry(channel.neighbour, *whole, batched=out.batched)
            await self._answered(channel, out.header, answer)
        except (TransportError, PeerError) as error:
            await self._failed(channel, out, error)

    async def _answered(self, channel: Channel, header: TransferHeader, answer: Signed) -> None:
        receipt = await self._prove(header, answer, self.notary.check_receipt)
        await self._succeeded(channel)
        back = await self.journal.settle(header.transfer_id, answer, receipt, self.clock.now())
        self.receipts_wait(back)

    async def _attempt_all(self, channel: Channel, batch: Sequence[Outgoing]) -> None:
        """One attempt for several. What the neighbour leaves unanswered goes again by itself: then it
        says what is wrong with it."""
        try:
            whole = [await self._whole(out) for out in batch]
            # One of them that must be answered singly is enough: the request speaks for all.
            batched = all(out.batched for out in batch)
            answers = await self.wire.carry_several(channel.neighbour, whole, batched=batched)
        except (TransportError, PeerError) as error:
            for out in batch:
                await self._failed(channel, out, error)
            return
        await self._succeeded(channel, len(answers))
        answered = await self._proven(channel, batch, answers)
        if answered:
            self.receipts_wait(await self.journal.settle_all(answered, self.clock.now()))
        for out in batch[len(answers) :]:
            await self._unanswered(channel, out.header.transfer_id)

    async def _whole(self, out: Outgoing) -> tuple[Signed, bytes, Payload]:
        payload = out.payload or await self.journal.payload(out.header.digest)
        return out.signed, out.seal.signature, payload

    async def _proven(
        self, channel: Channel, batch: Sequence[Outgoing], answers: Sequence[Signed]
    ) -> list[Answered]:
        answered = []
        check = self.notary.checker()
        for out, answer in zip(batch, answers, strict=False):
            transfer_id = out.header.transfer_id
            try:
                receipt = await self._prove(out.header, answer, check)
            except PeerError as error:
                await self._failed(channel, out, error)
            else:
                answered.append(Answered(transfer_id, answer, receipt))
            await asyncio.sleep(0)
        return answered

    async def _prove(
        self, header: TransferHeader, answer: Signed, check: Callable[[Signed], Receipt]
    ) -> Receipt:
        """Raises UnprovenError: whoever answers may have taken it, whatever the answer is worth."""
        long = len(answer.document) > LONG_DOCUMENT_BYTES
        log.debug(
            Line.TRANSFER_ANSWERED,
            neighbour=header.sent_to,
            transfer=header.transfer_id,
            message=header.message_id,
        )
        try:
            receipt = await aside(long, check, answer)
            self.clock.seen(receipt.at)
            self.require_answer(receipt, header)
        except PeerError as error:
            raise UnprovenError(str(error)) from error
        return receipt

    async def _unanswered(self, channel: Channel, transfer_id: TransferId) -> None:
        now = self.clock.now()
        channel.failing = True
        error = "the neighbour answered only those before it in the same request"
        await self.journal.postpone(transfer_id, in_doubt=True, error=error, not_before=now, at=now)

    async def _failed(self, channel: Channel, out: Outgoing, error: Exception) -> None:
        """Unreachable: the channel waits. Refused without evidence: only this transfer waits (W22.3)."""
        now, header = self.clock.now(), out.header
        channel.failing = True
        in_doubt = isinstance(error, UnansweredError | UnprovenError)
        if isinstance(error, TransportError):
            wait = await self._block(channel, error, now)
            not_before = now  # due as soon as the channel opens again
        else:
            wait = self.policy.wait(out.attempts + 1, self.random())
            not_before = now + wait
            if not in_doubt and self.notary.batch_of(out.signed.signature) is not None:
                channel.refused_shared(header.transfer_id, self.clock.monotonic())
        log.warning(
            Line.TRANSFER_POSTPONED,
            neighbour=channel.neighbour,
            transfer=header.transfer_id,
            message=header.message_id,
            error=str(error),
            in_doubt=in_doubt,
            seconds=round(wait.total_seconds(), 1),
        )
        await self.journal.postpone(
            header.transfer_id,
            in_doubt=in_doubt,
            error=str(error)[:500],
            not_before=not_before,
            at=now,
        )

    async def _block(self, channel: Channel, error: Exception, now: datetime) -> timedelta:
        """The neighbour as a whole is left alone for a while; those under way fail only once."""
        monotonic = self.clock.monotonic()
        if channel.blocked_until > monotonic:
            return timedelta(seconds=channel.blocked_until - monotonic)
        wait = self.policy.wait(channel.failures + 1, self.random())
        channel.failed(monotonic + wait.total_seconds())
        await self.journal.store_neighbour_state(
            channel.neighbour, NeighbourState(channel.failures, now + wait, str(error)[:500])
        )
        return wait

    async def _succeeded(self, channel: Channel, transfers: int = 1) -> None:
        failed_before = channel.failures > 0
        channel.succeeded(transfers)
        self.met(channel.neighbour)
        if failed_before:
            await self.journal.store_neighbour_state(
                channel.neighbour, NeighbourState(0, self.clock.now(), "")
            )

    # ------------------------------------------------------------ the way back

    async def _return(self, channel: Channel) -> None:
        try:
            while await self.returns.hand_back(channel.neighbour):
                await self._succeeded(channel)
        except TransportError as error:
            channel.returns_waiting = True
            wait = await self._block(channel, error, self.clock.now())
            log.warning(
                Line.RECEIPTS_POSTPONED,
                neighbour=channel.neighbour,
                error=str(error),
                seconds=round(wait.total_seconds(), 1),
            )
        finally:
            channel.returning = False
