"""Where a recipient's document goes next, from here.

The tree of nodes decides, never the letters of a code: a code gives only form, level and parent.
What lies in this node's own branch is never sent to its uplink, known or not.

Touches: nothing. Trusts: the directory.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.envelope.codes import is_ancestor
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
class BridgeRoute:
    """A remote that only speaks the axis dialect, and whom it leads to."""

    name: NodeId
    agencies: frozenset[AgencyCode]
    """In the directory's form; unlisted codes below one of them go the same way."""
    everything_else: bool = False
    """Whatever is not in this node's branch, as an uplink."""


@dataclass(frozen=True, slots=True)
class Place:
    """This node and whom it is linked to."""

    node: NodeId
    uplink: NodeId | None
    neighbours: frozenset[NodeId]
    unknown_to_uplink: bool = False
    """Whether codes that the directory does not list go up, to a node with a fuller directory."""
    bridges: tuple[BridgeRoute, ...] = ()

    @property
    def linked(self) -> frozenset[NodeId]:
        """Neighbours and bridges: whatever a delivery may wait for."""
        return self.neighbours | {bridge.name for bridge in self.bridges}

    @property
    def beyond(self) -> NodeId | None:
        """The bridge that stands for an uplink."""
        return next((bridge.name for bridge in self.bridges if bridge.everything_else), None)


def next_hop(directory: Directory, place: Place, recipient: AgencyCode) -> Hop:
    """The next hop of one recipient, asked anew at each first attempt."""
    agency = directory.find(recipient)
    if (bridge := _bridge_to(place, recipient if agency is None else agency.code)) is not None:
        return Via(bridge)
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
    if (up := place.uplink or place.beyond) is not None:
        return Via(up)
    return NoRoute(Reason.UNREACHABLE, f"no link leads to node {agency.node}")


def _unlisted(directory: Directory, place: Place, recipient: AgencyCode) -> Hop:
    unknown = NoRoute(Reason.UNKNOWN_RECIPIENT, f"no agency {recipient} in the directory")
    for bridge in place.bridges:
        if any(is_ancestor(code, recipient) for code in bridge.agencies):
            return Via(bridge.name)
    up = place.uplink if place.unknown_to_uplink else None
    up = up or place.beyond
    if up is None or directory.in_branch_of(place.node, recipient):
        return unknown
    return Via(up)


def _bridge_to(place: Place, code: AgencyCode) -> NodeId | None:
    """Bridges are named by the operator of this very node, so they come before the tree."""
    return next((bridge.name for bridge in place.bridges if code in bridge.agencies), None)
