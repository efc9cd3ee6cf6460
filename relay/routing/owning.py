"""What the owner of a branch may say: of nodes below it and of agencies that are its own.

An agency is its own when its node lies in the branch, and each of its codes is either listed there
now, or listed nowhere and lies under a code that is. Codes under nobody's are the top node's to give.
So no commune can say of itself that it is the ministry, nor of its neighbour that it is closed.

Touches: nothing. Trusts: the directory as it is now; the layer is a neighbour's word.
Raises:  nothing; a sentence for each objection, a few at the most.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from relay.agencies import Agency, NodeEntry
from relay.envelope.codes import normalise
from relay.errors import EnvelopeError
from relay.model import AgencyCode, NodeId
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.routing.tree import Nodes, in_branch, loops

MOST = 5
MANY = 1000


def objections(directory: Directory, layer: Layer) -> tuple[str, ...]:
    """Empty when the whole layer is its issuer's to say."""
    issuer = layer.issuer
    if issuer is None or not directory.knows_node(issuer):
        return (f"owner {issuer} is not in the directory",)
    nodes = {**directory.nodes, **{entry.node_id: entry for entry in layer.nodes}}
    found = (*islice(_of_nodes(directory, issuer, layer, nodes), MOST),)
    if found:
        return found
    return (*islice(_of_agencies(directory, issuer, layer, nodes), MOST),)


def _of_nodes(
    directory: Directory, issuer: NodeId, layer: Layer, nodes: dict[NodeId, NodeEntry]
) -> Iterator[str]:
    for entry in layer.nodes:
        name = entry.node_id
        known = directory.knows_node(name) and not in_branch(directory.nodes, issuer, name)
        if name == issuer or known:
            yield f"node {name} is not below {issuer}"
        elif loops(nodes, name) or not in_branch(nodes, issuer, name):
            yield f"node {name} would not lie below {issuer}"


def _of_agencies(
    directory: Directory, issuer: NodeId, layer: Layer, nodes: dict[NodeId, NodeEntry]
) -> Iterator[str]:
    top = nodes[issuer].parent is None
    below, ours = _Within(nodes, issuer), _Within(directory.nodes, issuer)
    known = directory.forms_served_within(issuer) if len(layer.agencies) > MANY else set[str]()
    for agency in layer.agencies:
        if not below[agency.node]:
            yield f"agency {agency.code} is served by {agency.node}, outside the branch of {issuer}"
        else:
            yield from _of_codes(directory, issuer, agency, known, None if top else ours)


class _Within(dict[NodeId, bool]):
    """Of each node whether it lies in the branch: found out once, asked a hundred thousand times."""

    def __init__(self, nodes: Nodes, top: NodeId) -> None:
        super().__init__()
        self._nodes, self._top = nodes, top

    def __missing__(self, node: NodeId) -> bool:
        found = self[node] = in_branch(self._nodes, self._top, node)
        return found


def _of_codes(
    directory: Directory, issuer: NodeId, agency: Agency, known: set[str], ours: _Within | None
) -> Iterator[str]:
    """`known`: what is its own for sure. `ours` None for the top node, to whom every code is (W9.7)."""
    for form in agency.forms:
        if form in known:
            continue
        if not _canonical(form):
            yield f"code {form} is not in its canonical form"
        elif ours is not None:
            owner = _owner(directory, form)
            if owner is None or not ours[owner.node]:
                yield _not_own(issuer, form, owner)


def _owner(directory: Directory, form: AgencyCode) -> Agency | None:
    """Whose the code is. The tombstone of an agency whose node left the tree says nothing of that."""
    found = directory.find(form)
    if found is None or (found.deleted and not directory.knows_node(found.node)):
        return directory.nearest_above(form)
    return found


def _canonical(code: AgencyCode) -> bool:
    try:
        return normalise(code) == code
    except EnvelopeError:
        return False


def _not_own(issuer: NodeId, form: AgencyCode, owner: Agency | None) -> str:
    whose = "under no code of its" if owner is None else f"{owner.node}'s to give"
    return f"code {form} is not {issuer}'s: it is {whose}"
