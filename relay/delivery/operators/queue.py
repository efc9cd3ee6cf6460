"""What operators are shown: the shape of the queue, and why a delivery is not delivered.

Touches: the journal, reading only; the dispatcher's channels.
Trusts:  that the face let only an operator in.
Raises:  NotFoundError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from relay.delivery.clock import Clock
from relay.delivery.dispatch import Dispatcher
from relay.delivery.neighbours.channel import Channel
from relay.delivery.operators.explaining import sentences
from relay.delivery.operators.inspecting import (
    AGES,
    Ages,
    CertificateOf,
    Condition,
    Explanation,
    InspectingJournal,
    Kind,
    NeighbourView,
    Returns,
    Shape,
    ShapeRow,
    WayFacts,
    Why,
)
from relay.delivery.ports import DeliveryView, MessageView
from relay.delivery.records import Journal
from relay.errors import NotFoundError
from relay.model import AgencyCode, MessageId, NodeId

MOST_EXPLAINED = 50
"""Deliveries of one message: a circular has thousands."""
_NOTHING = [0] * (len(AGES) + 1)


@dataclass(frozen=True, slots=True)
class QueueDesk:
    """delivery.operators.inspecting.QueueReader."""

    journal: Journal
    inspecting: InspectingJournal
    dispatcher: Dispatcher
    clock: Clock
    certificate: CertificateOf
    revocation: Callable[[bytes], str] = lambda _: ""
    """What is known of the revocation of a seal's certificate; empty where nothing is checked."""
    trouble: Callable[[AgencyCode], str | None] = lambda _: None
    """Why the key that seals for an agency cannot sign now."""

    async def shape(self) -> Shape:
        now = self.clock.now()
        bounds = await self.inspecting.bounds([now - age for age in AGES])
        counts = await self.inspecting.counts(bounds)
        returns, errors = await self.inspecting.returns(), await self.inspecting.last_errors()
        known = self.dispatcher.channels.keys() | {hop for hop, _ in counts if hop is not None}
        rows = [
            _row(hop, self._view(hop, errors), counts, returns)
            for hop in sorted(known | returns.keys())
        ]
        if any(hop is None for hop, _ in counts):
            rows.append(_row(None, None, counts, {}))
        return Shape(now, tuple(rows), await self.inspecting.put_back())

    async def why(self, name: str) -> Why:
        """Of a message, the deliveries that wait come first."""
        named = await self.inspecting.named(name, MOST_EXPLAINED)
        view = None if named is None else await self.journal.message(named.message_id)
        if named is None or view is None:
            raise NotFoundError(f"no delivery or message {name} is known here")
        facts = await self.inspecting.facts(named.rows)
        errors = await self.inspecting.last_errors()
        meant = [one for one in view.deliveries if one.delivery_id in facts]
        others = len(view.deliveries) - len(meant) if name == named.message_id else 0
        revocation = await self._revocation(named.message_id)
        explained = [
            self._explain(view, one, facts[one.delivery_id], errors, revocation) for one in meant
        ]
        return Why(view, self.clock.now(), tuple(explained), others)

    def _explain(
        self,
        message: MessageView,
        delivery: DeliveryView,
        facts: WayFacts,
        errors: dict[NodeId, str],
        revocation: str,
    ) -> Explanation:
        hop = delivery.next_hop
        neighbour = None if hop is None else self._view(hop, errors)
        trouble = self.trouble(message.sender)
        said = sentences(message, delivery, facts, neighbour, self.clock.now(), revocation, trouble)
        return Explanation(delivery, facts, neighbour, said, revocation)

    async def _revocation(self, message: MessageId) -> str:
        seal = await self.journal.message_seal(message)
        return "" if seal is None else self.revocation(seal.signature)

    def _view(self, neighbour: NodeId, errors: dict[NodeId, str]) -> NeighbourView:
        channel = self.dispatcher.channels.get(neighbour)
        if channel is None:
            return NeighbourView(neighbour, Condition.UNLINKED, 0, None, 0, 0, "", None)
        wait = channel.blocked_until - self.clock.monotonic()
        return NeighbourView(
            neighbour=neighbour,
            condition=_condition(channel),
            failures=channel.failures,
            next_probe_at=self.clock.now() + timedelta(seconds=wait) if wait > 0 else None,
            window=channel.window,
            under_way=channel.under_way,
            last_error=errors.get(neighbour, ""),
            certificate=self.certificate(neighbour),
            bridge=neighbour in self.dispatcher.bridges,
        )


def _condition(channel: Channel) -> Condition:
    if channel.awake:
        return Condition.WOKEN
    if channel.dead:
        return Condition.DEAD
    return Condition.FAILING if channel.failures else Condition.UP


def _row(
    hop: NodeId | None,
    view: NeighbourView | None,
    counts: dict[tuple[NodeId | None, Kind], list[int]],
    returns: dict[NodeId, Returns],
) -> ShapeRow:
    back = Returns(0, 0) if hop is None else returns.get(hop, Returns(0, 0))
    kinds = {}
    for kind in Kind:
        found = counts.get((hop, kind), _NOTHING)
        kinds[kind] = Ages(sum(found), tuple(found))
    return ShapeRow(hop, view, kinds, back.waiting, back.parked)
