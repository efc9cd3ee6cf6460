"""What an agency's system believes against what this node keeps for it.

A document is found by its delivery or message id; without one by the digest of its bytes; else by its own
number and date as documents write them, each kept delivery once. So a system that numbers documents its
own way can still be compared, and one that knows nothing but ids as well.

Touches: nothing.
Trusts:  nothing of what is claimed but its form.
Raises:  nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from relay.delivery.reconciling.ports import (
    NOWHERE,
    Claimed,
    Difference,
    Elsewhere,
    Kept,
    Kind,
    Period,
    Side,
    What,
)
from relay.delivery.reconciling.tally import Tally
from relay.model import AgencyCode, DeliveryId, DeliveryState

RELAY: Final = "relay"
DMS: Final = "dms"
_FAILED: Final = frozenset({DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})
_DEAD: Final = _FAILED | {DeliveryState.TAKEN_BACK}
_Key = tuple[Side, str]
_NOBODY: Final = AgencyCode("UNKNOWN")


@dataclass(slots=True)
class Hearing:
    """One system's claims, heard one after the other; then what it did not claim."""

    agency: AgencyCode
    period: Period
    now: datetime
    kept_since: datetime
    tally: Tally
    elsewhere: Elsewhere = NOWHERE
    _by_id: dict[_Key, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    _by_digest: dict[_Key, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    _by_document: dict[_Key, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    _kept: list[Kept] = field(default_factory=list)
    _met: set[tuple[Side, DeliveryId]] = field(default_factory=set)
    _claimed: set[_Key] = field(default_factory=set)
    """Ids outside the period that were claimed."""

    def know(self, kept: Iterable[Kept]) -> None:
        for one in kept:
            self._kept.append(one)
            self._by_id[one.side, one.message_id].append(one)
            self._by_id[one.side, one.delivery_id].append(one)
            self._by_digest[one.side, one.digest].append(one)
            for text in {one.notation, one.document_id} - {""}:
                self._by_document[one.side, text].append(one)

    def unknown_ids(self, claims: Iterable[Claimed]) -> list[str]:
        """What is to be looked for outside the period."""
        named = dict.fromkeys((c.side, str(c.delivery_id or c.message_id or "")) for c in claims)
        return list(
            dict.fromkeys(id_ for side, id_ in named if id_ and (side, id_) not in self._by_id)
        )

    def hear(self, claims: Iterable[Claimed]) -> None:
        for claim in claims:
            self._one(claim)

    def finish(self) -> None:
        """What the system did not name, and what this node keeps twice."""
        for one in self._kept:
            if (one.side, one.delivery_id) not in self._met:
                self._unclaimed(one)
        self.tally.differs(self._twice())

    # ------------------------------------------------------------ what is claimed

    def _one(self, claim: Claimed) -> None:
        id_ = claim.delivery_id or claim.message_id
        found = self._candidates(claim)
        if not found and id_ is not None and (claim.side, id_) in self._by_id:
            self._other_agency(claim, self._by_id[claim.side, id_])
        elif not found:
            self._outside(claim)
        elif all((one.side, one.delivery_id) in self._met for one in found):
            self._differs(claim, found[0], Kind.DOUBLED, What.LISTED_TWICE, DMS)
        else:
            self._settle(claim, found, several=id_ is not None)

    def _candidates(self, claim: Claimed) -> list[Kept]:
        """By the surest name it gives; with another agency than it says, none."""
        id_ = claim.delivery_id or claim.message_id
        if id_ is not None:
            found = self._by_id.get((claim.side, id_), [])
        elif claim.digest is not None:
            found = self._by_digest.get((claim.side, claim.digest), [])
        else:
            found = self._by_text(claim)
        return [one for one in found if claim.agency in (None, one.agency)]

    def _by_text(self, claim: Claimed) -> list[Kept]:
        named = claim.document_id or claim.notation
        date = claim.promulgation_date
        return [
            one
            for one in self._by_document.get((claim.side, named), [])
            if not date or not one.promulgation_date or one.promulgation_date == date
        ]

    def _settle(self, claim: Claimed, found: list[Kept], *, several: bool) -> None:
        """An id means all deliveries it names; anything else the first that nothing else named."""
        fresh = [one for one in found if (one.side, one.delivery_id) not in self._met]
        if not several and claim.agency is None and claim.side is Side.SENT:
            fresh = [one for one in fresh if one.message_id == fresh[0].message_id]
        elif not several:
            fresh = fresh[:1]
        for one in fresh:
            self._met.add((one.side, one.delivery_id))
            self._compare(claim, one)

    def _compare(self, claim: Claimed, one: Kept) -> None:
        said = _contradiction(claim, one)
        if said is not None:
            self._differs(claim, one, Kind.DIFFERENT, *said)
        elif one.side is Side.SENT and one.state in _FAILED:
            state = f"{one.state}: {one.reason}" if one.reason else str(one.state)
            self._differs(claim, one, Kind.DIFFERENT, What.STANDING, RELAY, state, Side.SENT)
        elif one.side is Side.RECEIVED and one.state is not DeliveryState.HANDED_OVER:
            kind = Kind.UNDER_WAY if self._recent(one.changed) else Kind.DIFFERENT
            self._differs(claim, one, kind, What.NOT_ACKNOWLEDGED, DMS, str(one.state))
        else:
            self.tally.same(one.side, one.agency)

    def _other_agency(self, claim: Claimed, found: Sequence[Kept]) -> None:
        """The id is known, but not with the agency that is claimed."""
        theirs = str(claim.agency or "")
        said = Kind.DIFFERENT, What.AGENCY, RELAY, str(found[0].agency), theirs
        self._differs(claim, found[0], *said)
        if claim.side is Side.RECEIVED or len(found) == 1:
            self._met.update((one.side, one.delivery_id) for one in found)

    def _outside(self, claim: Claimed) -> None:
        """Nothing of the period: known from outside it, archived, too recent, or missing here."""
        id_ = str(claim.delivery_id or claim.message_id or "")
        known = self.elsewhere.kept.get(f"{claim.side} {id_}") if id_ else None
        if id_ and (claim.side, id_) in self._claimed:
            self._differs(claim, known, Kind.DOUBLED, What.LISTED_TWICE, DMS)
            return
        self._claimed.add((claim.side, id_))
        if known is not None:
            said = _contradiction(claim, known, sent_whole=True)
            if said is None:
                self.tally.same(claim.side, claim.agency or known.agency)
            else:
                self._differs(claim, known, Kind.DIFFERENT, *said)
        elif claim.message_id in self.elsewhere.archived:
            self._differs(claim, None, Kind.NOT_COMPARED, What.ARCHIVED, RELAY)
        else:
            self._differs(claim, None, self._lacking(claim.at), What.NOT_KNOWN, RELAY)

    def _lacking(self, at: datetime | None) -> Kind:
        if at is not None and at < self.kept_since:
            return Kind.NOT_COMPARED
        return Kind.UNDER_WAY if at is not None and self._recent(at) else Kind.MISSING

    # ------------------------------------------------------------ what is not

    def _unclaimed(self, one: Kept) -> None:
        if one.side is Side.SENT and one.state in _DEAD:
            self.tally.same(one.side, one.agency)  # it never was sent, and nobody says it was
            return
        near_edge = min(abs(one.at - self.period.since), abs(self.period.until - one.at))
        kind = Kind.MISSING
        if self._recent(one.at) or near_edge < self._grace:
            kind = Kind.UNDER_WAY
        waits = one.side is Side.RECEIVED and one.state is DeliveryState.AVAILABLE
        self._differs(None, one, kind, What.NOT_FETCHED if waits else What.NOT_KNOWN, DMS)

    def _twice(self) -> Iterator[Difference]:
        for (side, _), several in self._by_digest.items():
            first: dict[AgencyCode, Kept] = {}
            for one in sorted(several, key=lambda one: one.at):
                if one.state in _DEAD:
                    continue
                earlier = first.setdefault(one.agency, one)
                if earlier.delivery_id != one.delivery_id:
                    said = (Kind.DOUBLED, What.SAME_BYTES, RELAY, str(earlier.message_id))
                    yield self._difference(None, one, side, *said)

    # ------------------------------------------------------------ said

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self.period.grace_seconds)

    def _recent(self, at: datetime) -> bool:
        return at > self.now - self._grace

    def _differs(
        self,
        claim: Claimed | None,
        kept: Kept | None,
        kind: Kind,
        what: What,
        where: str,
        ours: str = "",
        theirs: str = "",
    ) -> None:
        one = claim or kept
        side = Side.SENT if one is None else one.side
        self.tally.compared[side] += 1
        self.tally.differs([self._difference(claim, kept, side, kind, what, where, ours, theirs)])

    def _difference(
        self,
        claim: Claimed | None,
        kept: Kept | None,
        side: Side,
        kind: Kind,
        what: What,
        where: str,
        ours: str = "",
        theirs: str = "",
    ) -> Difference:
        other = (kept.agency if kept else None) or (claim.agency if claim else None) or _NOBODY
        here = self.agency
        sender, recipient = (here, other) if side is Side.SENT else (other, here)
        one: Claimed | Kept | None = kept or claim
        return Difference(
            kind=kind,
            what=what,
            side=side,
            where=where,
            agency=other,
            sender=sender,
            recipient=recipient,
            message_id=str((one and one.message_id) or ""),
            delivery_id=str((one and one.delivery_id) or ""),
            document=(one.notation or one.document_id) if one else "",
            at=one.at if one else None,
            ours=ours,
            theirs=theirs,
        )


def _contradiction(
    claim: Claimed, one: Kept, *, sent_whole: bool = False
) -> tuple[What, str, str, str] | None:
    """The first thing in which both speak and do not say the same."""
    if claim.digest is not None and claim.digest != one.digest:
        return What.DIGEST, RELAY, one.digest, claim.digest
    whole = sent_whole and one.side is Side.SENT  # its row stands for all its recipients
    if not whole and claim.agency not in (None, one.agency):
        return What.AGENCY, RELAY, one.agency, str(claim.agency)
    for ours, theirs in (
        (one.document_id, claim.document_id),
        (one.notation, claim.notation),
        (one.promulgation_date, claim.promulgation_date),
    ):
        if ours and theirs and ours != theirs:
            return What.DOCUMENT, RELAY, ours, theirs
    return None
