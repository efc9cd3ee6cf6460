"""Who takes part in the demo: four nodes in a line of four tiers, and the agencies they serve.

Every name is made up. The commune at the end of the line still has its district above it; the other
commune is of the three-tier kind, served by the province itself. Both forms of codes are used.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.demo.network import AgencyPlan, BridgePlan, NodePlan
from relay.model import Party, Tier

CENTRAL = "trung-uong"
PROVINCE = "tinh-h01"
DISTRICT = "huyen-h01-15"
COMMUNE = "xa-h01-15-02"
MINISTRY_NODE, BRIDGE = "bo-g22", "truc-bo-g22"

MINISTRY = AgencyPlan("G22", "Bộ Mẫu", Tier.CENTRAL, old_code="000.00.00.G22")
PEOPLES_COMMITTEE = AgencyPlan("H01", "UBND tỉnh Mẫu", Tier.PROVINCE, old_code="000.00.00.H01")
NEW_COMMUNE = AgencyPlan("H01.151", "UBND xã Ba Cấp (tỉnh Mẫu)", Tier.COMMUNE)
DISTRICT_OFFICE = AgencyPlan("H01.15", "UBND huyện Mẫu", Tier.DISTRICT, old_code="000.00.15.H01")
GOVERNMENT_OFFICE = AgencyPlan("G01", "Văn phòng Mẫu", Tier.CENTRAL, old_code="000.00.00.G01")
OLD_COMMUNE = AgencyPlan(
    "H01.15.02",
    "UBND xã Bốn Cấp (huyện Mẫu, tỉnh Mẫu)",
    Tier.COMMUNE,
    old_code="000.02.15.H01",
    own_key=True,
)

NODES = (
    NodePlan(CENTRAL, Tier.CENTRAL, None, "trung-uong", (MINISTRY,)),
    NodePlan(PROVINCE, Tier.PROVINCE, CENTRAL, "tinh-h01", (PEOPLES_COMMITTEE, NEW_COMMUNE)),
    NodePlan(DISTRICT, Tier.DISTRICT, PROVINCE, "tinh-h01", (DISTRICT_OFFICE,)),
    NodePlan(COMMUNE, Tier.COMMUNE, DISTRICT, "tinh-h01", (OLD_COMMUNE,)),
)

QUICK = """\
[log]
public = true
publish_every = 0.5

[delivery]
retry_first = 0.2
retry_cap = 1.0
answer_within = 10.0
drain = 3.0"""
"""What a real node waits minutes for is over in a second here."""


@dataclass(frozen=True, slots=True)
class Office:
    """An agency with its document-management system: where it is served, how it writes itself."""

    node: str
    agency: AgencyPlan
    written: str

    @property
    def party(self) -> Party:
        return Party(
            organ_id=self.written,
            organ_name=self.agency.name,
            organization_in_charge=self.agency.name,
            organ_add="Địa chỉ mẫu",
            email="vanthu@example.invalid",
        )

    @property
    def codes(self) -> frozenset[str]:
        """Every code it may be addressed by."""
        return frozenset({self.agency.code, self.agency.old_code or self.agency.code})


@dataclass(frozen=True, slots=True)
class Cast:
    """Nodes, and the offices that documents go to."""

    nodes: tuple[NodePlan, ...]
    receivers: tuple[Office, ...]
    remote: str = ""
    """The bridge behind which a receiver lies; empty where all nodes are of one tree."""

    def beyond(self, office: Office) -> bool:
        """Whether its hop gives no evidence of its own."""
        return bool(self.remote) and office.node == MINISTRY_NODE


SENDER = Office(COMMUNE, OLD_COMMUNE, "000.02.15.H01")
RECEIVERS = (
    Office(CENTRAL, MINISTRY, "000.00.00.G22"),
    Office(PROVINCE, NEW_COMMUNE, "H01.151"),
)

PLAIN = Cast(NODES, RECEIVERS)
BRIDGED = Cast(
    (
        NodePlan(
            CENTRAL,
            Tier.CENTRAL,
            None,
            "trung-uong",
            (GOVERNMENT_OFFICE,),
            reached=(MINISTRY,),
            bridge=BridgePlan(BRIDGE, MINISTRY_NODE),
        ),
        *NODES[1:],
        NodePlan(
            MINISTRY_NODE,
            Tier.CENTRAL,
            None,
            "bo-g22",
            (MINISTRY,),
            reached=(
                GOVERNMENT_OFFICE,
                PEOPLES_COMMITTEE,
                NEW_COMMUNE,
                DISTRICT_OFFICE,
                OLD_COMMUNE,
            ),
            tree="bo-g22",
        ),
    ),
    (Office(MINISTRY_NODE, MINISTRY, "000.00.00.G22"), RECEIVERS[1]),
    BRIDGE,
)
"""The ministry has a node and a tree of its own, which the centre reaches by its axis face alone."""
