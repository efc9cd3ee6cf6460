"""The counts of a reconciliation and the differences it names: bounded, whatever is compared.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from relay.delivery.reconciling.ports import (
    MOST_NAMED,
    AgencyLine,
    Difference,
    Kind,
    Period,
    Report,
    Side,
)
from relay.model import AgencyCode

MOST_AGENCIES = 10_000
"""Told apart; a neighbour's list may name any code."""
_OTHERS = AgencyCode("OTHERS")
_SAME = "same"


@dataclass(slots=True)
class Tally:
    """Of one run. With `agencies`, one in all its forms, only what concerns it is counted."""

    agencies: frozenset[AgencyCode] = frozenset()
    compared: Counter[Side] = field(default_factory=Counter)
    _agencies: dict[AgencyCode, Counter[str]] = field(default_factory=dict)
    _named: list[Difference] = field(default_factory=list)

    def concerns(self, *codes: AgencyCode) -> bool:
        return not self.agencies or not self.agencies.isdisjoint(codes)

    def same(self, side: Side, agency: AgencyCode) -> None:
        self.compared[side] += 1
        self._of(agency)[_SAME] += 1

    def differs(self, found: Iterable[Difference]) -> None:
        for one in found:
            if self.concerns(one.sender, one.recipient, one.agency):
                self._of(one.agency)[one.kind] += 1
                if len(self._named) < MOST_NAMED:
                    self._named.append(one)

    def _of(self, agency: AgencyCode) -> Counter[str]:
        if agency not in self._agencies and len(self._agencies) >= MOST_AGENCIES:
            agency = _OTHERS
        return self._agencies.setdefault(agency, Counter())

    def report(
        self,
        party: str,
        period: Period,
        at: datetime,
        kept_since: datetime,
        offset_seconds: int = 0,
    ) -> Report:
        total: Counter[str] = Counter()
        for counts in self._agencies.values():
            total.update(counts)
        named = sorted(self._named, key=lambda one: (one.agency, one.kind, one.side))
        return Report(
            party=party,
            since=period.since,
            until=period.until,
            at=at,
            kept_since=kept_since,
            offset_seconds=offset_seconds,
            compared={side: self.compared[side] for side in Side},
            same=total[_SAME],
            counts={kind: total[kind] for kind in Kind},
            agencies=tuple(
                AgencyLine(code, one[_SAME], {kind: one[kind] for kind in Kind})
                for code, one in sorted(self._agencies.items())
            ),
            differences=tuple(named),
            unnamed=sum(total[kind] for kind in Kind) - len(named),
        )
