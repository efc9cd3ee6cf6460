"""Whom a bridge leads to: its own agencies, what lies below them, and where it stands for an uplink."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from relay.delivery.directory.explaining import explain
from relay.delivery.directory.succession import told_beyond
from relay.model import AgencyCode, NodeId, Reason, Tier
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.routing.next_hop import BridgeRoute, Here, NoRoute, Place, Via, next_hop, where

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


CLOSING = date(2025, 3, 1)
MERGED = Directory(
    DIRECTORY.nodes.values(),
    (
        Agency(
            AgencyCode("G09"), "Bộ cũ", Tier.CENTRAL, HERE, AgencyCode("000.00.00.G09"),
            valid_to=CLOSING, successors=(AgencyCode("G22"),),
        ),
        Agency(AgencyCode("G22"), "Bộ", Tier.CENTRAL, HERE, AgencyCode("000.00.00.G22")),
    ),
)  # fmt: skip
BEHIND = Place(
    HERE,
    None,
    frozenset({BELOW}),
    bridges=(BridgeRoute(GATE, frozenset({AgencyCode("G09"), AgencyCode("G22")})),),
    today=lambda: CLOSING,
)
FORWARDING = replace(BEHIND, forwards=True)


def test_a_closed_agency_behind_a_bridge_is_refused_with_its_successor() -> None:
    """The directory is asked before the bridge; until the day before, the document goes out."""
    hop = next_hop(MERGED, BEHIND, AgencyCode("G09"))
    assert isinstance(hop, NoRoute)
    assert hop.reason is Reason.CLOSED_RECIPIENT
    assert hop.detail == "G09 is closed since 2025-03-01, successor G22"
    before = replace(BEHIND, today=lambda: date(2025, 2, 28))
    assert next_hop(MERGED, before, AgencyCode("G09")) == Via(GATE)


def test_what_is_forwarded_over_a_bridge_names_the_successor() -> None:
    """The remote knows nothing of our directory: a closed code it would refuse. Any other stays as it
    was written."""
    assert next_hop(MERGED, FORWARDING, AgencyCode("G09")) == Via(GATE)
    assert told_beyond(MERGED, FORWARDING, AgencyCode("G22"), "000.00.00.G09") == "G22"
    assert told_beyond(MERGED, FORWARDING, AgencyCode("G09"), "G09") == "G22"
    assert told_beyond(MERGED, FORWARDING, AgencyCode("G22"), "000.00.00.G22") == "000.00.00.G22"
    assert told_beyond(MERGED, BEHIND, AgencyCode("G22.9"), "G22.9") == "G22.9"


def test_a_closed_agency_still_lies_where_it_lay() -> None:
    """What it sent before its end may arrive after it."""
    assert where(MERGED, BEHIND, AgencyCode("G09")) == Via(GATE)


def test_a_bridge_leads_to_an_agency_by_whichever_code_it_was_configured() -> None:
    """The directory may have come to know the agency by its other code since the node started."""
    old = replace(BEHIND, bridges=(BridgeRoute(GATE, frozenset({AgencyCode("000.00.00.G22")})),))
    assert next_hop(MERGED, old, AgencyCode("G22")) == Via(GATE)


def test_explain_tells_of_the_bridge() -> None:
    """Neither an uplink nor a node of the directory."""
    told = explain(MERGED, BEHIND, "G22")
    assert told.next_hop == GATE
    assert told.sentences[-1].endswith(f"goes to {GATE}, a bridge that is set to lead to it.")
