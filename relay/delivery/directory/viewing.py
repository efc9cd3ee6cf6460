"""What a node sees when it lays all words about agencies over each other, and what changed in that.

Touches: nothing. Trusts: its sources, each for what routing/composing.py lets it say.
Raises:  SettingsError when they cannot stand together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import blake2b

from relay.agencies import Agency, NodeEntry, Stamp
from relay.delivery.directory.ports import LedgerRow
from relay.model import AgencyCode, NodeId
from relay.routing.composing import Layer, compose
from relay.routing.directory import Directory
from relay.routing.listing import stored_agency, stored_text
from relay.routing.tree import in_branch
from relay.wire.branch import Branch

GONE = "gone"


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
class Entry:
    """What is remembered of one row of the ledger."""

    stamp: Stamp
    fingerprint: bytes
    gone: Agency | None = None


Ledger = dict[AgencyCode, Entry]


@dataclass(frozen=True, slots=True)
class Sight:
    directory: Directory
    ledger: Ledger
    rows: tuple[LedgerRow, ...]
    """What changed since the ledger before."""
    version: int
    remarks: tuple[str, ...]


def ledger_of(rows: tuple[LedgerRow, ...]) -> Ledger:
    """As it was stored."""
    return {
        row.code: Entry(
            row.stamp,
            _fingerprint(row.standing, row.record),
            stored_agency(row.record) if row.standing == GONE else None,
        )
        for row in rows
    }


def see(
    sources: Sources,
    ledger: Ledger,
    known: Mapping[AgencyCode, str],
    now: Directory,
    on: date,
    at: datetime,
) -> Sight:
    """The view of today. `known` has the records of what may have left it since the last start; of what
    leaves it later `now`, the view before, still has them."""
    others, ours = sources.split()
    layers = [Layer(b.issuer, b.nodes, b.agencies) for b in sources.branches.values()]
    found = compose(sources.here, sources.seed, others, [*layers, ours])
    after, rows = _compare(found.agencies, ledger, known, now, on, at)
    living = found.agencies.values()
    gone = [entry.gone for entry in after.values() if entry.gone is not None]
    stamps = {code: entry.stamp for code, entry in after.items()}
    directory = Directory(found.nodes.values(), [*living, *gone], stamps)
    version = max((entry.stamp.version for entry in after.values()), default=0)
    return Sight(directory, after, rows, version, found.remarks)


def _compare(
    agencies: Mapping[AgencyCode, Agency],
    ledger: Ledger,
    known: Mapping[AgencyCode, str],
    now: Directory,
    on: date,
    at: datetime,
) -> tuple[Ledger, tuple[LedgerRow, ...]]:
    version = 1 + max((entry.stamp.version for entry in ledger.values()), default=0)
    number = max((entry.stamp.number for entry in ledger.values()), default=0)
    after, rows = dict(ledger), []
    for code, agency in agencies.items():
        standing, record = agency.standing(on).value, stored_text(agency)
        fingerprint, before = _fingerprint(standing, record), ledger.get(code)
        if before is not None and before.fingerprint == fingerprint:
            continue
        number += before is None
        stamp = Stamp(number if before is None else before.stamp.number, version, at)
        after[code] = Entry(stamp, fingerprint)
        rows.append(LedgerRow(code, stamp, standing, record))
    for code, entry in ledger.items():
        if code in agencies or entry.gone is not None:
            continue
        row = _left(code, entry, known.get(code), now, Stamp(entry.stamp.number, version, at))
        if row is not None:
            after[code] = Entry(
                row.stamp, _fingerprint(GONE, row.record), stored_agency(row.record)
            )
            rows.append(row)
    return after, tuple(rows)


def _left(
    code: AgencyCode, entry: Entry, record: str | None, now: Directory, stamp: Stamp
) -> LedgerRow | None:
    agency = stored_agency(record) if record is not None else now.find(code)
    if agency is None or agency.code != code:
        return None
    return LedgerRow(code, stamp, GONE, stored_text(replace(agency, deleted=True)))


def _fingerprint(standing: str, record: str) -> bytes:
    return blake2b(f"{standing} {record}".encode(), digest_size=16).digest()
