"""On which side of a link a node lies: what a neighbour may speak of, and what it may not.

Below a neighbour that is not our parent lies its own branch; behind our parent lies everything but
ours. A node that the directory does not list can only be somewhere above.

Touches: nothing. Trusts: the directory.
"""

from __future__ import annotations

from relay.model import NodeId
from relay.routing.directory import Directory


def lies_behind(directory: Directory, here: NodeId, neighbour: NodeId, node: NodeId) -> bool:
    """Whether what `node` says or sends can come to `here` through `neighbour`."""
    if node == neighbour:
        return True
    entry = directory.entry(here)
    upwards = entry is not None and entry.parent == neighbour
    if not directory.knows_node(node):
        return upwards
    if upwards:
        return node != here and directory.child_towards(here, node) is None
    return directory.child_towards(neighbour, node) is not None
