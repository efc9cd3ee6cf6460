"""The way of a document by the receipts of its evidence file: which hops are proven, and which have no evidence.

Touches: nothing.
Trusts:  the receipts, which the caller proved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from relay.model import AgencyCode, Digest, Event, Evidence, NodeId, Reason, Receipt
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


class Missing(StrEnum):
    """What has no evidence."""

    REMOTE = "remote"
    """A remote's own part: a node repeats its word."""
    BEFORE = "before"
    """The receipt that a node's follows on is not in the file."""
    AFTER = "after"
    """Nothing says what came after the last that was said."""


@dataclass(frozen=True, slots=True)
class Gap:
    """`what` is the remote's name, or the event that was said last."""

    missing: Missing
    node: NodeId
    what: str = ""

    def __str__(self) -> str:
        match self.missing:
            case Missing.REMOTE:
                return f"{self.what} gives no evidence: {self.node} repeats its word"
            case Missing.BEFORE:
                return f"the receipt before {self.node}'s is not in the file"
            case Missing.AFTER:
                return f"no evidence of what came after {self.what} at {self.node}"


@dataclass(slots=True)
class Way:
    """To one recipient: who said what, in the order of the receipts, and what is missing on it."""

    nodes: list[NodeId] = field(default_factory=list)
    said: list[tuple[Evidence, NodeId]] = field(default_factory=list)
    holes: dict[Gap, None] = field(default_factory=dict)

    @property
    def ending(self) -> tuple[Evidence, NodeId]:
        """What counts: a word of doubt gives way to any other, and that it was handed over to all (W19.8)."""
        counts = self._standing()
        ends = [one for one in counts if one[0].event in _ENDS]
        certain = [one for one in ends if not _doubt(one[0])]
        handed = [one for one in ends if one[0].event is Event.CONTENT_HANDOVER]
        return (handed or certain or ends or counts)[-1]

    def _standing(self) -> list[tuple[Evidence, NodeId]]:
        """All but doubts about a hop of which the next node says what became of it."""
        answers: defaultdict[Digest | None, set[NodeId]] = defaultdict(set)
        for one, node in self.said:
            if one.previous and not _doubt(one):
                answers[one.previous].add(node)
        return [
            (one, node)
            for one, node in self.said
            if not _doubt(one) or answers[one.previous] <= {node}
        ]

    @property
    def doubted(self) -> list[NodeId]:
        """Who once said that the outcome is unknown, where something certain took its place."""
        if _doubt(self.ending[0]):
            return []
        return [node for one, node in self.said if _doubt(one)]

    @property
    def gaps(self) -> list[Gap]:
        last, node = self.ending
        if last.event in _ENDS and not _doubt(last):
            return list(self.holes)
        return [*self.holes, Gap(Missing.AFTER, node, last.event.value)]


class Hops:
    """Takes each proven receipt; `found` sums up."""

    def __init__(self) -> None:
        self.ways: defaultdict[AgencyCode, Way] = defaultdict(Way)

    def add(self, receipt: Receipt, known: Collection[Digest]) -> None:
        for one in receipt.evidence:
            way = self.ways[one.recipient]
            way.said.append((one, receipt.issuer))
            if receipt.issuer not in way.nodes:
                way.nodes.append(receipt.issuer)
            word = read_word(one.detail)
            if word is not None:
                way.holes[Gap(Missing.REMOTE, receipt.issuer, word.remote)] = None
            if one.previous and one.previous not in known:
                way.holes[Gap(Missing.BEFORE, receipt.issuer)] = None

    def found(self) -> Found:
        if not self.ways:
            return Found("no receipt proves a hop", outcome=Outcome.UNKNOWN)
        gaps = [f"{code}: {gap}" for code, way in self.ways.items() for gap in way.gaps]
        ways = [
            f"{code}: {_ending(way)}, by way of {', '.join(way.nodes)}"
            for code, way in self._shown()
        ]
        more = f"; and {len(self.ways) - len(ways)} more" if len(ways) < len(self.ways) else ""
        facts = {"recipients": str(len(self.ways)), "gaps": str(len(gaps))}
        notes = (*gaps[:_NOTES], *_rest(gaps))
        outcome = Outcome.UNKNOWN if gaps else Outcome.HOLDS
        return Found("; ".join(ways) + more, facts, notes, outcome)

    def _shown(self) -> Iterable[tuple[AgencyCode, Way]]:
        return list(self.ways.items())[:_NOTES]


def _doubt(one: Evidence) -> bool:
    return one.reason is Reason.OUTCOME_UNKNOWN


def _ending(way: Way) -> str:
    last, _ = way.ending
    said = f"{last.event.value} ({last.reason.value})" if last.reason else last.event.value
    if way.doubted:
        return f"{said}, which supersedes the outcome-unknown of {', '.join(way.doubted)}"
    return said


def _rest(gaps: list[str]) -> Iterator[str]:
    if len(gaps) > _NOTES:
        yield f"and {len(gaps) - _NOTES} more"
