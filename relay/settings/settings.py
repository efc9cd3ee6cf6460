"""A node's whole configuration.

Touches: nothing by itself; its sections do.
"""

from __future__ import annotations

from pydantic import field_validator

from relay.model import NodeId
from relay.routing.composing import Layer
from relay.routing.directory import Directory
from relay.settings.bridges import BridgeSection
from relay.settings.directory import directory_of, seed_of
from relay.settings.outputs import LoggingSection
from relay.settings.revocation import RevocationSection
from relay.settings.sections import (
    ArchiveSection,
    BusinessSection,
    DeliverySection,
    DirectorySection,
    KeysSection,
    LimitsSection,
    ListenSection,
    NeighbourSection,
    NodeSection,
    RetentionSection,
    Section,
    SystemSection,
    TrustSection,
)
from relay.settings.signatures import SignaturesSection
from relay.settings.statistics import StatisticsSection
from relay.settings.timestamps import TimestampsSection
from relay.settings.witnesses import AuditLogSection


class Settings(Section):
    """A node's whole configuration; see config/ for commented samples."""

    node: NodeSection
    listen: ListenSection
    keys: KeysSection
    trust: TrustSection
    directory: DirectorySection
    neighbours: tuple[NeighbourSection, ...] = ()
    systems: tuple[SystemSection, ...] = ()
    bridges: tuple[BridgeSection, ...] = ()
    limits: LimitsSection = LimitsSection()
    delivery: DeliverySection = DeliverySection()
    business: BusinessSection = BusinessSection()
    retention: RetentionSection = RetentionSection()
    archive: ArchiveSection = ArchiveSection()
    revocation: RevocationSection = RevocationSection()
    signatures: SignaturesSection = SignaturesSection()
    timestamps: TimestampsSection = TimestampsSection()
    statistics: StatisticsSection = StatisticsSection()
    log: AuditLogSection = AuditLogSection()
    logging: LoggingSection = LoggingSection()

    @field_validator("neighbours")
    @classmethod
    def _one_uplink(cls, found: tuple[NeighbourSection, ...]) -> tuple[NeighbourSection, ...]:
        if len({n.id for n in found}) < len(found):
            raise ValueError("a neighbour is listed twice")
        if sum(n.relation == "uplink" for n in found) > 1:
            raise ValueError("more than one uplink")
        return found

    @property
    def uplink(self) -> NodeId | None:
        return next((NodeId(n.id) for n in self.neighbours if n.relation == "uplink"), None)

    def make_directory(self) -> Directory:
        """From the files and the section itself. Raises SettingsError."""
        return directory_of(self.directory)

    def make_seed(self) -> Layer:
        """The same, as the layer on which what came later is laid. Raises SettingsError."""
        return seed_of(self.directory)
