"""One directory out of what several say: the configuration, this node, and the owners of branches.

From weak to strong: the configuration; what was imported here about other branches; then what the
owners of branches say of what lies in them, this node among them, the deepest first, so that the
word of the tier above holds. Nobody is heard about what lies outside its own branch.

Touches: nothing. Trusts: that each layer is by whom it says; judges what that one may say.
Raises:  nothing; what cannot stand beside stronger words is left out, with a remark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from relay.agencies import Agency, NodeEntry
from relay.model import AgencyCode, NodeId
from relay.routing.tree import depth, in_branch, loops

MOST_REMARKS = 20


@dataclass(frozen=True, slots=True)
class Layer:
    """What one owner says; `issuer` None for the configuration, which may speak of everything."""

    issuer: NodeId | None
    nodes: tuple[NodeEntry, ...]
    agencies: tuple[Agency, ...]


@dataclass(frozen=True, slots=True)
class Composition:
    nodes: dict[NodeId, NodeEntry]
    agencies: dict[AgencyCode, Agency]
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Merging:
    records: dict[AgencyCode, Agency] = field(default_factory=dict)
    holders: dict[AgencyCode, AgencyCode] = field(default_factory=dict)
    """Of each form the code of the record that has it."""

    def put(self, agency: Agency) -> None:
        """It takes the place of whatever has one of its codes."""
        known = self.records.get(agency.code)
        if known is not None and known.old_code is not None:
            self.holders.pop(known.old_code, None)
        for form in agency.forms:
            holder = self.holders.get(form)
            if holder is not None and holder != agency.code:
                self._make_room(form, holder)
            self.holders[form] = agency.code
        self.records[agency.code] = agency

    def _make_room(self, form: AgencyCode, holder: AgencyCode) -> None:
        other = self.records[holder]
        if form != holder:
            self.records[holder] = replace(other, old_code=None)
            return
        del self.records[holder]
        for its in other.forms:
            if self.holders.get(its) == holder:
                del self.holders[its]


def compose(
    here: NodeId, seed: Layer, imported: Iterable[Agency], layers: Sequence[Layer]
) -> Composition:
    """`layers` are those of branch owners, this node's own among them."""
    remarks: list[str] = []
    nodes = {entry.node_id: entry for entry in seed.nodes}
    ordered = _add_nodes(here, nodes, layers, remarks)
    merging = _Merging()
    for agency in seed.agencies:
        merging.put(agency)
    for agency in imported:
        if agency.node in nodes:
            merging.put(agency)
        else:
            remarks.append(f"{agency.code}: its node {agency.node} is not known")
    for layer in reversed(ordered):
        _add_agencies(merging, nodes, layer, remarks)
    return Composition(nodes, merging.records, tuple(remarks[:MOST_REMARKS]))


def _add_nodes(
    here: NodeId, nodes: dict[NodeId, NodeEntry], layers: Sequence[Layer], remarks: list[str]
) -> list[Layer]:
    """From the top down: an owner may stand in the tree only by the word of one above it. The layers
    in that order, without those of nodes that nobody has placed."""
    coming, ordered, pinned = list(layers), [], {here}
    while ready := [one for one in coming if one.issuer is not None and one.issuer in nodes]:
        layer = min(ready, key=lambda one: (depth(nodes, NodeId(one.issuer or "")), one.issuer))
        coming.remove(layer)
        ordered.append(layer)
        for entry in layer.nodes:
            _add_node(nodes, layer, entry, pinned, remarks)
    remarks += [f"owner {layer.issuer} is not in the tree" for layer in coming]
    return ordered


def _add_node(
    nodes: dict[NodeId, NodeEntry],
    layer: Layer,
    entry: NodeEntry,
    pinned: set[NodeId],
    remarks: list[str],
) -> None:
    name, issuer = entry.node_id, NodeId(layer.issuer or "")
    if name in pinned or nodes.get(name) == entry:
        return
    before = nodes.get(name)
    nodes[name] = entry
    outside = before is not None and (name == issuer or not _below(nodes, issuer, before))
    if outside or loops(nodes, name) or not _below(nodes, issuer, entry):
        remarks.append(f"{issuer} cannot place node {name}")
        if before is None:
            del nodes[name]
        else:
            nodes[name] = before
        return
    pinned.add(name)


def _below(nodes: dict[NodeId, NodeEntry], issuer: NodeId, entry: NodeEntry) -> bool:
    return entry.parent is not None and in_branch(nodes, issuer, entry.parent)


def _add_agencies(
    merging: _Merging, nodes: dict[NodeId, NodeEntry], layer: Layer, remarks: list[str]
) -> None:
    issuer = NodeId(layer.issuer or "")
    own: dict[NodeId, bool] = {}
    for agency in layer.agencies:
        node = agency.node
        if node not in own:
            own[node] = in_branch(nodes, issuer, node)
        if own[node]:
            merging.put(agency)
        elif len(remarks) < MOST_REMARKS:
            remarks.append(f"{issuer} cannot speak for {agency.code}, served by {node}")
