"""What a node sees when it lays all words about agencies over each other, and what changed in that.

Touches: nothing. Trusts: its sources, each for what routing/composing.py lets it say.
Raises:  SettingsError when they cannot stand together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from relay.agencies import Agency, NodeEntry
from relay.model import AgencyCode, NodeId
from relay.routing.book import GONE, Book, Row, bind
from relay.routing.composing import Layer, compose
from relay.routing.stored import stored_agency, stored_text
from relay.routing.tree import in_branch
from relay.wire.branch import Branch


@dataclass(frozen=True, slots=True)
class Sources:
    """All words that this node has about agencies."""

    here: NodeId
    seed: Layer
    own: Mapping[AgencyCode, Agency] = field(default_factory=dict)
    nodes: Mapping[NodeId, NodeEntry] = field(default_factory=dict)
    branches: Mapping[NodeId, Branch] = field(default_factory=dict)
    """What owners signed, this node's own document left aside: `own` and `nodes` are what it is of."""

    def tree(self) -> dict[NodeId, NodeEntry]:
        """Every node that anybody speaks of, the later words over the earlier."""
        nodes = {entry.node_id: entry for entry in self.seed.nodes}
        for branch in self.branches.values():
            nodes.update((entry.node_id, entry) for entry in branch.nodes)
        return {**nodes, **self.nodes}

    def concern_branch(self, before: Sources, new: Iterable[Agency]) -> bool:
        """Whether these new records change what this node says of its branch."""
        nodes = self.tree()
        for agency in new:
            old = before.own.get(agency.code)
            if old == agency:
                continue
            served = (agency.node,) if old is None else (agency.node, old.node)
            if any(in_branch(nodes, self.here, node) for node in served):
                return True
        return False

    def split(self) -> tuple[tuple[Agency, ...], Layer]:
        """What was decided here: about others' agencies, and, as an owner's word, about this branch."""
        nodes = self.tree()
        others: list[Agency] = []
        ours: list[Agency] = []
        for agency in self.own.values():
            (ours if in_branch(nodes, self.here, agency.node) else others).append(agency)
        below = [
            entry for entry in self.nodes.values() if in_branch(nodes, self.here, entry.node_id)
        ]
        return tuple(others), Layer(self.here, tuple(below), tuple(ours))


@dataclass(frozen=True, slots=True)
class Sight:
    book: Book
    changed: int
    """How many agencies look otherwise than before: those of the book's version."""
    remarks: tuple[str, ...]


def see(sources: Sources, ledger: Mapping[AgencyCode, Row], on: date, modified_ms: int) -> Sight:
    """The view of that day. `ledger` is the view before, with what had left it."""
    others, ours = sources.split()
    layers = [Layer(b.issuer, b.nodes, b.agencies) for b in sources.branches.values()]
    found = compose(sources.here, sources.seed, others, [*layers, ours])
    version = 1 + max((row.version for row in ledger.values()), default=0)
    rows = list(_compared(found.agencies, ledger, on, version, modified_ms))
    changed = sum(row.version == version for row in rows)
    return Sight(bind(found.nodes.values(), rows), changed, found.remarks)


def _compared(
    agencies: Mapping[AgencyCode, Agency],
    ledger: Mapping[AgencyCode, Row],
    on: date,
    version: int,
    modified_ms: int,
) -> Iterator[Row]:
    """In the order of codes: what is as it was with its stamp, what is not with a new one."""
    number = max((row.number for row in ledger.values()), default=0)
    for code in sorted({*agencies, *ledger}):
        agency, before = agencies.get(code), ledger.get(code)
        if agency is not None:
            standing, record = agency.standing(on).value, stored_text(agency)
        elif before is not None:
            standing, record = GONE, _tombstone(before)
        if before is not None and (before.standing, before.record) == (standing, record):
            yield before
            continue
        number += before is None
        own = number if before is None else before.number
        yield Row(code, record, own, version, modified_ms, standing)


def _tombstone(before: Row) -> str:
    if before.standing == GONE:
        return before.record
    return stored_text(replace(stored_agency(before.record), deleted=True))
