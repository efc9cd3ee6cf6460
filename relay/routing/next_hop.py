"""Where a recipient's document goes next, from here.

The tree of nodes decides, never the letters of a code: a code gives only form, level and parent.
What lies in this node's own branch is never sent to its uplink, known or not. A code that is closed,
or not open yet, is refused with who stands for it, or its document goes there, as configured.
What the operator of this node named a bridge for goes over it, wherever the tree would lead.

Touches: nothing. Trusts: the directory, and the day that its place says it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from relay.agencies import Standing, day_of
from relay.envelope.codes import is_ancestor
from relay.errors import Trouble
from relay.model import AgencyCode, NodeId, Reason
from relay.routing.directory import Agency, Directory


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
    trouble: Trouble | None = None
    """What the directory says of the code, where that helps whoever wrote it."""


Hop = Here | Via | NoRoute


def _today() -> date:
    return day_of(datetime.now(UTC))


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
    forwards: bool = False
    """Whether what is for a closed code goes to its one successor."""
    today: Callable[[], date] = _today

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
    if agency is None:
        return _unlisted(directory, place, recipient)
    if agency.dated:
        on = place.today()
        standing = agency.standing(on)
        if standing is not Standing.OPEN:
            heir = directory.heir(agency, on) if place.forwards else None
            if heir is None:
                return closed(directory, agency, standing, recipient)
            agency = heir
    return _to_agency(directory, place, agency)


def where(directory: Directory, place: Place, code: AgencyCode) -> Hop:
    """On which side of this node an agency lies, open or closed: who may speak for it from there."""
    agency = directory.find(code)
    if agency is None:
        return _unlisted(directory, place, code)
    return _to_agency(directory, place, agency)


def _to_agency(directory: Directory, place: Place, agency: Agency) -> Hop:
    """Bridges are named by the operator of this very node, so they come before the tree."""
    for bridge in place.bridges:
        if not bridge.agencies.isdisjoint(agency.forms):
            return Via(bridge.name)
    return towards(directory, place, agency.node)


def towards(directory: Directory, place: Place, node: NodeId) -> Hop:
    """The way to a node, down or up the tree."""
    if node == place.node:
        return Here()
    if node in place.neighbours:
        return Via(node)
    child = directory.child_towards(place.node, node)
    if child is not None:
        if child in place.neighbours:
            return Via(child)
        return NoRoute(Reason.UNREACHABLE, f"node {child} below this one is not a neighbour")
    if (up := place.uplink or place.beyond) is not None:
        return Via(up)
    return NoRoute(Reason.UNREACHABLE, f"no link leads to node {node}")


def closed(directory: Directory, agency: Agency, standing: Standing, written: str) -> NoRoute:
    """The refusal that names who stands for a code that is not open."""
    if standing is Standing.CLOSED:
        since = "" if agency.valid_to is None else agency.valid_to.isoformat()
        trouble = Trouble("closed", written, since, tuple(agency.successors))
    else:
        since = "" if agency.valid_from is None else agency.valid_from.isoformat()
        trouble = Trouble("not-yet", written, since, directory.predecessors(agency))
    return NoRoute(Reason.CLOSED_RECIPIENT, str(trouble), trouble)


def _unlisted(directory: Directory, place: Place, recipient: AgencyCode) -> Hop:
    """Over the bridge to whom it belongs, or up; else unknown, with what it may mean."""
    if (bridge := _bridge_of_unlisted(place, recipient)) is not None:
        return Via(bridge)
    up = place.uplink if place.unknown_to_uplink else None
    up = up or place.beyond
    if up is not None and not directory.in_branch_of(place.node, recipient):
        return Via(up)
    other = directory.other_form(recipient)
    trouble = Trouble("unknown", recipient, "", () if other is None else (other.code,))
    return NoRoute(Reason.UNKNOWN_RECIPIENT, str(trouble), trouble if other else None)


def _bridge_of_unlisted(place: Place, code: AgencyCode) -> NodeId | None:
    """By name first: a code may lie below one bridge's agency and be named by another."""
    for bridge in place.bridges:
        if code in bridge.agencies:
            return bridge.name
    for bridge in place.bridges:
        if any(is_ancestor(above, code) for above in bridge.agencies):
            return bridge.name
    return None
