"""Two neighbours' lists of the transfers between them, compared: one window of both at a time.

What is told of a delivery by both is a pair; what only one tells is looked at by how the teller believes it
to stand: a refusal, or what was given up without an answer, leaves nothing at the other.

Touches: nothing.
Trusts:  nothing of the neighbour's list but its form.
Raises:  nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.delivery.reconciling.ports import (
    ENDED_UNSENT,
    Believed,
    Difference,
    Exchanged,
    Kind,
    Side,
    Standing,
    What,
)
from relay.delivery.reconciling.tally import Tally
from relay.model import AgencyCode, DeliveryId, NodeId

MOST_OPEN = 10_000
"""Deliveries that only one side told of, and that a later transfer may still explain."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one side's silence may mean. Times are compared as they are told, `grace` has the offset in it."""

    here: NodeId
    there: NodeId
    now: datetime
    grace: timedelta
    kept_since: datetime

    def lacking(self, at: datetime) -> Kind:
        """Why the other may lack what was exchanged then."""
        if at < self.kept_since:
            return Kind.NOT_COMPARED
        return Kind.UNDER_WAY if self.recent(at) else Kind.MISSING

    def recent(self, at: datetime) -> bool:
        return self.now - at < self.grace  # spans do not overflow, whatever a clock says


@dataclass(frozen=True, slots=True)
class Met:
    """One delivery in one list."""

    by: Exchanged
    one: Believed

    @property
    def last(self) -> datetime:
        return max(self.by.at, self.one.changed)


def by_delivery(transfers: Iterable[Exchanged], tally: Tally) -> dict[DeliveryId, Met]:
    """The last transfer of each, where a restore had it sent by two."""
    return {
        each.delivery_id(one): Met(each, one)
        for each in transfers
        for one in each.recipients
        if tally.concerns(each.sender, one.recipient)
    }


@dataclass(slots=True)
class Comparison:
    """Of one side: what was sent from here, or what was received here. Windows come in order."""

    side: Side
    terms: Terms
    tally: Tally
    _open: dict[DeliveryId, Met] = field(default_factory=dict)

    def pair(self, ours: dict[DeliveryId, Met], theirs: dict[DeliveryId, Met]) -> None:
        """Judge what both tell, and take it out of `theirs`; what only this node tells waits."""
        for delivery, mine in ours.items():
            told = theirs.pop(delivery, None)
            self._open.pop(delivery, None)
            if told is not None:
                self._judge(mine, told)
                continue
            if len(self._open) >= MOST_OPEN:
                self._only_here(self._open.pop(next(iter(self._open))))
            self._open[delivery] = mine

    def rest(self, theirs: dict[DeliveryId, Met]) -> dict[DeliveryId, Met]:
        """What is left of the neighbour's page after this node's own of the same range, less what this
        node told of by an earlier transfer."""
        for delivery in theirs.keys() & self._open.keys():
            self._judge(self._open.pop(delivery), theirs.pop(delivery))
        return theirs

    def _judge(self, ours: Met, theirs: Met) -> None:
        found = self._pair(ours, theirs)
        if found is None:
            self.tally.same(self.side, self.agency(ours))
        else:
            self.tally.compared[self.side] += 1
            self.tally.differs([found])

    def unmatched(self, theirs: Iterable[Met], known: frozenset[DeliveryId]) -> None:
        """What only the neighbour tells of. `known` were sent from here by another transfer."""
        for told in theirs:
            delivery = told.by.delivery_id(told.one)
            self._alone(told, self.terms.here, known=delivery in known)

    def finish(self) -> None:
        """What only this node tells of, and no later transfer explained."""
        for told in self._open.values():
            self._only_here(told)
        self._open.clear()

    def _only_here(self, told: Met) -> None:
        self._alone(told, self.terms.there, known=False)

    # ------------------------------------------------------------ verdicts

    def _alone(self, told: Met, where: NodeId, *, known: bool) -> None:
        self.tally.compared[self.side] += 1
        sent = (where == self.terms.there) == (self.side is Side.SENT)  # whether its sender tells
        nothing = told.one.standing is Standing.REFUSED and not (sent and told.by.answer)
        if known or nothing or (sent and told.one.standing in ENDED_UNSENT):
            self.tally.compared[self.side] -= 1
            self.tally.same(self.side, self.agency(told))
            return
        kind = self.terms.lacking(told.by.at)
        if sent and told.one.standing is Standing.UNDER_WAY:
            kind = Kind.UNDER_WAY
        self.tally.differs([self._difference(told, kind, What.NOT_KNOWN, where)])

    def _pair(self, ours: Met, theirs: Met) -> Difference | None:
        sender, receiver = (ours, theirs) if self.side is Side.SENT else (theirs, ours)
        taker = self.terms.there if self.side is Side.SENT else self.terms.here
        if ours.by.digest != theirs.by.digest:
            return self._says_otherwise(ours, What.DIGEST, ours.by.digest, theirs.by.digest)
        if receiver.one.standing is Standing.LOST:
            old = ours.by.at < self.terms.kept_since
            kind = Kind.NOT_COMPARED if old else Kind.MISSING
            return self._difference(ours, kind, What.ROW_LOST, taker)
        if _answers_differ(ours.by, theirs.by):
            said = ours.by.answer or "", theirs.by.answer or ""
            return self._says_otherwise(ours, What.ANSWER, *said)
        if sender.one.standing is receiver.one.standing:
            return None
        recent = self.terms.recent(max(ours.last, theirs.last))
        kind = Kind.UNDER_WAY if recent else Kind.DIFFERENT
        return self._says_otherwise(
            ours, What.STANDING, ours.one.standing, theirs.one.standing, kind
        )

    def _says_otherwise(
        self, ours: Met, what: What, mine: str, its: str, kind: Kind = Kind.DIFFERENT
    ) -> Difference:
        return self._difference(ours, kind, what, self.terms.there, mine, its)

    def _difference(
        self,
        told: Met,
        kind: Kind,
        what: What,
        where: NodeId,
        ours: str = "",
        theirs: str = "",
    ) -> Difference:
        return Difference(
            kind=kind,
            what=what,
            side=self.side,
            where=where,
            agency=self.agency(told),
            sender=told.by.sender,
            recipient=told.one.recipient,
            message_id=told.by.message_id,
            delivery_id=told.by.delivery_id(told.one),
            document="",
            at=told.by.at,
            ours=ours,
            theirs=theirs,
        )

    def agency(self, told: Met) -> AgencyCode:
        """The one on this node's side of the hop."""
        return told.by.sender if self.side is Side.SENT else told.one.recipient


def _answers_differ(ours: Exchanged, theirs: Exchanged) -> bool:
    same = ours.transfer_id == theirs.transfer_id
    return same and None not in (ours.answer, theirs.answer) and ours.answer != theirs.answer
