"""The tree of nodes as a plain table: who lies in whose branch, and how deep.

Touches: nothing. Trusts: nothing; a table with a circle in it is walked once around at the most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from relay.agencies import NodeEntry
from relay.model import NodeId

Nodes = Mapping[NodeId, NodeEntry]


def way_up(nodes: Nodes, node: NodeId) -> Iterator[NodeId]:
    """The node itself and those above it, as far as they are listed."""
    seen: set[NodeId] = set()
    at: NodeId | None = node
    while at is not None and at not in seen and (entry := nodes.get(at)) is not None:
        yield at
        seen.add(at)
        at = entry.parent


def in_branch(nodes: Nodes, top: NodeId, node: NodeId) -> bool:
    """Whether `node` is `top` or lies below it."""
    return top in way_up(nodes, node)


def depth(nodes: Nodes, node: NodeId) -> int:
    """0 where the node is not listed, 1 at the top."""
    return sum(1 for _ in way_up(nodes, node))


def loops(nodes: Nodes, node: NodeId) -> bool:
    """Whether a node is, through its parents, its own ancestor (or leads into a circle)."""
    last = node
    for last in way_up(nodes, node):  # noqa: B007  the last one is what is asked for
        pass
    parent = nodes[last].parent if last in nodes else None
    return parent is not None and parent in nodes
