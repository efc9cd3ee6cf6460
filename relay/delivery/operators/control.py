"""Operators' actions on what waits: hold, release, requeue, cancel, redirect, flush.

Each with a reason, by the name of a delivery or message or by neighbour, in steps of bounded size
between which everything else has its turn.

Touches: the journal; the wire and the dispatcher through intervening.py.
Trusts:  that the face let only an operator in.
Raises:  NotFoundError, NotPossibleError (nothing was changed), JournalError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from relay.delivery.asking import Questions
from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.operators.intervening import Intervention
from relay.delivery.operators.orders import Action, Done, OperatingJournal, Order
from relay.delivery.ports import Caller
from relay.delivery.records import DeliveryRow, Journal, Notary, Wire
from relay.errors import AccessError, NotFoundError, NotPossibleError
from relay.lines import Line
from relay.model import AgencyCode, Lane, NodeId
from relay.routing.directory import Directory
from relay.routing.next_hop import Hop, Place, Via, next_hop

PAGE = 100
"""Deliveries of one transaction."""
FROZEN_PAGE = 50
"""Transfers read at once."""
MOST_AT_ONCE = 20_000
"""Deliveries one request acts on; whoever has more asks again."""
_IN_DOUBT_OR_BUSY = (
    "being sent or in doubt: act on those by their own ids, which asks the neighbour first"
)
log = structlog.get_logger("relay.control")


@dataclass(frozen=True, slots=True)
class ControlDesk:
    """delivery.operators.orders.Control."""

    place: Place
    directory: Directory
    journal: Journal
    operating: OperatingJournal
    notary: Notary
    wire: Wire
    clock: Clock
    dispatcher: Dispatcher
    unsealed: Callable[[], None]

    async def act(
        self,
        caller: Caller,
        action: Action,
        name: str,
        why: str,
        *,
        to: NodeId | None = None,
        unanswered: bool = False,
    ) -> Done:
        """By a delivery's or a message's id."""
        if to is not None and to not in self.place.neighbours:
            raise NotFoundError(f"no neighbour {to} is configured")
        rows = await self.operating.rows_of(name)
        if not rows:
            raise NotFoundError(f"no delivery or message {name} is known here")
        work = self._begin(caller, action, why, to, unanswered=unanswered)
        for start in range(0, len(rows), PAGE):
            await work.on(await self.operating.targets(rows[start : start + PAGE]))
        if action is Action.REQUEUE:
            parked = await self.operating.unpark_of(work.order, rows)
            work.tally.receipts = sum(parked.values())
            self.dispatcher.resume(parked, at_once=False)
        return _told(work, name)

    async def act_on_neighbour(
        self, caller: Caller, action: Action, neighbour: NodeId | None, why: str
    ) -> Done:
        """Hold, release, requeue or flush what waits for it."""
        work = self._begin(caller, action, why)
        if action is Action.FLUSH:
            return await self._flush(work, neighbour)
        if neighbour is None:
            raise NotPossibleError(f"{action} needs a neighbour")
        match action:
            case Action.HOLD:
                more = await self._hold(work, neighbour)
            case Action.RELEASE:
                more = await self._release(work, neighbour)
            case Action.REQUEUE:
                more = await self._requeue(work, neighbour)
            case _:
                raise NotPossibleError(f"{action} needs a delivery")
        done = work.tally.done(action, more=more)
        if not (done.acted or done.left or done.settled) and neighbour not in self._linked:
            raise NotFoundError(f"nothing waits for {neighbour}, which is no neighbour")
        log.warning(Line.OPERATOR_ACTED, action=action.value, neighbour=neighbour)
        return done

    @property
    def _linked(self) -> frozenset[NodeId]:
        return self.place.linked

    def _begin(
        self,
        caller: Caller,
        action: Action,
        why: str,
        to: NodeId | None = None,
        *,
        unanswered: bool = False,
    ) -> Intervention:
        if not caller.operator:
            raise AccessError("only an operator may do that")
        order = Order(action, caller.holder, why, self.clock.now())
        questions = Questions(
            self.directory, self.journal, self.notary, self.wire, self.clock, self.dispatcher
        )
        return Intervention(
            order, self.place, self.operating, questions, self.unsealed, to, unanswered
        )

    # ------------------------------------------------------------ by neighbour

    async def _flush(self, work: Intervention, neighbour: NodeId | None) -> Done:
        if neighbour is not None and neighbour not in self._linked:
            raise NotFoundError(f"no neighbour {neighbour} is configured")
        neighbours = sorted(self._linked) if neighbour is None else [neighbour]
        await self.operating.hasten(work.order, neighbours, None)
        self.dispatcher.resume(neighbours, at_once=True)
        work.tally.acted = len(neighbours)
        return work.tally.done(Action.FLUSH)

    async def _hold(self, work: Intervention, neighbour: NodeId) -> bool:
        """What waits now; what comes later is not held. True when more is left to do."""
        newest = await self.operating.newest()
        for lane in Lane:
            after = 0
            while page := await self.operating.queued(neighbour, lane, after, newest, PAGE):
                after = page[-1][0]
                await self._hold_rows(work, [row for row, _ in page])
                if work.tally.acted >= MOST_AT_ONCE:
                    return True
        cursor = (0, 0)
        while (frozen := await self.operating.frozen(neighbour, cursor, FROZEN_PAGE)).transfers:
            cursor = frozen.cursor
            await self._hold_rows(work, list(frozen.rows))
            if work.tally.acted >= MOST_AT_ONCE:
                return True
        after = 0
        while rows := await self.operating.sealing(neighbour, after, PAGE):
            after = rows[-1]
            await self._hold_rows(work, rows)
        return False

    async def _hold_rows(self, work: Intervention, rows: list[DeliveryRow]) -> None:
        moved = await self.operating.hold(work.order, rows)
        work.tally.acted += moved.rows
        work.tally.leave(_IN_DOUBT_OR_BUSY, moved.left)

    async def _release(self, work: Intervention, neighbour: NodeId) -> bool:
        after, unsealed = 0, False
        while rows := await self.operating.held(neighbour, after, PAGE):
            after = rows[-1]
            moved = await self.operating.let_go(work.order, rows)
            work.tally.moved(moved)
            unsealed = unsealed or moved.unsealed
            if work.tally.acted >= MOST_AT_ONCE:
                break
        self.dispatcher.resume([neighbour], at_once=False)
        if unsealed:
            self.unsealed()
        return bool(rows)

    async def _requeue(self, work: Intervention, neighbour: NodeId) -> bool:
        """Frozen ones are asked about; of the others only those move whose way is another now."""
        cursor = (0, 0)
        while (frozen := await self.operating.frozen(neighbour, cursor, FROZEN_PAGE)).transfers:
            cursor = frozen.cursor
            await work.on(await self.operating.targets(frozen.rows))
            if work.tally.acted >= MOST_AT_ONCE:
                return True
        newest = await self.operating.newest()
        for lane in Lane:
            after = 0
            while page := await self.operating.queued(neighbour, lane, after, newest, PAGE):
                after = page[-1][0]
                elsewhere = [row for row, code in page if self._way(code) != Via(neighbour)]
                await work.on(await self.operating.targets(elsewhere))
                if work.tally.acted >= MOST_AT_ONCE:
                    return True
        work.tally.receipts = await self.operating.unpark(work.order, neighbour)
        await self.operating.hasten(work.order, [neighbour], [])
        self.dispatcher.resume([neighbour], at_once=True)
        return False

    def _way(self, code: AgencyCode) -> Hop:
        return next_hop(self.directory, self.place, code)


def _told(work: Intervention, name: str) -> Done:
    """What was done by name; an error where that is nothing."""
    done = work.tally.done(work.action)
    log.warning(
        Line.OPERATOR_ACTED,
        action=work.action.value,
        name=name,
        acted=done.acted,
        left=done.left,
    )
    if not (done.acted or done.settled or done.receipts):
        raise NotPossibleError(f"cannot {work.action} {name}: " + "; ".join(done.reasons[:3]))
    return done
