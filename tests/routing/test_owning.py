"""Whose a code is, where the one that had it has left the tree."""

from __future__ import annotations

from dataclasses import replace

from relay.agencies import Agency, NodeEntry
from relay.model import AgencyCode, NodeId, Tier
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.routing.owning import objections

N, C = NodeId, AgencyCode
NODES = (
    NodeEntry(N("tw"), Tier.CENTRAL),
    NodeEntry(N("tinh"), Tier.PROVINCE, N("tw")),
    NodeEntry(N("xa"), Tier.COMMUNE, N("tinh")),
)
PROVINCE = Agency(C("H01"), "Tỉnh Mẫu", Tier.PROVINCE, N("tinh"))
COMMUNE = Agency(C("H01.7"), "Xã Mẫu", Tier.COMMUNE, N("xa"))


def _objections(tombstone: Agency) -> tuple[str, ...]:
    directory = Directory(NODES, [PROVINCE, replace(tombstone, deleted=True)])
    return objections(directory, Layer(N("tinh"), (), (COMMUNE,)))


def test_the_code_of_an_agency_that_left_with_its_node_is_given_by_whoever_is_above_it() -> None:
    assert _objections(replace(COMMUNE, node=N("gone"))) == ()


def test_the_code_of_an_agency_that_left_another_node_is_still_that_ones() -> None:
    assert "tw's to give" in _objections(replace(COMMUNE, node=N("tw")))[0]
