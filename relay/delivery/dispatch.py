"""Carry what waits to the neighbours, one task a channel so that none waits for another (W22.9): what goes when. What
is sent and what comes of it is attempts.py.

Touches: the journal; tells attempts what to send.
Raises:  nothing expected; failures become waits. Any other error ends `run`, loudly, and with it
         the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from relay.delivery.attempts import Attempts
from relay.delivery.clock import Clock
from relay.delivery.neighbours.answers import require_answer, require_own_evidence
from relay.delivery.neighbours.channel import Channel, Work
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.records import Journal, Notary, OpenTransfer, Ready, Wire
from relay.delivery.returns import ReturnDesk
from relay.errors import TransportError
from relay.lines import Line
from relay.model import NodeId, Receipt, TransferHeader, TransferId

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
    attempts: Attempts = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _closing: bool = False
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)

    def __post_init__(self) -> None:
        self.attempts = Attempts(
            self.node,
            self.journal,
            self.notary,
            self.wire,
            self.policy,
            self.clock,
            self.random,
            self.tolerance,
            self.require_answer,
            self.met,
            self.receipts_wait,
        )

    def offer(self, neighbour: NodeId, ready: Ready) -> None:
        """A message was accepted for this neighbour."""
        self.channels[neighbour].offer(ready)

    def look(self, neighbours: Iterable[NodeId] | None = None) -> None:
        """The journal may hold new work for these neighbours (all of them by default). What waits for one
        that is no longer linked waits for an operator."""
        for neighbour in self.channels if neighbours is None else neighbours:
            if (channel := self.channels.get(neighbour)) is not None:
                channel.lanes.look_again()
                channel.signal.set()

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
        return self.attempts.reserve(transfer_id)

    def restore(self, transfer_id: TransferId) -> None:
        self.attempts.restore(transfer_id)

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
        return await self.attempts.block(self.channels[neighbour], error, self.clock.now())

    async def recovered(self, neighbour: NodeId) -> None:
        """After `suffered`: it answers again."""
        await self.attempts.succeeded(self.channels[neighbour], 0)
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
        """What is due, and between it whatever new outranks it: what is put off again and again, or went
        out by hand, may be any number."""
        if not channel.room or not (due := await self._due(channel)):
            return
        await self._refill(channel)
        for transfer in due:
            while channel.room and channel.new_first(transfer.lane) and self._start_batch(channel):
                pass
            if not channel.room:
                return
            channel.lanes.repeated()
            self._start(channel, self.attempts.repeat(channel, transfer))

    async def _start_new(self, channel: Channel) -> None:
        while channel.room:
            await self._refill(channel)
            if not self._start_batch(channel):
                return

    async def _refill(self, channel: Channel) -> None:
        for lane in channel.lanes.starving():
            channel.lanes.reading(lane)
            found = await self.journal.ready(channel.neighbour, lane, REFILL)
            channel.lanes.refill(lane, found, REFILL)

    def _start_batch(self, channel: Channel) -> bool:
        """The next new ones, in one request; False when nothing new waits."""
        most = min(channel.together, self.wire.together(channel.neighbour))
        batch = channel.lanes.take(most)
        if batch:
            self._start(channel, self.attempts.carry(channel, batch), len(batch))
        return bool(batch)

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
        busy, now = set(self.attempts.under_way), self.clock.now()
        found = await self.journal.open_transfers(
            channel.neighbour, now, now + self.policy.cap, channel.room + len(busy)
        )
        busy |= self.attempts.under_way
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

    # ------------------------------------------------------------ the way back

    async def _return(self, channel: Channel) -> None:
        try:
            while await self.returns.hand_back(channel.neighbour):
                await self.attempts.succeeded(channel)
        except TransportError as error:
            channel.returns_waiting = True
            wait = await self.attempts.block(channel, error, self.clock.now())
            log.warning(
                Line.RECEIPTS_POSTPONED,
                neighbour=channel.neighbour,
                error=str(error),
                seconds=round(wait.total_seconds(), 1),
            )
        finally:
            channel.returning = False
