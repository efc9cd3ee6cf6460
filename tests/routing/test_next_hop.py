"""Where documents go: four tiers and three side by side, and never up from one's own branch."""

from __future__ import annotations

import pytest

from relay.errors import SettingsError
from relay.model import AgencyCode, NodeId, Reason, Tier
from relay.routing.directory import Agency, Directory, NodeEntry
from relay.routing.next_hop import Here, NoRoute, Place, Via, next_hop

N = NodeId
C = AgencyCode
TW, TINH, TINH2, HUYEN, XA = N("tw"), N("tinh"), N("tinh2"), N("huyen"), N("xa")

NODES = [
    NodeEntry(TW, Tier.CENTRAL),
    NodeEntry(TINH, Tier.PROVINCE, TW),
    NodeEntry(TINH2, Tier.PROVINCE, TW),
    NodeEntry(HUYEN, Tier.DISTRICT, TINH),
    NodeEntry(XA, Tier.COMMUNE, HUYEN),
]
AGENCIES = [
    Agency(C("G22"), "Bộ", Tier.CENTRAL, TW, C("000.00.00.G22")),
    Agency(C("H01"), "UBND tỉnh", Tier.PROVINCE, TINH, C("000.00.00.H01")),
    Agency(C("H01.9"), "UBND xã, 3 cấp", Tier.COMMUNE, TINH, C("000.00.09.H01")),
    Agency(C("H01.15"), "UBND huyện", Tier.DISTRICT, HUYEN, C("000.00.15.H01")),
    Agency(C("H01.15.02"), "UBND xã", Tier.COMMUNE, XA, C("000.02.15.H01")),
    Agency(C("H02"), "UBND tỉnh khác", Tier.PROVINCE, TINH2),
]
PLACES = {
    TW: Place(TW, None, frozenset({TINH, TINH2})),
    TINH: Place(TINH, TW, frozenset({TW, HUYEN})),
    HUYEN: Place(HUYEN, TINH, frozenset({TINH, XA})),
    XA: Place(XA, HUYEN, frozenset({HUYEN})),
}


@pytest.fixture(scope="module")
def directory() -> Directory:
    return Directory(NODES, AGENCIES)


@pytest.mark.parametrize(
    ("here", "to", "hop"),
    [
        (XA, "G22", Via(HUYEN)),
        (HUYEN, "G22", Via(TINH)),
        (TINH, "G22", Via(TW)),
        (TW, "G22", Here()),
        (TW, "H01.15.02", Via(TINH)),
        (TINH, "H01.15.02", Via(HUYEN)),
        (TINH, "H01.9", Here()),
        (XA, "H01.9", Via(HUYEN)),
        (TINH, "H02", Via(TW)),
        (TW, "H02", Via(TINH2)),
        (XA, "000.00.00.G22", Via(HUYEN)),
    ],
)
def test_the_tree_of_nodes_decides(
    directory: Directory, here: NodeId, to: str, hop: object
) -> None:
    """From every tier to every other, in both forms of the code."""
    assert next_hop(directory, PLACES[here], C(to)) == hop


def test_an_unknown_code_is_refused_where_the_directory_is_whole(directory: Directory) -> None:
    """Unless configured otherwise, what the directory does not list has no route."""
    hop = next_hop(directory, PLACES[XA], C("H99"))

    assert isinstance(hop, NoRoute)
    assert hop.reason is Reason.UNKNOWN_RECIPIENT


def test_an_unknown_code_may_go_up_but_never_from_its_own_branch(directory: Directory) -> None:
    """A node with a part of the directory asks above, except about its own branch."""
    place = Place(HUYEN, TINH, frozenset({TINH, XA}), unknown_to_uplink=True)

    assert next_hop(directory, place, C("H99")) == Via(TINH)
    assert isinstance(next_hop(directory, place, C("H01.15.77")), NoRoute)
    assert isinstance(next_hop(directory, place, C("000.77.15.H01")), NoRoute)


def test_a_node_below_that_is_no_neighbour_is_unreachable_and_not_sent_up() -> None:
    """A gap in one's own branch is an error here, not a reason to bother the uplink."""
    directory = Directory(NODES, AGENCIES)
    place = Place(TINH, TW, frozenset({TW}))

    hop = next_hop(directory, place, C("H01.15.02"))

    assert isinstance(hop, NoRoute)
    assert hop.reason is Reason.UNREACHABLE


def test_no_way_goes_back_and_forth(directory: Directory) -> None:
    """Following hops from any node to any agency ends at its node, without passing one twice."""
    for start in PLACES:
        for agency in AGENCIES:
            at, passed = start, [start]
            while isinstance(hop := next_hop(directory, PLACES[at], agency.code), Via):
                at = hop.neighbour
                if at not in PLACES:
                    break
                assert at not in passed
                passed.append(at)
            assert at == agency.node


def test_every_contradiction_is_named_at_once() -> None:
    """Unknown nodes, parents in a circle and doubled codes, together."""
    nodes = [
        NodeEntry(N("a"), Tier.CENTRAL, N("b")),
        NodeEntry(N("b"), Tier.CENTRAL, N("a")),
        NodeEntry(N("c"), Tier.CENTRAL, N("nobody")),
    ]
    agencies = [
        Agency(C("G01"), "x", Tier.CENTRAL, N("a")),
        Agency(C("G02"), "y", Tier.CENTRAL, N("elsewhere"), C("G01")),
    ]

    with pytest.raises(SettingsError) as caught:
        Directory(nodes, agencies)

    text = "\n".join(caught.value.problems)
    for part in (
        "own ancestor",
        "unknown parent nobody",
        "unknown node elsewhere",
        "G01 names two",
    ):
        assert part in text
