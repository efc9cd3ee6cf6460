"""Where a recipient's document goes next, from here.

The tree of nodes decides, never the letters of a code: a code gives only form, level and parent.
What lies in this node's own branch is never sent to its uplink, known or not.

Touches: nothing. Trusts: the directory.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.model import AgencyCode, NodeId, Reason
from relay.routing.directory import Directory


@dataclass(frozen=True, slots=True)
class Here:
    """Served by this node."""


@dataclass(frozen=True, slots=True)
class Via:
    neighbour: NodeId


@dataclass(frozen=True, slots=True)
class NoRoute:
    reason: Reason
    detail: str


Hop = Here | Via | NoRoute


@dataclass(frozen=True, slots=True)
class Place:
    """This node and whom it is linked to."""

    node: NodeId
    uplink: NodeId | None
    neighbours: frozenset[NodeId]
    unknown_to_uplink: bool = False
    """Whether codes that the directory does not list go up, to a node with a fuller directory."""


def next_hop(directory: Directory, place: Place, recipient: AgencyCode) -> Hop:
    """The next hop of one recipient, asked anew at each first attempt."""
    agency = directory.find(recipient)
    if agency is None:
        return _unlisted(directory, place, recipient)
    if agency.node == place.node:
        return Here()
    if agency.node in place.neighbours:
        return Via(agency.node)
    child = directory.child_towards(place.node, agency.node)
    if child is not None:
        if child in place.neighbours:
            return Via(child)
        return NoRoute(Reason.UNREACHABLE, f"node {child} below this one is not a neighbour")
    if place.uplink is not None:
        return Via(place.uplink)
    return NoRoute(Reason.UNREACHABLE, f"no link leads to node {agency.node}")


def _unlisted(directory: Directory, place: Place, recipient: AgencyCode) -> Hop:
    unknown = NoRoute(Reason.UNKNOWN_RECIPIENT, f"no agency {recipient} in the directory")
    if not place.unknown_to_uplink or place.uplink is None:
        return unknown
    if directory.in_branch_of(place.node, recipient):
        return unknown
    return Via(place.uplink)
