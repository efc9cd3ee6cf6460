"""Which side of a link a node lies on."""

from __future__ import annotations

import pytest

from relay.model import NodeId, Tier
from relay.routing.behind import lies_behind
from relay.routing.directory import Directory, NodeEntry

N = NodeId
DIRECTORY = Directory(
    [
        NodeEntry(N("tw"), Tier.CENTRAL),
        NodeEntry(N("tinh"), Tier.PROVINCE, N("tw")),
        NodeEntry(N("tinh2"), Tier.PROVINCE, N("tw")),
        NodeEntry(N("huyen"), Tier.DISTRICT, N("tinh")),
        NodeEntry(N("xa"), Tier.COMMUNE, N("huyen")),
        NodeEntry(N("xb"), Tier.COMMUNE, N("huyen")),
    ],
    [],
)


@pytest.mark.parametrize(
    ("here", "neighbour", "node", "behind"),
    [
        ("huyen", "xa", "xa", True),
        ("huyen", "xa", "xb", False),
        ("huyen", "xa", "tw", False),
        ("huyen", "tinh", "tw", True),
        ("huyen", "tinh", "tinh2", True),
        ("huyen", "tinh", "xa", False),
        ("huyen", "tinh", "huyen", False),
        ("tinh", "huyen", "xa", True),
        ("tw", "tinh", "xb", True),
        ("tw", "tinh", "tinh2", False),
        ("huyen", "tinh", "unlisted", True),
        ("huyen", "xa", "unlisted", False),
    ],
)
def test_a_link_has_two_sides(here: str, neighbour: str, node: str, behind: bool) -> None:
    """A branch below, everything else above, and what nobody lists above too."""
    assert lies_behind(DIRECTORY, N(here), N(neighbour), N(node)) is behind
