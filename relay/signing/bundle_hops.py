"""The way of a document by the receipts of its evidence file: which hops are proven, and which have no evidence.

Touches: nothing.
Trusts:  the receipts, which the caller proved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from relay.model import AgencyCode, Digest, Event, Evidence, NodeId, Receipt
from relay.signing.bundle_words import Found, Outcome
from relay.wire.remote_word import read_word

_NOTES = 50
_ENDS = frozenset(
    {
        Event.CONTENT_HANDOVER,
        Event.CONTENT_HANDOVER_FAILURE,
        Event.CONTENT_CONSIGNMENT_FAILURE,
        Event.SUBMISSION_REJECTION,
        Event.RELAY_REJECTION,
        Event.RELAY_FAILURE,
        Event.RELAY_TO_NON_ERDS_FAILURE,
    }
)


@dataclass(slots=True)
class _Way:
    """To one recipient: who said what last, and what is missing."""

    nodes: list[NodeId] = field(default_factory=list)
    said: list[tuple[Evidence, NodeId]] = field(default_factory=list)
    gaps: dict[str, None] = field(default_factory=dict)


class Hops:
    """Takes each proven receipt; `found` sums up."""

    def __init__(self) -> None:
        self._ways: defaultdict[AgencyCode, _Way] = defaultdict(_Way)

    def add(self, receipt: Receipt, known: set[Digest]) -> None:
        for one in receipt.evidence:
            way = self._ways[one.recipient]
            way.said.append((one, receipt.issuer))
            if receipt.issuer not in way.nodes:
                way.nodes.append(receipt.issuer)
            word = read_word(one.detail)
            if word is not None:
                gap = f"{word.remote} gives no evidence: {receipt.issuer} repeats its word"
                way.gaps[gap] = None
            if one.previous and one.previous not in known:
                way.gaps[f"the receipt before {receipt.issuer}'s is not in the file"] = None

    def found(self) -> Found:
        if not self._ways:
            return Found("no receipt proves a hop", outcome=Outcome.UNKNOWN)
        gaps = [note for code, way in self._ways.items() for note in _gaps(code, way)]
        ways = [
            f"{code}: {_ending(way)}, by way of {', '.join(way.nodes)}"
            for code, way in self._shown()
        ]
        more = f"; and {len(self._ways) - len(ways)} more" if len(ways) < len(self._ways) else ""
        facts = {"recipients": str(len(self._ways)), "gaps": str(len(gaps))}
        notes = (*gaps[:_NOTES], *_rest(gaps))
        outcome = Outcome.UNKNOWN if gaps else Outcome.HOLDS
        return Found("; ".join(ways) + more, facts, notes, outcome)

    def _shown(self) -> Iterable[tuple[AgencyCode, _Way]]:
        return list(self._ways.items())[:_NOTES]


def _ending(way: _Way) -> str:
    """What counts in the end: what came later stands, but a word of doubt gives way to any other."""
    ends = [one for one, _ in way.said if one.event in _ENDS]
    certain = [one for one in ends if one.reason != "outcome-unknown"]
    handed = [one for one in ends if one.event is Event.CONTENT_HANDOVER]
    last = (handed or certain or ends or [way.said[-1][0]])[-1]
    return f"{last.event.value} ({last.reason.value})" if last.reason else last.event.value


def _gaps(code: AgencyCode, way: _Way) -> Iterator[str]:
    for gap in way.gaps:
        yield f"{code}: {gap}"
    if not any(one.event in _ENDS for one, _ in way.said):
        yield f"{code}: no evidence of what came after {way.said[-1][0].event.value} at {way.said[-1][1]}"


def _rest(gaps: list[str]) -> Iterator[str]:
    if len(gaps) > _NOTES:
        yield f"and {len(gaps) - _NOTES} more"
