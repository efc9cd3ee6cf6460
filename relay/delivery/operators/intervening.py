"""One order of an operator, carried out on deliveries: what may be acted on, what is asked first.

What is frozen into a transfer is asked about first (asking.py): an answer settles it, "never seen"
frees it, and silence leaves what is in doubt as it is. What is frozen but not in doubt was refused at
each attempt before anything was taken: silence cannot hold that up.

Touches: the journal, the wire, the notary, the dispatcher.
Raises:  JournalError; a delivery that cannot be acted on is left, and counted with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relay.delivery.asking import Questions, Word
from relay.delivery.operators.orders import (
    Action,
    Done,
    Freed,
    Moved,
    OperatingJournal,
    Order,
    Target,
)
from relay.lifecycle import IllegalStepError
from relay.model import DeliveryState, Event, Evidence, NodeId, Reason, Receipt, Signed
from relay.routing.behind import lies_behind
from relay.routing.next_hop import Here, NoRoute, Place, Via, next_hop
from relay.wire.values import fit_detail

S = DeliveryState
BUSY = "it is being sent now: try again in a moment"
CHANGED = "it was sent, settled or changed meanwhile: look again"
_MAY: dict[Action, frozenset[DeliveryState]] = {
    Action.HOLD: frozenset({S.SEALING, S.QUEUED, S.IN_DOUBT}),
    Action.RELEASE: frozenset({S.HELD}),
    Action.REQUEUE: frozenset({S.QUEUED, S.IN_DOUBT}),
    Action.CANCEL: frozenset({S.SEALING, S.QUEUED, S.IN_DOUBT, S.HELD}),
    Action.REDIRECT: frozenset({S.SEALING, S.QUEUED, S.IN_DOUBT, S.HELD}),
    Action.FLUSH: frozenset({S.QUEUED, S.IN_DOUBT}),
}
_DETAILS = {
    Reason.CANCELLED: "cancelled by an operator",
    Reason.OUTCOME_UNKNOWN: "given up by an operator; the next node did not say whether it has it",
}


@dataclass(slots=True)
class Tally:
    """What has become of an order so far."""

    acted: int = 0
    settled: int = 0
    receipts: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def leave(self, reason: str, count: int = 1) -> None:
        if count:
            self.reasons[reason] += count

    def moved(self, moved: Moved) -> None:
        self.acted += moved.rows
        self.leave(CHANGED, moved.left)

    def done(self, action: Action, *, more: bool = False) -> Done:
        told = tuple(reason for reason, _ in self.reasons.most_common(20))
        left = self.reasons.total()
        return Done(action, self.acted, self.settled, left, told, self.receipts, more)


@dataclass(frozen=True, slots=True)
class Intervention:
    """`to` is where redirect sends it; `unanswered` ends what is in doubt as outcome-unknown."""

    order: Order
    place: Place
    operating: OperatingJournal
    questions: Questions
    unsealed: Callable[[], None]
    to: NodeId | None = None
    unanswered: bool = False
    tally: Tally = field(default_factory=Tally)

    @property
    def action(self) -> Action:
        return self.order.action

    async def on(self, targets: Sequence[Target]) -> None:
        """Each transfer with all of its deliveries at once; the unfrozen ones of a message together."""
        groups: dict[tuple[int, str], list[Target]] = {}
        for target in targets:
            if refusal := self._refusal(target):
                self.tally.leave(refusal)
                continue
            frozen = "" if target.transfer is None else target.transfer.transfer_id
            groups.setdefault((target.waiting.message_row, frozen), []).append(target)
        for group in groups.values():
            try:
                await self._on_group(group)
            except IllegalStepError:
                self.tally.leave(CHANGED, len(group))

    # ------------------------------------------------------------ may it be

    def _refusal(self, target: Target) -> str:
        """Why this delivery cannot be acted on; empty when it can."""
        state = target.state
        if state is S.IN_FLIGHT:
            return BUSY
        if self.action is Action.REQUEUE and state is S.SEALING:
            return "it waits for its seal, not for a neighbour"
        if state is S.HELD and state not in _MAY[self.action]:
            return "it is held: release it first"
        if state not in _MAY[self.action]:
            return f"it is {state}: " + (
                "only what is held can be released"
                if self.action is Action.RELEASE
                else "only what waits here can be acted on"
            )
        if target.next_hop is None:
            return "it is served here and waits only for its seal"
        return self._detour_refusal(target) if self.to is not None else ""

    def _detour_refusal(self, target: Target) -> str:
        to, directory = self.to, self.questions.directory
        if to == target.next_hop:
            return f"{to} is its next hop already"
        if to == target.came_from:
            return f"it came from {to}"
        agency = directory.find(target.waiting.recipient)
        if to is None or agency is None:
            return ""
        if not lies_behind(directory, self.place.node, to, agency.node):
            return f"{agency.node}, which serves the recipient, does not lie behind {to}: its receipts could not come back"
        return ""

    # ------------------------------------------------------------ one group

    async def _on_group(self, group: Sequence[Target]) -> None:
        transfer = group[0].transfer
        doubt = any(target.state is S.IN_DOUBT for target in group)
        as_it_is = self.action in {Action.RELEASE, Action.FLUSH}
        if transfer is None or as_it_is or (self.action is Action.HOLD and not doubt):
            await self._apply(group, None)
            return
        async with self.questions.alone_with(transfer.transfer_id) as alone:
            if not alone:
                self.tally.leave(BUSY, len(group))
                return
            match await self.questions.ask(transfer):
                case Word.ANSWERED:
                    self.tally.settled += len(group)
                case Word.NEVER_SEEN:
                    await self._apply(group, Freed(transfer.transfer_id, never_seen=True))
                case Word.SILENT if not doubt:
                    await self._apply(group, Freed(transfer.transfer_id, never_seen=False))
                case Word.SILENT if self.unanswered:
                    await self._end(group, None, Reason.OUTCOME_UNKNOWN)
                case Word.SILENT:
                    self.tally.leave(self._silence(transfer.neighbour), len(group))

    def _silence(self, neighbour: NodeId) -> str:
        text = f"{neighbour} may have it, and does not say so now: ask first, when it answers again"
        if self.action is Action.CANCEL:
            text += ", or give it up as outcome-unknown with --unanswered"
        return text

    async def _apply(self, group: Sequence[Target], freed: Freed | None) -> None:
        match self.action:
            case Action.HOLD:
                rows = [target.row for target in group]
                self.tally.moved(await self.operating.hold(self.order, rows, freed))
            case Action.RELEASE:
                await self._release(group)
            case Action.REQUEUE:
                await self._requeue(group, freed)
            case Action.REDIRECT if self.to is not None:
                hops = dict.fromkeys([target.row for target in group], self.to)
                self.tally.moved(await self.operating.reroute(self.order, hops, freed))
            case Action.CANCEL:
                await self._end(group, freed, Reason.CANCELLED)
            case Action.FLUSH:
                await self._flush(group)
        hops_now = {t.next_hop for t in group if t.next_hop} | ({self.to} if self.to else set())
        at_once = self.action in {Action.REQUEUE, Action.FLUSH}
        self.questions.dispatcher.resume(hops_now, at_once=at_once)

    async def _release(self, group: Sequence[Target]) -> None:
        moved = await self.operating.let_go(self.order, [target.row for target in group])
        self.tally.moved(moved)
        if moved.unsealed:
            self.unsealed()

    async def _flush(self, group: Sequence[Target]) -> None:
        hops = sorted({target.next_hop for target in group if target.next_hop})
        frozen = [target.transfer.transfer_id for target in group if target.transfer]
        await self.operating.hasten(self.order, hops, frozen)
        self.tally.acted += len(group)

    async def _requeue(self, group: Sequence[Target], freed: Freed | None) -> None:
        """By the directory as it is now: another neighbour, this node itself, or nowhere."""
        hops, here = {}, []
        for target in group:
            match next_hop(self.questions.directory, self.place, target.waiting.recipient):
                case Via(neighbour):
                    hops[target.row] = neighbour
                case Here():
                    here.append(target)
                case NoRoute(_, detail):
                    self.tally.leave(f"no way to its recipient: {detail}")
        if hops:
            self.tally.moved(await self.operating.reroute(self.order, hops, freed))
            self.questions.dispatcher.resume(set(hops.values()), at_once=True)
        if here:
            proof = await self._receipt(here, Event.CONTENT_CONSIGNMENT, None)
            freed = None if hops else freed
            self._back(await self.operating.consign(self.order, here, proof, freed), here)

    async def _end(self, group: Sequence[Target], freed: Freed | None, reason: Reason) -> None:
        proof = await self._receipt(group, Event.RELAY_FAILURE, reason)
        self._back(await self.operating.end(self.order, group, proof, freed), group)

    def _back(self, neighbours: set[NodeId], group: Sequence[Target]) -> None:
        self.tally.acted += len(group)
        self.questions.dispatcher.receipts_wait(neighbours)

    async def _receipt(
        self, group: Sequence[Target], event: Event, reason: Reason | None
    ) -> tuple[Signed, Receipt]:
        """This node's word on deliveries of one message."""
        first, at = group[0].waiting, self.questions.clock.now()
        detail = "" if reason is None else fit_detail(_DETAILS[reason])
        receipt = Receipt.about(
            first,
            issuer=self.place.node,
            at=at,
            transfer_id=None if first.transfer is None else first.transfer.transfer_id,
            evidence=tuple(
                Evidence(event, one.waiting.recipient, one.waiting.previous, reason, detail)
                for one in group
            ),
        )
        return await self.questions.notary.issue_receipt(receipt, at), receipt
