"""One tree of stays out of every delivery's way: shared while the way is the same, split where it parts.

Pure, and the same for receipts in any order. A receipt's time is its issuer's: spans between two nodes
are told where they can be true, else as a difference of their clocks.

Touches: nothing. Trusts: that receipts were verified when they were stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from relay.delivery.ports import DeliveryView, MessageView
from relay.delivery.timeline.hops import Place, way_of
from relay.delivery.timeline.lines import Told, lines_of
from relay.delivery.timeline.ports import Line, OwnEntry, Records, Stay, Step, Timeline
from relay.lifecycle import FINAL
from relay.model import AgencyCode, Digest, NodeId, Reason
from relay.wire.passage import Passage

_RANK = {Step.ARRIVED: 0, Step.VERIFIED: 1, Step.ANSWERED: 3, Step.STANDS: 4}
_LATEST = datetime.max.replace(tzinfo=UTC)


def assemble(
    view: MessageView,
    records: Records,
    here: NodeId,
    signers: Mapping[Digest, str],
    sealed_by: str,
) -> Timeline:
    """`signers` are the subjects of those whose receipts these are, as far as they were looked up."""
    index = _Index.of(view, records)
    roots: dict[Place, _Branch] = {}
    for delivery in view.deliveries:
        arrival = records.arrivals.get(delivery.delivery_id)
        told = Told(
            view,
            delivery,
            here,
            tuple(way_of(delivery, view.origin, here, arrival)),
            arrival,
            records.since.get(delivery.delivery_id),
            index.of_delivery(delivery),
            index.of_receipts,
            signers,
            sealed_by,
            index.of_passages.get(delivery.recipient, {}),
        )
        _grow(roots, told)
    final = all(_is_final(delivery) for delivery in view.deliveries)
    way = tuple(branch.stay() for branch in roots.values())
    return Timeline(view, here, sealed_by, way, final, records.more)


def _is_final(delivery: DeliveryView) -> bool:
    return delivery.state in FINAL and delivery.reason is not Reason.OUTCOME_UNKNOWN


@dataclass(slots=True)
class _Branch:
    """A stay while deliveries are added to it."""

    place: Place
    recipients: list[AgencyCode] = field(default_factory=list)
    lines: dict[Line, list[AgencyCode]] = field(default_factory=dict)
    onward: dict[Place, _Branch] = field(default_factory=dict)

    def stay(self) -> Stay:
        place, lines = self.place, (replace(k, recipients=tuple(v)) for k, v in self.lines.items())
        return Stay(
            place.node,
            place.known,
            place.came_from,
            place.transfer_id,
            tuple(self.recipients),
            tuple(sorted(lines, key=_order)),
            tuple(branch.stay() for branch in self.onward.values()),
        )


def _order(line: Line) -> tuple[int, datetime, int]:
    return _RANK.get(line.step, 2), line.at or _LATEST, -1 if line.entry is None else line.entry


def _grow(roots: dict[Place, _Branch], told: Told) -> None:
    reached: dict[NodeId, _Branch] = {}
    for place in told.way:
        before = None if place.came_from is None else reached.get(place.came_from)
        level = roots if before is None else before.onward
        branch = level.setdefault(place, _Branch(place))
        reached[place.node] = branch
        branch.recipients.append(told.delivery.recipient)
        for line in dict.fromkeys(lines_of(told, place)):
            branch.lines.setdefault(line, []).append(told.delivery.recipient)


@dataclass(frozen=True, slots=True)
class _Index:
    """This node's entries by what they speak of, so that thousands of recipients are one pass."""

    of_all: tuple[OwnEntry, ...]
    of_some: Mapping[str, list[OwnEntry]]
    """By recipient's code or delivery's id."""
    of_receipts: Mapping[str, int]
    of_passages: Mapping[AgencyCode, Mapping[NodeId, Passage]]
    """The newest, by recipient and node."""

    @staticmethod
    def of(view: MessageView, records: Records) -> _Index:
        of_all, of_some, of_receipts = [], dict[str, list[OwnEntry]](), dict[str, int]()
        frozen = _frozen(records)
        for one in records.entries:
            if "receipt" in one.fields:
                of_receipts.setdefault(str(one.fields["receipt"]), one.index)
            named = list(_named(one, frozen))
            for name in named:
                of_some.setdefault(name, []).append(one)
            if not named:
                of_all.append(one)
        return _Index(tuple(of_all), of_some, of_receipts, _passages(records))

    def of_delivery(self, delivery: DeliveryView) -> tuple[OwnEntry, ...]:
        found = [*self.of_all, *self.of_some.get(delivery.recipient, ())]
        found += self.of_some.get(delivery.delivery_id, ())
        return tuple(sorted(found, key=lambda one: one.index))


def _passages(records: Records) -> Mapping[AgencyCode, Mapping[NodeId, Passage]]:
    found: dict[AgencyCode, dict[NodeId, Passage]] = {}
    for one in records.passages:
        for recipient in one.recipients:
            found.setdefault(recipient, {}).setdefault(one.node, one)
    return found


def _frozen(records: Records) -> Mapping[str, list[str]]:
    """Whom each transfer went to."""
    found: dict[str, list[str]] = {}
    for one in records.entries:
        if one.fields.get("event") == "transfer-frozen":
            found.setdefault(str(one.fields.get("transfer")), []).extend(_texts(one, "recipients"))
    return found


def _named(one: OwnEntry, frozen: Mapping[str, list[str]]) -> Iterator[str]:
    named = [
        *_texts(one, "successors" if "successors" in one.fields else "recipients"),
        *_texts(one, "deliveries"),
        *(str(one.fields[name]) for name in ("delivery", "recipient") if name in one.fields),
    ]
    yield from dict.fromkeys(named) or frozen.get(str(one.fields.get("transfer")), [])


def _texts(one: OwnEntry, name: str) -> list[str]:
    values = one.fields.get(name, [])
    return [str(value) for value in values] if isinstance(values, list) else []
