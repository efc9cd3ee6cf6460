"""What an agency's system believes against what this node keeps for it.

A document is found by its delivery or message id; without one by the digest of its bytes; else by its own
number and date as documents write them, each kept delivery once. So a system that numbers documents its
own way can still be compared, and one that knows nothing but ids as well.

Touches: nothing.
Trusts:  nothing of what is claimed but its form.
Raises:  nothing.
"""

from __future__ import annotations

from collections import deque
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
from relay.model import AgencyCode, DeliveryId, DeliveryState, Digest

RELAY: Final = "relay"
DMS: Final = "dms"
_FAILED: Final = frozenset({DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})
_DEAD: Final = _FAILED | {DeliveryState.TAKEN_BACK}
_Key = tuple[Side, str, str, str, AgencyCode | None]
"""Which way, what kind of name, the name, the date with it, and the other agency."""
_DATELESS: Final = "-"
_NOBODY: Final = AgencyCode("UNKNOWN")


@dataclass(slots=True)
class Hearing:
    """One system's claims, heard one after the other; then what it did not claim.

    Whatever is claimed, every kept delivery and every claim is looked at a few times, not each with each.
    """

    agency: AgencyCode
    period: Period
    now: datetime
    kept_since: datetime
    tally: Tally
    claims: Sequence[Claimed]
    elsewhere: Elsewhere = NOWHERE
    _index: dict[_Key, deque[Kept]] = field(default_factory=dict)
    """Under the names that are claimed, and no others."""
    _kept: list[Kept] = field(default_factory=list)
    _met: set[tuple[Side, DeliveryId]] = field(default_factory=set)
    _claimed: set[_Key] = field(default_factory=set)
    """Ids that were claimed."""

    def know(self, kept: Iterable[Kept]) -> None:
        for claim in self.claims:
            for key in _keys(claim):
                self._index.setdefault(key, deque())
        for one in kept:
            self._kept.append(one)
            for name in _names(one):
                for agency in (one.agency, None):
                    found = self._index.get((one.side, *name, agency))
                    if found is not None:
                        found.append(one)

    def unknown_ids(self) -> list[str]:
        """What is to be looked for outside the period."""
        ids = {_id(claim): None for claim in self.claims if not self._index.get(_key(claim, None))}
        return [id_ for id_ in ids if id_]

    def hear(self) -> None:
        for claim in self.claims:
            if _id(claim):
                self._by_id(claim)
            else:
                self._by_name(claim)

    def finish(self) -> None:
        """What the system did not name, and what this node keeps twice."""
        for one in self._kept:
            if (one.side, one.delivery_id) not in self._met:
                self._unclaimed(one)
        self.tally.differs(self._twice())

    # ------------------------------------------------------------ what is claimed

    def _by_id(self, claim: Claimed) -> None:
        """An id means all deliveries it names, or the one of the agency that is named with it."""
        key = _key(claim, claim.agency)
        found, others = self._index[key], self._index[_key(claim, None)]
        if key in self._claimed:
            kept = found or others
            self._differs(claim, kept[0] if kept else None, Kind.DOUBLED, What.LISTED_TWICE, DMS)
            return
        self._claimed.add(key)
        fresh = [one for one in found if not self._is_met(one)]
        if not found and others:
            self._other_agency(claim, others)
        elif not found:
            self._outside(claim)
        elif not fresh:
            self._differs(claim, found[0], Kind.DOUBLED, What.LISTED_TWICE, DMS)
        for one in fresh:
            self._meet(claim, one)

    def _by_name(self, claim: Claimed) -> None:
        """The first that nothing else named; of what was sent to several, all unless one is named."""
        last: Kept | None = None
        for key in _keys(claim):
            found = self._index[key]
            while found and self._is_met(found[0]):
                last = found.popleft()
            if found:
                self._take(claim, found)
                return
        if last is None:
            self._outside(claim)
        else:
            self._index[_keys(claim)[0]].append(last)  # met, and known by this name still
            self._differs(claim, last, Kind.DOUBLED, What.LISTED_TWICE, DMS)

    def _take(self, claim: Claimed, found: deque[Kept]) -> None:
        first = found[0]
        whole = claim.agency is None and claim.side is Side.SENT
        while found and found[0].message_id == first.message_id:
            one = found.popleft()
            if not self._is_met(one):
                self._meet(claim, one)
            if not whole:
                break
        found.append(first)

    def _is_met(self, one: Kept) -> bool:
        return (one.side, one.delivery_id) in self._met

    def _meet(self, claim: Claimed, one: Kept) -> None:
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
        id_ = _id(claim)
        known = self.elsewhere.kept.get(f"{claim.side} {id_}") if id_ else None
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
        first: dict[tuple[Side, Digest, AgencyCode], Kept] = {}
        for one in sorted(self._kept, key=lambda one: one.at):
            if one.state in _DEAD:
                continue
            earlier = first.setdefault((one.side, one.digest, one.agency), one)
            if earlier.delivery_id != one.delivery_id:
                said = (Kind.DOUBLED, What.SAME_BYTES, RELAY, str(earlier.message_id))
                yield self._difference(None, one, one.side, *said)

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


def _id(claim: Claimed) -> str:
    return str(claim.delivery_id or claim.message_id or "")


def _key(claim: Claimed, agency: AgencyCode | None) -> _Key:
    """Its surest name."""
    if id_ := _id(claim):
        return claim.side, "id", id_, "", agency
    if claim.digest is not None:
        return claim.side, "digest", claim.digest, "", agency
    named = claim.document_id or claim.notation
    return claim.side, "document", named, claim.promulgation_date, agency


def _keys(claim: Claimed) -> list[_Key]:
    """Where it is looked for, in this order; of an id also who else it was sent to."""
    key = _key(claim, claim.agency)
    if key[1] == "id":
        return [key, _key(claim, None)]
    if key[1] == "document" and key[3]:
        return [key, (*key[:3], _DATELESS, claim.agency)]
    return [key]


def _names(one: Kept) -> Iterator[tuple[str, str, str]]:
    """All names under which it may be claimed."""
    for id_ in {str(one.message_id), str(one.delivery_id)}:
        yield "id", id_, ""
    yield "digest", one.digest, ""
    for text in {one.notation, one.document_id} - {""}:
        yield "document", text, ""
        yield "document", text, one.promulgation_date or _DATELESS


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
