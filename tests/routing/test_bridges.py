"""Whom a bridge leads to: its own agencies, what lies below them, and where it stands for an uplink."""

from __future__ import annotations

from relay.model import AgencyCode, NodeId, Tier
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.routing.next_hop import BridgeRoute, Here, NoRoute, Place, Via, next_hop

HERE, BELOW, AXIS, GATE = NodeId("tw"), NodeId("tinh"), NodeId("truc"), NodeId("cong")
DIRECTORY = Directory(
    (NodeEntry(HERE, Tier.CENTRAL), NodeEntry(BELOW, Tier.PROVINCE, HERE)),
    (
        Agency(AgencyCode("G01"), "Văn phòng", Tier.CENTRAL, HERE),
        Agency(AgencyCode("G22"), "Bộ", Tier.CENTRAL, HERE, AgencyCode("000.00.00.G22")),
        Agency(AgencyCode("G22.01"), "Cục", Tier.CENTRAL, HERE),
        Agency(AgencyCode("H01"), "Tỉnh", Tier.PROVINCE, BELOW),
    ),
)


def _hop(code: str, *, everything_else: bool = False, uplink: NodeId | None = None) -> object:
    bridges = (
        BridgeRoute(GATE, frozenset({AgencyCode("G22"), AgencyCode("K09")})),
        BridgeRoute(AXIS, frozenset(), everything_else),
    )
    linked = frozenset({BELOW} | ({uplink} if uplink else set()))
    return next_hop(DIRECTORY, Place(HERE, uplink, linked, bridges=bridges), AgencyCode(code))


def test_an_agency_of_a_bridge_goes_there_by_either_code() -> None:
    """Though the directory has it at this node."""
    assert _hop("G22") == _hop("000.00.00.G22") == Via(GATE)


def test_what_is_listed_below_a_bridged_agency_keeps_its_own_way() -> None:
    """An unlisted code below it goes over the bridge."""
    assert _hop("G22.01") == Here()
    assert _hop("G22.77") == _hop("K09.3") == Via(GATE)


def test_everything_else_is_what_lies_outside_the_branch() -> None:
    """A code of the own branch is never sent out, known or not."""
    assert _hop("H63", everything_else=True) == Via(AXIS)
    assert _hop("H01", everything_else=True) == Via(BELOW)
    assert isinstance(_hop("H01.99", everything_else=True), NoRoute)


def test_a_bridge_without_everything_else_takes_nothing_else() -> None:
    """What nobody lists stays unknown."""
    assert isinstance(_hop("H63"), NoRoute)
